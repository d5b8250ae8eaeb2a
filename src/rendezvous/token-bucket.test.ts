import { expect, test } from 'vitest'
import { simulate } from '../testing/index.ts'
import { Notices } from './notices.ts'
import { Paced } from './paced.ts'
import { TokenBucket, TokenBuckets } from './token-bucket.ts'

function stage() {
  const net = simulate()
  return { net, clock: net.host('ada').network.clock }
}

test('gives its burst at once and then so many a second, and says how long to wait', async () => {
  const { net, clock } = stage()
  const bucket = new TokenBucket({ clock, perSecond: 10, burst: 3 })
  expect([1, 2, 3, 4].map(() => bucket.take())).toEqual([true, true, true, false])
  expect(bucket.waitMs).toBe(100)
  await net.advance(99)
  expect(bucket.take()).toBe(false)
  await net.advance(2)
  expect([bucket.take(), bucket.take()]).toEqual([true, false])
  await net.advance(60_000)
  expect([1, 2, 3, 4].map(() => bucket.take())).toEqual([true, true, true, false])
})

test('each key has a bucket of its own, and the one used longest ago is forgotten', () => {
  const { clock } = stage()
  const buckets = new TokenBuckets({ clock, perSecond: 1, burst: 1, maxKeys: 2 })
  expect(['a', 'b', 'a', 'b'].map(key => buckets.of(key).take())).toEqual([true, true, false, false])
  buckets.of('a')
  expect(buckets.of('c').take()).toBe(true)
  expect(buckets.size).toBe(2)
  expect(buckets.of('a').take()).toBe(false)
  expect(buckets.of('b').take()).toBe(true)
})

test('what is paced is done at once, then when it may be, however often it was asked for', async () => {
  const { net, clock } = stage()
  const doneAt: number[] = []
  const paced = new Paced({ clock, perSecond: 1, burst: 2 }, () => doneAt.push(Math.round(net.now)))
  for (let i = 0; i < 10; i++) paced.request()
  await net.advance(5_000)
  expect(doneAt).toEqual([0, 0, 1_000])
  paced.request()
  paced.request()
  paced.request()
  paced.request()
  paced.stop()
  await net.advance(5_000)
  expect(doneAt).toHaveLength(5)
  expect(net.open()).toEqual([])
})

test('a kind of notice is told at once and then once a minute, with how often it was', async () => {
  const { net, clock } = stage()
  const notices = new Notices(clock)
  const told: string[] = []
  const report = (kind: string): void => notices.report(kind, times => void told.push(`${kind} ${times}`))
  for (let i = 0; i < 5; i++) report('a')
  report('b')
  expect(told).toEqual(['a 1', 'b 1'])
  await net.advance(60_000)
  report('a')
  expect(told).toEqual(['a 1', 'b 1', 'a 5'])
  for (let i = 0; i < 300; i++) report(`c${i}`)
  report('a')
  expect(told.at(-1)).toBe('a 1')
})
