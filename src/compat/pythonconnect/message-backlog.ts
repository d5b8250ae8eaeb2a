/** Messages that come before anybody listens wait here, bounded. */

import { EarshotError } from '../../errors.ts'
import { MAX_BACKLOG_MESSAGES } from '../../limits.ts'
import { Fifo } from '../../wire/fifo.ts'
import type { PythonConnectMessage } from './events.ts'

export interface MessageBacklogOptions {
  /** True where somebody listens. */
  emit(message: PythonConnectMessage): boolean
  onWarning(error: EarshotError): void
}

export class MessageBacklog {
  readonly #options: MessageBacklogOptions
  readonly #waiting = new Fifo<PythonConnectMessage>()

  constructor(options: MessageBacklogOptions) {
    this.#options = options
  }

  onMessage(message: PythonConnectMessage): void {
    if (this.#options.emit(message)) return
    this.#waiting.push(message)
    if (this.#waiting.length <= MAX_BACKLOG_MESSAGES) return
    this.#waiting.shift()
    this.#options.onWarning(
      new EarshotError('limit-reached', 'messages are dropped, the oldest first: nobody listens', {
        hint: "Listen with node.on('message', …).",
      }),
    )
  }

  /** Somebody listens now. */
  onListening(): void {
    for (const message of this.#waiting.drain()) this.onMessage(message)
  }
}
