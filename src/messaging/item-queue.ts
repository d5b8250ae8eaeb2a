/**
 * A queue between somebody who pushes and one reader with `for await`. The reader is told of every end: a reader that
 * leaves the loop early ends the queue, which `onReturn` hears.
 */

import { Fifo } from '../wire/fifo.ts'

export class ItemQueue<T> implements AsyncIterableIterator<T> {
  readonly #items = new Fifo<T>()
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
    return this.#items.length
  }

  push(item: T): void {
    if (this.#ended) return
    const reader = this.#readers.shift()
    if (!reader) {
      this.#items.push(item)
      return
    }
    this.#onTaken?.(item)
    reader.resolve({ done: false, value: item })
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
    if (this.#items.length > 0) {
      const value = this.#items.shift()!
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

  return(): Promise<IteratorResult<T>> {
    const unread = this.#items.drain()
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
