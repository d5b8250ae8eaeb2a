import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from './duration.ts'

test.each([
  ['500ms', 500],
  ['5s', 5_000],
  ['1.5s', 1_500],
  ['2m', 120_000],
  ['1h', 3_600_000],
])('%s is %d milliseconds', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each(['', '5', 's', '-5s', '5 s', '5sec', '1e3s', '0x5s', 'forever'])('%j is refused with an example', text => {
  expect(() => parseDuration(text)).toThrow(
    new RangeError(`'${text}' is not a duration; write it like 500ms, 5s, 2m or 1h`),
  )
})

test.each(['0s', '25000h'])('%s is out of range', text => {
  expect(() => parseDuration(text)).toThrow(/is not between 1ms and 24 days/)
})

test.each([
  [0.4213, '0.42 ms'],
  [3.21, '3.2 ms'],
  [12.6, '13 ms'],
  [1_540, '1.5 s'],
  [125_000, '2 m 5 s'],
])('%d milliseconds are shown as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})
