import { expect, test } from 'vitest'
import { SeededRandom } from '../testing/index.ts'
import { RetrySchedule } from './retry-schedule.ts'

const PERIODS_MS = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]

test('waits twice as long after each failure, up to a minute, with a quarter of jitter', () => {
  const schedule = new RetrySchedule(new SeededRandom(1))
  const waits = PERIODS_MS.map(() => schedule.nextMs())
  for (const [i, period] of PERIODS_MS.entries()) {
    expect(waits[i]).toBeGreaterThanOrEqual(period * 0.75)
    expect(waits[i]).toBeLessThanOrEqual(period * 1.25)
  }
})

test('never waits longer than that, however often it failed', () => {
  const schedule = new RetrySchedule(new SeededRandom(2))
  for (let i = 0; i < 5_000; i++) expect(schedule.nextMs()).toBeLessThanOrEqual(75_000)
})

test('begins anew after a success', () => {
  const schedule = new RetrySchedule(new SeededRandom(3))
  for (let i = 0; i < 8; i++) schedule.nextMs()
  schedule.reset()
  expect(schedule.nextMs()).toBeLessThanOrEqual(625)
})

test('two peers do not march in step', () => {
  const [one, two] = [new RetrySchedule(new SeededRandom(4)), new RetrySchedule(new SeededRandom(5))]
  expect(PERIODS_MS.map(() => one.nextMs())).not.toEqual(PERIODS_MS.map(() => two.nextMs()))
})
