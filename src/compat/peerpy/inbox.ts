/** Messages that nobody has listened for yet. When it is full, the connection is not read: the other side feels that. */

import { MAX_PEERPY_UNHEARD_BYTES, MAX_PEERPY_UNHEARD_MESSAGES } from '../../limits.ts'
import { Fifo } from '../../wire/fifo.ts'

export class Inbox<Message> {
  readonly #messages = new Fifo<{ readonly message: Message; readonly sizeBytes: number }>()
  #bytes = 0

  /** Of the payloads. */
  get bytes(): number {
    return this.#bytes
  }

  get isFull(): boolean {
    return this.#messages.length >= MAX_PEERPY_UNHEARD_MESSAGES || this.#bytes >= MAX_PEERPY_UNHEARD_BYTES
  }

  push(message: Message, sizeBytes: number): void {
    this.#messages.push({ message, sizeBytes })
    this.#bytes += sizeBytes
  }

  shift(): Message | undefined {
    const first = this.#messages.shift()
    this.#bytes -= first?.sizeBytes ?? 0
    return first?.message
  }

  drain(): Message[] {
    this.#bytes = 0
    return this.#messages.drain().map(({ message }) => message)
  }
}
