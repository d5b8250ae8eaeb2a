/** A bounded number of places, of which one address can take only some: one host must not keep all others out. */
export class Places {
  readonly #total: number
  readonly #perAddress: number
  readonly #takenByAddress = new Map<string, number>()
  #taken = 0

  constructor(limits: { readonly total: number; readonly perAddress: number }) {
    this.#total = limits.total
    this.#perAddress = limits.perAddress
  }

  /** Takes a place; the returned function gives it back, once. Undefined where there is none. */
  take(address: string): (() => void) | undefined {
    const takenThere = this.#takenByAddress.get(address) ?? 0
    if (this.#taken >= this.#total || takenThere >= this.#perAddress) return undefined
    this.#taken++
    this.#takenByAddress.set(address, takenThere + 1)
    let isTaken = true
    return () => {
      if (isTaken) this.#giveBack(address)
      isTaken = false
    }
  }

  #giveBack(address: string): void {
    this.#taken--
    const left = this.#takenByAddress.get(address)! - 1
    if (left > 0) this.#takenByAddress.set(address, left)
    else this.#takenByAddress.delete(address)
  }
}
