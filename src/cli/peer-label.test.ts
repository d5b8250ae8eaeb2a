import { expect, test } from 'vitest'
import { PeerLabels } from './peer-label.ts'

const ADA = { id: 'aaaaaaaaaaaa', name: 'Ada' }
const OTHER_ADA = { id: 'bbbbbbbbbbbb', name: 'Ada' }

test('one peer of a name is called by its name', () => {
  const labels = new PeerLabels()
  expect(labels.label(ADA)).toBe('Ada')
  expect(labels.label({ id: 'c', name: 'Bob' })).toBe('Bob')
  expect(labels.label(ADA)).toBe('Ada')
})

test('two peers of the same name are told apart by a short id, from then on', () => {
  const labels = new PeerLabels()
  labels.label(ADA)
  expect(labels.label(OTHER_ADA)).toBe('Ada (bbbbbbbb)')
  expect(labels.label(ADA)).toBe('Ada (aaaaaaaa)')
})

test('names that look the same count as the same', () => {
  const labels = new PeerLabels()
  labels.label(ADA)
  expect(labels.label({ id: 'bbbbbbbbbbbb', name: ' Ada ' })).toBe('Ada (bbbbbbbb)')
})

test('control characters in names are shown, not obeyed', () => {
  expect(new PeerLabels().label({ id: 'a', name: '\u001b[31mAda' })).toBe('␛[31mAda')
})

test('any number of names takes bounded memory: the oldest is forgotten', () => {
  const labels = new PeerLabels()
  labels.label(ADA)
  for (let index = 0; index < 1_024; index++) labels.label({ id: 'x', name: `n${index}` })
  expect(labels.label(OTHER_ADA)).toBe('Ada')
})
