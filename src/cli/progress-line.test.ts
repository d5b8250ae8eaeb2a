import { expect, test } from 'vitest'
import { formatBytes } from './byte-count.ts'
import { progressBar, progressSentence } from './progress-line.ts'
import { textWidth } from './text-width.ts'

const HALF = { doneBytes: 600_000_000, totalBytes: 1_200_000_000, bytesPerSecond: 12_000_000 }

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_000, '1.0 kB'],
  [1_540, '1.5 kB'],
  [12_300, '12 kB'],
  [999_499, '999 kB'],
  [999_600, '1.0 MB'],
  [3_000_000_000, '3.0 GB'],
  [2 ** 53 - 1, '9.0 PB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test('a bar has name, share, rate and the time that is left', () => {
  expect(progressBar('film.mkv to Bob', HALF, 80)).toBe(
    'film.mkv to Bob [==============>               ]  50 %   12 MB/s    0:50 left',
  )
})

test('it is full at the end, and empty at the beginning', () => {
  expect(progressBar('f', { ...HALF, doneBytes: 1_200_000_000 }, 60)).toMatch(/\[=+\] 100 %/)
  expect(progressBar('f', { doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 }, 60)).toMatch(/\[ +\] +0 % +0 B\/s/)
})

test('it never gets wider than the terminal, however narrow that is', () => {
  for (const label of ['f', 'a very long name of a film indeed.mkv to somebody', '日本語の名前の映画.mkv to Bob']) {
    for (let columns = 20; columns <= 200; columns++) {
      expect(textWidth(progressBar(label, HALF, columns)), `${columns} columns`).toBeLessThanOrEqual(columns)
    }
  }
})

test('a sentence has the same, and says nothing of time where nothing moves', () => {
  expect(progressSentence('film to Bob', HALF)).toBe('film to Bob: 50 % of 1.2 GB, 12 MB/s, 0:50 left')
  expect(progressSentence('film to Bob', { ...HALF, bytesPerSecond: 0 })).toBe('film to Bob: 50 % of 1.2 GB, 0 B/s')
  expect(progressSentence('x', { ...HALF, bytesPerSecond: 100_000 })).toMatch(/1:40:00 left$/)
  expect(progressSentence('x', { ...HALF, bytesPerSecond: 1 })).toMatch(/days left$/)
})
