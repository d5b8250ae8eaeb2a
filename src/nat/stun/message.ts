/**
 * STUN messages on the wire (RFC 8489 section 5): a header of 20 bytes, then attributes, each padded to 4 bytes.
 *
 *      0                   1                   2                   3
 *     |0 0|  class and method         |         length of the rest    |
 *     |                   magic cookie 0x2112a442                     |
 *     |                   transaction id, 96 bits                     |
 *     |         type                  |         length                |
 *     |         value, padded …                                       |
 */

import { EarshotError, protocolViolation } from '../../errors.ts'
import { MAX_STUN_ATTRIBUTES } from '../../limits.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'
import { ATTRIBUTE, isNotUnderstood } from './attribute-type.ts'
import { appendFingerprint, appendIntegrity, hasValidFingerprint, type StunIntegrity } from './integrity.ts'

export type StunClass = 'request' | 'indication' | 'success' | 'error'

/** Methods (RFC 8489 section 18.2, RFC 8656 section 17, RFC 6062 section 6.1). */
export const METHOD = {
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
  connect: 0x00a,
  connectionBind: 0x00b,
  connectionAttempt: 0x00c,
} as const

export interface StunAttribute {
  /** One of `ATTRIBUTE`, or one that this program does not know. */
  readonly type: number
  readonly value: Uint8Array
}

export interface StunMessage {
  readonly class: StunClass
  /** One of `METHOD`, or another number of 12 bits. */
  readonly method: number
  /** 12 bytes. */
  readonly transactionId: Uint8Array
  /** Without MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, which encoding adds. */
  readonly attributes: readonly StunAttribute[]
}

/** A message that arrived. Its integrity is still to be checked, with the key: `hasValidIntegrity`. */
export interface ReceivedStunMessage extends StunMessage {
  /** All of it; attributes are views of these bytes. */
  readonly bytes: Uint8Array
  /** Types of MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 where it has them, and where they begin. */
  readonly integrity: readonly { readonly type: number; readonly offset: number }[]
  readonly hasFingerprint: boolean
}

export interface StunEncoding {
  /** Adds MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256. @default none */
  readonly integrity?: StunIntegrity | undefined
  /** Adds FINGERPRINT, by which a receiver tells STUN from other protocols on one port. @default true */
  readonly fingerprint?: boolean
}

export const MAGIC_COOKIE = 0x2112_a442
export const TRANSACTION_ID_BYTES = 12
export const HEADER_BYTES = 20
const MAX_METHOD = 0xfff
const CLASSES: readonly StunClass[] = ['request', 'indication', 'success', 'error']

export function encodeStunMessage(
  message: StunMessage,
  { integrity, fingerprint = true }: StunEncoding = {},
): Uint8Array {
  checkHeader(message)
  const attributes = new ByteWriter(256)
  for (const { type, value } of message.attributes) writeAttribute(attributes, type, value)
  const bytes = new ByteWriter(HEADER_BYTES + attributes.length)
    .uint16(typeOf(message))
    .uint16(attributes.length)
    .uint32(MAGIC_COOKIE)
    .append(message.transactionId)
    .append(attributes.finish())
    .finish()
  const signed = integrity === undefined ? bytes : appendIntegrity(bytes, integrity)
  return fingerprint ? appendFingerprint(signed) : signed
}

/**
 * Whether bytes begin like a STUN message: enough to tell it from other protocols on the port, with FINGERPRINT for
 * certainty (RFC 8489 section 7).
 */
export function looksLikeStun(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES || bytes[0]! > 0x3f) return false
  return new ByteReader(bytes, 4).uint32('magic cookie') === MAGIC_COOKIE
}

/** Decodes exactly one message; checks its FINGERPRINT where it has one. Throws `protocol-violation`. */
export function decodeStunMessage(bytes: Uint8Array): ReceivedStunMessage {
  const reader = new ByteReader(bytes)
  const type = reader.uint16('message type')
  if (type > 0x3fff) throw protocolViolation('A STUN message begins with two zero bits, this one does not')
  const length = reader.uint16('message length')
  const cookie = reader.uint32('magic cookie')
  if (cookie !== MAGIC_COOKIE)
    throw protocolViolation(`The magic cookie of STUN is 0x2112a442, not 0x${cookie.toString(16)}`)
  const transactionId = reader.view(TRANSACTION_ID_BYTES, 'transaction id')
  if (length !== reader.remaining || length % 4 !== 0) {
    throw protocolViolation(`The message length says ${length} bytes, and ${reader.remaining} follow the header`)
  }
  const classBits = ((type >>> 7) & 0b10) | ((type >>> 4) & 0b01)
  const method = ((type >>> 2) & 0xf80) | ((type >>> 1) & 0x70) | (type & 0xf)
  return { class: CLASSES[classBits]!, method, transactionId, bytes, ...readAttributes(reader) }
}

/** A message, or undefined where the bytes are none: on a port that others use or can reach, that is no error. */
export function readStunMessage(bytes: Uint8Array): ReceivedStunMessage | undefined {
  if (!looksLikeStun(bytes)) return undefined
  try {
    return decodeStunMessage(bytes)
  } catch (error) {
    if (error instanceof EarshotError && error.code === 'protocol-violation') return undefined
    throw error
  }
}

/** The value of the first attribute of a type: where one is repeated, others are ignored (RFC 8489 section 14). */
export function attributeOf({ attributes }: StunMessage, type: number): Uint8Array | undefined {
  return attributes.find(attribute => attribute.type === type)?.value
}

/** Types that a receiver would have to understand and does not (RFC 8489 section 6.3). */
export function notUnderstood({ attributes }: StunMessage): number[] {
  return attributes.map(({ type }) => type).filter(isNotUnderstood)
}

type Attributes = Pick<ReceivedStunMessage, 'attributes' | 'integrity' | 'hasFingerprint'>

/**
 * What stands behind MESSAGE-INTEGRITY is not protected by it, and is ignored but for MESSAGE-INTEGRITY-SHA256; FINGERPRINT
 * is the last one (RFC 8489 sections 14.5 to 14.7).
 */
function readAttributes(reader: ByteReader): Attributes {
  const attributes: StunAttribute[] = []
  const integrity: { type: number; offset: number }[] = []
  for (let count = 1; reader.remaining > 0; count++) {
    if (count > MAX_STUN_ATTRIBUTES)
      throw protocolViolation(`A STUN message has more than ${MAX_STUN_ATTRIBUTES} attributes`)
    const { offset } = reader
    const type = reader.uint16('attribute type')
    const length = reader.uint16('attribute length')
    const value = reader.view(length, 'attribute value')
    reader.view(paddingOf(length), 'attribute padding')
    if (type === ATTRIBUTE.fingerprint) {
      checkFingerprint(reader, offset, value)
      return { attributes, integrity, hasFingerprint: true }
    }
    if (isIntegrity(type)) noteIntegrity(integrity, type, offset)
    else if (integrity.length === 0) attributes.push({ type, value })
  }
  return { attributes, integrity, hasFingerprint: false }
}

function checkFingerprint(reader: ByteReader, offset: number, value: Uint8Array): void {
  if (reader.remaining > 0) throw protocolViolation('FINGERPRINT is not the last attribute of the message')
  if (value.length !== 4 || !hasValidFingerprint(reader.bytes, offset)) {
    throw protocolViolation('FINGERPRINT does not fit the message: it was damaged, or is something else')
  }
}

function noteIntegrity(found: { type: number; offset: number }[], type: number, offset: number): void {
  const isLater = found.some(other => other.type === type || other.type === ATTRIBUTE.messageIntegritySha256)
  if (!isLater) found.push({ type, offset })
}

function isIntegrity(type: number): boolean {
  return type === ATTRIBUTE.messageIntegrity || type === ATTRIBUTE.messageIntegritySha256
}

function writeAttribute(writer: ByteWriter, type: number, value: Uint8Array): void {
  writer.uint16(type).uint16(value.length).append(value)
  for (let i = 0; i < paddingOf(value.length); i++) writer.uint8(0)
}

function paddingOf(length: number): number {
  return -length & 3
}

/** The bits of the class stand between those of the method (RFC 8489 figure 3). */
function typeOf({ class: kind, method }: StunMessage): number {
  const classBits = CLASSES.indexOf(kind)
  const spread = ((method & 0xf80) << 2) | ((method & 0x70) << 1) | (method & 0xf)
  return spread | ((classBits & 0b10) << 7) | ((classBits & 0b01) << 4)
}

function checkHeader({ method, transactionId, attributes }: StunMessage): void {
  if (!(method >= 0 && method <= MAX_METHOD))
    throw new RangeError(`A STUN method is a number of 12 bits, not ${method}`)
  if (transactionId.length !== TRANSACTION_ID_BYTES) {
    throw new RangeError(`A transaction id has ${TRANSACTION_ID_BYTES} bytes, this one has ${transactionId.length}`)
  }
  if (attributes.length > MAX_STUN_ATTRIBUTES)
    throw new RangeError(`A STUN message has at most ${MAX_STUN_ATTRIBUTES} attributes`)
  for (const { type, value } of attributes) {
    if (isIntegrity(type) || type === ATTRIBUTE.fingerprint)
      throw new RangeError(`Attribute ${type} is added by encoding`)
    if (value.length > 0xffff)
      throw new RangeError(`An attribute has at most 65535 bytes, this one has ${value.length}`)
  }
}
