import { expect, test } from 'vitest'
import { Places } from './places.ts'

test('one address gets its share, the others what is left', () => {
  const places = new Places({ total: 5, perAddress: 3 })
  const taken = ['a', 'a', 'a', 'a', 'b', 'b', 'c'].map(address => places.take(address) !== undefined)
  expect(taken).toEqual([true, true, true, false, true, true, false])
})

test('a place is given back once, however often that is said', () => {
  const places = new Places({ total: 2, perAddress: 2 })
  const giveBack = places.take('a')!
  places.take('a')
  expect(places.take('b')).toBeUndefined()
  giveBack()
  giveBack()
  expect(places.take('b')).toBeDefined()
  expect(places.take('b')).toBeUndefined()
})

test('an address that has given all back may take its share again', () => {
  const places = new Places({ total: 10, perAddress: 1 })
  for (let i = 0; i < 5; i++) {
    const giveBack = places.take('a')
    expect(giveBack).toBeDefined()
    expect(places.take('a')).toBeUndefined()
    giveBack!()
  }
})

test.each([
  ['IPv6 addresses of one /64 share', '2001:db8:0:1::1', '2001:db8:0:1:ffff::2', false],
  ['IPv6 addresses of two /64s do not share', '2001:db8:0:1::1', '2001:db8:0:2::1', true],
  ['link-local IPv6 addresses do not share', 'fe80::1%eth0', 'fe80::2%eth0', true],
  ['one link-local IPv6 address on two links does not share', 'fe80::1%eth0', 'fe80::1%eth1', true],
  ['IPv4 addresses do not share', '192.168.1.2', '192.168.1.3', true],
])('%s', (_, first, second, isFree) => {
  const places = new Places({ total: 10, perAddress: 1 })
  const giveBack = places.take(first)!
  expect(places.take(second) !== undefined).toBe(isFree)
  giveBack()
  expect(places.take(first)).toBeDefined()
})
