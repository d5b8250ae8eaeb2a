/** Who is relayed, by the names that they had when it began, and how much goes from one look to the next. */

import type { RelayedPair } from '../index.ts'
import { printableName } from './printable.ts'

/** A pair at the last look. */
export interface RelayRow extends RelayedPair {
  readonly names: string
  /** Since the look before. */
  readonly newBytes: number
}

export class RelayLog {
  readonly #nameOf: (id: string) => string | undefined
  readonly #names = new Map<string, string>()
  #rows: readonly RelayRow[] = []

  constructor(nameOf: (id: string) => string | undefined) {
    this.#nameOf = nameOf
  }

  /** As of the last look. */
  get rows(): readonly RelayRow[] {
    return this.#rows
  }

  look(pairs: readonly RelayedPair[]): void {
    const before = this.#rows
    const keys = new Set(pairs.map(keyOf))
    for (const key of this.#names.keys()) if (!keys.has(key)) this.#names.delete(key)
    this.#rows = pairs.map(pair => {
      const known = before.find(row => keyOf(row) === keyOf(pair) && row.bytes <= pair.bytes)
      return { ...pair, names: this.names(pair), newBytes: pair.bytes - (known?.bytes ?? 0) }
    })
  }

  /** For people; of peers who have gone, the names that they had at the last look. */
  names(pair: RelayedPair): string {
    const key = keyOf(pair)
    const names = this.#names.get(key) ?? `${this.#name(pair.fromId)} and ${this.#name(pair.toId)}`
    this.#names.set(key, names)
    return names
  }

  #name(id: string): string {
    const name = this.#nameOf(id)
    return name === undefined ? id.slice(0, 8) : printableName(name)
  }
}

function keyOf({ fromId, toId }: RelayedPair): string {
  return `${fromId} ${toId}`
}
