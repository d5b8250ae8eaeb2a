/**
 * Reads one message from the network, front to back. Whatever the bytes are, each method returns a value inside the
 * message or throws `protocol-violation` with field and offset; nothing is allocated because a length says so.
 */

import { protocolViolation } from '../errors.ts'
import { MAX_VARINT } from './varint.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export class ByteReader {
  readonly bytes: Uint8Array
  offset: number
  readonly end: number

  constructor(bytes: Uint8Array, offset = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.offset = offset
    this.end = end
  }

  get remaining(): number {
    return this.end - this.offset
  }

  uint8(field: string): number {
    this.#need(1, field)
    return this.bytes[this.offset++]!
  }

  uint16(field: string): number {
    this.#need(2, field)
    const value = (this.bytes[this.offset]! << 8) | this.bytes[this.offset + 1]!
    this.offset += 2
    return value
  }

  uint32(field: string): number {
    this.#need(4, field)
    const { bytes, offset } = this
    this.offset += 4
    return bytes[offset]! * 0x100_0000 + ((bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!)
  }

  /** RFC 9000 section 16. Refuses values above 2^53 - 1 and encodings longer than needed. */
  varint(field: string): number {
    this.#need(1, field)
    const first = this.bytes[this.offset]!
    if (first < 0x40) {
      this.offset++
      return first
    }
    return this.#longVarint(first, field)
  }

  /** The next `length` bytes, as a view: no copy is made. */
  view(length: number, field: string): Uint8Array {
    this.#need(length, field)
    const start = this.offset
    this.offset += length
    return this.bytes.subarray(start, this.offset)
  }

  /** `length` bytes of well-formed UTF-8. */
  utf8(length: number, field: string): string {
    const at = this.offset
    const view = this.view(length, field)
    try {
      return utf8.decode(view)
    } catch (cause) {
      throw protocolViolation(`${field} at offset ${at} is not well-formed UTF-8`, cause)
    }
  }

  /** Refuses bytes behind the last field. */
  finish(message: string): void {
    if (this.offset !== this.end)
      throw protocolViolation(`${message} has ${this.remaining} bytes behind its last field`)
  }

  #longVarint(first: number, field: string): number {
    const at = this.offset
    const length = 1 << (first >>> 6)
    this.#need(length, field)
    let value = first & 0x3f
    for (let i = 1; i < length; i++) value = value * 256 + this.bytes[at + i]!
    if (value > MAX_VARINT) throw protocolViolation(`${field} at offset ${at} is above ${MAX_VARINT}`)
    if (value < (length === 2 ? 0x40 : length === 4 ? 0x4000 : 0x4000_0000)) {
      throw protocolViolation(`${field} at offset ${at} is a varint longer than needed`)
    }
    this.offset = at + length
    return value
  }

  #need(length: number, field: string): void {
    if (length > this.end - this.offset) {
      throw protocolViolation(
        `${field} at offset ${this.offset} needs ${length} bytes, the message has ${this.remaining} left`,
      )
    }
  }
}
