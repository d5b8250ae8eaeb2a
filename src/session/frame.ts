/**
 * The frames inside a record (docs/protocol.md, "Frames"). Control frames keep the session going and need no credit.
 * Payload frames carry messages, questions, answers and bytes of streams; they all have one layout, so that the session moves them
 * without knowing what they mean:
 *
 *     type u8 | a varint | b varint | length varint | body
 */

import { protocolViolation } from '../errors.ts'
import { MAX_LABEL_BYTES, MAX_REASON_BYTES } from '../limits.ts'
import type { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { putVarint, varintLength } from '../wire/varint.ts'

export const Frame = {
  hello: 0x01,
  admit: 0x02,
  goodbye: 0x03,
  ping: 0x04,
  pong: 0x05,
  credit: 0x06,
  label: 0x07,
  receipt: 0x08,
  cancel: 0x09,
  firstFragment: 0x0a,
  fragment: 0x0b,
  pull: 0x0c,
  info: 0x0d,
  streamEnd: 0x30,
  streamReset: 0x31,
  streamStop: 0x32,
  streamCredit: 0x33,
} as const

/** Payload frame types. The two lowest bits hold the kind of the value in the body (messaging/value.ts). */
export const Payload = {
  message: 0x10,
  question: 0x14,
  answer: 0x18,
  answerItem: 0x1c,
  answerEnd: 0x20,
  answerError: 0x24,
  streamData: 0x28,
  streamOpen: 0x2c,
  /** 'unreliable' and 'latest' where datagrams do not get through (session/datagram). */
  unreliable: 0x34,
} as const

export const FIRST_PAYLOAD_TYPE = 0x10
export const LAST_PAYLOAD_TYPE = 0x2f
export const FIRST_STREAM_TYPE: number = Frame.streamEnd
export const LAST_STREAM_TYPE: number = Frame.streamCredit

/** Whether a frame of this type has the one layout of payload frames. */
export function isPayload(type: number): boolean {
  return (type >= FIRST_PAYLOAD_TYPE && type <= LAST_PAYLOAD_TYPE) || isUnreliable(type)
}

function isUnreliable(type: number): boolean {
  return (type & ~0x03) === Payload.unreliable
}

/** The two credits of a session: a flood of messages must not hold up questions and answers. */
export type Pool = 0 | 1
export const MESSAGE_POOL: Pool = 0
export const CALL_POOL: Pool = 1

/** Which credit a payload frame of this type uses. */
export function poolOf(type: number): Pool {
  return type < Payload.question || isUnreliable(type) ? MESSAGE_POOL : CALL_POOL
}

/** Bytes of a stream use the credit of their stream, and none of the two pools. */
export function isStreamData(type: number): boolean {
  return (type & ~0x03) === Payload.streamData
}

export function payloadLength(a: number, b: number, bodyLength: number): number {
  return 1 + varintLength(a) + varintLength(b) + varintLength(bodyLength) + bodyLength
}

/** Writes a payload frame at `offset` and returns the offset behind it; `target` must have room for `payloadLength`. */
export function putPayload(
  target: Uint8Array,
  offset: number,
  type: number,
  a: number,
  b: number,
  body: Uint8Array,
): number {
  target[offset] = type
  let at = putVarint(target, offset + 1, a)
  at = putVarint(target, at, b)
  at = putVarint(target, at, body.length)
  target.set(body, at)
  return at + body.length
}

// Goodbye -------------------------------------------------------------------------------------------------------------

/** Why a side ends the connection, as sent; the index is the byte on the wire. */
export const GOODBYE_CODES = [
  'closed',
  'kicked',
  'refused',
  'duplicate',
  'protocol-violation',
  'limit-reached',
  'replaced',
  'lost',
] as const

export type GoodbyeCode = (typeof GOODBYE_CODES)[number]

export interface Goodbye {
  readonly code: GoodbyeCode
  /** The application's own words, or a word of ours such as `full`. Untrusted. */
  readonly reason: string
  readonly retryAfterMs: number
}

export function encodeGoodbye(goodbye: Goodbye): Uint8Array {
  return new ByteWriter()
    .uint8(Frame.goodbye)
    .uint8(GOODBYE_CODES.indexOf(goodbye.code))
    .varint(goodbye.retryAfterMs)
    .prefixedUtf8(goodbye.reason)
    .finish()
}

/** Reads what follows the type byte. */
export function decodeGoodbye(reader: ByteReader): Goodbye {
  const code = GOODBYE_CODES[reader.uint8('goodbye code')]
  if (code === undefined) throw protocolViolation('the goodbye has an unknown code')
  const retryAfterMs = reader.varint('goodbye retry-after')
  return { code, retryAfterMs, reason: boundedUtf8(reader, MAX_REASON_BYTES, 'goodbye reason') }
}

// Labels --------------------------------------------------------------------------------------------------------------

export function encodeLabel(id: number, name: string): Uint8Array {
  return new ByteWriter().uint8(Frame.label).varint(id).prefixedUtf8(name).finish()
}

export function decodeLabel(reader: ByteReader): { id: number; name: string } {
  const id = reader.varint('label id')
  return { id, name: boundedUtf8(reader, MAX_LABEL_BYTES, 'label name') }
}

// Streams -------------------------------------------------------------------------------------------------------------

/** Why one direction of a stream is given up, as sent; the index is the byte on the wire. */
export const STREAM_CODES = ['reset', 'no-answer'] as const

export type StreamCode = (typeof STREAM_CODES)[number]

/** A stream is written as its number times two, and one more where the receiver of the frame has opened it. */
export type StreamFrame =
  | { readonly kind: 'end'; readonly stream: number }
  /** The sender of the frame gives up its own direction (`reset`), or the one it receives (`stop`). */
  | {
      readonly kind: 'reset' | 'stop'
      readonly stream: number
      readonly code: StreamCode
      /** The application's own words. Untrusted. */
      readonly reason: string
    }
  | { readonly kind: 'credit'; readonly stream: number; readonly bytes: number }

/**
 * Adds `bytes` to the stream data frame at `offset` that has `bodyLength` bytes, or makes a new one there where that is 0.
 * Returns the offset behind it.
 */
export function putStreamData(
  target: Uint8Array,
  offset: number,
  stream: number,
  bodyLength: number,
  bytes: Uint8Array,
): number {
  const length = bodyLength + bytes.length
  const bodyAt = offset + payloadLength(stream, 0, length) - length
  const wasAt = offset + payloadLength(stream, 0, bodyLength) - bodyLength
  // A longer frame may have a longer length field.
  if (bodyLength > 0 && bodyAt !== wasAt) target.copyWithin(bodyAt, wasAt, wasAt + bodyLength)
  target[offset] = Payload.streamData
  const zeroAt = putVarint(target, offset + 1, stream)
  target[zeroAt] = 0
  putVarint(target, zeroAt + 1, length)
  target.set(bytes, bodyAt + bodyLength)
  return bodyAt + length
}

const STREAM_TYPES = {
  end: Frame.streamEnd,
  reset: Frame.streamReset,
  stop: Frame.streamStop,
  credit: Frame.streamCredit,
} as const

export function encodeStreamFrame(frame: StreamFrame): Uint8Array {
  const writer = new ByteWriter(20).uint8(STREAM_TYPES[frame.kind]).varint(frame.stream)
  if (frame.kind === 'credit') writer.varint(frame.bytes)
  else if (frame.kind !== 'end') writer.uint8(STREAM_CODES.indexOf(frame.code)).prefixedUtf8(frame.reason)
  return writer.finish()
}

/** Reads what follows the type byte, one from FIRST_STREAM_TYPE to LAST_STREAM_TYPE. */
export function decodeStreamFrame(type: number, reader: ByteReader): StreamFrame {
  const stream = reader.varint('stream')
  switch (type) {
    case Frame.streamEnd:
      return { kind: 'end', stream }
    case Frame.streamCredit:
      return { kind: 'credit', stream, bytes: reader.varint('stream credit') }
    default: {
      const kind = type === Frame.streamReset ? 'reset' : 'stop'
      const code = STREAM_CODES[reader.uint8('stream code')]
      if (code === undefined) throw protocolViolation(`the ${kind} of a stream has an unknown code`)
      return { kind, stream, code, reason: boundedUtf8(reader, MAX_REASON_BYTES, 'stream reason') }
    }
  }
}

/** A varint length of at most `limit`, then that many bytes of UTF-8. */
export function boundedUtf8(reader: ByteReader, limit: number, field: string): string {
  const length = reader.varint(`${field} length`)
  if (length > limit) throw protocolViolation(`${field} has ${length} bytes, at most ${limit} are allowed`)
  return reader.utf8(length, field)
}
