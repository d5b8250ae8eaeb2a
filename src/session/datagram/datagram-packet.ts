/**
 * One datagram (docs/protocol.md, "Datagrams"):
 *
 *     +------+---------------------------+-------------------+----------------------+---------+
 *     | e1   | receiver's connection id: | packet number:    | ciphertext           | tag: 16 |
 *     |      | 8 bytes                   | lowest 32 bits    |                      |         |
 *     +------+---------------------------+-------------------+----------------------+---------+
 *     └──────────── associated data ─────────────────────────┘
 *
 * The first byte is none of those of STUN, DTLS, TURN channels, RTP and QUIC's short headers (RFC 9443 section 3), and
 * another version of this protocol has another one.
 */

import { ChaCha20Poly1305, NONCE_BYTES, TAG_BYTES, uninitialized } from '../../crypto/chacha20-poly1305.ts'
import { DATAGRAM_BYTES, MAX_RECORDS_PER_KEY } from '../../limits.ts'
import { CONNECTION_ID_BYTES, type DatagramKey } from './datagram-keys.ts'
import { fullPacketNumber } from './packet-number.ts'
import { ReplayWindow } from './replay-window.ts'

export const DATAGRAM_TYPE = 0xe1
const NUMBER_AT: number = 1 + CONNECTION_ID_BYTES
export const HEADER_BYTES: number = NUMBER_AT + 4
/** What frames may take of one datagram. */
export const MAX_DATAGRAM_PLAINTEXT_BYTES: number = DATAGRAM_BYTES - HEADER_BYTES - TAG_BYTES
/** The shortest: one byte of plaintext. */
export const MIN_DATAGRAM_BYTES: number = HEADER_BYTES + 1 + TAG_BYTES

const TWO_32 = 0x1_0000_0000

/** A buffer for a whole datagram: its frames are written behind HEADER_BYTES. */
export function newDatagram(): Uint8Array {
  return uninitialized(DATAGRAM_BYTES)
}

export class DatagramSealer {
  readonly #aead: ChaCha20Poly1305
  /** Type, connection id, and the number of the present datagram. */
  readonly #header = new Uint8Array(HEADER_BYTES)
  readonly #nonce = new Uint8Array(NONCE_BYTES)
  #next = 0

  constructor({ key, connectionId }: DatagramKey) {
    this.#aead = new ChaCha20Poly1305(key)
    this.#header[0] = DATAGRAM_TYPE
    this.#header.set(connectionId, 1)
  }

  /** The key has served its time: nothing may be sealed any more. */
  get isSpent(): boolean {
    return this.#next >= MAX_RECORDS_PER_KEY
  }

  /** Seals in place the first `length` bytes of plaintext of a buffer of `newDatagram`, and returns the datagram. */
  seal(datagram: Uint8Array, length: number): Uint8Array {
    const number = this.#next++
    putUint32(this.#header, NUMBER_AT, number % TWO_32)
    datagram.set(this.#header)
    setNonce(this.#nonce, number)
    const plaintext = datagram.subarray(HEADER_BYTES, HEADER_BYTES + length)
    this.#aead.sealInto(datagram, HEADER_BYTES, plaintext, this.#nonce, this.#header)
    return datagram.subarray(0, HEADER_BYTES + length + TAG_BYTES)
  }
}

export class DatagramOpener {
  readonly #aead: ChaCha20Poly1305
  readonly #nonce = new Uint8Array(NONCE_BYTES)
  readonly #window = new ReplayWindow()

  constructor({ key }: DatagramKey) {
    this.#aead = new ChaCha20Poly1305(key)
  }

  /** The frames of a datagram that has this session's connection id, or why there are none. */
  open(datagram: Uint8Array): Uint8Array | 'replayed' | 'forged' {
    if (datagram.length < MIN_DATAGRAM_BYTES) return 'forged'
    const number = fullPacketNumber(uint32(datagram, NUMBER_AT), this.#window.largest)
    if (number >= MAX_RECORDS_PER_KEY) return 'forged'
    if (!this.#window.isNew(number)) return 'replayed'
    setNonce(this.#nonce, number)
    const header = datagram.subarray(0, HEADER_BYTES)
    const plaintext = this.#aead.open(datagram.subarray(HEADER_BYTES), this.#nonce, header)
    if (plaintext === undefined) return 'forged'
    this.#window.mark(number)
    return plaintext
  }
}

/** As Noise does it: 32 bits of zeros, then the number as 64 bits, little-endian (Noise section 12.3). */
function setNonce(nonce: Uint8Array, number: number): void {
  const low = number % TWO_32
  const high = (number - low) / TWO_32
  nonce[4] = low
  nonce[5] = low >>> 8
  nonce[6] = low >>> 16
  nonce[7] = low >>> 24
  nonce[8] = high
  nonce[9] = high >>> 8
}

function putUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
}

function uint32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 0x100_0000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!)
}
