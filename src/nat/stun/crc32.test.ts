import { expect, test } from 'vitest'
import { crc32 } from './crc32.ts'

test('the check value of CRC-32, in one part or several', () => {
  const digits = new TextEncoder().encode('123456789')
  expect(crc32(digits)).toBe(0xcbf4_3926)
  expect(crc32(digits.subarray(0, 4), digits.subarray(4))).toBe(0xcbf4_3926)
})
