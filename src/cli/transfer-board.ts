/**
 * Transfers under way: bars at the bottom of a terminal, and a line now and then where stderr is none. Everything else that
 * is written goes above the bars.
 */

import { LiveView, type TerminalOutput } from './live-view.ts'
import type { Output } from './output.ts'
import { type Progress, progressBar, progressSentence } from './progress-line.ts'

/** Where lines are not redrawn, one a while is enough. */
const SENTENCE_INTERVAL_MS = 5_000
const EVENT_INTERVAL_MS = 1_000

export interface ShownTransfer<Step> {
  /** For people, safe to print: `film.mkv to bob`. */
  readonly label: string
  /** Of the events of `--json`. */
  readonly fields: Readonly<Record<string, unknown>>
  readonly progress: (step: Step) => Progress
}

export class TransferBoard {
  readonly #output: Output
  readonly #terminal: TerminalOutput | undefined
  readonly #rows = new Map<object, { readonly label: string; progress: Progress }>()
  #view: LiveView | undefined
  #isHeld = false

  /** @param terminal stderr, where it is a terminal */
  constructor(output: Output, terminal: TerminalOutput | undefined) {
    this.#output = output
    this.#terminal = terminal
  }

  /** Shows how a transfer goes on until it has ended; what it fails with is not shown. */
  async follow<Step extends object>(steps: AsyncIterable<Step>, shown: ShownTransfer<Step>): Promise<void> {
    const row = { label: shown.label, progress: { doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 } }
    this.#rows.set(row, row)
    const sentences = new Interval(SENTENCE_INTERVAL_MS)
    const events = new Interval(EVENT_INTERVAL_MS)
    try {
      for await (const step of steps) {
        row.progress = shown.progress(step)
        const { doneBytes, totalBytes } = row.progress
        const isEnd = doneBytes === totalBytes
        if (doneBytes > 0 && !isEnd && events.isOver()) this.#output.event('progress', { ...shown.fields, ...step })
        if (this.#terminal) this.#draw()
        else if (doneBytes > 0 && !isEnd && sentences.isOver()) {
          this.#output.note(progressSentence(row.label, row.progress))
        }
      }
    } catch {
      // Whoever waits for the transfer gets the error.
    } finally {
      this.#rows.delete(row)
      if (this.#terminal) this.#draw()
    }
  }

  /** Writes something above the bars. */
  above(write: () => void): void {
    this.#view?.clear()
    write()
    if (this.#view) this.#draw()
  }

  note(text: string): void {
    this.above(() => this.#output.note(text))
  }

  /** Takes the bars away while somebody is asked something. */
  async without<Value>(work: () => Promise<Value>): Promise<Value> {
    this.#end()
    this.#isHeld = true
    try {
      return await work()
    } finally {
      this.#isHeld = false
      this.#draw()
    }
  }

  #draw(): void {
    if (!this.#terminal || this.#isHeld) return
    if (this.#rows.size === 0) {
      this.#end()
      return
    }
    this.#view ??= new LiveView(this.#terminal)
    const { columns } = this.#terminal
    this.#view.draw([...this.#rows.values()].map(({ label, progress }) => progressBar(label, progress, columns)))
  }

  /** The cursor is visible again, and nothing is left of the bars. */
  #end(): void {
    this.#view?.clear()
    this.#view?.end()
    this.#view = undefined
  }
}

/** At most once in a while, and the first time at once. */
class Interval {
  readonly #ms: number
  #lastAt = Number.NEGATIVE_INFINITY

  constructor(ms: number) {
    this.#ms = ms
  }

  isOver(): boolean {
    const now = performance.now()
    if (now - this.#lastAt < this.#ms) return false
    this.#lastAt = now
    return true
  }
}
