/**
 * Who has just said goodbye. Each socket has a queue of its own, so what somebody answered to one of them may be read
 * after the goodbye that came to another: such an answer is no news.
 */

import { MAX_REMEMBERED_GOODBYES } from '../limits.ts'

/** Packets that wait in a socket are read within this time, even on a busy machine. */
const REMEMBERED_MS = 1_000

export class Farewells {
  readonly #untilByKey = new Map<string, number>()

  /** `key` has said goodbye. */
  add(key: string, now: number): void {
    this.#untilByKey.delete(key)
    this.#untilByKey.set(key, now + REMEMBERED_MS)
    const [oldest] = this.#untilByKey.keys()
    if (this.#untilByKey.size > MAX_REMEMBERED_GOODBYES) this.#untilByKey.delete(oldest!)
  }

  /** It has surely come back. */
  delete(key: string): void {
    this.#untilByKey.delete(key)
  }

  /** Whether it said goodbye a moment ago. */
  has(key: string, now: number): boolean {
    return (this.#untilByKey.get(key) ?? now) > now
  }
}
