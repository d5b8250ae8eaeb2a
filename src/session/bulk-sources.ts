/**
 * Bytes of streams that wait for the path, in a ring: each stream gets its turn, and none waits for more than one turn
 * of each other. Nothing is copied on the way: a stream writes its bytes into the record itself.
 */

import { MAX_WHOLE_FRAME_BYTES } from '../limits.ts'
import { Fifo } from '../wire/fifo.ts'

export interface BulkSource {
  /** Bytes that wait to leave. */
  readonly pending: number
  /** How many of them there is credit for. */
  readonly sendable: number
  /** Belongs to `BulkSources`. */
  isQueued: boolean
  /**
   * Writes a frame with as many of them as fit before `end`, and returns the offset behind it. The frame begins at
   * `offset`; where a frame of this source with `bodyLength` bytes stands there already, the new bytes join it.
   */
  put(target: Uint8Array, offset: number, end: number, bodyLength: number): number
}

/** The header of such a frame at most: type, stream, a zero, and a length below 2^30. */
export const BULK_HEADER_BYTES: number = 1 + 8 + 1 + 4
/** What a stream may write while others wait: four of them share a record. */
const TURN_BYTES = MAX_WHOLE_FRAME_BYTES
/** Less than this at the end of a record is not worth a frame, unless it is all there is. */
const WORTHWHILE_BYTES = 512

export class BulkSources {
  readonly #ring = new Fifo<BulkSource>()
  #pendingBytes = 0
  #hasFinished = false
  /** The last frame in the present record: more bytes of its source join it, one frame costs a reader less than two. */
  #last: BulkSource | undefined
  #lastStart = 0
  #lastEnd = 0
  #lastBodyLength = 0

  /** Bytes that wait for credit or for the path. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  get hasSendable(): boolean {
    return this.#next() !== undefined
  }

  /** The source has a new chunk. */
  offer(source: BulkSource): void {
    this.#pendingBytes += source.pending
    this.resume(source)
  }

  /** The source was given credit. */
  resume(source: BulkSource): void {
    if (source.isQueued || source.sendable === 0) return
    source.isQueued = true
    this.#ring.push(source)
  }

  /** The source is about to drop what it has pending. */
  withdraw(source: BulkSource): void {
    this.#pendingBytes -= source.pending
  }

  clear(): void {
    this.#ring.drain()
    this.#pendingBytes = 0
  }

  /** How much of `space` can be filled now: none while a stream may still have its next chunk in this turn. */
  fillable(space: number): number {
    if (this.#hasFinished) return 0
    const first = this.#next()
    if (!first || !fits(first, space)) return 0
    return this.#ring.length > 1 ? space : Math.min(space, first.sendable + BULK_HEADER_BYTES)
  }

  /** Fills `target` from `offset` to `end` at most, and returns how far it came. */
  fill(target: Uint8Array, offset: number, end: number): number {
    let at = offset
    let turns = this.#ring.length
    for (let source = this.#next(); source && fits(source, end - at); source = this.#next()) {
      // Who has sent a whole chunk gets its next turn before others get their second one.
      if (turns-- <= 0 && this.#hasFinished) break
      this.#ring.shift()
      at = this.#put(source, target, at, this.#ring.length > 0 ? Math.min(end, at + TURN_BYTES) : end)
      if (source.pending === 0) this.#hasFinished = true
      if (source.sendable > 0) this.#ring.push(source)
      else source.isQueued = false
    }
    return at
  }

  /** The record has left: nothing can join its frames. */
  onSealed(): void {
    this.#last = undefined
  }

  /** True where a chunk has left whole since the last call. */
  takeFinished(): boolean {
    const hasFinished = this.#hasFinished
    this.#hasFinished = false
    return hasFinished
  }

  #put(source: BulkSource, target: Uint8Array, offset: number, end: number): number {
    if (source !== this.#last || offset !== this.#lastEnd) {
      this.#last = source
      this.#lastStart = offset
      this.#lastBodyLength = 0
    }
    const before = source.pending
    this.#lastEnd = source.put(target, this.#lastStart, end, this.#lastBodyLength)
    const length = before - source.pending
    this.#lastBodyLength += length
    this.#pendingBytes -= length
    return this.#lastEnd
  }

  /** The first that can send; what was withdrawn leaves the ring here. */
  #next(): BulkSource | undefined {
    for (let source = this.#ring.peek(); source; source = this.#ring.peek()) {
      if (source.sendable > 0) return source
      source.isQueued = false
      this.#ring.shift()
    }
    return undefined
  }
}

function fits({ sendable }: BulkSource, space: number): boolean {
  return space >= Math.min(sendable, WORTHWHILE_BYTES) + BULK_HEADER_BYTES
}
