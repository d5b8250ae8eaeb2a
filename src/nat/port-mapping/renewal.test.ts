import { expect, test } from 'vitest'
import { renewalDelayMs, retryDelayMs } from './renewal.ts'

const HOUR = 3_600_000

test('a mapping is renewed after a half, three quarters, seven eighths of its lifetime (RFC 6887 section 11.2.1)', () => {
  const at = (attempt: number, fraction: number) => renewalDelayMs(attempt, 8 * HOUR, fraction)! / HOUR
  expect([at(1, 0), at(2, 0), at(3, 0)]).toEqual([4, 6, 7])
  expect([at(1, 1), at(2, 1), at(3, 1)]).toEqual([5, 6.5, 7.25])
})

test('never more often than every four seconds, and not when the mapping is over', () => {
  expect([1, 2, 3, 4].map(attempt => renewalDelayMs(attempt, 14_000, 0))).toEqual([7_000, 10_500, 12_250, undefined])
  expect([1, 2].map(attempt => renewalDelayMs(attempt, 1_000, 0))).toEqual([4_000, undefined])
})

test('no lifetime counts for more than a day', () => {
  expect(renewalDelayMs(1, Infinity, 0)).toBe(12 * HOUR)
})

test('a lost mapping is tried again after 10 s, then later and later, up to ten minutes', () => {
  expect([0, 1, 2, 9, 99].map(tries => retryDelayMs(tries, 0.5))).toEqual([10_000, 20_000, 40_000, 600_000, 600_000])
})
