/** Ctrl-C: once asks the command to leave politely, twice ends it at once. */

import { exitCodeOf, InterruptedError } from './exit-code.ts'

/** SIGHUP: the terminal was closed. SIGTERM: the system or another program asks. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export class Interrupt {
  readonly #controller: AbortController = new AbortController()
  readonly #exit: (code: number) => void
  readonly #onSignal = (): void => this.trigger()

  constructor(exit: (code: number) => void) {
    this.#exit = exit
  }

  /** Aborts with an InterruptedError, or with what was given to `trigger`. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  trigger(reason: Error = new InterruptedError('interrupted')): void {
    if (this.signal.aborted) this.#exit(exitCodeOf(reason))
    else this.#controller.abort(reason)
  }

  /** Listens to the process until `stop()`. */
  start(): void {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal)
  }

  stop(): void {
    for (const signal of SIGNALS) process.removeListener(signal, this.#onSignal)
  }
}
