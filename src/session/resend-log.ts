/**
 * The records of a session that the peer may not have yet, by their numbers: they are sent again when a connection
 * breaks under them. Numbers begin at 0 and have no gaps.
 */

import { uninitialized } from '../crypto/chacha20-poly1305.ts'
import { protocolViolation } from '../errors.ts'
import { MAX_RECORD_PLAINTEXT_BYTES } from './record.ts'
import { giveBackRecordBuffer } from './record-buffers.ts'

/** What is shorter than this is copied into memory of just its size. */
const LONG_RECORD_BYTES: number = MAX_RECORD_PLAINTEXT_BYTES / 2
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

  /**
   * Keeps `plaintext`, which nobody may change any more, and returns its number. Its buffer, from `takeRecordBuffer`, is
   * given back when the record is acknowledged, or at once where a copy will do: then `plaintext` stays as it is until
   * another record is filled.
   */
  append(plaintext: Uint8Array): number {
    this.#records.push(kept(plaintext))
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
      if (record.length >= LONG_RECORD_BYTES) giveBackRecordBuffer(record)
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

function kept(plaintext: Uint8Array): Uint8Array {
  if (plaintext.length >= LONG_RECORD_BYTES) return plaintext
  const copy = uninitialized(plaintext.length)
  copy.set(plaintext)
  giveBackRecordBuffer(plaintext)
  return copy
}
