import { expect, test } from 'vitest'
import {
  MAX_HALF_OPEN_CONNECTIONS,
  MAX_HALF_OPEN_PER_ADDRESS,
  MAX_HANDSHAKES_PER_SECOND,
  MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS,
} from '../../limits.ts'
import { simulate } from '../../testing/index.ts'
import { HalfOpen } from './half-open.ts'

/** A door, and who was displaced at it, by the labels of `come`. */
function door() {
  const net = simulate()
  net.lan('home')
  const halfOpen = new HalfOpen(net.host('ada').network.clock)
  const displaced: string[] = []
  const come = (address: string, label = address) => halfOpen.take(address, () => displaced.push(label))
  return { net, displaced, come }
}

/** So many hosts with so many connections each, in turns. */
function flood({ come }: ReturnType<typeof door>, hosts: number, each: number): void {
  for (let i = 0; i < each; i++) for (let host = 0; host < hosts; host++) come(`10.0.${host}.1`, `${host}/${i}`)
}

test('callers on this machine are not counted by the second', () => {
  const { come } = door()
  for (let i = 0; i < 2_000; i++) expect(come('127.0.0.1')).toBeDefined()
  for (let i = 0; i < MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS; i++) expect(come('192.168.1.9')).toBeDefined()
  expect(come('192.168.1.9')).toBeUndefined()
})

test('one host beyond its share pushes out its own oldest', () => {
  const { come, displaced } = door()
  for (let i = 0; i < MAX_HALF_OPEN_PER_ADDRESS + 2; i++) come('10.0.0.1', `${i}`)
  expect(displaced).toEqual(['0', '1'])
})

test('where all places are taken the oldest of the host with most gives way', () => {
  const all = door()
  all.come('192.168.1.2', 'slow')
  flood(all, 3, 42)
  all.come('10.0.2.1', 'one more')
  expect(all.displaced).toEqual([])
  all.come('192.168.1.3', 'a newcomer')
  expect(all.displaced).toEqual(['2/0'])
  all.come('10.0.0.1', 'another one of the first')
  expect(all.displaced).toEqual(['2/0', '0/0'])
})

test('where all hosts have as many the oldest of all gives way', () => {
  const all = door()
  flood(all, MAX_HALF_OPEN_CONNECTIONS, 1)
  all.come('192.168.1.2')
  all.come('192.168.1.3')
  expect(all.displaced).toEqual(['0/0', '1/0'])
})

test('a place is given back once, however often that is said, and whoever left is not displaced', () => {
  const { come, displaced } = door()
  const leave = come('10.0.0.1', 'first')!
  for (let i = 1; i < MAX_HALF_OPEN_PER_ADDRESS; i++) come('10.0.0.1', `${i}`)
  leave()
  leave()
  come('10.0.0.1')
  expect(displaced).toEqual([])
  come('10.0.0.1')
  expect(displaced).toEqual(['1'])
})

test('one host begins so many handshakes in a second, all together so many', async () => {
  const { net, come } = door()
  let begun = 0
  for (let i = 0; i < 1_000; i++) if (come('2001:db8::1')) begun++
  expect(begun).toBe(MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS)
  expect(come('2001:db8::2')).toBeUndefined()
  for (let i = 0; i < 2_000; i++) if (come(`10.0.${i >> 8}.${i & 255}`)) begun++
  expect(begun).toBe(MAX_HANDSHAKES_PER_SECOND)
  await net.advance(1_000)
  expect(come('2001:db8::2')).toBeDefined()
})
