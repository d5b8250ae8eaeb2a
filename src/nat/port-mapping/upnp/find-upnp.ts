/**
 * Finds a UPnP gateway: searches by SSDP, reads the descriptions of who answers, and takes the first that has a service which
 * is connected. Routers of the default routes come first; another device on the link must wait for them.
 */

import { EarshotError, protocolViolation } from '../../../errors.ts'
import { MAX_UPNP_DEVICES } from '../../../limits.ts'
import type { Timer } from '../../../platform/clock.ts'
import { canonicalIp, isLinkLocalIpv6, onLinkTest, parseIp } from '../../../platform/ip-address.ts'
import type { AddressFamily, Gateway, NetworkInterface } from '../../../platform/network.ts'
import type { Platform } from '../../../platform/platform.ts'
import type { MappingService } from '../mapping-service.ts'
import { ANSWER_TIMEOUT_MS } from '../probe.ts'
import {
  CONNECTION_SERVICES,
  type DeviceService,
  decodeDeviceDescription,
  FIREWALL_SERVICE,
} from './device-description.ts'
import { deviceUrl } from './device-url.ts'
import { requestHttp } from './http-request.ts'
import { type SsdpFinding, SsdpSearch } from './ssdp-search.ts'
import { externalAddressOf, upnpService } from './upnp-service.ts'

export interface FindUpnpOptions {
  readonly platform: Platform
  readonly family: AddressFamily
  /** Where gateways are. */
  readonly links: readonly NetworkInterface[]
  readonly gateways: readonly Gateway[]
  /** For pinholes: the address of this host that they are for. */
  readonly localAddress: string | undefined
  readonly signal: AbortSignal
}

/** How long devices that are not the router of a default route wait for one that is. */
const STRANGER_DELAY_MS = 1_000

export function findUpnp(options: FindUpnpOptions): Promise<MappingService> {
  return new UpnpFinder(options).find()
}

class UpnpFinder {
  readonly #options: FindUpnpOptions
  readonly #searches: readonly SsdpSearch[]
  readonly #aborted = new AbortController()
  readonly #seen = new Set<string>()
  readonly #timers = new Set<Timer>()
  #reading = 0
  #isSearching = true
  #failure: unknown
  #settle: { resolve: (service: MappingService) => void; reject: (reason: unknown) => void } | undefined

  constructor(options: FindUpnpOptions) {
    const { platform, family, links, gateways } = options
    this.#options = options
    this.#searches = links.map(link => {
      const own = gateways.filter(each => each.interface === link.name).map(({ address }) => address)
      return new SsdpSearch({ platform, link, family, gateways: own, onFound: finding => this.#found(finding) })
    })
  }

  async find(): Promise<MappingService> {
    const { signal } = this.#options
    signal.throwIfAborted()
    const onAbort = () => this.#fail(signal.reason)
    signal.addEventListener('abort', onAbort)
    try {
      return await new Promise<MappingService>((resolve, reject) => {
        this.#settle = { resolve, reject }
        this.#start()
      })
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#close()
    }
  }

  #start(): void {
    this.#after(ANSWER_TIMEOUT_MS, () => {
      this.#isSearching = false
      this.#checkEnd()
    })
    for (const search of this.#searches) {
      search.start().catch((error: unknown) => {
        this.#failure ??= error
      })
    }
  }

  #found({ address, location }: SsdpFinding): void {
    if (this.#aborted.signal.aborted || this.#seen.size === MAX_UPNP_DEVICES) return
    const key = `${address} ${location}`
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    const isGateway = this.#options.gateways.some(each => canonicalIp(each.address) === canonicalIp(address))
    const read = () => void this.#read(address, location)
    this.#reading += 1
    if (isGateway) read()
    else this.#after(STRANGER_DELAY_MS, read)
  }

  async #read(address: string, location: string): Promise<void> {
    try {
      const service = await this.#connectedService(await this.#describe(address, location))
      this.#settle?.resolve(service)
    } catch (error) {
      this.#failure ??= error
    }
    this.#reading -= 1
    this.#checkEnd()
  }

  async #describe(address: string, location: string): Promise<readonly DeviceService[]> {
    const { platform, links } = this.#options
    const isOnLink = (host: string) => links.some(link => onLinkTest(link)(host))
    // Routers that are asked at a link-local IPv6 address tell a global one; that it is theirs shows only that it is here.
    const isItsAddress = (host: string) => isLinkLocal(address) && host.includes(':') && isOnLink(host)
    const { to, path } = deviceUrl(location, address, { isItsAddress })
    const { status, body } = await requestHttp(platform, { method: 'GET', to, path, signal: this.#aborted.signal })
    if (status !== 200)
      throw protocolViolation(`${address} answered with HTTP status ${status} instead of its description`)
    return decodeDeviceDescription(body, location, to.address)
  }

  /** A router may have several connections, of which one is up. */
  async #connectedService(services: readonly DeviceService[]): Promise<MappingService> {
    const { platform, family, localAddress } = this.#options
    const types: readonly string[] = family === 'ipv4' ? CONNECTION_SERVICES : [FIREWALL_SERVICE]
    let failure: unknown = new EarshotError('refused', 'the UPnP gateway has no service that maps ports', {
      reason: 'no service',
    })
    for (const service of services.filter(({ type }) => types.includes(type)).slice(0, MAX_UPNP_DEVICES)) {
      const parts = { platform, service, localAddress }
      try {
        if (family === 'ipv4') await externalAddressOf(parts, this.#aborted.signal)
        return upnpService(parts)
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  #checkEnd(): void {
    if (this.#isSearching || this.#reading > 0) return
    const message = `no UPnP gateway answered within ${ANSWER_TIMEOUT_MS} ms`
    this.#fail(this.#failure ?? new EarshotError('timeout', message))
  }

  #fail(reason: unknown): void {
    this.#settle?.reject(reason)
  }

  #after(delayMs: number, fn: () => void): void {
    const timer = this.#options.platform.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer)
      fn()
    })
    this.#timers.add(timer)
  }

  #close(): void {
    this.#aborted.abort()
    for (const timer of this.#timers) timer.cancel()
    for (const search of this.#searches) search.close()
  }
}

function isLinkLocal(address: string): boolean {
  const bytes = parseIp(address)
  return bytes !== undefined && isLinkLocalIpv6(bytes)
}
