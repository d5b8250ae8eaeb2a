import { expect, test } from 'vitest'
import { MAX_PARTED_SESSIONS } from '../../limits.ts'
import type { Goodbye } from '../../session/frame.ts'
import { simulate } from '../../testing/index.ts'
import { PartedSessions } from './parted-sessions.ts'

const KICKED: Goodbye = { code: 'kicked', reason: 'out', retryAfterMs: 60_000 }

function offer(n: number): { id: Uint8Array; received: number } {
  const id = new Uint8Array(16)
  new DataView(id.buffer).setUint32(0, n)
  return { id, received: n }
}

test('the peer of a session that was ended is told so, with what is left of the pause, and nobody else', async () => {
  const net = simulate()
  const parted = new PartedSessions(net.host('ada').network.clock)
  parted.add('bob', offer(1), KICKED)
  await net.advance(20_000)
  expect(parted.goodbyeFor('bob', offer(1))).toEqual({ ...KICKED, retryAfterMs: 40_000 })
  expect(parted.goodbyeFor('bob', offer(2))).toBeUndefined()
  expect(parted.goodbyeFor('bob', undefined)).toBeUndefined()
  expect(parted.goodbyeFor('eve', offer(1))).toBeUndefined()
  await net.advance(100_000)
  expect(parted.goodbyeFor('bob', offer(1))).toEqual({ ...KICKED, retryAfterMs: 0 })
})

test('a peer that has begun a new session knows', () => {
  const parted = new PartedSessions(simulate().host('ada').network.clock)
  parted.add('bob', offer(1), KICKED)
  parted.add('eve', offer(2), KICKED)
  expect(parted.concerns('bob')).toBe(true)
  parted.forget('bob')
  expect([parted.concerns('bob'), parted.concerns('eve')]).toEqual([false, true])
  expect(parted.goodbyeFor('bob', offer(1))).toBeUndefined()
})

test('a bounded number is remembered, the oldest forgotten first', () => {
  const parted = new PartedSessions(simulate().host('ada').network.clock)
  for (let n = 0; n <= MAX_PARTED_SESSIONS; n++) parted.add('bob', offer(n), KICKED)
  expect(parted.goodbyeFor('bob', offer(0))).toBeUndefined()
  expect(parted.goodbyeFor('bob', offer(1))).toBeDefined()
})
