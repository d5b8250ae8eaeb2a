/** When a simulated TCP sends again what was not acknowledged (RFC 6298), and how often. */

import type { EventOwner, ScheduledEvent, VirtualTime } from './virtual-time.ts'

/** Section 2.1, before a round trip was measured. */
const INITIAL_DELAY_MS = 1_000
/** Linux: TCP_RTO_MIN and TCP_RTO_MAX. */
const MIN_DELAY_MS = 200
const MAX_DELAY_MS = 120_000
/** Section 2.3: how much a new measurement counts. */
const ROUND_TRIP_GAIN = 1 / 8

export class RetransmissionTimer {
  readonly #time: VirtualTime
  readonly #owner: EventOwner
  readonly #onExpired: (unanswered: number) => void
  #event: ScheduledEvent | undefined
  #roundTripMs: number | undefined
  #backOff = 0
  #unanswered = 0

  /** `onExpired` gets how many times it has expired since anything was heard. */
  constructor(time: VirtualTime, owner: EventOwner, onExpired: (unanswered: number) => void) {
    this.#time = time
    this.#owner = owner
    this.#onExpired = onExpired
  }

  /** Starts it unless it runs. */
  start(): void {
    this.#event ??= this.#time.schedule(this.#delayMs, this.#owner, () => this.#expire())
  }

  stop(): void {
    if (this.#event !== undefined) this.#time.cancel(this.#event)
    this.#event = undefined
  }

  /** Something new was acknowledged, or may be sent: it begins anew. */
  restart(): void {
    this.#backOff = 0
    this.stop()
  }

  /** The other side is alive, whatever it said. */
  heard(): void {
    this.#unanswered = 0
  }

  measure(roundTripMs: number): void {
    this.#roundTripMs ??= roundTripMs
    this.#roundTripMs += (roundTripMs - this.#roundTripMs) * ROUND_TRIP_GAIN
  }

  get #delayMs(): number {
    const baseMs = this.#roundTripMs === undefined ? INITIAL_DELAY_MS : Math.max(MIN_DELAY_MS, 2 * this.#roundTripMs)
    return Math.min(baseMs * 2 ** this.#backOff, MAX_DELAY_MS)
  }

  #expire(): void {
    this.#event = undefined
    this.#backOff++
    this.#onExpired(++this.#unanswered)
  }
}
