import { expect, test } from 'vitest'
import { Screen } from '../../test/cli/screen.ts'
import { Output } from './output.ts'
import { TransferBoard } from './transfer-board.ts'

/** A stream hands on what was written to it in the next turn of the event loop. */
function drawn(screen: Screen): Promise<string[]> {
  return new Promise(resolve => setImmediate(() => resolve(screen.lines)))
}

interface Step {
  readonly sentBytes: number
  readonly totalBytes: number
  readonly bytesPerSecond: number
}

/** A transfer whose steps the test makes. */
class Steps implements AsyncIterable<Step> {
  #resolve!: (sentBytes: number | undefined) => void
  #next: Promise<number | undefined> = this.#wait()

  async take(sentBytes: number): Promise<void> {
    this.#resolve(sentBytes)
    await new Promise(setImmediate)
  }

  async end(): Promise<void> {
    this.#resolve(undefined)
    await new Promise(setImmediate)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Step> {
    for (let sentBytes = await this.#next; sentBytes !== undefined; sentBytes = await this.#next) {
      this.#next = this.#wait()
      yield { sentBytes, totalBytes: 100, bytesPerSecond: 10 }
    }
  }

  #wait(): Promise<number | undefined> {
    return new Promise(resolve => {
      this.#resolve = resolve
    })
  }
}

function stage(options: { readonly isTerminal: boolean; readonly json?: boolean; readonly columns?: number }) {
  const screen = new Screen(options.columns ?? 60)
  const output = new Output({ stdout: screen, stderr: screen, json: options.json ?? false, env: { NO_COLOR: '1' } })
  const board = new TransferBoard(output, options.isTerminal ? screen : undefined)
  const follow = (label: string) => {
    const steps = new Steps()
    const progress = ({ sentBytes, ...rest }: Step) => ({ doneBytes: sentBytes, ...rest })
    return { steps, done: board.follow(steps, { label, fields: { file: label }, progress }) }
  }
  return { screen, output, board, follow }
}

test('on a terminal each transfer has a bar, and what is written goes above them', async () => {
  const { screen, board, follow } = stage({ isTerminal: true })
  const [one, two] = [follow('one'), follow('two')]
  await one.steps.take(50)
  await two.steps.take(20)
  board.note('a note')
  const lines = await drawn(screen)
  expect(lines[0]).toBe('a note')
  expect(lines[1]).toMatch(/^one \[=+> *\] +50 %/)
  expect(lines[2]).toMatch(/^two \[=+> *\] +20 %/)
  await one.steps.end()
  await one.done
  board.note('one is there')
  await two.steps.end()
  await two.done
  board.note('all is done')
  expect(await drawn(screen)).toEqual(['a note', 'one is there', 'all is done', ''])
})

test('while somebody is asked there are no bars, and then they are back', async () => {
  const { screen, board, follow } = stage({ isTerminal: true })
  const one = follow('one')
  await one.steps.take(50)
  let answer!: () => void
  const asking = board.without(() => {
    screen.write('take it? [y/N] ')
    return new Promise<void>(resolve => {
      answer = resolve
    })
  })
  await one.steps.take(60)
  expect(await drawn(screen)).toEqual(['take it? [y/N]'])
  screen.write('y\n')
  answer()
  await asking
  await one.steps.take(70)
  const lines = await drawn(screen)
  expect(lines[0]).toBe('take it? [y/N] y')
  expect(lines[1]).toMatch(/^one .* 70 %/)
})

test('elsewhere there is a plain line now and then', async () => {
  const { screen, follow } = stage({ isTerminal: false })
  const one = follow('one')
  for (const bytes of [0, 10, 20, 30, 100]) await one.steps.take(bytes)
  await one.steps.end()
  await one.done
  expect(await drawn(screen)).toEqual(['one: 10 % of 100 B, 10 B/s, 0:09 left', ''])
})

test('events come no more often than once a second', async () => {
  const { screen, follow } = stage({ isTerminal: false, json: true, columns: 400 })
  const one = follow('one')
  for (const bytes of [10, 20, 30]) await one.steps.take(bytes)
  const [first, ...rest] = (await drawn(screen)).filter(line => line.startsWith('{'))
  expect(JSON.parse(first!)).toMatchObject({ event: 'progress', file: 'one', sentBytes: 10 })
  expect(rest).toEqual([])
})
