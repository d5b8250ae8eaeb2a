/**
 * The records of a session that the peer may not have yet, by their numbers: they are sent again when a connection
 * breaks under them. Numbers begin at 0 and have no gaps.
 */

import { uninitialized } from '../crypto/chacha20-poly1305.ts'
import { protocolViolation } from '../errors.ts'
import { MAX_RECORD_PLAINTEXT_BYTES } from './record.ts'

/** Buffers for whole records, not in use, shared by all sessions: making them anew costs more than filling them. */
const spareBuffers: Uint8Array[] = []
const MAX_SPARE_BUFFERS = 64
/** What is smaller than this gets memory of just its size. */
const LARGE_RECORD_BYTES: number = MAX_RECORD_PLAINTEXT_BYTES / 2
/** Acknowledged records are let go of one by one, their places in the array not. */
const COMPACT_AT = 1_024

export class ResendLog {
  #records: (Uint8Array | undefined)[] = []
  /** Where in `#records` the first one is. */
  #head = 0
  #first = 0
  #bytes = 0

  /** The number of the oldest record that is kept; equal to `next` where none is. */
  get first(): number {
    return this.#first
  }

  /** The number that the next record gets. */
  get next(): number {
    return this.#first + this.#records.length - this.#head
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Keeps a copy of `plaintext`, and returns its number. */
  append(plaintext: Uint8Array): number {
    const copy = bufferFor(plaintext.length)
    copy.set(plaintext)
    this.#records.push(copy)
    this.#bytes += plaintext.length
    return this.next - 1
  }

  /** The record of this number, from `first` on and below `next`. Valid until it is acknowledged. */
  at(number: number): Uint8Array {
    return this.#records[this.#head + number - this.#first]!
  }

  /** The peer has all records below `received`. Throws `protocol-violation` where they were never sent. */
  acknowledge(received: number): void {
    if (received > this.next) {
      throw protocolViolation(`the peer acknowledges ${received} records, where ${this.next} were sent`)
    }
    while (this.#first < received) {
      const record = this.#records[this.#head]!
      this.#records[this.#head++] = undefined
      this.#first++
      this.#bytes -= record.length
      giveBack(record)
    }
    this.#compact()
  }

  /** The session is over. */
  clear(): void {
    this.acknowledge(this.next)
  }

  #compact(): void {
    if (this.#head === this.#records.length) {
      this.#records.length = 0
      this.#head = 0
    } else if (this.#head > COMPACT_AT && this.#head * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#head)
      this.#head = 0
    }
  }
}

function bufferFor(length: number): Uint8Array {
  if (length < LARGE_RECORD_BYTES) return uninitialized(length)
  const buffer = spareBuffers.pop() ?? new Uint8Array(MAX_RECORD_PLAINTEXT_BYTES)
  return buffer.subarray(0, length)
}

function giveBack({ buffer, length }: Uint8Array): void {
  if (length < LARGE_RECORD_BYTES || spareBuffers.length >= MAX_SPARE_BUFFERS) return
  spareBuffers.push(new Uint8Array(buffer as ArrayBuffer))
}
