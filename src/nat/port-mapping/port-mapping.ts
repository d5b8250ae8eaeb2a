/**
 * One mapping from its making to its removal: renewed in time, made again where the gateway has lost it or another gateway
 * has taken over.
 *
 *     mapped ──── lifetime over, refused, another gateway ───► lost
 *       │  ▲                                                   │
 *       │  └──────────────────── made again ───────────────────┤
 *       └──────── close: removed on the gateway ──► closed ◄───┘
 */

import { CLOSE_TIMEOUT_MS } from '../../limits.ts'
import { addressScope } from '../../platform/address-scope.ts'
import type { Timer } from '../../platform/clock.ts'
import type { AddressFamily, SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import type { Established } from './establish.ts'
import { checkGrant } from './grant-check.ts'
import type { MappingRequest, PortMappingProtocol } from './mapping-service.ts'
import { renewalDelayMs, retryDelayMs } from './renewal.ts'

export type PortMappingState = 'mapped' | 'lost' | 'closed'

export interface PortMappingParts {
  readonly platform: Platform
  readonly family: AddressFamily
  readonly request: MappingRequest
  readonly first: Established
  /** Makes it anew, on whatever gateway there is; `wanted` is the external endpoint that others know. */
  readonly establish: (wanted: SocketAddress, signal: AbortSignal) => Promise<Established>
  readonly onChange: (mapping: PortMapping) => void
  readonly onClosed: () => void
}

type State =
  | ({ readonly kind: 'mapped'; readonly grantedAt: number; readonly renewals: number } & Established)
  | { readonly kind: 'lost'; readonly tries: number }
  | { readonly kind: 'closed' }

export class PortMapping {
  readonly protocol: 'udp' | 'tcp'
  readonly internalPort: number
  readonly family: AddressFamily
  readonly #parts: PortMappingParts
  #state: State
  #last: Established
  #timer: Timer | undefined
  /** Of what is under way. */
  #work: AbortController | undefined
  #closing: Promise<void> | undefined

  constructor(parts: PortMappingParts) {
    const { request, family, first } = parts
    this.protocol = request.protocol
    this.internalPort = request.internalPort
    this.family = family
    this.#parts = parts
    this.#last = first
    this.#state = this.#mapped(first)
    this.#schedule()
  }

  /** 'lost': the gateway does not keep it now; it is tried again. */
  get state(): PortMappingState {
    return this.#state.kind
  }

  /** Where others reach the port: the gateway's address and port, or this host's behind a firewall. The last one, when lost. */
  get external(): SocketAddress {
    return this.#last.grant.external
  }

  /** The address of this host that it leads to. */
  get internalAddress(): string {
    return this.#last.grant.internalAddress
  }

  /** The protocol in which the gateway made it. */
  get via(): PortMappingProtocol {
    return this.#last.service.via
  }

  /** The gateway's address. */
  get gateway(): string {
    return this.#last.service.gateway
  }

  /** What the gateway granted at the last renewal, in milliseconds; `Infinity` where it keeps it until it is removed. */
  get lifetimeMs(): number {
    return this.#last.grant.lifetimeMs
  }

  /**
   * The gateway's external address is a private one: there is another NAT in front of it, a second router or a carrier's.
   * Hosts between the two reach the port, the Internet does not.
   */
  get isBehindAnotherNat(): boolean {
    return addressScope(this.external.address) !== 'global'
  }

  /** Asks the gateway now whether it still has the mapping, and makes it again if not. */
  renew(): void {
    if (this.#state.kind === 'closed' || this.#work !== undefined) return
    if (this.#state.kind === 'mapped') this.#start(signal => this.#renewOnce(signal))
    else this.#start(signal => this.#retry(signal))
  }

  /** Another gateway has taken over: makes it there. */
  move(): void {
    if (this.#state.kind === 'closed') return
    this.#stopWork()
    this.#lose()
  }

  /** Removes the mapping on the gateway, for at most a second: one that does not answer forgets it in time. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { platform, request, onClosed } = this.#parts
    const state = this.#state
    this.#stopWork()
    this.#state = { kind: 'closed' }
    if (state.kind === 'mapped') {
      const aborted = new AbortController()
      const deadline = platform.clock.setTimer(CLOSE_TIMEOUT_MS, () => aborted.abort())
      // Whether it says yes, no or nothing: there is no more to do, and its lifetime ends the mapping.
      await state.service.unmap(request, state.grant, aborted.signal).catch(() => {})
      deadline.cancel()
    }
    this.#last.service.close()
    onClosed()
  }

  async #renewOnce(signal: AbortSignal): Promise<void> {
    if (this.#state.kind !== 'mapped') return
    const { service, grant, grantedAt, renewals } = this.#state
    try {
      const renewed = { service, grant: checkGrant(service, await service.map(this.#parts.request, grant, signal)) }
      this.#become(renewed)
    } catch {
      // The gateway may have been replaced, or speak another protocol since: what was mapped stands until its time is over.
      const isMadeAgain = !signal.aborted && (await this.#makeAgain(signal))
      if (signal.aborted || isMadeAgain) return
      this.#state = { kind: 'mapped', service, grant, grantedAt, renewals: renewals + 1 }
    }
  }

  async #retry(signal: AbortSignal): Promise<void> {
    const isMadeAgain = await this.#makeAgain(signal)
    if (signal.aborted || isMadeAgain || this.#state.kind !== 'lost') return
    this.#state = { kind: 'lost', tries: this.#state.tries + 1 }
  }

  /** Whether some gateway has made it. */
  async #makeAgain(signal: AbortSignal): Promise<boolean> {
    try {
      const made = await this.#parts.establish(this.external, signal)
      if (signal.aborted) made.service.close()
      else this.#become(made)
      return true
    } catch {
      return false
    }
  }

  #become(established: Established): void {
    const { external: before, internalAddress } = this.#last.grant
    if (established.service !== this.#last.service) this.#last.service.close()
    const wasLost = this.#state.kind === 'lost'
    const { external } = established.grant
    this.#state = this.#mapped(established)
    this.#last = established
    const isSame = external.address === before.address && external.port === before.port
    if (wasLost || !isSame || internalAddress !== established.grant.internalAddress) this.#parts.onChange(this)
  }

  #lose(): void {
    const wasMapped = this.#state.kind === 'mapped'
    this.#state = { kind: 'lost', tries: 0 }
    this.#last.service.close()
    if (wasMapped) this.#parts.onChange(this)
    // A listener may have closed it.
    if (this.state !== 'closed') this.#start(signal => this.#retry(signal))
  }

  #mapped(established: Established): State {
    return { kind: 'mapped', grantedAt: this.#parts.platform.clock.now(), renewals: 0, ...established }
  }

  #start(work: (signal: AbortSignal) => Promise<void>): void {
    this.#timer?.cancel()
    const aborted = new AbortController()
    this.#work = aborted
    void work(aborted.signal).then(() => {
      if (this.#work !== aborted) return
      this.#work = undefined
      this.#schedule()
    })
  }

  #stopWork(): void {
    this.#timer?.cancel()
    this.#work?.abort()
    this.#work = undefined
  }

  #schedule(): void {
    const { clock, random } = this.#parts.platform
    const state = this.#state
    if (state.kind === 'closed') return
    if (state.kind === 'lost') {
      this.#timer = clock.setTimer(retryDelayMs(state.tries, random.fraction()), () => this.renew())
      return
    }
    // A mapping for ever is asked for as often as any other: the router may have been started again.
    const lifetimeMs = Math.min(state.grant.lifetimeMs, this.#parts.request.lifetimeMs)
    const delayMs = renewalDelayMs(state.renewals + 1, lifetimeMs, random.fraction())
    const elapsedMs = clock.now() - state.grantedAt
    if (delayMs !== undefined) this.#timer = clock.setTimer(delayMs - elapsedMs, () => this.renew())
    else this.#timer = clock.setTimer(lifetimeMs - elapsedMs, () => this.#lose())
  }
}
