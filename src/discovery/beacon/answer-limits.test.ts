import { expect, test } from 'vitest'
import { MAX_BEACON_ANSWERS_PER_ADDRESS, MAX_BEACON_ANSWERS_PER_SECOND } from '../../limits.ts'
import { AnswerLimits } from './answer-limits.ts'

const asker = (number: number, port = 5_000) => ({ address: `192.168.1.${number}`, port })

test('a question that comes by several ways is answered once, and again a second later', () => {
  const limits = new AnswerLimits()
  expect([limits.take(asker(2), 0), limits.take(asker(2), 0), limits.take(asker(2), 999)]).toEqual([
    'answer',
    'nothing',
    'nothing',
  ])
  expect(limits.take(asker(2), 1_000)).toBe('answer')
})

test('several programs of one host are answered, each once', () => {
  const limits = new AnswerLimits()
  expect([1, 2, 1, 2].map(port => limits.take(asker(2, port), 0))).toEqual(['answer', 'answer', 'nothing', 'nothing'])
})

test('one address gets its share, and what is above is answered to all, once', () => {
  const limits = new AnswerLimits()
  const verdicts = Array.from({ length: 100 }, (_, i) => limits.take(asker(2, 1_000 + i), 0))
  expect(verdicts.slice(0, MAX_BEACON_ANSWERS_PER_ADDRESS).every(verdict => verdict === 'answer')).toBe(true)
  expect(verdicts.slice(MAX_BEACON_ANSWERS_PER_ADDRESS)).toEqual(['announce', ...new Array(83).fill('nothing')])
  expect(limits.take(asker(3), 0)).toBe('answer')
})

test('a crowd is answered one by one up to the limit, and above it all at once', () => {
  const limits = new AnswerLimits()
  const verdicts = Array.from({ length: 100 }, (_, i) => limits.take(asker(i), 500))
  expect(verdicts.filter(verdict => verdict === 'answer')).toHaveLength(MAX_BEACON_ANSWERS_PER_SECOND)
  expect(verdicts.indexOf('announce')).toBe(MAX_BEACON_ANSWERS_PER_SECOND)
  expect(verdicts.filter(verdict => verdict === 'announce')).toHaveLength(1)
  expect(limits.take(asker(200), 1_499)).toBe('nothing')
  expect(limits.take(asker(200), 1_500)).toBe('answer')
})
