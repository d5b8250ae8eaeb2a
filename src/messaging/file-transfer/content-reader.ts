/**
 * The content of a source from front to back, as frames ready to send. Small files go together into one frame.
 */

import type { Sha256 } from '../../crypto/sha256.ts'
import { MAX_TRANSFER_DATA_BYTES } from '../../limits.ts'
import { putVarint, varintLength } from '../../wire/varint.ts'
import type { ManifestEntry } from './manifest.ts'
import { sourceChanged } from './stop-error.ts'
import { FrameType } from './transfer-frame.ts'
import type { SourceReader, TransferSource } from './transfer-source.ts'

/** In front of the content: type and a length of up to 4 bytes. */
const HEADER_BYTES = 5
/** Files up to this size are read as a whole, some of them at a time. */
const SMALL_BYTES = 65_536
const FILES_AHEAD = 8
/** A buffer for one frame. */
export const FRAME_BUFFER_BYTES: number = HEADER_BYTES + MAX_TRANSFER_DATA_BYTES

export interface Piece {
  readonly frame: Uint8Array
  /** Of the content in it. */
  readonly length: number
}

export class ContentReader {
  readonly #source: TransferSource
  #index = 0
  #position = 0
  #open: SourceReader | undefined
  /** Small files that are being read, or were, by their index. */
  readonly #ahead = new Map<number, Promise<Uint8Array>>()

  constructor(source: TransferSource) {
    this.#source = source
  }

  /** Reads `bytes` of the content without sending them. Aborting ends that. */
  async skip(bytes: number, hash: Sha256, signal: AbortSignal): Promise<void> {
    const buffer = new Uint8Array(MAX_TRANSFER_DATA_BYTES)
    for (let left = bytes; left > 0; ) {
      signal.throwIfAborted()
      const length = await this.#fill(buffer.subarray(0, Math.min(left, buffer.length)))
      hash.update(buffer.subarray(0, length))
      left -= length
    }
  }

  /** The next `data` frame, in `buffer`, and how much content is in it; undefined at the end. */
  async next(buffer: Uint8Array, hash: Sha256): Promise<Piece | undefined> {
    const length = await this.#fill(buffer.subarray(HEADER_BYTES))
    if (length === 0) return undefined
    hash.update(buffer.subarray(HEADER_BYTES, HEADER_BYTES + length))
    const start = HEADER_BYTES - 1 - varintLength(length)
    buffer[start] = FrameType.data
    putVarint(buffer, start + 1, length)
    return { frame: buffer.subarray(start, HEADER_BYTES + length), length }
  }

  /** Resolves when nothing is open any more. */
  async close(): Promise<void> {
    const ahead = [...this.#ahead.values()]
    this.#ahead.clear()
    await Promise.allSettled(ahead)
    await this.#open?.close()
    this.#open = undefined
  }

  /** Fills the target as far as there is content. */
  async #fill(target: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < target.length) {
      const entry = this.#source.entries[this.#index]
      if (entry === undefined) break
      const left = entry.sizeBytes - this.#position
      if (left === 0) {
        await this.#leave()
        continue
      }
      const part = target.subarray(filled, filled + left)
      const count = entry.sizeBytes <= SMALL_BYTES ? await this.#readSmall(part) : await this.#read(entry, part)
      filled += count
      this.#position += count
    }
    return filled
  }

  async #read(entry: ManifestEntry, target: Uint8Array): Promise<number> {
    this.#open ??= await this.#source.open(entry)
    const count = await this.#open.read(target, this.#position)
    if (count === 0) throw sourceChanged(entry.path || this.#source.offer.name)
    return count
  }

  /** Opening and closing takes longer than reading: the next small files are read meanwhile. */
  async #readSmall(target: Uint8Array): Promise<number> {
    const { entries } = this.#source
    for (let index = this.#index; index < Math.min(this.#index + FILES_AHEAD, entries.length); index++) {
      const entry = entries[index]!
      if (entry.sizeBytes === 0 || entry.sizeBytes > SMALL_BYTES || this.#ahead.has(index)) continue
      const reading = this.#readWhole(entry)
      // Whoever gets there gets the error.
      reading.catch(ignore)
      this.#ahead.set(index, reading)
    }
    const content = await this.#ahead.get(this.#index)!
    target.set(content.subarray(this.#position, this.#position + target.length))
    return target.length
  }

  async #readWhole(entry: ManifestEntry): Promise<Uint8Array> {
    const content = new Uint8Array(entry.sizeBytes)
    const file = await this.#source.open(entry)
    try {
      for (let filled = 0; filled < content.length; ) {
        const count = await file.read(content.subarray(filled), filled)
        if (count === 0) throw sourceChanged(entry.path || this.#source.offer.name)
        filled += count
      }
      await file.check()
      return content
    } finally {
      await file.close()
    }
  }

  /** A file is through: it must still be what was offered. */
  async #leave(): Promise<void> {
    this.#ahead.delete(this.#index)
    const open = this.#open
    this.#open = undefined
    this.#index += 1
    this.#position = 0
    try {
      await open?.check()
    } finally {
      await open?.close()
    }
  }
}

function ignore(): void {}
