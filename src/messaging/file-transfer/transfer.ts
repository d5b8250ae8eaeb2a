/**
 * A transfer as programs see it: `for await` tells how far it is, `await` waits for the end. Whoever does neither still
 * gets to know of a failure: it is an unhandled rejection, as it is of a promise that nobody looks at.
 */

import type { Clock, Timer } from '../../platform/clock.ts'

/** Progress is told no more often than this: for people and their screens. */
const PROGRESS_INTERVAL_MS = 100

export class Transfer<Progress, Result> implements PromiseLike<Result>, AsyncIterable<Progress> {
  readonly #clock: Clock
  readonly #progress: () => Progress
  readonly #controller = new AbortController()
  readonly #result: Promise<Result>
  readonly #loops = new Set<ProgressLoop>()
  #hasEnded = false

  /** @internal `run` does the work, and ends when the signal aborts; `progress` says how far it is. */
  constructor(clock: Clock, run: (signal: AbortSignal) => Promise<Result>, progress: () => Progress) {
    this.#clock = clock
    this.#progress = progress
    this.#result = run(this.#controller.signal).finally(() => {
      this.#hasEnded = true
      for (const loop of this.#loops) loop.wake()
    })
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited like a promise, which the contract says
  then<A = Result, B = never>(
    onFulfilled?: ((result: Result) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onFulfilled, onRejected)
  }

  catch<B = never>(onRejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<Result | B> {
    return this.#result.catch(onRejected)
  }

  finally(onFinally?: (() => void) | null): Promise<Result> {
    return this.#result.finally(onFinally)
  }

  /**
   * Calls it off. The other side gets the code `cancelled`, with the code or message of the reason; what has arrived
   * stays there, and is the beginning of the next attempt.
   * @param reason what the transfer rejects with. @default an AbortError
   */
  cancel(reason?: unknown): void {
    this.#controller.abort(reason)
  }

  /** How far it is: now, then whenever there is news, at most ten times a second, and at the end. Throws what went wrong. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Progress, void, undefined> {
    const loop = new ProgressLoop(this.#clock)
    this.#loops.add(loop)
    // Whoever loops gets the error from the loop.
    this.#result.catch(ignore)
    try {
      while (!this.#hasEnded) {
        yield this.#progress()
        if (!this.#hasEnded) await loop.news()
      }
      await this.#result
      yield this.#progress()
    } finally {
      this.#loops.delete(loop)
      loop.wake()
    }
  }

  /** @internal There is news. */
  onProgress(): void {
    for (const loop of this.#loops) loop.hasNews()
  }
}

/** Somebody who loops over the progress of a transfer. */
class ProgressLoop {
  readonly #clock: Clock
  #hasNews = false
  #lastAt: number
  #timer: Timer | undefined
  #wake: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#lastAt = clock.now()
  }

  hasNews(): void {
    this.#hasNews = true
    this.#wakeLater()
  }

  wake(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#hasNews = false
    this.#lastAt = this.#clock.now()
    this.#wake?.()
    this.#wake = undefined
  }

  async news(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#wake = resolve
      if (this.#hasNews) this.#wakeLater()
    })
  }

  #wakeLater(): void {
    if (!this.#wake || this.#timer) return
    const waitMs = Math.max(0, this.#lastAt + PROGRESS_INTERVAL_MS - this.#clock.now())
    this.#timer = this.#clock.setTimer(waitMs, () => this.wake())
  }
}

function ignore(): void {}
