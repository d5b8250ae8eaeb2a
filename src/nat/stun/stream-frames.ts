/**
 * Messages in a stream of bytes (RFC 8489 section 6.2.2, RFC 8656 section 12.5): STUN messages say their length in the
 * header; ChannelData of TURN, which begins with the bits 01, too, and is padded to a multiple of 4 bytes.
 */

import { protocolViolation } from '../../errors.ts'
import { HEADER_BYTES, looksLikeStun } from './message.ts'

/** What begins every message: enough to know how long it is. */
const LENGTH_BYTES = 4
const CHANNEL_HEADER_BYTES = 4
/** Channel numbers go from 0x4000 to 0x4fff (RFC 8656 section 12). */
const LAST_CHANNEL_BYTE = 0x4f

export class StreamFrames {
  readonly #onFrame: (frame: Uint8Array) => void
  /** A message that has begun, at most one, so at most 65,555 bytes. */
  #pending: Uint8Array = new Uint8Array()

  /** `onFrame` gets each message whole, ChannelData without its padding. */
  constructor(onFrame: (frame: Uint8Array) => void) {
    this.#onFrame = onFrame
  }

  /** Throws `protocol-violation` at the first byte that begins neither kind; the stream is of no use then. */
  push(bytes: Uint8Array): void {
    let rest = this.#pending.length === 0 ? bytes : joined(this.#pending, bytes)
    for (let frame = nextFrame(rest); frame !== undefined; frame = nextFrame(rest)) {
      rest = rest.subarray(frame.paddedLength)
      this.#pending = new Uint8Array()
      this.#onFrame(frame.bytes)
    }
    // A copy: what remains may be a small part of a large chunk. (`slice` of a Buffer of Node makes none.)
    this.#pending = new Uint8Array(rest)
  }
}

/** The message that these bytes begin with, and how long it is in the stream; undefined while it is not complete. Throws as `push`. */
export function nextFrame(
  bytes: Uint8Array,
): { readonly bytes: Uint8Array; readonly paddedLength: number } | undefined {
  if (bytes.length === 0) return undefined
  if (bytes[0]! > LAST_CHANNEL_BYTE)
    throw protocolViolation(`${bytes[0]} begins neither a STUN message nor ChannelData`)
  const kind = bytes[0]! >>> 6
  if (bytes.length >= HEADER_BYTES && kind === 0 && !looksLikeStun(bytes)) {
    throw protocolViolation('The stream goes on with something that is no STUN message')
  }
  if (bytes.length < LENGTH_BYTES) return undefined
  const said = (bytes[2]! << 8) | bytes[3]!
  const length = said + (kind === 0 ? HEADER_BYTES : CHANNEL_HEADER_BYTES)
  const paddedLength = kind === 0 ? length : (length + 3) & ~3
  return bytes.length < paddedLength ? undefined : { bytes: bytes.subarray(0, length), paddedLength }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length)
  whole.set(a)
  whole.set(b, a.length)
  return whole
}
