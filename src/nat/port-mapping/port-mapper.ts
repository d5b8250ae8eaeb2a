/**
 * Ports of this host on the gateways in front of it: mapped in whatever protocol a gateway speaks, kept while networks change,
 * removed at the end. `docs/nat.md` shows how to use it.
 */

import { EarshotError } from '../../errors.ts'
import { ANNOUNCEMENT_INTERVAL_MS, MAX_PORT_MAPPINGS } from '../../limits.ts'
import type { Timer } from '../../platform/clock.ts'
import { canonicalIp } from '../../platform/ip-address.ts'
import type { AddressFamily, SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { Announcements } from './announcements.ts'
import { type EstablishOptions, establish } from './establish.ts'
import { reachableGateways } from './internal-address.ts'
import type { MappingRequest } from './mapping-service.ts'
import { PCP_NONCE_BYTES } from './pcp-message.ts'
import { PortMapping } from './port-mapping.ts'
import { type CheckedMapOptions, checkMapOptions, type MapOptions } from './port-mapping-options.ts'

/** RFC 6887 section 8.5: so that not every client of a router that was started again asks at the same time. */
const LONGEST_RENEWAL_WAIT_MS = 5_000

const mappers = new WeakMap<Platform, PortMapper>()

/**
 * The mapper of a platform: its mappings share what is heard of gateways, and their limit. `hold` keeps the process alive
 * while there are mappings.
 */
export function portMapperOf(platform: Platform, hold?: () => () => void): PortMapper {
  const mapper = mappers.get(platform) ?? new PortMapper(platform, hold)
  mappers.set(platform, mapper)
  return mapper
}

export class PortMapper {
  readonly #platform: Platform
  readonly #hold: (() => () => void) | undefined
  readonly #mappings = new Set<PortMapping>()
  readonly #announcements = new Map<string, Announcements>()
  readonly #making = new Set<AbortController>()
  #stopWatching: (() => void) | undefined
  #release: (() => void) | undefined
  #renewal: Timer | undefined
  #renewedAt = -Infinity
  #isClosed = false

  constructor(platform: Platform, hold?: () => () => void) {
    this.#platform = platform
    this.#hold = hold
  }

  get mappings(): readonly PortMapping[] {
    return [...this.#mappings]
  }

  /**
   * Maps a port. Rejects with `no-network` where there is no router, `refused` where one said no (`reason` is its word),
   * `unreachable` where none answered, `limit-reached` for too many mappings; `attempts` has each protocol and gateway that
   * was tried. With `signal.reason` when aborted; after that, `signal` closes nothing.
   */
  async map(options: MapOptions): Promise<PortMapping> {
    const checked = checkMapOptions(options)
    checked.signal?.throwIfAborted()
    if (this.#isClosed) throw closed()
    if (this.#mappings.size + this.#making.size >= MAX_PORT_MAPPINGS)
      throw new EarshotError('limit-reached', `a program maps at most ${MAX_PORT_MAPPINGS} ports`)
    const aborted = new AbortController()
    const onAbort = () => aborted.abort(checked.signal!.reason)
    checked.signal?.addEventListener('abort', onAbort)
    this.#making.add(aborted)
    try {
      return await this.#make(checked, aborted.signal)
    } finally {
      this.#making.delete(aborted)
      checked.signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Removes all mappings on their gateways, for at most a second. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const aborted of this.#making) aborted.abort(closed())
    await Promise.all(this.mappings.map(mapping => mapping.close()))
    this.#leave()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #make(options: CheckedMapOptions, signal: AbortSignal): Promise<PortMapping> {
    const request = this.#request(options)
    const first = await establish(this.#establishing(options, request, signal))
    const mapping = new PortMapping({
      platform: this.#platform,
      family: options.family,
      request,
      first,
      establish: (wanted, again) => establish(this.#establishing(options, towards(request, wanted), again)),
      onChange: options.onChange,
      onClosed: () => this.#forget(mapping),
    })
    this.#mappings.add(mapping)
    this.#watch()
    return mapping
  }

  #request({ protocol, internalPort, externalPort, lifetimeMs, description }: CheckedMapOptions): MappingRequest {
    const nonce = this.#platform.random.bytes(PCP_NONCE_BYTES)
    return { protocol, internalPort, externalPort, externalAddress: undefined, lifetimeMs, nonce, description }
  }

  #establishing(options: CheckedMapOptions, request: MappingRequest, signal: AbortSignal): EstablishOptions {
    const { family, internalAddress, protocols, timeoutMs } = options
    const events = { onStateLost: () => this.#renewSoon() }
    return { platform: this.#platform, family, internalAddress, protocols, request, timeoutMs, signal, events }
  }

  #forget(mapping: PortMapping): void {
    this.#mappings.delete(mapping)
    if (this.#mappings.size === 0) this.#leave()
  }

  #watch(): void {
    this.#stopWatching ??= this.#platform.network.watchInterfaces(() => this.#onNetworkChange())
    this.#release ??= this.#hold?.()
    this.#listen()
  }

  #leave(): void {
    this.#stopWatching?.()
    this.#stopWatching = undefined
    this.#release?.()
    this.#release = undefined
    this.#renewal?.cancel()
    this.#renewal = undefined
    for (const announcements of this.#announcements.values()) announcements.close()
    this.#announcements.clear()
  }

  /** Mappings whose gateway is no longer ours, or whose host address is gone, are made anew; lost ones get their chance. */
  #onNetworkChange(): void {
    this.#listen()
    for (const mapping of this.mappings) {
      const stands = reachableGateways(this.#platform.network, mapping.family, mapping.internalAddress)
      const isSame = stands.some(({ gateway }) => canonicalIp(gateway.address) === canonicalIp(mapping.gateway))
      const isStranger = mapping.via === 'upnp-igd' && stands.length > 0
      if (mapping.state === 'mapped' && !isSame && !isStranger) mapping.move()
      else if (mapping.state === 'lost') mapping.renew()
    }
  }

  /** On every link with a gateway of a family that has mappings. */
  #listen(): void {
    const families = [...new Set(this.mappings.map(({ family }) => family))]
    const links = families.flatMap(family =>
      reachableGateways(this.#platform.network, family).map(({ link }) => ({
        link,
        family,
        key: `${link.name} ${family}`,
      })),
    )
    for (const [key, announcements] of this.#announcements) {
      if (links.some(link => link.key === key)) continue
      announcements.close()
      this.#announcements.delete(key)
    }
    for (const { link, family, key } of links) {
      if (this.#announcements.has(key)) continue
      const onAnnouncement = (gateway: string) => this.#onAnnouncement(gateway, family)
      const announcements = new Announcements({ platform: this.#platform, link, family, onAnnouncement })
      this.#announcements.set(key, announcements)
      void announcements.start()
    }
  }

  #onAnnouncement(gateway: string, family: AddressFamily): void {
    const isOurs = this.mappings.some(
      mapping => mapping.family === family && canonicalIp(mapping.gateway) === canonicalIp(gateway),
    )
    if (isOurs) this.#renewSoon()
  }

  /** All mappings, within seconds; however often it is asked for, not more often than the interval. */
  #renewSoon(): void {
    const { clock, random } = this.#platform
    if (this.#renewal !== undefined || this.#mappings.size === 0) return
    const soonest = this.#renewedAt + ANNOUNCEMENT_INTERVAL_MS - clock.now()
    const delayMs = Math.max(soonest, random.fraction() * LONGEST_RENEWAL_WAIT_MS)
    this.#renewal = clock.setTimer(delayMs, () => {
      this.#renewal = undefined
      this.#renewedAt = clock.now()
      for (const mapping of this.mappings) mapping.renew()
    })
  }
}

function towards(request: MappingRequest, { address, port }: SocketAddress): MappingRequest {
  return { ...request, externalAddress: address, externalPort: port }
}

function closed(): EarshotError {
  return new EarshotError('closed', 'the port mapper is closed')
}
