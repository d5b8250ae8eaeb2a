import { expect, test } from 'vitest'
import { MAX_LABELS } from '../limits.ts'
import { ReceivedLabels, SentLabels } from './label-table.ts'

const violation = expect.objectContaining({ code: 'protocol-violation' })

test('a name is added once, and numbers count up from 1; the room itself is 0 and never added', () => {
  const labels = new SentLabels()
  expect(labels.number('')).toBe(0)
  expect(labels.number('chat')).toBeUndefined()
  expect(labels.add('chat')).toBe(1)
  expect(labels.add('scores')).toBe(2)
  expect(labels.number('chat')).toBe(1)
  expect(labels.number('scores')).toBe(2)
})

test('what one side numbers the other side names, up to the limit', () => {
  const sent = new SentLabels()
  const received = new ReceivedLabels()
  for (let i = 1; i <= MAX_LABELS; i++) {
    const id = sent.add(`label ${i}`)
    received.add(id, `label ${i}`)
    expect(received.name(id)).toBe(`label ${i}`)
  }

  expect(() => sent.add('one more')).toThrow(
    expect.objectContaining({ code: 'limit-reached', hint: expect.any(String) }),
  )
  expect(sent.number('label 7')).toBe(7)
  expect(() => received.add(MAX_LABELS + 1, 'one more')).toThrow(violation)
})

test.each([
  ['the room', 0, 'room'],
  ['a number that is left out', 3, 'c'],
  ['a number that is taken', 1, 'b'],
  ['no name', 2, ''],
])('a label for %s is refused', (_, id, name) => {
  const labels = new ReceivedLabels()
  labels.add(1, 'a')
  expect(() => labels.add(id, name)).toThrow(violation)
})

test('a label that was never named is refused', () => {
  const labels = new ReceivedLabels()
  expect(labels.name(0)).toBe('')
  expect(() => labels.name(1)).toThrow(violation)
  expect(() => labels.name(Number.MAX_SAFE_INTEGER)).toThrow(violation)
})

test('two numbers may stand for one name: the receiver need not remember names', () => {
  const labels = new ReceivedLabels()
  labels.add(1, 'a')
  labels.add(2, 'a')
  expect([labels.name(1), labels.name(2)]).toEqual(['a', 'a'])
})
