import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ERROR_CODES } from '../../src/errors.ts'
import { readSources } from '../architecture/source-file.ts'
import { readDocument, sections } from './markdown.ts'

const paragraphs = sections(readDocument('docs/errors.md'), 2)

test('docs/errors.md has a paragraph for each code, and for nothing else', () => {
  expect(paragraphs.map(({ heading }) => heading)).toEqual(ERROR_CODES.map(code => `\`${code}\``))
  for (const { heading, body } of paragraphs) expect(body.length, heading).toBeGreaterThan(80)
})

test('codes are sorted', () => {
  expect([...ERROR_CODES].sort()).toEqual(ERROR_CODES)
})

const source = readSources()
  .map(({ path }) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'))
  .join('\n')

test.each(ERROR_CODES)('%s is the code of some error', code => {
  // Made directly, by a function for some of them, or by a row of a table.
  const makers = [`(EarshotError|refusal)\\(\\s*'${code}'`, `: \\[\\s*'${code}',`, `\\bcode: '${code}',\\n\\s*message`]
  expect(source).toMatch(new RegExp(makers.join('|')))
})
