import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { MAX_LATEST_BYTES } from '../../limits.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'
import { payloadLength, putPayload } from '../frame.ts'
import {
  DatagramFrame,
  FRAGMENT_BYTES,
  type Fragment,
  fragmentLength,
  MAX_FRAGMENTS,
  putFragment,
  readDatagramFrames,
} from './datagram-frame.ts'
import { MAX_DATAGRAM_PLAINTEXT_BYTES } from './datagram-packet.ts'

type Read =
  | readonly ['challenge', number]
  | readonly ['response', number, number]
  | readonly ['message', number, number, number, Uint8Array]
  | readonly ['fragment', Fragment]

function read(plaintext: Uint8Array): Read[] {
  const frames: Read[] = []
  readDatagramFrames(plaintext, {
    onChallenge: number => frames.push(['challenge', number]),
    onResponse: (number, labels) => frames.push(['response', number, labels]),
    onMessage: (...message) => frames.push(['message', ...message]),
    onFragment: fragment => frames.push(['fragment', fragment]),
  })
  return frames
}

function written(frame: Read): Uint8Array {
  switch (frame[0]) {
    case 'challenge':
      return new ByteWriter().uint8(DatagramFrame.challenge).varint(frame[1]).finish()
    case 'response':
      return new ByteWriter().uint8(DatagramFrame.response).varint(frame[1]).varint(frame[2]).finish()
    case 'message': {
      const [, label, sequence, kind, body] = frame
      const bytes = new Uint8Array(payloadLength(label, sequence, body.length))
      expect(putPayload(bytes, 0, DatagramFrame.message | kind, label, sequence, body)).toBe(bytes.length)
      return bytes
    }
    case 'fragment': {
      const bytes = new Uint8Array(fragmentLength(frame[1]))
      expect(putFragment(bytes, 0, frame[1])).toBe(bytes.length)
      return bytes
    }
  }
}

const number = fc.oneof(fc.nat(100), fc.nat(2 ** 31 - 1), fc.maxSafeNat())
const label = fc.nat(1_024)
const kind = fc.nat(3)
const anyFragment: fc.Arbitrary<Fragment> = fc
  .tuple(
    label,
    fc.integer({ min: 1, max: 2 ** 40 }),
    kind,
    fc.integer({ min: 2, max: MAX_FRAGMENTS }),
    fc.nat(),
    fc.nat(),
  )
  .map(([label, sequence, kind, count, at, length]) => {
    const index = at % count
    const limit = Math.min(FRAGMENT_BYTES, MAX_LATEST_BYTES - index * FRAGMENT_BYTES)
    const bytes = new Uint8Array(index < count - 1 ? FRAGMENT_BYTES : 1 + (length % limit)).fill(length)
    return { label, sequence, kind, count, index, bytes }
  })
const anyFrame: fc.Arbitrary<Read> = fc.oneof(
  fc.tuple(fc.constant('challenge' as const), number),
  fc.tuple(fc.constant('response' as const), number, label),
  fc.tuple(fc.constant('message' as const), label, number, kind, fc.uint8Array({ maxLength: 40 })),
  fc.tuple(fc.constant('fragment' as const), anyFragment),
)

test('frames arrive as they were written, with padding anywhere between them', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyFrame, fc.nat(5)), { maxLength: 8 }), frames => {
      const writer = new ByteWriter()
      for (const [frame, padding] of frames) writer.append(written(frame)).append(new Uint8Array(padding))
      expect(read(writer.finish())).toEqual(frames.map(([frame]) => frame))
    }),
  )
})

test('no cut-off frame is taken', () => {
  fc.assert(
    fc.property(anyFrame, frame => {
      const bytes = written(frame)
      for (let length = 1; length < Math.min(bytes.length, 60); length++) {
        expect(() => read(bytes.subarray(0, length))).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
      }
    }),
    { numRuns: 300 },
  )
})

test('any bytes are read, or are a violation', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      try {
        read(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(EarshotError)
        expect(error).toMatchObject({ code: 'protocol-violation' })
      }
    }),
    { numRuns: 3_000 },
  )
})

describe('fragments', () => {
  const whole: Fragment = {
    label: 1_024,
    sequence: 2 ** 53 - 1,
    kind: 3,
    count: MAX_FRAGMENTS,
    index: 0,
    bytes: new Uint8Array(FRAGMENT_BYTES),
  }

  test('have room in one datagram, whatever their numbers are', () => {
    expect(fragmentLength(whole)).toBeLessThanOrEqual(MAX_DATAGRAM_PLAINTEXT_BYTES)
    expect((MAX_FRAGMENTS - 1) * FRAGMENT_BYTES).toBeLessThan(MAX_LATEST_BYTES)
  })

  test.each<[string, Partial<Fragment>]>([
    ['without a sequence', { sequence: 0 }],
    ['alone', { count: 1 }],
    ['too many', { count: MAX_FRAGMENTS + 1 }],
    ['behind the last', { count: 3, index: 3 }],
    ['short, and not the last', { bytes: new Uint8Array(FRAGMENT_BYTES - 1) }],
    ['long, and not the last', { bytes: new Uint8Array(FRAGMENT_BYTES + 1) }],
    ['empty, and the last', { count: 2, index: 1, bytes: new Uint8Array(0) }],
    ['beyond the largest value', { index: MAX_FRAGMENTS - 1, bytes: new Uint8Array(FRAGMENT_BYTES) }],
  ])('%s are a violation', (_, change) => {
    const bytes = written(['fragment', { ...whole, ...change }])
    expect(() => read(bytes)).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
  })
})
