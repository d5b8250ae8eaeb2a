/** The lines of stdin, one after the other, for several readers in turn: none is lost between them. */

import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'

export class InputLines implements AsyncIterable<string> {
  /** Resolves when the last line was read from the input. */
  readonly ended: Promise<unknown>
  readonly #interface: Interface
  readonly #lines: AsyncIterator<string>

  constructor(input: NodeJS.ReadableStream) {
    this.#interface = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
    this.ended = once(this.#interface, 'close')
    // Lines that come before somebody iterates would be lost.
    this.#lines = this.#interface[Symbol.asyncIterator]()
  }

  /** Undefined at the end. */
  async next(): Promise<string | undefined> {
    const { done, value } = await this.#lines.next()
    return done ? undefined : value
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    for (let line = await this.next(); line !== undefined; line = await this.next()) yield line
  }

  close(): void {
    this.#interface.close()
  }
}
