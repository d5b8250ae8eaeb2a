/** So many events in a second, and no more. */

import type { Clock } from '../../platform/clock.ts'

export class Rate {
  readonly #clock: Clock
  readonly #perSecond: number
  #left: number
  #countedFrom = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#left = perSecond
  }

  /** True where one more is within the rate; it is counted. */
  take(): boolean {
    const now = this.#clock.now()
    if (now - this.#countedFrom >= 1_000) {
      this.#countedFrom = now
      this.#left = this.#perSecond
    }
    return this.#left-- > 0
  }
}
