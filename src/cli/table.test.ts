import { expect, test } from 'vitest'
import { layoutTable } from './table.ts'
import { textWidth } from './text-width.ts'

const COLUMNS = [
  { title: 'NAME', dropOrder: 0 },
  { title: 'ADDRESS', dropOrder: 1 },
  { title: 'PATH', dropOrder: 2 },
]

test('columns are as wide as their widest cell, counted in terminal columns', () => {
  const rows = [
    ['Ada', '192.168.0.2:4112', 'lan'],
    ['日本語', '10.0.0.1:1', ''],
  ]
  expect(layoutTable(COLUMNS, rows, 80)).toEqual([
    'NAME    ADDRESS           PATH',
    'Ada     192.168.0.2:4112  lan',
    '日本語  10.0.0.1:1',
  ])
})

test('a table without rows is its titles', () => {
  expect(layoutTable(COLUMNS, [], 80)).toEqual(['NAME  ADDRESS  PATH'])
})

test('the widest column is cut first', () => {
  expect(layoutTable(COLUMNS, [['A very very long name', '10.0.0.1:1', 'lan']], 30)).toEqual([
    'NAME          ADDRESS     PATH',
    'A very very…  10.0.0.1:1  lan',
  ])
})

test('no line of wide characters is wider than the terminal', () => {
  for (const line of layoutTable(COLUMNS, [['日本語日本語日本語', '10.0.0.1:1', 'lan']], 30))
    expect(textWidth(line)).toBeLessThanOrEqual(30)
})

test('on a narrow terminal the least important columns are left out', () => {
  const rows = [['Ada Lovelace', '192.168.0.2:4112', 'lan']]
  expect(layoutTable(COLUMNS, rows, 18)[0]).toMatch(/^NAME +ADDRESS$/)
  expect(layoutTable(COLUMNS, rows, 9)).toEqual(['NAME', 'Ada Love…'])
})

test('what must stay is shown even where there is no room', () => {
  expect(layoutTable(COLUMNS, [['Ada Lovelace', '', '']], 3)).toEqual(['NAME', 'Ada Lov…'])
})
