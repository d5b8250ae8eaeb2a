import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readFrames } from '../../test/session/read-frames.ts'
import { EarshotError } from '../errors.ts'
import { MAX_LABEL_BYTES, MAX_REASON_BYTES } from '../limits.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { MAX_VARINT } from '../wire/varint.ts'
import {
  CALL_POOL,
  decodeGoodbye,
  decodeLabel,
  decodeStreamFrame,
  encodeGoodbye,
  encodeLabel,
  encodeStreamFrame,
  FIRST_PAYLOAD_TYPE,
  FIRST_STREAM_TYPE,
  Frame,
  GOODBYE_CODES,
  LAST_PAYLOAD_TYPE,
  LAST_STREAM_TYPE,
  MESSAGE_POOL,
  Payload,
  payloadLength,
  poolOf,
  putPayload,
  putStreamData,
  STREAM_CODES,
  type StreamFrame,
} from './frame.ts'

const violation = expect.objectContaining({ code: 'protocol-violation' })
const wellFormed = (maxLength: number) =>
  fc.string({ unit: 'binary', maxLength }).filter(text => !/\p{Surrogate}/u.test(text))

/** Decodes a whole frame; its type byte is not the codec's. */
function decoded<Message>(decode: (reader: ByteReader) => Message, frame: Uint8Array): Message {
  const reader = new ByteReader(frame, 1)
  const message = decode(reader)
  reader.finish('the frame')
  return message
}

function expectDecodesOrViolates(decode: (reader: ByteReader) => unknown): void {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), bytes => {
      try {
        decode(new ByteReader(bytes))
      } catch (error) {
        expect(error).toBeInstanceOf(EarshotError)
        expect(error).toEqual(violation)
      }
    }),
    { numRuns: 1_000 },
  )
}

function expectCutOffRefused(decode: (reader: ByteReader) => unknown, frame: Uint8Array): void {
  for (let length = 1; length < frame.length; length++) {
    expect(() => decode(new ByteReader(frame, 1, length))).toThrow(violation)
  }
}

describe('a goodbye', () => {
  const anyGoodbye = fc.record({
    code: fc.constantFrom(...GOODBYE_CODES),
    reason: wellFormed(100),
    retryAfterMs: fc.nat(MAX_VARINT),
  })

  test('arrives as it was sent, and no cut-off one is taken', () => {
    fc.assert(
      fc.property(anyGoodbye, goodbye => {
        const frame = encodeGoodbye(goodbye)
        expect(frame[0]).toBe(Frame.goodbye)
        expect(decoded(decodeGoodbye, frame)).toEqual(goodbye)
        expectCutOffRefused(decodeGoodbye, frame)
      }),
    )
  })

  test('of any bytes is one or a violation', () => expectDecodesOrViolates(decodeGoodbye))

  test('with an unknown code or a reason that is too long is refused', () => {
    const unknown = Uint8Array.of(Frame.goodbye, GOODBYE_CODES.length, 0, 0)
    expect(() => decoded(decodeGoodbye, unknown)).toThrow(violation)
    const long = encodeGoodbye({ code: 'closed', reason: 'x'.repeat(MAX_REASON_BYTES + 1), retryAfterMs: 0 })
    expect(() => decoded(decodeGoodbye, long)).toThrow(violation)
    const longest = encodeGoodbye({ code: 'closed', reason: 'x'.repeat(MAX_REASON_BYTES), retryAfterMs: 0 })
    expect(decoded(decodeGoodbye, longest).reason).toHaveLength(MAX_REASON_BYTES)
  })
})

describe('a label', () => {
  test('arrives as it was sent, and no cut-off one is taken', () => {
    fc.assert(
      fc.property(fc.nat(MAX_VARINT), wellFormed(30), (id, name) => {
        const frame = encodeLabel(id, name)
        expect(frame[0]).toBe(Frame.label)
        expect(decoded(decodeLabel, frame)).toEqual({ id, name })
        expectCutOffRefused(decodeLabel, frame)
      }),
    )
  })

  test('of any bytes is one or a violation', () => expectDecodesOrViolates(decodeLabel))

  test('is refused where its name is too long', () => {
    expect(decoded(decodeLabel, encodeLabel(1, 'x'.repeat(MAX_LABEL_BYTES))).name).toHaveLength(MAX_LABEL_BYTES)
    expect(() => decoded(decodeLabel, encodeLabel(1, 'x'.repeat(MAX_LABEL_BYTES + 1)))).toThrow(violation)
  })
})

describe('a control frame of a stream', () => {
  const stream = fc.nat(MAX_VARINT)
  const anyFrame: fc.Arbitrary<StreamFrame> = fc.oneof(
    fc.record({ kind: fc.constant('end' as const), stream }),
    fc.record({ kind: fc.constant('credit' as const), stream, bytes: fc.nat(MAX_VARINT) }),
    fc.record({
      kind: fc.constantFrom('reset' as const, 'stop' as const),
      stream,
      code: fc.constantFrom(...STREAM_CODES),
      reason: wellFormed(100),
    }),
  )

  test('arrives as it was sent, and no cut-off one is taken', () => {
    fc.assert(
      fc.property(anyFrame, sent => {
        const frame = encodeStreamFrame(sent)
        const type = frame[0]!
        expect(type >= FIRST_STREAM_TYPE && type <= LAST_STREAM_TYPE).toBe(true)
        const decode = (reader: ByteReader) => decodeStreamFrame(type, reader)
        expect(decoded(decode, frame)).toEqual(sent)
        expectCutOffRefused(decode, frame)
      }),
    )
  })

  test.each([Frame.streamEnd, Frame.streamReset, Frame.streamStop, Frame.streamCredit])(
    'of type %i and any bytes is one or a violation',
    type => expectDecodesOrViolates(reader => decodeStreamFrame(type, reader)),
  )

  test('with an unknown code or a reason that is too long is refused', () => {
    const decode = (reader: ByteReader) => decodeStreamFrame(Frame.streamReset, reader)
    expect(() => decoded(decode, Uint8Array.of(Frame.streamReset, 0, STREAM_CODES.length, 0))).toThrow(violation)
    const reset = (length: number) =>
      encodeStreamFrame({ kind: 'reset', stream: 0, code: 'reset', reason: 'x'.repeat(length) })
    expect(() => decoded(decode, reset(MAX_REASON_BYTES + 1))).toThrow(violation)
    expect(decoded(decode, reset(MAX_REASON_BYTES))).toMatchObject({ kind: 'reset' })
  })
})

describe('a stream data frame', () => {
  test('that more bytes join, in any parts, is the one that all of them make at once', () => {
    const lengths = fc.array(fc.oneof(fc.nat(100), fc.integer({ min: 16_300, max: 16_500 })), {
      minLength: 1,
      maxLength: 6,
    })
    fc.assert(
      fc.property(fc.nat(MAX_VARINT), lengths, fc.nat(5), (stream, parts, offset) => {
        const all = Uint8Array.from({ length: parts.reduce((sum, length) => sum + length) }, (_, i) => i * 7)
        const target = new Uint8Array(offset + 20 + all.length)
        let end = offset
        let length = 0
        for (const part of parts) {
          end = putStreamData(target, offset, stream, length, all.subarray(length, length + part))
          length += part
        }
        const [frame, ...more] = readFrames(target.subarray(offset, end))
        expect(more).toEqual([])
        if (frame?.kind !== 'payload') return expect.fail('not a payload frame')
        expect([frame.type, frame.a, frame.b]).toEqual([Payload.streamData, stream, 0])
        expect(Buffer.compare(frame.body, all)).toBe(0)
      }),
    )
  })
})

describe('a payload frame', () => {
  test('has the length that was announced and is read as it was written, wherever it stands', () => {
    const number = fc.oneof(fc.nat(100), fc.nat(70_000), fc.nat(MAX_VARINT))
    fc.assert(
      fc.property(
        fc.integer({ min: FIRST_PAYLOAD_TYPE, max: LAST_PAYLOAD_TYPE }),
        number,
        number,
        fc.uint8Array({ maxLength: 100 }),
        fc.nat(5),
        (type, a, b, body, offset) => {
          const length = payloadLength(a, b, body.length)
          const target = new Uint8Array(offset + length).fill(0xff)
          expect(putPayload(target, offset, type, a, b, body)).toBe(target.length)
          const frames = readFrames(target.subarray(offset))
          expect(frames).toEqual([{ kind: 'payload', pool: poolOf(type), type, a, b, body, length }])
        },
      ),
    )
  })

  test('of a message, reliable or not, uses the credit of messages, any other that of calls', () => {
    const { message, unreliable, ...calls } = Payload
    for (let kind = 0; kind < 4; kind++) {
      expect(poolOf(message | kind)).toBe(MESSAGE_POOL)
      expect(poolOf(unreliable | kind)).toBe(MESSAGE_POOL)
      for (const type of Object.values(calls)) expect(poolOf(type | kind)).toBe(CALL_POOL)
    }
  })
})
