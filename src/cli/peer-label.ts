/**
 * What to call a peer on the screen: its name, and where two peers have that name, the short form of the id too. Once
 * two keys were seen under one name it stays ambiguous, also when one of them has left: names are labels, keys are not.
 */

import { printableName } from './printable.ts'

/** Architecture decision 3: the short form of an id is its first 8 characters. */
const SHORT_ID_LENGTH = 8

/** Names are chosen by strangers, so what is remembered of them is bounded; the oldest are forgotten first. */
const MAX_REMEMBERED_NAMES = 1_024

export interface Named {
  readonly id: string
  readonly name: string
}

export class PeerLabels {
  /** By name as shown: its only id so far, or false where there were several. */
  readonly #owners: Map<string, string | false> = new Map()

  /** Names that sound alike after making them safe are the same name: what counts is what is seen. */
  label({ id, name }: Named): string {
    const shown = printableName(name)
    const owner = this.#owners.get(shown)
    if (owner === undefined) this.#remember(shown, id)
    else if (owner !== id) this.#owners.set(shown, false)
    return this.#owners.get(shown) === false ? `${shown} (${shortId(id)})` : shown
  }

  #remember(shown: string, id: string): void {
    this.#owners.set(shown, id)
    if (this.#owners.size <= MAX_REMEMBERED_NAMES) return
    const [oldest] = this.#owners.keys()
    if (oldest !== undefined) this.#owners.delete(oldest)
  }
}

export function shortId(id: string): string {
  return id.slice(0, SHORT_ID_LENGTH)
}
