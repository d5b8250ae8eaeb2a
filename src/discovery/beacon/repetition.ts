/** Something done at once, and again after pauses, until it is stopped. */

import type { Clock, Timer } from '../../platform/clock.ts'

/** However often it is restarted, it is done only so often: whoever changes its info all the time is still no flood. */
const SHORTEST_PAUSE_MS = 250

export class Repetition {
  readonly #clock: Clock
  readonly #pauseMs: (timesDone: number) => number
  readonly #act: () => void
  #timer: Timer | undefined
  #timesDone = 0
  #doneAt = Number.NEGATIVE_INFINITY

  /** `pauseMs` tells how long to wait after it was done so many times, 1 and more. */
  constructor(clock: Clock, pauseMs: (timesDone: number) => number, act: () => void) {
    this.#clock = clock
    this.#pauseMs = pauseMs
    this.#act = act
  }

  /** Begins anew. */
  restart(): void {
    this.stop()
    this.#timesDone = 0
    const waitMs = this.#doneAt + SHORTEST_PAUSE_MS - this.#clock.now()
    if (waitMs > 0) this.#timer = this.#clock.setTimer(waitMs, () => this.#do())
    else this.#do()
  }

  /** Idempotent. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #do(): void {
    this.#doneAt = this.#clock.now()
    this.#timesDone++
    this.#timer = this.#clock.setTimer(this.#pauseMs(this.#timesDone), () => this.#do())
    this.#act()
  }
}
