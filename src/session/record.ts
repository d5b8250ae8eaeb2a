/**
 * The record layer (docs/protocol.md, "Records"): after the handshake, either direction is a sequence of
 *
 *     +------------+--------------------------------------+----------+
 *     | length: 16 | ciphertext: length - 16 bytes        | tag: 16  |
 *     +------------+--------------------------------------+----------+
 *
 * Each record is a Noise transport message under the next nonce, so a record that was changed, repeated, left out or
 * moved fails authentication, and the connection with it.
 */

import { TAG_BYTES, uninitialized } from '../crypto/chacha20-poly1305.ts'
import { protocolViolation } from '../errors.ts'
import { MAX_NOISE_MESSAGE_BYTES } from '../limits.ts'
import { alertError } from './handshake-alert.ts'
import type { CipherState } from './noise/cipher-state.ts'

const LENGTH_BYTES = 2

/** What a record adds to the frames it carries. */
export const RECORD_OVERHEAD_BYTES: number = LENGTH_BYTES + TAG_BYTES

/**
 * Buffers in which long records are gathered, shared by all connections: what arrives in bulk comes in chunks that end
 * anywhere, so that nearly every record is gathered, and a new buffer for each made a tenth of the receiver's work.
 */
const spareBuffers: Uint8Array[] = []
const MAX_SPARE_BUFFERS = 16
/** Records shorter than this cost less than a buffer for the longest keeps. */
const LONG_RECORD_BYTES = 16_384

/** The most that one record carries: 65,519 bytes. */
export const MAX_RECORD_PLAINTEXT_BYTES: number = MAX_NOISE_MESSAGE_BYTES - TAG_BYTES

export class RecordSealer {
  readonly #cipher: CipherState

  constructor(cipher: CipherState) {
    this.#cipher = cipher
  }

  /**
   * The record that carries `plaintext`, 1 to MAX_RECORD_PLAINTEXT_BYTES bytes, in a new buffer. Records must be sent
   * in the order in which they were sealed. Throws `limit-reached` when the key has served its time.
   */
  seal(plaintext: Uint8Array): Uint8Array {
    const { length } = plaintext
    if (length === 0 || length > MAX_RECORD_PLAINTEXT_BYTES) {
      throw new RangeError(`A record carries 1 to ${MAX_RECORD_PLAINTEXT_BYTES} bytes, not ${length}`)
    }
    const record = uninitialized(length + RECORD_OVERHEAD_BYTES)
    record[0] = (length + TAG_BYTES) >>> 8
    record[1] = length + TAG_BYTES
    this.#cipher.encryptInto(record, LENGTH_BYTES, plaintext)
    return record
  }

  /** The same in pieces: a long plaintext costs a copy less. */
  sealInPieces(plaintext: Uint8Array): readonly Uint8Array[] {
    const { length } = plaintext
    const { ciphertext, tag } = this.#cipher.encryptApart(plaintext)
    return [Uint8Array.of((length + TAG_BYTES) >>> 8, length + TAG_BYTES), ciphertext, tag]
  }
}

/**
 * Takes the bytes as they arrive, however they are cut, and hands over the plaintext of each record. Between records it
 * holds no buffer. After it has thrown, the connection must be closed.
 */
export class RecordOpener {
  readonly #cipher: CipherState
  #state: OpenerState = 'first-byte'
  /** The length of the present record, as far as it has been read. */
  #length = 0
  /** The present record as far as it has arrived, where it did not come whole. */
  #gathered: Uint8Array | undefined
  #gatheredLength = 0
  #hasOpened = false

  constructor(cipher: CipherState) {
    this.#cipher = cipher
  }

  /**
   * Calls `onRecord` with the plaintext of every record that `chunk` completes; the plaintext belongs to the receiver.
   * Throws `protocol-violation` for a record that is not authentic; before the first good one also the error that an
   * alert stands for.
   */
  push(chunk: Uint8Array, onRecord: (plaintext: Uint8Array) => void): void {
    let offset = 0
    while (offset < chunk.length) {
      switch (this.#state) {
        case 'first-byte':
          this.#length = chunk[offset++]! << 8
          this.#state = 'second-byte'
          break
        case 'second-byte':
          this.#length |= chunk[offset++]!
          this.#state = this.#stateAfterLength()
          break
        case 'alert':
          throw alertError(chunk[offset]!)
        case 'body':
          offset = this.#takeBody(chunk, offset, onRecord)
          break
      }
    }
  }

  /**
   * A length of 0 announces an alert, which is all that a responder can say when it could not open the initiator's
   * last message. It is not authenticated, so it is believed only as long as nothing authentic has arrived.
   */
  #stateAfterLength(): OpenerState {
    if (this.#length > TAG_BYTES) return 'body'
    if (this.#length === 0 && !this.#hasOpened) return 'alert'
    throw protocolViolation(`A record has a length of ${this.#length}, less than its tag and one byte`)
  }

  #takeBody(chunk: Uint8Array, start: number, onRecord: (plaintext: Uint8Array) => void): number {
    const available = chunk.length - start
    if (this.#gathered === undefined) {
      const end = start + this.#length
      if (available >= this.#length) {
        onRecord(this.#decrypt(chunk.subarray(start, end)))
        return end
      }
      this.#gathered = takeBuffer(this.#length)
      this.#gatheredLength = 0
    }
    const end = start + Math.min(available, this.#length - this.#gatheredLength)
    this.#gathered.set(chunk.subarray(start, end), this.#gatheredLength)
    this.#gatheredLength += end - start
    if (this.#gatheredLength === this.#length) this.#openGathered(this.#gathered, onRecord)
    return end
  }

  #openGathered(gathered: Uint8Array, onRecord: (plaintext: Uint8Array) => void): void {
    this.#gathered = undefined
    const plaintext = this.#decrypt(gathered.subarray(0, this.#length))
    giveBackBuffer(gathered)
    onRecord(plaintext)
  }

  #decrypt(sealed: Uint8Array): Uint8Array {
    const plaintext = this.#cipher.decrypt(sealed)
    if (plaintext === undefined) throw protocolViolation('A record fails authentication')
    this.#hasOpened = true
    this.#state = 'first-byte'
    return plaintext
  }
}

function takeBuffer(length: number): Uint8Array {
  if (length < LONG_RECORD_BYTES) return uninitialized(length)
  return spareBuffers.pop() ?? uninitialized(MAX_NOISE_MESSAGE_BYTES)
}

function giveBackBuffer(buffer: Uint8Array): void {
  if (buffer.length === MAX_NOISE_MESSAGE_BYTES && spareBuffers.length < MAX_SPARE_BUFFERS) spareBuffers.push(buffer)
}

type OpenerState = 'first-byte' | 'second-byte' | 'alert' | 'body'
