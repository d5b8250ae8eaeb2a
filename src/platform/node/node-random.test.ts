import { expect, test } from 'vitest'
import { NodeRandom } from './node-random.ts'

test('every call gives new bytes of the length asked for', () => {
  const random = new NodeRandom()
  const seen = new Set<string>()

  for (let i = 0; i < 1_000; i++) {
    const bytes = random.bytes(32)
    expect(bytes.length).toBe(32)
    expect(bytes.buffer.byteLength).toBe(32)
    seen.add(bytes.join())
  }

  expect(seen.size).toBe(1_000)
})

test.each([0, 1, 1_024, 1_025, 4_096, 100_000])('%i bytes are filled to the end', length => {
  const random = new NodeRandom()
  const combined = new Uint8Array(length)

  // A byte that stays zero in 20 draws was not drawn.
  for (let i = 0; i < 20; i++) {
    random.bytes(length).forEach((byte, at) => {
      combined[at]! |= byte
    })
  }

  expect(combined.every(byte => byte !== 0)).toBe(true)
})

test('a fraction is in [0, 1) and spread over it', () => {
  const random = new NodeRandom()
  const tenths = new Array<number>(10).fill(0)

  for (let i = 0; i < 10_000; i++) {
    const fraction = random.fraction()
    expect(fraction).toBeGreaterThanOrEqual(0)
    expect(fraction).toBeLessThan(1)
    tenths[Math.floor(fraction * 10)]!++
  }

  // 1,000 expected each with a deviation of 30: ten deviations are no accident.
  for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(300)
})
