import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { Screen } from '../../test/cli/screen.ts'
import { LineTerminal, type LineTerminalHandlers } from './line-terminal.ts'

const LEFT = '\u001b[D'
const CTRL_C = '\u0003'
const CTRL_D = '\u0004'

function open(columns = 40, handlers: Partial<LineTerminalHandlers> = {}) {
  const keyboard = new PassThrough()
  const screen = new Screen(columns)
  const terminal = new LineTerminal(keyboard, screen, '> ', {
    onLine: () => {},
    onInterrupt: () => {},
    onEnd: () => {},
    ...handlers,
  })
  return { screen, terminal, type: (text: string) => settle(keyboard, text) }
}

/** Streams hand on what they got within a few turns of the event loop. */
async function settle(keyboard: PassThrough, text: string): Promise<void> {
  keyboard.write(text)
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

test('an arriving line appears above the half-typed one, which stays', async () => {
  const { screen, terminal, type } = open()
  await type('good mor')
  terminal.print('Bob: hello')
  await type('ning')
  expect(screen.lines).toEqual(['Bob: hello', '> good morning'])
})

test('the cursor stays where it was in the half-typed line', async () => {
  const { screen, terminal, type } = open()
  await type(`abcd${LEFT}${LEFT}`)
  terminal.print('Bob: hello')
  await type('X')
  expect(screen.lines).toEqual(['Bob: hello', '> abXcd'])
  expect(screen.cursor).toEqual({ row: 1, column: 5 })
})

test('a half-typed line of several rows stays whole', async () => {
  const { screen, terminal, type } = open(10)
  await type('abcdefghijklmnopqrstuvwxyz')
  terminal.print('Bob: hi')
  terminal.print('Bob: ho')
  expect(screen.lines).toEqual(['Bob: hi', 'Bob: ho', '> abcdefgh', 'ijklmnopqr', 'stuvwxyz'])
})

test('an arriving line of several rows does not overwrite anything', async () => {
  const { screen, terminal, type } = open(10)
  await type('abcdefghij')
  terminal.print('Bob: a rather long line')
  terminal.print('Bob: hi')
  expect(screen.lines).toEqual(['Bob: a rat', 'her long l', 'ine', 'Bob: hi', '> abcdefgh', 'ij'])
})

test('wide characters in the half-typed line are counted as wide', async () => {
  const { screen, terminal, type } = open(10)
  await type('日本語日本')
  terminal.print('Bob: hi')
  expect(screen.lines).toEqual(['Bob: hi', '> 日本語日', '本'])
})

test('Enter hands over the line and leaves it on the screen', async () => {
  const lines: string[] = []
  const { screen, terminal, type } = open(40, { onLine: line => lines.push(line) })
  await type('hello\r')
  terminal.print('Bob: hi')
  expect(lines).toEqual(['hello'])
  expect(screen.lines).toEqual(['> hello', 'Bob: hi', '>'])
})

test('Ctrl-C interrupts, Ctrl-D ends', async () => {
  const heard: string[] = []
  const { type } = open(40, { onInterrupt: () => heard.push('interrupt'), onEnd: () => heard.push('end') })
  await type(CTRL_C)
  await type(CTRL_D)
  expect(heard).toEqual(['interrupt', 'end'])
})
