/**
 * Names of channels and questions travel once in each direction; afterwards a small number stands for them
 * (docs/protocol.md, "Labels"). Number 0 is the room itself, the channel without a name.
 */

import { EarshotError, protocolViolation } from '../errors.ts'
import { MAX_LABELS } from '../limits.ts'

export class SentLabels {
  #ids: Map<string, number> | undefined

  /** The number that stands for a name; undefined for a name that has to be added and told first. */
  number(name: string): number | undefined {
    return name === '' ? 0 : this.#ids?.get(name)
  }

  /** Gives the next number to a name. Throws `limit-reached` where there are too many. */
  add(name: string): number {
    this.#ids ??= new Map()
    if (this.#ids.size === MAX_LABELS) {
      throw new EarshotError(
        'limit-reached',
        `more than ${MAX_LABELS} names of channels and questions in one session`,
        {
          hint: 'Put what varies into the message, not into the name.',
        },
      )
    }
    const id = this.#ids.size + 1
    this.#ids.set(name, id)
    return id
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

  /** How many names there are beside that of the room. */
  get count(): number {
    return this.#names.length - 1
  }

  name(id: number): string {
    const name = this.#names[id]
    if (name === undefined) throw protocolViolation(`label ${id} was never given a name`)
    return name
  }
}
