import { expect, test } from 'vitest'
import { formatBytes, parseBytes } from './byte-count.ts'

test.each([
  ['0', 0],
  ['12', 12],
  ['12B', 12],
  ['500MB', 500_000_000],
  ['1 GB', 1_000_000_000],
  ['1.5gb', 1_500_000_000],
  ['64KiB', 65_536],
])('%s is %d bytes', (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes)
})

test.each(['', 'GB', '-1', '1e9', '5 apples', '3iB', '1 G B'])('%j is refused with an example', text => {
  expect(() => parseBytes(text)).toThrow(new RangeError(`'${text}' is not a size; write it like 500MB, 1GB or 64KiB`))
})

test('what is shown means the same size again', () => {
  for (const bytes of [0, 999, 1_500, 12_000_000]) expect(parseBytes(formatBytes(bytes))).toBe(bytes)
})
