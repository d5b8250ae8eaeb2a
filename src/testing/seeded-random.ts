/**
 * Randomness that is the same in every run with the same seed. Only for tests: whoever knows the seed knows every key.
 * The generator is sfc32 by Chris Doty-Humphrey (PractRand), seeded through the FNV-1a hash.
 */

import type { Random } from '../platform/random.ts'

export class SeededRandom implements Random {
  readonly #seed: string
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number | string) {
    this.#seed = String(seed)
    this.#a = fnv1a(`${this.#seed}/a`)
    this.#b = fnv1a(`${this.#seed}/b`)
    this.#c = fnv1a(`${this.#seed}/c`)
    for (let round = 0; round < 15; round++) this.uint32()
  }

  /** An independent generator; what is drawn from one does not change what the other gives. */
  fork(name: string): SeededRandom {
    return new SeededRandom(`${this.#seed}/${name}`)
  }

  uint32(): number {
    const result = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0
    return result >>> 0
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.uint32() & 0xff
    return bytes
  }

  fraction(): number {
    return this.uint32() / 2 ** 32
  }

  /** A whole number from `lowest` to `highest`, both included. */
  integer(lowest: number, highest: number): number {
    return lowest + Math.floor(this.fraction() * (highest - lowest + 1))
  }
}

function fnv1a(text: string): number {
  let hash = 0x811c_9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193)
  return hash >>> 0
}
