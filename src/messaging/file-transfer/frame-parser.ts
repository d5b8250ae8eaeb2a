/**
 * Takes the bytes of a transfer's stream as they come and makes frames of them. Content is handed on as it comes, without
 * a copy; every other frame is put together first, which costs 64 KiB at most.
 */

import { protocolViolation } from '../../errors.ts'
import { MAX_TRANSFER_DATA_BYTES, MAX_TRANSFER_FRAME_BYTES } from '../../limits.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { decodeFrame, FrameType, type TransferFrame } from './transfer-frame.ts'

/** Type, and a length of 4 bytes at most. */
const MAX_HEADER_BYTES = 5

interface PartialFrame {
  readonly type: number
  readonly body: Uint8Array
  filled: number
}

export class FrameParser {
  readonly #header = new Uint8Array(MAX_HEADER_BYTES)
  #headerLength = 0
  #partial: PartialFrame | undefined
  /** What is to come of the content that was announced. */
  #contentLeft = 0

  /** Whether the bytes so far end where a frame ends. */
  get isBetweenFrames(): boolean {
    return this.#contentLeft === 0 && this.#headerLength === 0 && this.#partial === undefined
  }

  /** The frames that `chunk` completes, and the pieces of content that it has. Throws `protocol-violation`. */
  *push(chunk: Uint8Array): Generator<TransferFrame, void, undefined> {
    let offset = 0
    while (offset < chunk.length) {
      if (this.#contentLeft > 0) {
        const bytes = chunk.subarray(offset, offset + this.#contentLeft)
        this.#contentLeft -= bytes.length
        offset += bytes.length
        yield { type: 'data', bytes }
      } else if (this.#partial) {
        offset += this.#fill(this.#partial, chunk, offset)
        yield* this.#complete()
      } else {
        this.#header[this.#headerLength++] = chunk[offset++]!
        yield* this.#readHeader()
      }
    }
  }

  *#readHeader(): Generator<TransferFrame, void, undefined> {
    if (this.#headerLength < 2) return
    const lengthBytes = 1 << (this.#header[1]! >>> 6)
    if (lengthBytes > MAX_HEADER_BYTES - 1) throw protocolViolation('a frame of a transfer is too long')
    if (this.#headerLength < 1 + lengthBytes) return
    const type = this.#header[0]!
    const length = new ByteReader(this.#header, 1, this.#headerLength).varint('length')
    this.#headerLength = 0
    const maxBytes = type === FrameType.data ? MAX_TRANSFER_DATA_BYTES : MAX_TRANSFER_FRAME_BYTES
    if (length > maxBytes) throw protocolViolation(`a frame of a transfer of ${length} bytes`)
    if (type === FrameType.data) {
      if (length === 0) throw protocolViolation('a frame of content without content')
      this.#contentLeft = length
      return
    }
    this.#partial = { type, body: new Uint8Array(length), filled: 0 }
    yield* this.#complete()
  }

  #fill(partial: PartialFrame, chunk: Uint8Array, offset: number): number {
    const part = chunk.subarray(offset, offset + partial.body.length - partial.filled)
    partial.body.set(part, partial.filled)
    partial.filled += part.length
    return part.length
  }

  *#complete(): Generator<TransferFrame, void, undefined> {
    const partial = this.#partial
    if (!partial || partial.filled < partial.body.length) return
    this.#partial = undefined
    yield decodeFrame(partial.type, partial.body)
  }
}
