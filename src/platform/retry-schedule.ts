/** When to try again: 0.5 s, 1 s, 2 s … up to a minute, each with a quarter of jitter, so that peers do not march in step. */

import type { Random } from './random.ts'

const FIRST_MS = 500
const LONGEST_MS = 60_000
const JITTER = 0.25

export class RetrySchedule {
  readonly #random: Random
  #failures = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** How long to wait after one more failure. */
  nextMs(): number {
    const base = Math.min(FIRST_MS * 2 ** this.#failures, LONGEST_MS)
    this.#failures++
    return base * (1 - JITTER + 2 * JITTER * this.#random.fraction())
  }

  reset(): void {
    this.#failures = 0
  }
}
