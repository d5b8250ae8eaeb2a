/** Messages that nobody waits for: where there are too many, the oldest make room for the newest. */

import { Fifo } from '../../wire/fifo.ts'

export interface QueueBounds {
  readonly messages: number
  readonly bytes: number
}

export class DropOldestQueue<T> {
  readonly #bounds: QueueBounds
  readonly #items = new Fifo<{ readonly item: T; readonly bytes: number }>()
  #bytes = 0

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds
  }

  get length(): number {
    return this.#items.length
  }

  /** Returns what had to go for it. */
  push(item: T, bytes: number): T[] {
    this.#items.push({ item, bytes })
    this.#bytes += bytes
    const dropped: T[] = []
    while (this.#items.length > this.#bounds.messages || this.#bytes > this.#bounds.bytes) dropped.push(this.shift()!)
    return dropped
  }

  peek(): T | undefined {
    return this.#items.peek()?.item
  }

  shift(): T | undefined {
    const first = this.#items.shift()
    this.#bytes -= first?.bytes ?? 0
    return first?.item
  }

  drain(): T[] {
    this.#bytes = 0
    return this.#items.drain().map(({ item }) => item)
  }
}
