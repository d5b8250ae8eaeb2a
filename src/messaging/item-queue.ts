/**
 * A queue between somebody who pushes and one reader with `for await`. The reader is told of every end: a reader that
 * leaves the loop early ends the queue, which `onReturn` hears.
 */

import { MAX_UNREAD_UNRELIABLE_BYTES, MAX_UNREAD_UNRELIABLE_MESSAGES } from '../limits.ts'
import { DropOldestQueue } from '../session/datagram/drop-oldest-queue.ts'
import { Fifo } from '../wire/fifo.ts'

export class ItemQueue<T> implements AsyncIterableIterator<T> {
  readonly #items = new Fifo<T>()
  /** Those which need not be read. */
  #lossy: DropOldestQueue<T> | undefined
  #isLossyNext = false
  readonly #onTaken: ((item: T) => void) | undefined
  readonly #onReturn: (() => void) | undefined
  readonly #readers: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void }[] = []
  #end: { readonly error: unknown } | undefined
  #ended = false

  constructor(handlers: { onTaken?: (item: T) => void; onReturn?: () => void } = {}) {
    this.#onTaken = handlers.onTaken
    this.#onReturn = handlers.onReturn
  }

  get length(): number {
    return this.#items.length + (this.#lossy?.length ?? 0)
  }

  push(item: T): void {
    if (!this.#ended && !this.#hand(item)) this.#items.push(item)
  }

  /** Pushes an item that need not be read: where too many wait, the oldest of these are dropped, and returned. */
  pushLossy(item: T, bytes: number): T[] {
    if (this.#ended || this.#hand(item)) return []
    this.#lossy ??= new DropOldestQueue({
      messages: MAX_UNREAD_UNRELIABLE_MESSAGES,
      bytes: MAX_UNREAD_UNRELIABLE_BYTES,
    })
    return this.#lossy.push(item, bytes)
  }

  /** False where nobody waits. */
  #hand(item: T): boolean {
    const reader = this.#readers.shift()
    if (!reader) return false
    this.#onTaken?.(item)
    reader.resolve({ done: false, value: item })
    return true
  }

  /** No more items will come; the reader gets those which wait, then the error if there is one. */
  end(error?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    if (error !== undefined) this.#end = { error }
    for (const reader of this.#readers.splice(0)) {
      if (this.#end) {
        reader.reject(this.#end.error)
        this.#end = undefined
      } else reader.resolve({ done: true, value: undefined })
    }
  }

  next(): Promise<IteratorResult<T>> {
    if (this.length > 0) {
      const value = this.#shift()
      this.#onTaken?.(value)
      return Promise.resolve({ done: false, value })
    }
    if (this.#end) {
      const { error } = this.#end
      this.#end = undefined
      return Promise.reject(error)
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
  }

  /** The two kinds take turns: a flood of one does not hold up the other. */
  #shift(): T {
    const isLossy =
      this.#lossy !== undefined && this.#lossy.length > 0 && (this.#isLossyNext || this.#items.length === 0)
    this.#isLossyNext = !isLossy
    return isLossy ? this.#lossy!.shift()! : this.#items.shift()!
  }

  return(): Promise<IteratorResult<T>> {
    const unread = [...this.#items.drain(), ...(this.#lossy?.drain() ?? [])]
    for (const item of unread) this.#onTaken?.(item)
    const wasEnded = this.#ended
    this.#end = undefined
    this.end()
    if (!wasEnded) this.#onReturn?.()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
