import { expect, test } from 'vitest'
import { type Key, LineEditor } from './line-editor.ts'

function typed(...keys: readonly (string | Key)[]): LineEditor {
  const editor = new LineEditor()
  press(editor, ...keys)
  return editor
}

function press(editor: LineEditor, ...keys: readonly (string | Key)[]): void {
  for (const key of keys) typeof key === 'string' ? editor.press(key, {}) : editor.press(undefined, key)
}

/** The line with the cursor as `|`. */
function shown({ text, cursor }: LineEditor): string {
  return `${text.slice(0, cursor)}|${text.slice(cursor)}`
}

const ctrl = (name: string): Key => ({ name, ctrl: true })
const LEFT: Key = { name: 'left' }
const BACKSPACE: Key = { name: 'backspace' }

test('characters go in at the cursor', () => {
  expect(shown(typed('a', 'c', LEFT, 'b'))).toBe('ab|c')
})

test('the cursor moves by whole graphemes and stops at both ends', () => {
  expect(shown(typed('a', '👩‍👩‍👧', LEFT))).toBe('a|👩‍👩‍👧')
  expect(shown(typed('e\u0301', LEFT, LEFT, LEFT))).toBe('|e\u0301')
  expect(shown(typed('a', { name: 'right' }))).toBe('a|')
})

test('Backspace and Delete remove a whole grapheme', () => {
  expect(shown(typed('a', '🏳️‍🌈', BACKSPACE))).toBe('a|')
  expect(shown(typed('a', 'b', ctrl('a'), { name: 'delete' }))).toBe('|b')
  expect(shown(typed(BACKSPACE, 'a', { name: 'delete' }))).toBe('a|')
})

test.each([
  ['a', '|one two'],
  ['e', 'one two|'],
  ['w', 'one |'],
  ['u', '|'],
  ['b', 'one tw|o'],
  ['h', 'one tw|'],
])('Ctrl-%s gives %s', (name, result) => {
  expect(shown(typed('one two', ctrl(name)))).toBe(result)
})

test('Ctrl-K removes what is right of the cursor', () => {
  expect(shown(typed('abc', LEFT, LEFT, ctrl('k')))).toBe('a|')
})

test('Ctrl-D ends on an empty line and removes a character otherwise', () => {
  expect(new LineEditor().press(undefined, ctrl('d'))).toBe('end')
  const editor = typed('ab', ctrl('a'))
  expect(editor.press(undefined, ctrl('d'))).toBe('edited')
  expect(shown(editor)).toBe('|b')
})

test('Enter hands over the line, Ctrl-C interrupts and keeps it', () => {
  const editor = typed('hello')
  expect(editor.press('\u0003', ctrl('c'))).toBe('interrupt')
  expect(editor.press('\r', { name: 'return' })).toBe('entered')
  expect(editor.take()).toBe('hello')
  expect(editor.text).toBe('')
})

test('keys that mean nothing here, and control characters, change nothing', () => {
  const editor = typed('a')
  expect(editor.press('\u001bx', { name: 'x', meta: true })).toBe('ignored')
  expect(editor.press('\u0007', {})).toBe('ignored')
  expect(editor.press('\t', { name: 'tab' })).toBe('ignored')
  expect(editor.press(undefined, { name: 'f5' })).toBe('ignored')
  expect(shown(editor)).toBe('a|')
})

test('the arrows bring back earlier lines, and in the end the one being typed', () => {
  const editor = new LineEditor()
  for (const line of ['one', 'two', 'two']) {
    press(editor, line)
    editor.take()
  }
  press(editor, 'half', { name: 'up' })
  expect(shown(editor)).toBe('two|')
  press(editor, { name: 'up' }, { name: 'up' })
  expect(shown(editor)).toBe('one|')
  press(editor, { name: 'down' }, { name: 'down' }, { name: 'down' })
  expect(shown(editor)).toBe('half|')
})
