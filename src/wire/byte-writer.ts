/** Writes one message, front to back, into a buffer that grows as needed. The counterpart of `ByteReader`. */

import { putVarint, varintLength } from './varint.ts'

const encoder = new TextEncoder()

export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 128) {
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  uint8(value: number): this {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
    return this
  }

  uint16(value: number): this {
    return this.uint8(value >>> 8).uint8(value)
  }

  uint32(value: number): this {
    return this.uint16(value >>> 16).uint16(value)
  }

  varint(value: number): this {
    this.#reserve(varintLength(value))
    this.#length = putVarint(this.#bytes, this.#length, value)
    return this
  }

  append(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  /** A varint length, then that many bytes. */
  prefixed(bytes: Uint8Array): this {
    return this.varint(bytes.length).append(bytes)
  }

  /** A varint length, then the text in UTF-8. */
  prefixedUtf8(text: string): this {
    return this.prefixed(encoder.encode(text))
  }

  /** What was written, as a view of the writer's buffer: write no more afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(length: number): void {
    const needed = this.#length + length
    if (needed <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
