import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fullPacketNumber } from './packet-number.ts'

const TWO_32 = 2 ** 32

test('the number nearest to the one expected is meant (RFC 9000 appendix A.3, with 32 bits)', () => {
  expect(fullPacketNumber(0, -1)).toBe(0)
  expect(fullPacketNumber(5, -1)).toBe(5)
  expect(fullPacketNumber(0, TWO_32 - 1)).toBe(TWO_32)
  expect(fullPacketNumber(TWO_32 - 1, TWO_32)).toBe(TWO_32 - 1)
  expect(fullPacketNumber(3, TWO_32 - 10)).toBe(TWO_32 + 3)
})

test('whatever is less than 2^31 away is found again', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1, max: 2 ** 48 }),
      fc.integer({ min: -(2 ** 31) + 2, max: 2 ** 31 }),
      (largest, distance) => {
        const number = largest + distance
        fc.pre(number >= 0)
        expect(fullPacketNumber(number % TWO_32, largest)).toBe(number)
      },
    ),
    { numRuns: 5_000 },
  )
})

test('no number is below 0', () => {
  fc.assert(
    fc.property(fc.nat(TWO_32 - 1), fc.integer({ min: -1, max: 2 ** 48 }), (truncated, largest) => {
      const number = fullPacketNumber(truncated, largest)
      expect(number).toBeGreaterThanOrEqual(0)
      expect(number % TWO_32).toBe(truncated)
    }),
  )
})
