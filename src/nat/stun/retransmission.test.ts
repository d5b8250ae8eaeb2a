import { expect, test } from 'vitest'
import { retransmissionDelays, retransmissionDelaysWithin } from './retransmission.ts'

test('by default a request is sent as RFC 8489 section 6.2.1 has it', () => {
  const delays = retransmissionDelays()
  const sentAt = delays.map((_, i) => delays.slice(0, i).reduce((sum, delay) => sum + delay, 0))
  expect(sentAt).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 31_500])
  expect(delays.reduce((sum, delay) => sum + delay)).toBe(39_500)
})

test('all three timers can be chosen', () => {
  expect(retransmissionDelays({ rtoMs: 100, requests: 3, lastWait: 4 })).toEqual([100, 200, 400])
})

test.each([
  [5_000, [500, 1_000, 2_000, 1_500]],
  [1_000, [500, 500]],
  [700, [700]],
  [100, [100]],
])('within %i ms', (totalMs, expected) => {
  expect(retransmissionDelaysWithin(totalMs)).toEqual(expected)
})
