import { expect, test } from 'vitest'
import { SeededRandom } from './seeded-random.ts'

test('the same seed gives the same numbers, another seed others', () => {
  const draw = (seed: number) => new SeededRandom(seed).bytes(32)

  expect(draw(1)).toEqual(draw(1))
  expect(draw(1)).not.toEqual(draw(2))
})

test('a fork depends on its name only, not on what was drawn before', () => {
  const fresh = new SeededRandom(1)
  const used = new SeededRandom(1)
  used.bytes(100)

  expect(used.fork('ada').bytes(8)).toEqual(fresh.fork('ada').bytes(8))
  expect(fresh.fork('ada').bytes(8)).not.toEqual(fresh.fork('bob').bytes(8))
})

test('fractions lie in [0, 1) and spread evenly', () => {
  const random = new SeededRandom(7)
  const tenths = new Array<number>(10).fill(0)
  for (let i = 0; i < 10_000; i++) tenths[Math.floor(random.fraction() * 10)]!++

  expect(tenths.reduce((sum, count) => sum + count)).toBe(10_000)
  for (const count of tenths) expect(count).toBeGreaterThan(800)
})

test('whole numbers reach both ends of their range', () => {
  const random = new SeededRandom(7)
  const drawn = new Set(Array.from({ length: 200 }, () => random.integer(3, 6)))

  expect([...drawn].sort()).toEqual([3, 4, 5, 6])
})
