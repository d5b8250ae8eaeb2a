import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodePreamble, encodePreamble, type Preamble, preambleLength } from './preamble.ts'

const violation = expect.objectContaining({ code: 'protocol-violation' })

const preambles: fc.Arbitrary<Preamble> = fc.record({
  versions: fc
    .tuple(fc.integer({ min: 1, max: 255 }), fc.integer({ min: 1, max: 255 }))
    .map(([a, b]) => ({ lowest: Math.min(a, b), highest: Math.max(a, b) })),
  features: fc.nat(0xffff_ffff),
  pattern: fc.constantFrom('XX', 'XXpsk3'),
  service: fc.stringMatching(/^[a-z0-9-]{1,15}$/),
})

const good = encodePreamble({ versions: { lowest: 1, highest: 2 }, features: 5, pattern: 'XXpsk3', service: 'chat' })

/** The good preamble with one byte changed. */
const changed = (offset: number, byte: number) => {
  const bytes = good.slice()
  bytes[offset] = byte
  return bytes
}

describe('the preamble', () => {
  test('has the layout of docs/protocol.md', () => {
    expect(Buffer.from(good).toString('hex')).toBe('45415253484f54 01 02 00000005 01 04 63686174'.replaceAll(' ', ''))
  })

  test('comes back as it was, and its length is told', () => {
    fc.assert(
      fc.property(preambles, fc.uint8Array(), (preamble, behind) => {
        const bytes = encodePreamble(preamble)
        expect(decodePreamble(bytes)).toEqual(preamble)
        expect(preambleLength(Buffer.concat([bytes, behind]))).toBe(bytes.length)
      }),
    )
  })

  test('cut off anywhere is refused; its length is known from the 15th byte on', () => {
    for (let cut = 0; cut < good.length; cut++) {
      expect(() => decodePreamble(good.subarray(0, cut))).toThrow(violation)
      expect(preambleLength(good.subarray(0, cut))).toBe(cut < 15 ? undefined : good.length)
    }
  })

  test.each([
    ['another magic', changed(0, 0x65)],
    ['another magic at its end', changed(6, 0)],
    ['version 0', changed(7, 0)],
    ['a lowest version above the highest', changed(7, 3)],
    ['an unknown pattern', changed(13, 2)],
    ['no service', changed(14, 0)],
    ['a service of 16 bytes', changed(14, 16)],
    ['an upper-case service', changed(15, 0x43)],
    ['a service that is no UTF-8', changed(15, 0xff)],
    ['a byte behind it', Buffer.concat([good, Uint8Array.of(0)])],
  ])('with %s is refused', (_, bytes) => {
    expect(() => decodePreamble(bytes)).toThrow(violation)
  })

  test('is refused at the first wrong byte, before more has arrived', () => {
    expect(preambleLength(Buffer.from('EARS'))).toBeUndefined()
    expect(() => preambleLength(Buffer.from('EARX'))).toThrow(violation)
  })

  test('of any bytes decodes or is refused', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 30 }).map(tail => Buffer.concat([good.subarray(0, 7), tail])),
    )
    fc.assert(
      fc.property(bytes, bytes => {
        let preamble: Preamble
        try {
          preamble = decodePreamble(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol-violation' })
          return
        }
        expect(Buffer.compare(encodePreamble(preamble), bytes)).toBe(0)
      }),
      { numRuns: 1000 },
    )
  })
})
