import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { MAX_TRANSFER_ENTRIES, MAX_TRANSFER_FRAME_BYTES } from '../../limits.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'
import { FrameParser } from './frame-parser.ts'
import {
  decodeFrame,
  encodeAccept,
  encodeDone,
  encodeEnd,
  encodeEntries,
  encodeHave,
  encodeOffer,
  encodeStart,
  encodeWorking,
  type TransferFrame,
} from './transfer-frame.ts'

const size = fc.maxSafeNat()
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })
const offer = fc.record({
  kind: fc.constant('folder' as const),
  key: digest,
  sizeBytes: size,
  entryCount: fc.nat(MAX_TRANSFER_ENTRIES),
  name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(name => Buffer.byteLength(name) <= 255),
})

/** A frame, and its bytes. */
const frames: fc.Arbitrary<readonly [TransferFrame, Uint8Array]> = fc.oneof(
  offer.map(each => [{ type: 'offer' as const, offer: each }, encodeOffer(each)] as const),
  offer.map(each => {
    const file = { ...each, kind: 'file' as const, entryCount: 1 }
    return [{ type: 'offer' as const, offer: file }, encodeOffer(file)] as const
  }),
  fc.constant([{ type: 'accept' as const }, encodeAccept()] as const),
  fc.uint8Array({ maxLength: 300 }).map(body => [{ type: 'entries' as const, body }, encodeEntries(body)] as const),
  fc
    .tuple(size, digest)
    .map(([bytes, hash]) => [{ type: 'have' as const, bytes, digest: hash }, encodeHave(bytes, hash)] as const),
  size.map(bytes => [{ type: 'start' as const, bytes }, encodeStart(bytes)] as const),
  fc
    .uint8Array({ minLength: 1, maxLength: 300 })
    .map(bytes => [{ type: 'data' as const, bytes }, new ByteWriter().uint8(6).prefixed(bytes).finish()] as const),
  digest.map(hash => [{ type: 'end' as const, digest: hash }, encodeEnd(hash)] as const),
  fc.constant([{ type: 'done' as const }, encodeDone()] as const),
  fc.constant([{ type: 'working' as const }, encodeWorking()] as const),
)

/** What a parser makes of chunks, pieces of content put together. */
function parse(chunks: readonly Uint8Array[]): TransferFrame[] {
  const parser = new FrameParser()
  const parsed: TransferFrame[] = []
  for (const chunk of chunks) parsed.push(...parser.push(chunk))
  expect(parser.isBetweenFrames).toBe(true)
  return parsed
}

function contentOf(parsed: readonly TransferFrame[]): Buffer {
  return Buffer.concat(parsed.map(frame => (frame.type === 'data' ? frame.bytes : new Uint8Array(0))))
}

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const ends = [...at.map(each => each % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end))
}

test('frames come out as they went in, however the stream cuts them', () => {
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 8 }), (many, at) => {
      const bytes = new Uint8Array(Buffer.concat(many.map(([, encoded]) => encoded)))
      const parsed = parse(cut(bytes, at))
      const isContent = ({ type }: TransferFrame) => type === 'data'
      const sent = many.map(([frame]) => frame)
      expect(parsed.filter(frame => !isContent(frame))).toEqual(sent.filter(frame => !isContent(frame)))
      expect(contentOf(parsed).equals(contentOf(sent))).toBe(true)
    }),
  )
})

test('any bytes are frames or a violation', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), chunks => {
      const parser = new FrameParser()
      try {
        for (const chunk of chunks) for (const _ of parser.push(chunk));
      } catch (error) {
        expect(error).toBeInstanceOf(EarshotError)
        expect((error as EarshotError).code).toBe('protocol-violation')
      }
    }),
    { numRuns: 2_000 },
  )
})

test('any body of any type is a frame or a violation, and no frame has bytes behind it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 12 }), fc.uint8Array({ maxLength: 80 }), (type, body) => {
      try {
        decodeFrame(type, body)
      } catch (error) {
        expect((error as EarshotError).code).toBe('protocol-violation')
      }
    }),
    { numRuns: 2_000 },
  )
})

test('a frame that is cut off is none, whatever is missing', () => {
  fc.assert(
    fc.property(frames, fc.nat(), ([frame, bytes], at) => {
      const parser = new FrameParser()
      const parsed = [...parser.push(bytes.subarray(0, at % bytes.length))]
      expect(parsed.filter(({ type }) => type !== 'data')).toEqual([])
      if (frame.type !== 'data' && at % bytes.length > 0) expect(parser.isBetweenFrames).toBe(false)
    }),
  )
})

test('a body with bytes behind its last field is refused', () => {
  for (const [type, body] of [
    [2, Uint8Array.of(0)],
    [5, Uint8Array.of(0, 0)],
    [7, new Uint8Array(33)],
    [8, Uint8Array.of(1)],
  ] as const) {
    expect(() => decodeFrame(type, body)).toThrow(/behind its last field/)
  }
})

test('a frame that is too long is refused before it comes', () => {
  const header = new ByteWriter()
    .uint8(3)
    .varint(MAX_TRANSFER_FRAME_BYTES + 1)
    .finish()
  expect(() => [...new FrameParser().push(header)]).toThrow(/protocol|65537/)
  expect(() => [...new FrameParser().push(Uint8Array.of(3, 0xc0))]).toThrow(/too long/)
  expect(() => [...new FrameParser().push(Uint8Array.of(6, 0))]).toThrow(/without content/)
})
