import { expect, test } from 'vitest'
import { MAX_ICE_PAIRS } from '../../limits.ts'
import { CHECK_PACE_MS, CheckList } from './check-list.ts'

const SOCKET = { local: { address: '0.0.0.0', port: 5_000 } }
const at = (port: number) => ({ address: '203.0.113.7', port })

function listOf(...promises: readonly number[]): CheckList<typeof SOCKET> {
  const list = new CheckList<typeof SOCKET>()
  for (const promise of promises) list.add(SOCKET, at(promise), promise)
  return list
}

test('the most promising pair is checked first, and one at a time', () => {
  const list = listOf(10, 30, 20)
  const started = [0, 1, CHECK_PACE_MS, CHECK_PACE_MS + 1, 2 * CHECK_PACE_MS, 3 * CHECK_PACE_MS].map(
    now => list.next(now)?.remote.port,
  )
  expect(started).toEqual([30, undefined, 20, undefined, 10, undefined])
  expect(list.nextAt).toBeUndefined()
})

test('it says when the next may begin', () => {
  const list = listOf(10, 30)
  expect(list.nextAt).toBe(-Infinity)
  list.next(100)
  expect(list.nextAt).toBe(100 + CHECK_PACE_MS)
})

test('a pair whose other side was heard goes before all, also one that was not known', () => {
  const list = listOf(10, 30)
  expect(list.trigger(SOCKET, at(7))).toBe(true)
  expect(list.trigger(SOCKET, at(10))).toBe(true)
  expect([0, 20, 40].map(now => list.next(now)?.remote.port)).toEqual([10, 7, 30])
})

test('a pair in progress or failed begins again when the other side is heard, a few times', () => {
  const list = listOf(10)
  list.next(0)
  for (let n = 0; n < 6; n++) expect(list.trigger(SOCKET, at(10))).toBe(true)
  list.settle(SOCKET, at(10), 'failed')
  expect(list.trigger(SOCKET, at(10))).toBe(false)
})

test('what has succeeded stays so', () => {
  const list = listOf(10)
  list.next(0)
  list.settle(SOCKET, at(10), 'succeeded')
  list.settle(SOCKET, at(10), 'failed')
  expect(list.trigger(SOCKET, at(10))).toBe(false)
  expect(list.find(SOCKET, at(10))?.state).toEqual({ kind: 'succeeded' })
})

test('a pair is listed once, and there are not more than so many', () => {
  const list = listOf(10)
  expect(list.add(SOCKET, at(10), 99)).toBe(false)
  for (let port = 1; port <= MAX_ICE_PAIRS + 5; port++) list.add(SOCKET, at(port), port)
  expect(list.pairs).toHaveLength(MAX_ICE_PAIRS)
  expect(list.trigger(SOCKET, at(60_000))).toBe(false)
})
