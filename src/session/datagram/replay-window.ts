/**
 * Which packet numbers have been seen (RFC 4303 section 3.4.3): a window of bits that ends at the largest authentic
 * number. What is in it is known one by one, what is before it counts as seen. Checked before the arithmetic of a
 * packet, moved only after it.
 */

import { REPLAY_WINDOW_PACKETS } from '../../limits.ts'

const BITS = 32

export class ReplayWindow {
  /** The bit of number n is at n modulo the length of the window: nothing moves when the window does (RFC 6479). */
  #words: Uint32Array | undefined
  #largest = -1

  /** The largest number marked, -1 before the first. */
  get largest(): number {
    return this.#largest
  }

  /** Whether a packet of this number may still be taken. */
  isNew(number: number): boolean {
    if (number > this.#largest) return true
    if (number <= this.#largest - REPLAY_WINDOW_PACKETS) return false
    const bit = number % REPLAY_WINDOW_PACKETS
    return ((this.#words![bit >>> 5]! >>> (bit % BITS)) & 1) === 0
  }

  /** Takes a number for which `isNew` was true. */
  mark(number: number): void {
    const words = this.#words ?? new Uint32Array(REPLAY_WINDOW_PACKETS / BITS)
    this.#words = words
    if (number - this.#largest >= REPLAY_WINDOW_PACKETS) words.fill(0)
    else for (let skipped = this.#largest + 1; skipped < number; skipped++) clear(words, skipped)
    if (number > this.#largest) this.#largest = number
    const bit = number % REPLAY_WINDOW_PACKETS
    words[bit >>> 5]! |= 1 << (bit % BITS)
  }
}

function clear(words: Uint32Array, number: number): void {
  const bit = number % REPLAY_WINDOW_PACKETS
  words[bit >>> 5]! &= ~(1 << (bit % BITS))
}
