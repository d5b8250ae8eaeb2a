import { expect, test } from 'vitest'
import { RELAYS_PER_ROUND, relaysOfRound, tryRelays } from './try-relays.ts'

test('two are asked at a time, the others as these fail, until one leads there', async () => {
  const asked: string[] = []
  const settle = new Map<string, (leads: boolean) => void>()
  const trying = tryRelays(['a', 'b', 'c', 'd', 'e'], id => {
    asked.push(id)
    return new Promise(resolve => settle.set(id, resolve))
  })
  const answer = async (id: string, leads: boolean): Promise<string> => {
    settle.get(id)!(leads)
    for (let i = 0; i < 5; i++) await Promise.resolve()
    return asked.join('')
  }
  expect(asked.join('')).toBe('ab')
  expect(await answer('b', false)).toBe('abc')
  expect(await answer('a', false)).toBe('abcd')
  expect(await answer('c', true)).toBe('abcd')
  expect(await answer('d', false)).toBe('abcd')
  await trying
})

test('there may be none', async () => {
  await tryRelays([], () => Promise.reject(new Error('nobody is to be asked')))
})

test('of many each has its turn in some round', () => {
  const ids = Array.from({ length: 20 }, (_, index) => String(index))
  const rounds = [0, 1, 2, 3].map(round => relaysOfRound(ids, round))
  for (const round of rounds) expect(round).toHaveLength(RELAYS_PER_ROUND)
  expect(new Set(rounds.flat()).size).toBe(20)
  expect(relaysOfRound(['a', 'b'], 7)).toEqual(['a', 'b'])
})
