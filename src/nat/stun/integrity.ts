/**
 * The attributes that protect a STUN message: MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256, an HMAC over what comes before
 * (RFC 8489 sections 14.5 and 14.6), and FINGERPRINT, a checksum (section 14.7). Each is computed with a message length in
 * the header that ends behind itself.
 */

import { equalInConstantTime, hmacSha1, hmacSha256 } from '../../crypto/hmac.ts'
import { ATTRIBUTE } from './attribute-type.ts'
import { crc32 } from './crc32.ts'

export interface StunIntegrity {
  /** 'sha1' is MESSAGE-INTEGRITY, 'sha256' MESSAGE-INTEGRITY-SHA256. */
  readonly algorithm: 'sha1' | 'sha256'
  readonly key: Uint8Array
}

/** What of a received message is needed to check it. */
export interface Signed {
  readonly bytes: Uint8Array
  readonly integrity: readonly { readonly type: number; readonly offset: number }[]
}

const HEADER_BYTES = 20
const ATTRIBUTE_HEADER_BYTES = 4
const FINGERPRINT_BYTES = 4
/** 'STUN' in ASCII: other protocols that end in a CRC-32 do not pass for it. */
const FINGERPRINT_XOR = 0x5354_554e
/** RFC 8489 section 14.6: an HMAC of SHA-256 may be cut to a multiple of 4 bytes, not below 16. */
const MIN_SHA256_BYTES = 16
const ALGORITHMS = {
  sha1: { type: ATTRIBUTE.messageIntegrity, bytes: 20, hmac: hmacSha1 },
  sha256: { type: ATTRIBUTE.messageIntegritySha256, bytes: 32, hmac: hmacSha256 },
} as const

/** `message` with the attribute behind it. */
export function appendIntegrity(message: Uint8Array, { algorithm, key }: StunIntegrity): Uint8Array {
  const { type, bytes, hmac } = ALGORITHMS[algorithm]
  const header = headerEndingAt(message, message.length + ATTRIBUTE_HEADER_BYTES + bytes)
  return withAttribute(message, type, hmac(key, header, message.subarray(HEADER_BYTES)))
}

/** Whether the message carries this kind of integrity, made with this key. */
export function hasValidIntegrity({ bytes, integrity }: Signed, { algorithm, key }: StunIntegrity): boolean {
  const { type, bytes: fullLength, hmac } = ALGORITHMS[algorithm]
  const found = integrity.find(attribute => attribute.type === type)
  if (found === undefined) return false
  const { offset } = found
  const length = (bytes[offset + 2]! << 8) | bytes[offset + 3]!
  const isCut = algorithm === 'sha256' && length >= MIN_SHA256_BYTES && length < fullLength && length % 4 === 0
  if (length !== fullLength && !isCut) return false
  const value = bytes.subarray(offset + ATTRIBUTE_HEADER_BYTES, offset + ATTRIBUTE_HEADER_BYTES + length)
  const header = headerEndingAt(bytes, offset + ATTRIBUTE_HEADER_BYTES + length)
  const expected = hmac(key, header, bytes.subarray(HEADER_BYTES, offset))
  return equalInConstantTime(expected.subarray(0, length), value)
}

/** `message` with FINGERPRINT behind it. */
export function appendFingerprint(message: Uint8Array): Uint8Array {
  const value = new Uint8Array(FINGERPRINT_BYTES)
  new DataView(value.buffer).setUint32(0, fingerprintOf(message, message.length))
  return withAttribute(message, ATTRIBUTE.fingerprint, value)
}

/** Whether the FINGERPRINT that begins at `offset` fits what comes before it. */
export function hasValidFingerprint(bytes: Uint8Array, offset: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return view.getUint32(offset + ATTRIBUTE_HEADER_BYTES) === fingerprintOf(bytes, offset)
}

function fingerprintOf(bytes: Uint8Array, offset: number): number {
  const header = headerEndingAt(bytes, offset + ATTRIBUTE_HEADER_BYTES + FINGERPRINT_BYTES)
  return (crc32(header, bytes.subarray(HEADER_BYTES, offset)) ^ FINGERPRINT_XOR) >>> 0
}

/** The header of a message that is `end` bytes long. */
function headerEndingAt(message: Uint8Array, end: number): Uint8Array {
  // Not `slice`: that of a Buffer of Node, which bytes from a socket are, makes no copy.
  const header = new Uint8Array(message.subarray(0, HEADER_BYTES))
  new DataView(header.buffer).setUint16(2, end - HEADER_BYTES)
  return header
}

function withAttribute(message: Uint8Array, type: number, value: Uint8Array): Uint8Array {
  const whole = new Uint8Array(message.length + ATTRIBUTE_HEADER_BYTES + value.length)
  whole.set(message)
  const view = new DataView(whole.buffer)
  view.setUint16(2, whole.length - HEADER_BYTES)
  view.setUint16(message.length, type)
  view.setUint16(message.length + 2, value.length)
  whole.set(value, message.length + ATTRIBUTE_HEADER_BYTES)
  return whole
}
