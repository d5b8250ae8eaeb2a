import { expect, test } from 'vitest'
import { layoutInput } from './input-layout.ts'

const SIZE = { columns: 10, rows: 24 }

test('a short line is one row', () => {
  expect(layoutInput('> ', 'abc', 1, SIZE)).toEqual({ rows: ['> abc'], cursorRow: 0, cursorColumn: 3 })
})

test('a long line goes on in the next row', () => {
  expect(layoutInput('> ', 'abcdefghij', 10, SIZE)).toEqual({
    rows: ['> abcdefgh', 'ij'],
    cursorRow: 1,
    cursorColumn: 2,
  })
})

test('at the end of a full row the cursor stands in the next one', () => {
  expect(layoutInput('> ', 'abcdefgh', 8, SIZE)).toEqual({ rows: ['> abcdefgh', ''], cursorRow: 1, cursorColumn: 0 })
  expect(layoutInput('> ', 'abcdefgh', 7, SIZE)).toEqual({ rows: ['> abcdefgh'], cursorRow: 0, cursorColumn: 9 })
})

test('a wide character that does not fit begins the next row, and the cursor before it too', () => {
  expect(layoutInput('> ', 'abcdefg日', 7, SIZE)).toEqual({
    rows: ['> abcdefg', '日'],
    cursorRow: 1,
    cursorColumn: 0,
  })
})

test('of a line that is longer than the terminal is high, the rows up to the cursor are shown', () => {
  const size = { columns: 4, rows: 2 }
  expect(layoutInput('> ', 'abcdefghijkl', 11, size)).toEqual({ rows: ['ghij', 'kl'], cursorRow: 1, cursorColumn: 1 })
  expect(layoutInput('> ', 'abcdefghijkl', 0, size)).toEqual({ rows: ['> ab', 'cdef'], cursorRow: 0, cursorColumn: 2 })
})
