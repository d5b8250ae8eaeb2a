import { expect, test } from 'vitest'
import { Screen } from '../../test/cli/screen.ts'
import { LiveView } from './live-view.ts'

/** A stream hands on what was written to it in the next turn of the event loop. */
function drawn(screen: Screen): Promise<string[]> {
  return new Promise(resolve => setImmediate(() => resolve(screen.lines)))
}

test('each drawing replaces the one before, also when it is shorter', async () => {
  const screen = new Screen(40)
  const view = new LiveView(screen)
  view.draw(['NAME', 'Ada', 'Bob the builder'])
  view.draw(['NAME', 'Bob'])
  expect(await drawn(screen)).toEqual(['NAME', 'Bob', ''])
})

test('lines are cut to the width of the terminal', async () => {
  const screen = new Screen(10)
  const view = new LiveView(screen)
  view.draw(['0123456789abc', '日本語日本語'])
  view.draw(['0123456789abc', '日本語日本語'])
  expect(await drawn(screen)).toEqual(['012345678…', '日本語日…', ''])
})

test('more lines than the terminal has rows end in a count', async () => {
  const screen = new Screen(40, 4)
  const view = new LiveView(screen)
  view.draw(['1', '2', '3', '4', '5'])
  expect(await drawn(screen)).toEqual(['1', '2', '… and 3 more', ''])
})

test('what stood above stays', async () => {
  const screen = new Screen(40)
  screen.write('$ earshot\n')
  const view = new LiveView(screen)
  view.draw(['a', 'b'])
  view.draw(['c'])
  view.end()
  expect(await drawn(screen)).toEqual(['$ earshot', 'c', ''])
})

test('what the terminal shows of Ctrl-C leaves no trace', async () => {
  const screen = new Screen(40)
  const view = new LiveView(screen)
  view.draw(['film.mkv 28 %'])
  screen.write('^C')
  view.draw(['film.mkv 29 %'])
  expect(await drawn(screen)).toEqual(['film.mkv 29 %', ''])
  screen.write('^C')
  view.clear()
  expect(await drawn(screen)).toEqual([''])
  expect(screen.cursor).toEqual({ row: 0, column: 0 })
})
