import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { Screen } from '../../test/cli/screen.ts'
import { Output } from './output.ts'
import { RelayBoard, summary } from './relay-board.ts'

const ROWS = [
  { names: 'Ada and Bob', bytes: 12_000_000, newBytes: 1_200_000 },
  { names: 'Eve and Kim', bytes: 500, newBytes: 0 },
]

function stage(): { board: RelayBoard; lines: () => Promise<string[]> } {
  const screen = new Screen(60)
  const output = new Output({ stdout: new PassThrough(), stderr: screen, json: false, env: {} })
  // A stream hands on what was written to it in the next turn of the event loop.
  const lines = (): Promise<string[]> => new Promise(resolve => setImmediate(() => resolve(screen.lines)))
  return { board: new RelayBoard(output, screen), lines }
}

test('a terminal shows each pair, how much and how fast, and notes above it', async () => {
  const { board, lines } = stage()
  board.show(ROWS, { bytes: 12_000_500, budgetBytes: 10_000_000_000 }, 1_000)
  board.note('relaying: Eve and Kim')
  expect(await lines()).toEqual([
    'relaying: Eve and Kim',
    'BETWEEN      RELAYED  NOW',
    'Ada and Bob  12 MB    1.2 MB/s',
    'Eve and Kim  500 B',
    '2 pairs; 12 MB of 10 GB relayed so far',
    '',
  ])
  board.show([], { bytes: 12_000_500, budgetBytes: undefined }, 1_000)
  board.end()
  board.note('the end')
  expect((await lines()).filter(line => line !== '')).toEqual(['relaying: Eve and Kim', 'the end'])
})

test('elsewhere there are notes only', async () => {
  const written = new PassThrough({ encoding: 'utf8' })
  const board = new RelayBoard(new Output({ stdout: written, stderr: written, json: false, env: {} }), undefined)
  board.show(ROWS, { bytes: 1, budgetBytes: undefined }, 1_000)
  board.note('relaying: Ada and Bob')
  board.end()
  expect(written.read()).toBe('relaying: Ada and Bob\n')
})

test('one line tells all of it', () => {
  expect(summary(0, { bytes: 0, budgetBytes: undefined })).toBe('nobody is relayed; 0 B relayed so far')
  expect(summary(1, { bytes: 1_500, budgetBytes: 1_000_000 })).toBe('1 pair; 1.5 kB of 1.0 MB relayed so far')
})
