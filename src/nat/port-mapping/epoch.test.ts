import { describe, expect, test } from 'vitest'
import { natPmpStateLost, pcpStateLost } from './epoch.ts'

/** An hour after the gateway was started, and `elapsedSeconds` later by our clock. */
function readings(epochSeconds: number, elapsedSeconds: number) {
  return [
    { epochSeconds: 3_600, at: 1_000 },
    { epochSeconds, at: 1_000 + elapsedSeconds * 1_000 },
  ] as const
}

describe('PCP (RFC 6887 section 8.5)', () => {
  test.each<[string, number, number, boolean]>([
    ['in step', 4_600, 1_000, false],
    ['a second back, as answers overtake each other', 3_599, 0, false],
    ['two seconds back', 3_598, 0, true],
    ['started again', 10, 1_000, true],
    ['a sixteenth slower', 3_600 + 938, 1_000, false],
    ['slower than that', 3_600 + 900, 1_000, true],
    ['a sixteenth faster', 3_600 + 1_060, 1_000, false],
    ['faster than that', 3_600 + 1_100, 1_000, true],
  ])('%s: from 3600 to %i in %i s means lost: %s', (_, epochSeconds, elapsedSeconds, expected) => {
    expect(pcpStateLost(...readings(epochSeconds, elapsedSeconds))).toBe(expected)
  })
})

describe('NAT-PMP (RFC 6886 section 3.6)', () => {
  test.each<[string, number, number, boolean]>([
    ['in step', 4_600, 1_000, false],
    ['started again', 10, 1_000, true],
    ['an eighth slower', 3_600 + 874, 1_000, false],
    ['slower than that', 3_600 + 870, 1_000, true],
    ['faster, which a clock may be', 3_600 + 5_000, 1_000, false],
  ])('%s: from 3600 to %i in %i s means lost: %s', (_, epochSeconds, elapsedSeconds, expected) => {
    expect(natPmpStateLost(...readings(epochSeconds, elapsedSeconds))).toBe(expected)
  })
})
