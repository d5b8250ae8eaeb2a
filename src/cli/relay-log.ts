/** What has begun and ended between two looks at what a relay relays. */

import type { RelayedPair } from '../index.ts'
import { printableName } from './printable.ts'

export interface RelayNews {
  readonly kind: 'relaying' | 'relayed'
  readonly from: string
  readonly to: string
  /** For people. */
  readonly names: string
  /** As far as it was seen. */
  readonly bytes: number
}

export class RelayLog {
  readonly #nameOf: (id: string) => string | undefined
  #seen: readonly (RelayedPair & { readonly names: string })[] = []

  constructor(nameOf: (id: string) => string | undefined) {
    this.#nameOf = nameOf
  }

  look(pairs: readonly RelayedPair[]): RelayNews[] {
    const before = this.#seen
    this.#seen = pairs.map(pair => {
      const known = before.find(each => isSame(each, pair))
      return { ...pair, names: known?.names ?? `${this.#name(pair.fromId)} and ${this.#name(pair.toId)}` }
    })
    const begun = this.#seen.filter(pair => !before.some(each => isSame(each, pair)))
    const ended = before.filter(pair => !this.#seen.some(each => isSame(each, pair)))
    return [...ended.map(pair => news('relayed', pair)), ...begun.map(pair => news('relaying', pair))]
  }

  #name(id: string): string {
    const name = this.#nameOf(id)
    return name === undefined ? id.slice(0, 8) : printableName(name)
  }
}

function news(kind: RelayNews['kind'], { fromId, toId, names, bytes }: RelayedPair & { names: string }): RelayNews {
  return { kind, from: fromId, to: toId, names, bytes }
}

function isSame(a: RelayedPair, b: RelayedPair): boolean {
  return a.fromId === b.fromId && a.toId === b.toId
}
