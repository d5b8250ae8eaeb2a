/**
 * Names of channels and questions travel once in each direction; afterwards a small number stands for them
 * (docs/protocol.md, "Labels"). Number 0 is the room itself, the channel without a name.
 */

import { EarshotError, protocolViolation } from '../errors.ts'
import { MAX_LABELS } from '../limits.ts'

export class SentLabels {
  readonly #ids = new Map<string, number>([['', 0]])

  /** The number for a name, and whether it has to be told first. */
  number(name: string): { id: number; isNew: boolean } {
    const known = this.#ids.get(name)
    if (known !== undefined) return { id: known, isNew: false }
    if (this.#ids.size > MAX_LABELS) {
      throw new EarshotError(
        'limit-reached',
        `more than ${MAX_LABELS} names of channels and questions in one session`,
        {
          hint: 'Put what varies into the message, not into the name.',
        },
      )
    }
    const id = this.#ids.size
    this.#ids.set(name, id)
    return { id, isNew: true }
  }
}

export class ReceivedLabels {
  readonly #names: string[] = ['']

  add(id: number, name: string): void {
    if (id !== this.#names.length) throw protocolViolation(`label ${id} follows ${this.#names.length - 1}`)
    if (id > MAX_LABELS) throw protocolViolation(`more than ${MAX_LABELS} labels`)
    if (name === '') throw protocolViolation('a label without a name')
    this.#names.push(name)
  }

  name(id: number): string {
    const name = this.#names[id]
    if (name === undefined) throw protocolViolation(`label ${id} was never given a name`)
    return name
  }
}
