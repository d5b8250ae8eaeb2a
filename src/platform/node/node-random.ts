/** The random port on Node: the generator of `node:crypto`, asked for many bytes at a time since each call is a task for OpenSSL. */

import { randomFillSync } from 'node:crypto'
import type { Random } from '../random.ts'

const POOL_BYTES = 4096

export class NodeRandom implements Random {
  readonly #pool = new Uint8Array(POOL_BYTES)
  #used = POOL_BYTES

  bytes(length: number): Uint8Array {
    if (length > POOL_BYTES / 4) return randomFillSync(new Uint8Array(length))
    const start = this.#take(length)
    const bytes = this.#pool.slice(start, start + length)
    // They may become a key: the pool must not remember them.
    this.#pool.fill(0, start, start + length)
    return bytes
  }

  fraction(): number {
    const start = this.#take(4)
    const word = new DataView(this.#pool.buffer).getUint32(start)
    return word / 2 ** 32
  }

  #take(length: number): number {
    if (this.#used + length > POOL_BYTES) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    const start = this.#used
    this.#used += length
    return start
  }
}
