/**
 * Framing of handshake messages (docs/protocol.md, "Handshake"): a length of 16 bits, then the body; or a length of 0
 * and one byte, which is an alert.
 */

import { protocolViolation } from '../errors.ts'
import { MAX_HANDSHAKE_MESSAGE_BYTES } from '../limits.ts'
import { ByteWriter } from '../wire/byte-writer.ts'

export type HandshakeFrame =
  | { readonly kind: 'message'; readonly body: Uint8Array }
  | { readonly kind: 'alert'; readonly code: number }

const LENGTH_BYTES = 2

export function encodeFrame(body: Uint8Array): Uint8Array {
  return new ByteWriter(LENGTH_BYTES + body.length).uint16(body.length).append(body).finish()
}

/**
 * Collects the bytes of the handshake however TCP cuts them. What lies behind the last frame taken belongs to the
 * record layer. As long as frames are taken as they come, it holds less than one frame besides the newest chunk.
 */
export class HandshakeReader {
  #pending: Uint8Array = new Uint8Array(0)

  push(chunk: Uint8Array): void {
    if (this.#pending.length === 0) {
      this.#pending = chunk
      return
    }
    const joined = new Uint8Array(this.#pending.length + chunk.length)
    joined.set(this.#pending)
    joined.set(chunk, this.#pending.length)
    this.#pending = joined
  }

  /** All that has arrived and was not taken yet. */
  get pending(): Uint8Array {
    return this.#pending
  }

  /** The next `length` bytes, or `undefined` until they are there. */
  take(length: number): Uint8Array | undefined {
    if (this.#pending.length < length) return undefined
    const taken = this.#pending.subarray(0, length)
    this.#pending = this.#pending.subarray(length)
    return taken
  }

  /** The next frame, or `undefined` until it is there. Throws `protocol-violation` as soon as its length is known. */
  takeFrame(): HandshakeFrame | undefined {
    const pending = this.#pending
    if (pending.length <= LENGTH_BYTES) return undefined
    const length = (pending[0]! << 8) | pending[1]!
    if (length === 0) {
      this.take(LENGTH_BYTES + 1)
      return { kind: 'alert', code: pending[LENGTH_BYTES]! }
    }
    if (length > MAX_HANDSHAKE_MESSAGE_BYTES) {
      throw protocolViolation(`A handshake message of ${length} bytes is above ${MAX_HANDSHAKE_MESSAGE_BYTES}`)
    }
    const frame = this.take(LENGTH_BYTES + length)
    return frame && { kind: 'message', body: frame.subarray(LENGTH_BYTES) }
  }
}
