/**
 * Puts the fragments of large frames together again: one at a time in each pool of a session, within a budget that all
 * sessions of a room share, so that many peers which begin large messages and never finish them cannot fill memory.
 */

import { EarshotError, protocolViolation } from '../errors.ts'
import { MAX_MESSAGE_BYTES, MAX_REASSEMBLY_BYTES, MAX_WHOLE_FRAME_BYTES } from '../limits.ts'

/** A frame's header: type and three varints. */
const MAX_FRAME_BYTES: number = MAX_MESSAGE_BYTES + 25

export class ReassemblyBudget {
  #left: number = MAX_REASSEMBLY_BYTES

  take(bytes: number): void {
    if (bytes > this.#left) {
      throw new EarshotError(
        'limit-reached',
        `a large message needs ${bytes} bytes more, ${this.#left} are left for all peers`,
      )
    }
    this.#left -= bytes
  }

  giveBack(bytes: number): void {
    this.#left += bytes
  }
}

export class Reassembly {
  readonly #budget: ReassemblyBudget
  /** Grows with what arrives, not with what is announced. */
  #bytes = new Uint8Array(0)
  #total = 0
  #length = 0

  constructor(budget: ReassemblyBudget) {
    this.#budget = budget
  }

  /** A frame of `total` bytes begins. */
  begin(total: number): void {
    if (this.#total > 0) throw protocolViolation('a large frame begins before the last one has ended')
    if (total <= MAX_WHOLE_FRAME_BYTES || total > MAX_FRAME_BYTES) {
      throw protocolViolation(`a fragmented frame of ${total} bytes is not allowed`)
    }
    this.#total = total
  }

  /** Adds a fragment. Returns the frame when it is complete. */
  add(fragment: Uint8Array): Uint8Array | undefined {
    if (this.#total === 0) throw protocolViolation('a fragment without a beginning')
    const length = this.#length + fragment.length
    if (fragment.length === 0 || length > this.#total) throw protocolViolation('a fragment does not fit its frame')
    this.#grow(length)
    this.#bytes.set(fragment, this.#length)
    this.#length = length
    if (length < this.#total) return undefined
    const frame = this.#bytes
    this.discard()
    return frame
  }

  /** Forgets an unfinished frame. */
  discard(): void {
    this.#budget.giveBack(this.#bytes.length)
    this.#total = 0
    this.#length = 0
    this.#bytes = new Uint8Array(0)
  }

  #grow(needed: number): void {
    if (needed <= this.#bytes.length) return
    const length = Math.min(this.#total, Math.max(needed, this.#bytes.length * 2))
    this.#budget.take(length - this.#bytes.length)
    const grown = new Uint8Array(length)
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
