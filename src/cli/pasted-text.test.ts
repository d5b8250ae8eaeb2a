import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { EarshotError } from '../errors.ts'
import { UsageError } from './exit-code.ts'
import { InputLines } from './input-lines.ts'
import { Output } from './output.ts'
import { readPastedText } from './pasted-text.ts'

/** Understands `<…>`, which may be wrapped. */
async function take(text: string): Promise<string> {
  const bare = text.replaceAll('\n', '')
  if (!bare.startsWith('<')) throw new EarshotError('invalid-data', 'that is none', { hint: 'Copy it.' })
  if (!bare.endsWith('>')) throw new EarshotError('invalid-data', 'that is cut off', { reason: 'cut-off' })
  if (bare === '<later>') throw new EarshotError('unreachable', 'no way')
  return bare
}

function start(isOnTerminal: boolean) {
  const notes: string[] = []
  const input = new PassThrough()
  const controller = new AbortController()
  const { signal } = controller
  const stderr = { write: (text: string) => notes.push(text.trimEnd()) }
  const output = new Output({ stdout: { write() {} }, stderr, json: false, env: {} })
  const isAboutText = ({ code }: EarshotError) => code === 'invalid-data'
  const lines = new InputLines(input)
  const options = { what: 'answer', output, isOnTerminal, isAboutText, signal }
  return { input, notes, controller, lines, read: () => readPastedText(lines, options, take) }
}

test('a text in several lines is one text, and what follows is for the next reader', async () => {
  const { input, lines, read } = start(false)
  input.end('\n<one\ntwo\nthree>\nfour\nfive')
  expect(await read()).toBe('<onetwothree>')
  const rest: string[] = []
  for await (const line of lines) rest.push(line)
  expect(rest).toEqual(['four', 'five'])
})

test('a person is told what is wrong, and asked again', async () => {
  const { input, notes, read } = start(true)
  input.write('what?\n<on\n\n<two>\n')
  expect(await read()).toBe('<two>')
  expect(notes).toEqual([
    'that is none. Copy it. Put the answer here again.',
    'that is cut off. Put the rest here, or an empty line and then all of it.',
  ])
})

test.each([
  ['what?\n', false, 'that is none'],
  ['<on\n', true, 'that is cut off'],
  ['', true, 'there is no answer in the input'],
])('a pipe that brings %j is bad usage', async (text, ends, message) => {
  const { input, read } = start(false)
  if (ends) input.end(text)
  else input.write(text)
  await expect(read()).rejects.toThrow(new UsageError(message))
})

test('what is not about the text is not asked again', async () => {
  const { input, read } = start(true)
  input.write('<later>\n')
  await expect(read()).rejects.toMatchObject({ code: 'unreachable' })
})

test('waiting ends with the signal', async () => {
  const { controller, read } = start(true)
  const reading = read()
  controller.abort(new Error('enough'))
  await expect(reading).rejects.toThrow('enough')
})
