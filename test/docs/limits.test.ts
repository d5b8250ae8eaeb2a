import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as limits from '../../src/limits.ts'
import { readSources } from '../architecture/source-file.ts'
import { readDocument, tableRows } from './markdown.ts'

const sources = readSources()
const rows = tableRows(readDocument('docs/limits.md'))

/** `16,777,216 bytes (16 MiB)` is 16777216. */
function numberIn(text: string): number {
  return Number(/^[\d,]+/.exec(text)?.[0].replaceAll(',', ''))
}

test('docs/limits.md has every limit with its value, and no other', () => {
  const documented = rows.map(([name = '', value = '']) => [name.replaceAll('`', ''), numberIn(value)])
  // A module lists its exports by name; the page lists them by subject.
  expect(Object.fromEntries(documented)).toEqual({ ...limits })
  expect(documented).toHaveLength(Object.keys(limits).length)
})

test('every row says the unit, the reason, and what happens beyond', () => {
  for (const cells of rows) {
    expect(cells, cells[0]).toHaveLength(4)
    expect(cells[1], cells[0]).toMatch(/^[\d,]+ [a-z]/)
    for (const text of cells.slice(2)) expect(text.length, cells[0]).toBeGreaterThan(5)
  }
})

test('the page has the limits in the order of the file', () => {
  const file = readFileSync(new URL('../../src/limits.ts', import.meta.url), 'utf8')
  const inFile = [...file.matchAll(/^export const (?<name>\w+)/gm)].map(({ groups }) => groups!['name'])
  expect(rows.map(([name = '']) => name.replaceAll('`', ''))).toEqual(inFile)
})

test.each(Object.keys(limits))('%s is used', name => {
  const users = sources.filter(({ path, code }) => path !== 'src/limits.ts' && new RegExp(`\\b${name}\\b`).test(code))
  expect(users).not.toEqual([])
})
