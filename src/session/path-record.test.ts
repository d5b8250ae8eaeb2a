import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EarshotError } from '../errors.ts'
import { decodePathRecord, encodePathRecord, isPathRecord, type PathFrame } from './path-record.ts'

const anyNumber = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const anyFrame: fc.Arbitrary<PathFrame> = fc.oneof(
  fc.record({ kind: fc.constant('start' as const), number: anyNumber }),
  fc.record({ kind: fc.constant('acknowledgement' as const), received: anyNumber }),
  fc.record({ kind: fc.constantFrom('ping' as const, 'pong' as const), token: anyNumber }),
  fc.record({
    kind: fc.constant('goodbye' as const),
    goodbye: fc.record({
      code: fc.constantFrom('closed' as const, 'kicked' as const, 'limit-reached' as const),
      reason: fc.string({ maxLength: 40 }),
      retryAfterMs: anyNumber,
    }),
  }),
)

function decoded(record: Uint8Array): PathFrame[] {
  const frames: PathFrame[] = []
  decodePathRecord(record, frame => frames.push(frame))
  return frames
}

test('a path record arrives as it was sent, and no cut-off one is taken', () => {
  fc.assert(
    fc.property(anyFrame, frame => {
      const record = encodePathRecord(frame)
      expect(isPathRecord(record)).toBe(true)
      expect(decoded(record)).toEqual([frame])
      for (let length = 1; length < record.length; length++) {
        expect(() => decoded(record.subarray(0, length))).toThrow(
          expect.objectContaining({ code: 'protocol-violation' }),
        )
      }
    }),
  )
})

test('a record may hold several frames', () => {
  const [a, b] = [encodePathRecord({ kind: 'start', number: 7 }), encodePathRecord({ kind: 'ping', token: 1 })]
  expect(decoded(Uint8Array.of(...a, ...b.subarray(1)))).toEqual([
    { kind: 'start', number: 7 },
    { kind: 'ping', token: 1 },
  ])
})

test('any bytes are a path record or a violation', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
      try {
        decoded(Uint8Array.of(0, ...bytes))
      } catch (error) {
        expect(error).toBeInstanceOf(EarshotError)
        expect((error as EarshotError).code).toBe('protocol-violation')
      }
    }),
    { numRuns: 2_000 },
  )
})
