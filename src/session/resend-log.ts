/**
 * The records of a session that the peer may not have yet, by their numbers: they are sent again when a connection
 * breaks under them. Numbers begin at 0 and have no gaps.
 *
 * Long records keep the buffer that they were gathered in. Short ones are copied one behind the other into slabs, since
 * memory of its own for each would cost more than its bytes.
 *
 *     record  17   18          19   20   21
 *     slab   [#### ########]  [###  #### ##  ·····]
 */

import { protocolViolation } from '../errors.ts'
import { Fifo } from '../wire/fifo.ts'
import { MAX_RECORD_PLAINTEXT_BYTES } from './record.ts'
import { giveBackRecordBuffer, takeRecordBuffer } from './record-buffers.ts'

/** What is shorter than this is copied. */
const LONG_RECORD_BYTES: number = MAX_RECORD_PLAINTEXT_BYTES / 2
/** What a kept record costs beside its bytes: its object, and its place in the array. */
const KEPT_RECORD_BYTES = 256
/** Acknowledged records are let go of one by one, their places in the array not. */
const COMPACT_AT = 1_024

interface Slab {
  readonly buffer: Uint8Array
  /** How much of it is filled. */
  length: number
  /** The number behind its last record. */
  end: number
}

export class ResendLog {
  #records: (Uint8Array | undefined)[] = []
  /** Where in `#records` the first one is. */
  #head = 0
  #first = 0
  #bytes = 0
  /** The last one is being filled. */
  readonly #slabs = new Fifo<Slab>()
  #slab: Slab | undefined

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

  /** What is kept in memory: a million short records have few bytes, and cost more than a thousand long ones. */
  get memory(): number {
    return this.#bytes + (this.next - this.#first) * KEPT_RECORD_BYTES
  }

  /**
   * Keeps `plaintext`, which nobody may change any more, and returns its number. Its buffer, from `takeRecordBuffer`, is
   * given back when the record is acknowledged, or at once where a copy will do: then `plaintext` stays as it is until
   * another record is filled.
   */
  append(plaintext: Uint8Array): number {
    this.#records.push(plaintext.length >= LONG_RECORD_BYTES ? plaintext : this.#copy(plaintext))
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
    for (let slab = this.#slabs.peek(); slab && slab.end <= received; slab = this.#slabs.peek()) this.#release(slab)
    this.#compact()
  }

  /** The session is over. */
  clear(): void {
    this.acknowledge(this.next)
  }

  #copy(plaintext: Uint8Array): Uint8Array {
    const slab = this.#slabFor(plaintext.length)
    const copy = slab.buffer.subarray(slab.length, slab.length + plaintext.length)
    copy.set(plaintext)
    slab.length += plaintext.length
    slab.end = this.next + 1
    giveBackRecordBuffer(plaintext)
    return copy
  }

  #slabFor(length: number): Slab {
    const present = this.#slab
    if (present && present.length + length <= present.buffer.length) return present
    const slab: Slab = { buffer: takeRecordBuffer(length), length: 0, end: this.next }
    this.#slab = slab
    this.#slabs.push(slab)
    return slab
  }

  #release(slab: Slab): void {
    this.#slabs.shift()
    if (slab === this.#slab) this.#slab = undefined
    giveBackRecordBuffer(slab.buffer)
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
