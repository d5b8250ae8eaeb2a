import { expect, test } from 'vitest'
import { MAX_REMEMBERED_SIGNALS, MAX_SIGNALS_PER_SECOND, RENDEZVOUS_CLOCK_TOLERANCE_MS } from '../limits.ts'
import { simulate } from '../testing/index.ts'
import { ReplayGuard } from './replay-guard.ts'

test('remembers for as long as the time in a signal may be accepted, and no longer', async () => {
  const net = simulate()
  const guard = new ReplayGuard(net.host('ada').network.clock)
  expect([guard.has('a'), guard.remember('a'), guard.has('a')]).toEqual([false, true, true])
  await net.advance(2 * RENDEZVOUS_CLOCK_TOLERANCE_MS - 1)
  guard.remember('b')
  expect(guard.has('a')).toBe(true)
  await net.advance(1)
  guard.remember('c')
  expect([guard.has('a'), guard.has('b'), guard.size]).toEqual([false, true, 2])
})

test('full, it takes nothing rather than something twice', async () => {
  const net = simulate()
  const guard = new ReplayGuard(net.host('ada').network.clock)
  for (let i = 0; i < MAX_REMEMBERED_SIGNALS; i++) expect(guard.remember(`${i}`)).toBe(true)
  expect(guard.remember('more')).toBe(false)
  expect(guard.has('0')).toBe(true)
  await net.advance(2 * RENDEZVOUS_CLOCK_TOLERANCE_MS)
  expect([guard.remember('more'), guard.size]).toEqual([true, 1])
})

test('more cannot be taken than it remembers', () => {
  const atOnce = 2 * MAX_SIGNALS_PER_SECOND
  const longest = (2 * RENDEZVOUS_CLOCK_TOLERANCE_MS) / 1_000
  expect(MAX_SIGNALS_PER_SECOND * longest + atOnce).toBeLessThanOrEqual(MAX_REMEMBERED_SIGNALS)
})
