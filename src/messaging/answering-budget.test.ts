import { expect, test } from 'vitest'
import {
  MAX_ANSWERING_BYTES,
  MAX_ANSWERING_BYTES_PER_HOST,
  MAX_OPEN_QUESTION_BYTES,
  MAX_OPEN_QUESTIONS,
} from '../limits.ts'
import { AnsweringBudget, type AnsweringShare } from './answering-budget.ts'

const LARGE = MAX_OPEN_QUESTION_BYTES / 2

/** How many questions of this length begin until there is room for none. */
function fill(share: AnsweringShare, bytes: number): number {
  let count = 0
  for (; share.hasRoom(bytes); count++) share.begin(bytes)
  return count
}

test('a peer has so many questions, and so many bytes', () => {
  const budget = new AnsweringBudget()
  expect(fill(budget.share('ada', '192.168.1.2'), 10)).toBe(MAX_OPEN_QUESTIONS)
  expect(fill(budget.share('bob', '192.168.1.3'), LARGE)).toBe(2)
  expect(budget.share('bob', '192.168.1.3').hasRoom(1)).toBe(false)
  expect(budget.share('bob', '192.168.1.3').hasRoom(0)).toBe(true)
})

test('what has ended makes room', () => {
  const share = new AnsweringBudget().share('ada', '192.168.1.2')
  fill(share, LARGE)
  share.end(LARGE)
  expect(fill(share, LARGE)).toBe(1)
})

test.each([
  ['address', (_: number) => '192.168.1.3'],
  ['IPv6 network', (i: number) => `2001:db8::${i}`],
])('ids of one %s share what a host has, and leave room for others', (_, addressOf) => {
  const budget = new AnsweringBudget()
  const counts = Array.from({ length: 10 }, (_, i) => fill(budget.share(`mallory ${i}`, addressOf(i)), LARGE))
  const total = counts.reduce((sum, count) => sum + count, 0)
  expect(total).toBe(Math.floor(MAX_ANSWERING_BYTES_PER_HOST / (LARGE + 1_024)))
  expect(fill(budget.share('ada', '192.168.1.2'), LARGE)).toBe(2)
})

test('a room has so many bytes, whoever asks; small questions cost what their functions do', () => {
  const budget = new AnsweringBudget()
  let total = 0
  for (let i = 0; i < 200; i++) total += fill(budget.share(`mallory ${i}`, `192.168.1.${i}`), 0)
  expect(total).toBe(MAX_ANSWERING_BYTES / 1_024)
})
