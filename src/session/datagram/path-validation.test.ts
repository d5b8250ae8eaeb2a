import { describe, expect, test } from 'vitest'
import { PathValidation } from './path-validation.ts'

/** When challenges leave, with something to send all the time and no answer. */
function challengeTimes(validation: PathValidation, from: number, to: number): number[] {
  const times: number[] = []
  for (let now = from; now <= to; now += 100) if (validation.challenge(now) !== undefined) times.push(now)
  return times
}

describe('a path', () => {
  test('is asked with the first message, then less and less often, and is valid when it answers', () => {
    const validation = new PathValidation()
    expect(validation.isValid(0)).toBe(false)
    expect(challengeTimes(validation, 0, 30_000)).toEqual([0, 200, 600, 1_400, 3_000, 6_200, 12_600, 25_400])
    expect(challengeTimes(validation, 30_100, 120_000)).toEqual([51_000, 81_000, 111_000])
    expect(validation.onResponse(0, 120_100)).toBe(true)
    expect(validation.isValid(120_100)).toBe(true)
  })

  test('in use is asked every 2 s, sooner where no answer comes, and not valid any more after 3 s without one', () => {
    const validation = new PathValidation()
    validation.challenge(0)
    validation.onResponse(0, 10)
    expect(challengeTimes(validation, 0, 2_100)).toEqual([2_100])
    expect(validation.onResponse(1, 2_110)).toBe(true)
    expect(challengeTimes(validation, 2_100, 7_100)).toEqual([4_200, 4_700, 5_200, 5_700, 6_200, 6_700])
    expect(validation.isValid(7_199)).toBe(true)
    expect(validation.isValid(7_200)).toBe(false)
    expect(validation.isValid(7_201)).toBe(false)
    const again = validation.challenge(7_200)!
    expect(validation.onResponse(again, 7_210)).toBe(true)
    expect(validation.isValid(7_210)).toBe(true)
  })

  test('that is idle stays valid and is asked nothing', () => {
    const validation = new PathValidation()
    validation.challenge(0)
    validation.onResponse(0, 10)
    expect(validation.isValid(3_600_000)).toBe(true)
    expect(validation.challenge(3_600_000)).toBe(1)
    expect(validation.isValid(3_602_999)).toBe(true)
    expect(validation.isValid(3_603_000)).toBe(false)
  })

  test('that is new knows nothing, and answers to challenges of the old one say nothing about it', () => {
    const validation = new PathValidation()
    const old = validation.challenge(0)!
    validation.reset()
    expect(validation.onResponse(old, 10)).toBe(false)
    expect(validation.isValid(10)).toBe(false)
    const asked = validation.challenge(10)!
    expect(validation.onResponse(asked + 1, 20)).toBe(false)
    expect(validation.onResponse(asked, 20)).toBe(true)
    expect(validation.isValid(20)).toBe(true)
    validation.reset()
    expect(validation.isValid(20)).toBe(false)
  })

  test('that may work now is asked again as if for the first time, and not more often than that', () => {
    const validation = new PathValidation()
    expect(challengeTimes(validation, 0, 10_000)).toEqual([0, 200, 600, 1_400, 3_000, 6_200])
    validation.retry(10_000)
    expect(challengeTimes(validation, 10_000, 11_000)).toEqual([10_000, 10_400])
    validation.retry(11_000)
    validation.retry(11_000)
    expect(challengeTimes(validation, 11_000, 12_000)).toEqual([11_000, 11_400])
    for (let now = 12_000; now < 12_150; now += 10) validation.retry(now)
    expect(challengeTimes(validation, 12_150, 12_300)).toEqual([12_150])
  })

  test('is asked at once where something has to be learned, but not while an answer is awaited', () => {
    const validation = new PathValidation()
    validation.hurry(0)
    validation.challenge(0)
    validation.hurry(1)
    expect(validation.challenge(1)).toBeUndefined()
    validation.onResponse(0, 10)
    expect(validation.challenge(20)).toBeUndefined()
    validation.hurry(20)
    expect(validation.challenge(20)).toBe(1)
    validation.hurry(21)
    expect(validation.challenge(21)).toBeUndefined()
  })
})
