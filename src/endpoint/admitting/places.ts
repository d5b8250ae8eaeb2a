/** A bounded number of places, of which one address can take only some: one host must not keep all others out. */

import { hostOf } from '../../platform/ip-address.ts'

export class Places {
  readonly #total: number
  readonly #perAddress: number
  readonly #takenByHost = new Map<string, number>()
  #taken = 0

  constructor(limits: { readonly total: number; readonly perAddress: number }) {
    this.#total = limits.total
    this.#perAddress = limits.perAddress
  }

  /** Takes a place; the returned function gives it back, once. Undefined where there is none. */
  take(address: string): (() => void) | undefined {
    const host = hostOf(address)
    const takenThere = this.#takenByHost.get(host) ?? 0
    if (this.#taken >= this.#total || takenThere >= this.#perAddress) return undefined
    this.#taken++
    this.#takenByHost.set(host, takenThere + 1)
    let isTaken = true
    return () => {
      if (isTaken) this.#giveBack(host)
      isTaken = false
    }
  }

  #giveBack(host: string): void {
    this.#taken--
    const left = this.#takenByHost.get(host)! - 1
    if (left > 0) this.#takenByHost.set(host, left)
    else this.#takenByHost.delete(host)
  }
}
