/**
 * What is open at present, by the number it was given: questions waiting for their answers, for example. Numbers go up
 * and are not used again.
 *
 * A `Map` would do, but one into which hundreds of thousands of entries come and go each second leaves a trail of
 * outgrown hash tables, each of which keeps the next one and its entries alive until the next full collection: half of
 * all questions survived into old space, and a fifth of the time went into collecting them. An array of slots, at the
 * number modulo the length, leaves nothing behind.
 */

const SMALLEST = 64

export interface Numbered {
  readonly id: number
}

export class OpenTable<T extends Numbered> {
  #slots: (T | undefined)[] = []
  #size = 0
  #lastId = 0

  get size(): number {
    return this.#size
  }

  /** The number for the next entry, which must be `add`ed before the next call. */
  nextId(): number {
    if (this.#size * 2 >= this.#slots.length) this.#grow()
    const mask = this.#slots.length - 1
    // The slot of a number may still belong to an old entry: that number is left out.
    do this.#lastId++
    while (this.#slots[this.#lastId & mask] !== undefined)
    return this.#lastId
  }

  add(entry: T): void {
    this.#slots[entry.id & (this.#slots.length - 1)] = entry
    this.#size++
  }

  get(id: number): T | undefined {
    const entry = this.#slots[id & (this.#slots.length - 1)]
    return entry !== undefined && entry.id === id ? entry : undefined
  }

  /** The entry that was there. */
  delete(id: number): T | undefined {
    const entry = this.get(id)
    if (entry === undefined) return undefined
    this.#slots[id & (this.#slots.length - 1)] = undefined
    this.#size--
    return entry
  }

  /** Takes everything out, in the order of the numbers. */
  drain(): T[] {
    const entries = this.#slots.filter(entry => entry !== undefined).sort((a, b) => a.id - b.id)
    this.#slots = []
    this.#size = 0
    return entries
  }

  #grow(): void {
    const entries = this.#slots.filter(entry => entry !== undefined)
    const slots = new Array<T | undefined>(Math.max(SMALLEST, this.#slots.length * 2)).fill(undefined)
    // Numbers that differ in a shorter table's slots differ in a longer one's.
    for (const entry of entries) slots[entry.id & (slots.length - 1)] = entry
    this.#slots = slots
  }
}
