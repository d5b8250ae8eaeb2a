/**
 * The asker's end of a streamed answer (docs/protocol.md, "Streamed answers"). Items wait for their reader within a
 * window, which is given back as they are read: who answers faster than the asker reads has to wait.
 */

import { protocolViolation } from '../errors.ts'
import { ANSWER_ITEM_BYTES, ANSWER_ITEM_WINDOW } from '../limits.ts'
import { Fifo } from '../wire/fifo.ts'
import { ItemQueue } from './item-queue.ts'

/** Half a window: with all items read and no more than half of it not given back yet, the largest item still fits. */
const PULL_THRESHOLD: number = ANSWER_ITEM_WINDOW / 2

/** What an item takes of the window: one, and one more for every so many bytes, but no more than half of it. */
export function itemCost(length: number): number {
  return Math.min(1 + Math.floor(length / ANSWER_ITEM_BYTES), PULL_THRESHOLD)
}

export interface AnswerItemsHandlers {
  /** So much of the window has been read, and may be used again. */
  onPull(count: number): void
  /** The reader has everything that came: from now on it waits for the peer. */
  onEmpty(): void
  /** The reader left. */
  onReturn(): void
}

export class AnswerItems {
  /** What the reader reads. */
  readonly queue: ItemQueue<unknown>
  readonly #handlers: AnswerItemsHandlers
  /** Of the items that are unread. */
  readonly #costs = new Fifo<number>()
  #unread = 0
  #read = 0

  constructor(handlers: AnswerItemsHandlers) {
    this.#handlers = handlers
    this.queue = new ItemQueue({ onTaken: () => this.#onTaken(), onReturn: () => handlers.onReturn() })
  }

  /** An item of `length` bytes arrived. Throws `protocol-violation` where the window was used up. */
  push(value: unknown, length: number): void {
    const cost = itemCost(length)
    if (this.#unread + cost > ANSWER_ITEM_WINDOW) throw protocolViolation('more items of an answer than were asked for')
    this.#add(value, cost)
  }

  /** The answer was a single one: a sequence of one. */
  finish(value: unknown): void {
    this.#add(value, 0)
    this.end()
  }

  end(error?: unknown): void {
    this.queue.end(error)
  }

  #add(value: unknown, cost: number): void {
    this.#unread += cost
    this.#costs.push(cost)
    this.queue.push(value)
  }

  #onTaken(): void {
    const cost = this.#costs.shift()!
    this.#unread -= cost
    this.#read += cost
    if (this.#read >= PULL_THRESHOLD) {
      this.#handlers.onPull(this.#read)
      this.#read = 0
    }
    if (this.#unread === 0) this.#handlers.onEmpty()
  }
}
