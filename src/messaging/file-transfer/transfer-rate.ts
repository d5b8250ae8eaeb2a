/** How fast a transfer is at present: over the last few seconds, so that a pause is seen and a jitter is not. */

const WINDOW_MS = 5_000
/** Samples closer together than this are one. */
const STEP_MS = 100

interface Sample {
  readonly at: number
  readonly bytes: number
}

export class TransferRate {
  readonly #samples: Sample[] = []

  /** So many bytes were through at the time `at`, in milliseconds. What was there before the first call does not count. */
  note(bytes: number, at: number): void {
    const last = this.#samples.at(-1)
    if (last && at - last.at < STEP_MS) return
    this.#samples.push({ at, bytes })
    while (this.#samples.length > 2 && at - this.#samples[1]!.at >= WINDOW_MS) this.#samples.shift()
  }

  /** Bytes per second at the time `at`, with so many through. */
  perSecond(bytes: number, at: number): number {
    const first = this.#samples.find(sample => at - sample.at <= WINDOW_MS) ?? this.#samples.at(-1)
    if (!first || at <= first.at) return 0
    return Math.round(((bytes - first.bytes) * 1_000) / (at - first.at))
  }
}
