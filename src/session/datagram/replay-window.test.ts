import fc from 'fast-check'
import { expect, test } from 'vitest'
import { REPLAY_WINDOW_PACKETS } from '../../limits.ts'
import { ReplayWindow } from './replay-window.ts'

test('remembers at least the 1,024 numbers before the largest', () => {
  expect(REPLAY_WINDOW_PACKETS).toBeGreaterThanOrEqual(1_024)
  expect(REPLAY_WINDOW_PACKETS % 32).toBe(0)
})

test('takes every number once, and none that is older than the window', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: -40, max: 40 }) },
    { weight: 2, arbitrary: fc.integer({ min: -REPLAY_WINDOW_PACKETS - 3, max: REPLAY_WINDOW_PACKETS + 3 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 33 }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const window = new ReplayWindow()
      const seen = new Set<number>()
      let largest = -1
      for (const by of steps) {
        const number = largest + by
        if (number < 0) continue
        const isNew = !seen.has(number) && number > largest - REPLAY_WINDOW_PACKETS
        expect(window.isNew(number)).toBe(isNew)
        if (!isNew) continue
        window.mark(number)
        seen.add(number)
        largest = Math.max(largest, number)
        expect(window.largest).toBe(largest)
      }
    }),
    { numRuns: 300 },
  )
})

test('a number that was only asked for is not taken: what is forged moves nothing', () => {
  const window = new ReplayWindow()
  window.mark(5)
  expect(window.isNew(10_000)).toBe(true)
  expect(window.isNew(6)).toBe(true)
  expect(window.largest).toBe(5)
})
