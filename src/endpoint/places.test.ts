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
