/** Ctrl-C: once asks the command to leave politely, twice ends it at once. */

import { EXIT_CODES, InterruptedError } from './exit-code.ts'

/** SIGHUP: the terminal was closed. SIGTERM: the system or another program asks. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export class Interrupt {
  readonly #controller: AbortController = new AbortController()
  readonly #exit: (code: number) => void
  readonly #onSignal = (): void => this.trigger()

  constructor(exit: (code: number) => void) {
    this.#exit = exit
  }

  /** Aborts with an InterruptedError. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  trigger(): void {
    if (this.signal.aborted) this.#exit(EXIT_CODES.interrupted)
    else this.#controller.abort(new InterruptedError('interrupted'))
  }

  /** Listens to the process until `stop()`. */
  start(): void {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal)
  }

  stop(): void {
    for (const signal of SIGNALS) process.removeListener(signal, this.#onSignal)
  }
}
