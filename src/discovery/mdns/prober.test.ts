import { describe, expect, test } from 'vitest'
import {
  advanceClaim,
  announceAgain,
  type ClaimState,
  claimNextAt,
  compareProbes,
  deferProbing,
  renameDelayMs,
  startAnnouncing,
  startProbing,
} from './prober.ts'

/** Lets time pass up to each moment at which something is due, and notes what happens when. */
function run(from: ClaimState): string[] {
  const log: string[] = []
  let state = from
  while (claimNextAt(state) !== Number.POSITIVE_INFINITY) {
    const at = claimNextAt(state)
    const step = advanceClaim(state, at)
    log.push(`${at} ${step.effect}`)
    state = step.state
  }
  return log
}

describe('a claim', () => {
  test('is three probes 250 ms apart after a random start, then two announcements a second apart', () => {
    expect(run(startProbing(1_000, 0.5))).toEqual([
      '1125 probe',
      '1375 probe',
      '1625 probe',
      '1875 announce',
      '2875 announce',
    ])
  })

  test('does nothing before its time', () => {
    const state = startProbing(0, 0.4)
    expect(advanceClaim(state, 99)).toEqual({ state })
    expect(advanceClaim({ kind: 'established' }, 99)).toEqual({ state: { kind: 'established' } })
  })

  test('probes anew a second after another prober has won', () => {
    expect(run(deferProbing(500)).slice(0, 2)).toEqual(['1500 probe', '1750 probe'])
  })

  test('announces again when its records change, but a probe under way goes on', () => {
    expect(run(announceAgain({ kind: 'established' }, 7))).toEqual(['7 announce', '1007 announce'])
    const probing = startProbing(0, 0)
    expect(announceAgain(probing, 7)).toBe(probing)
  })

  test('waits five seconds after fifteen conflicts in ten seconds', () => {
    const conflicts = Array.from({ length: 15 }, (_, i) => i * 100)
    expect(renameDelayMs(conflicts, 2_000)).toBe(5_000)
    expect(renameDelayMs(conflicts.slice(1), 2_000)).toBe(0)
    expect(renameDelayMs(conflicts, 10_050)).toBe(0)
  })
})

describe('simultaneous probes', () => {
  const a = (...data: number[]): { typeCode: number; data: Uint8Array } => ({
    typeCode: 1,
    data: Uint8Array.from(data),
  })

  test('the example of RFC 6762 section 8.2.2: 169.254.200.50 wins over 169.254.99.200', () => {
    expect(compareProbes([a(169, 254, 99, 200)], [a(169, 254, 200, 50)])).toBeLessThan(0)
    expect(compareProbes([a(169, 254, 200, 50)], [a(169, 254, 99, 200)])).toBeGreaterThan(0)
  })

  test('records are compared in order of type and data, bytes unsigned, and the longer list wins', () => {
    const srv = { typeCode: 33, data: Uint8Array.of(1) }
    expect(compareProbes([srv, a(1)], [a(1), srv])).toBe(0)
    expect(compareProbes([srv], [a(255)])).toBeGreaterThan(0)
    expect(compareProbes([a(200)], [a(100, 1)])).toBeGreaterThan(0)
    expect(compareProbes([a(1)], [a(1, 0)])).toBeLessThan(0)
    expect(compareProbes([a(1), srv], [a(1)])).toBeGreaterThan(0)
  })
})

test('a name known to be ours is announced at once, and a second time after a second', () => {
  const announcing = startAnnouncing(1_000)
  const first = advanceClaim(announcing, 1_000)
  expect(first.effect).toBe('announce')
  expect(advanceClaim(first.state, 1_999).effect).toBeUndefined()
  const second = advanceClaim(first.state, 2_000)
  expect(second).toEqual({ state: { kind: 'established' }, effect: 'announce' })
})
