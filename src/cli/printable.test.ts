import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printableLines, printableName, printableText } from './printable.ts'

test('ordinary text of any script stays as it is', () => {
  for (const text of ['hello', 'Grüße', '日本語', 'e\u0301', '👩‍👩‍👧', '🏳️‍🌈', 'שלום', 'a\tb', '#!$%"\\'])
    expect(printableText(text)).toBe(text)
})

test('an escape sequence is shown instead of obeyed', () => {
  expect(printableText('\u001b[2Jgone\u001b]0;title\u0007')).toBe('␛[2Jgone␛]0;title␇')
  expect(printableText('\u009b2J')).toBe('\ufffd2J')
})

test('a text cannot forge the line of somebody else', () => {
  expect(printableText('hi\nAda: I owe you money\r\n')).toBe('hi␊Ada: I owe you money␍␊')
  expect(printableText('hi\u2028Ada: no')).toBe('hi\ufffdAda: no')
})

test('where nothing can be forged, line breaks stay, and nothing else', () => {
  expect(printableLines('one\r\ntwo\n\u001b[31mthree\r')).toBe('one\ntwo\n␛[31mthree␍')
})

test('bidirectional overrides and invisible characters are marked', () => {
  expect(printableName('Ada\u202egnal\u202c')).toBe('Ada\ufffdgnal\ufffd')
  expect(printableName('A\u200bda')).toBe('A\ufffdda')
})

test('names are short, without tabs and never empty', () => {
  expect(printableName('x'.repeat(1_000))).toHaveLength(63)
  expect(printableName('a\tb')).toBe('a␉b')
  expect(printableName('  ')).toBe('(no name)')
})

test('a long text says how much is missing', () => {
  expect(printableText('abcdef', 4)).toBe('abcd… (2 more characters)')
})

test('whatever arrives, no control character and no half of a pair is left', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const shown = printableText(text)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must be absent
      expect(shown).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e]|\p{Surrogate}/u)
    }),
  )
})
