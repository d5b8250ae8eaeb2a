/**
 * How servers see one local port: the mapped address for the other side, and what kind of mapping it is. As little as punching
 * needs: filtering is not asked for, since trying is as fast. The full discovery is `nat/behaviour`.
 */

import type { Timer } from '../../platform/clock.ts'
import type { AddressFamily, SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { classifyMapping, type MappingObservation } from '../behaviour/classification.ts'
import type { Binding } from '../stun/binding.ts'
import { mayBeAsked } from '../stun/remote-address.ts'
import { resolveServer } from '../stun/resolve-server.ts'
import type { StunUri } from '../stun/stun-uri.ts'
import { isHard, type NatSummary, portSequence, UNKNOWN_NAT } from './nat-summary.ts'

export interface StunSurveyOptions {
  readonly platform: Platform
  readonly servers: readonly StunUri[]
  readonly family: AddressFamily
  readonly ask: (to: SocketAddress, uri: StunUri, signal: AbortSignal) => Promise<Binding>
  readonly isLocal: (address: SocketAddress) => boolean
  /** As soon as the first server has answered. */
  readonly onMapped: (mapped: SocketAddress) => void
  readonly signal: AbortSignal
}

export interface StunSurvey {
  readonly nat: NatSummary
  readonly mapped: SocketAddress | undefined
  /** The server that answered first. */
  readonly server: { readonly address: SocketAddress; readonly uri: StunUri } | undefined
}

interface Observation extends MappingObservation {
  /** In which order they were asked. */
  readonly order: number
  readonly isFirstRequest: boolean
}

/** With so many endpoints a sequence of ports can be told from chance. */
const ENOUGH_ENDPOINTS = 4
/** How long others are waited for when one has answered. */
const GRACE_MS = 300
const LONGEST_MS = 5_000

export function surveyMapping(options: StunSurveyOptions): Promise<StunSurvey> {
  return new Promise(resolve => new Surveying(options, resolve).run())
}

class Surveying {
  readonly #options: StunSurveyOptions
  readonly #resolve: (survey: StunSurvey) => void
  readonly #observations: Observation[] = []
  readonly #asked = new Set<string>()
  readonly #stop = new AbortController()
  readonly #timers: Timer[] = []
  #first: (StunSurvey['server'] & { readonly mapped: SocketAddress }) | undefined
  #open = 0
  #isDone = false

  constructor(options: StunSurveyOptions, resolve: (survey: StunSurvey) => void) {
    this.#options = options
    this.#resolve = resolve
  }

  run(): void {
    const { servers, signal, platform } = this.#options
    if (servers.length === 0 || signal.aborted) {
      this.#finish()
      return
    }
    signal.addEventListener('abort', () => this.#finish(), { once: true, signal: this.#stop.signal })
    this.#timers.push(platform.clock.setTimer(LONGEST_MS, () => this.#finish()))
    for (const uri of servers) {
      this.#count(async () => {
        const [address] = await resolveServer(platform.network, uri, this.#options.family)
        this.#askAt({ address: address!, port: uri.port }, uri)
      })
    }
  }

  #askAt(to: SocketAddress, uri: StunUri): void {
    const key = formatSocketAddress(to)
    if (this.#asked.has(key) || this.#asked.size >= ENOUGH_ENDPOINTS || this.#isDone) return
    this.#asked.add(key)
    const order = this.#asked.size
    this.#count(async () => this.#observe(await this.#options.ask(to, uri, this.#stop.signal), { to, uri, order }))
  }

  #observe(binding: Binding, { to, uri, order }: { to: SocketAddress; uri: StunUri; order: number }): void {
    if (this.#isDone) return
    const { mapped, requests, other } = binding
    this.#observations.push({ server: to, mapped, order, isFirstRequest: requests === 1 })
    if (this.#first === undefined) {
      this.#first = { address: to, uri, mapped }
      this.#options.onMapped(mapped)
      this.#timers.push(this.#options.platform.clock.setTimer(GRACE_MS, () => this.#finish()))
    }
    if (other && mayBeAsked(other, to)) {
      this.#askAt({ address: to.address, port: other.port }, uri)
      this.#askAt({ address: other.address, port: to.port }, uri)
      this.#askAt(other, uri)
    }
    if (this.#observations.length >= ENOUGH_ENDPOINTS) this.#finish()
  }

  /** When the last question is settled, there is nothing left to wait for. */
  #count(work: () => Promise<void>): void {
    this.#open += 1
    work()
      .catch(() => {}) // A server that does not answer is no news: others may.
      .finally(() => {
        this.#open -= 1
        if (this.#open === 0) this.#finish()
      })
  }

  #finish(): void {
    if (this.#isDone) return
    this.#isDone = true
    for (const timer of this.#timers) timer.cancel()
    this.#stop.abort()
    const server = this.#first && { address: this.#first.address, uri: this.#first.uri }
    this.#resolve({ nat: this.#nat(), mapped: this.#first?.mapped, server })
  }

  #nat(): NatSummary {
    const inOrder = [...this.#observations].sort((a, b) => a.order - b.order)
    const mapping = classifyMapping(inOrder, this.#options.isLocal)
    const nat: NatSummary = { ...UNKNOWN_NAT, mapping }
    if (!isHard(nat)) return nat
    // The order of one that was asked twice is not known.
    const ports = inOrder.filter(({ isFirstRequest }) => isFirstRequest).map(({ mapped }) => mapped.port)
    return { ...nat, ports: portSequence(ports) }
  }
}
