import { expect, test } from 'vitest'
import { Keepalive } from './keepalive.ts'

function steps(keepalive: Keepalive, from: number, to: number): [number, string, boolean][] {
  const seen: [number, string, boolean][] = []
  for (let now = from; now <= to; now += 1_000) {
    const { liveness, ping } = keepalive.step(now)
    seen.push([now, liveness, ping])
  }
  return seen
}

test('a silent peer is asked after 2 s and every 2 s, is quiet after 4 s and lost after 12 s', () => {
  expect(steps(new Keepalive(0), 1_000, 12_000)).toEqual([
    [1_000, 'here', false],
    [2_000, 'here', true],
    [3_000, 'here', false],
    [4_000, 'quiet', true],
    [5_000, 'quiet', false],
    [6_000, 'quiet', true],
    [7_000, 'quiet', false],
    [8_000, 'quiet', true],
    [9_000, 'quiet', false],
    [10_000, 'quiet', true],
    [11_000, 'quiet', false],
    [12_000, 'lost', false],
  ])
})

test('a peer that is heard is here again and is not asked', () => {
  const keepalive = new Keepalive(0)
  steps(keepalive, 1_000, 6_000)
  keepalive.heard(6_500)
  expect(keepalive.step(7_000)).toEqual({ liveness: 'here', ping: false })
})

test('after this machine slept, the peer is asked first and given 8 s', () => {
  const keepalive = new Keepalive(0)
  keepalive.step(1_000)
  const woke = 3_600_000
  expect(keepalive.step(woke)).toEqual({ liveness: 'quiet', ping: true })
  expect(steps(keepalive, woke + 1_000, woke + 8_000).at(-1)).toEqual([woke + 8_000, 'lost', false])
})
