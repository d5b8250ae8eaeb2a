import { expect, test } from 'vitest'
import { cutToWidth, padToWidth, textWidth } from './text-width.ts'

test.each([
  ['', 0],
  ['Ada', 3],
  ['Grüße', 5],
  ['e\u0301', 1],
  ['日本語', 6],
  ['한국', 4],
  ['Ａ', 2],
  ['👋', 2],
  ['👩‍👩‍👧', 2],
  ['❤️', 2],
  ['…', 1],
])('%j takes %d columns', (text, width) => {
  expect(textWidth(text)).toBe(width)
})

test('a cut text is as wide as asked at most, and marked', () => {
  expect(cutToWidth('abcdef', 4)).toBe('abc…')
  expect(cutToWidth('abcd', 4)).toBe('abcd')
  expect(cutToWidth('日本語', 4)).toBe('日…')
  expect(cutToWidth('日本語', 1)).toBe('…')
  expect(cutToWidth('abc', 0)).toBe('')
})

test('padding counts columns, not characters', () => {
  expect(padToWidth('日本', 6)).toBe('日本  ')
  expect(padToWidth('abc', 2)).toBe('abc')
})
