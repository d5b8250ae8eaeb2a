/**
 * Which signals were taken already. One is remembered for as long as its time would be accepted, so that a broker can keep
 * it and bring it again at any time, and it is taken once. The limits of rate keep the memory below its bound; were it ever
 * full, nothing would be taken rather than something twice.
 */

import { MAX_REMEMBERED_SIGNALS, RENDEZVOUS_CLOCK_TOLERANCE_MS } from '../limits.ts'
import type { Clock } from '../platform/clock.ts'

/** In the worst case it was made by a clock that is fast by the tolerance, and is read again when it is old by as much. */
const REMEMBERED_MS = 2 * RENDEZVOUS_CLOCK_TOLERANCE_MS

export class ReplayGuard {
  readonly #clock: Clock
  /** When it may be forgotten; in the order in which they came. */
  readonly #until = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  has(key: string): boolean {
    return this.#until.has(key)
  }

  /** False where there is no room. */
  remember(key: string): boolean {
    const now = this.#clock.now()
    for (const [oldest, until] of this.#until) {
      if (until > now) break
      this.#until.delete(oldest)
    }
    if (this.#until.size >= MAX_REMEMBERED_SIGNALS) return false
    this.#until.set(key, now + REMEMBERED_MS)
    return true
  }

  get size(): number {
    return this.#until.size
  }
}
