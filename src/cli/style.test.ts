import { expect, test } from 'vitest'
import { styleFor } from './style.ts'

test('a terminal gets colours', () => {
  expect(styleFor({ isTTY: true }, {}).dim('x')).toBe('\u001b[2mx\u001b[0m')
})

test('a pipe, NO_COLOR and a dumb terminal get plain text', () => {
  expect(styleFor({}, {}).red('x')).toBe('x')
  expect(styleFor({ isTTY: true }, { NO_COLOR: '1' }).red('x')).toBe('x')
  expect(styleFor({ isTTY: true }, { TERM: 'dumb' }).stable('x', 'k')).toBe('x')
})

test('an empty NO_COLOR means nothing', () => {
  expect(styleFor({ isTTY: true }, { NO_COLOR: '' }).bold('x')).toBe('\u001b[1mx\u001b[0m')
})

test('the colour of a key never changes, and keys differ', () => {
  const style = styleFor({ isTTY: true }, {})
  expect(style.stable('Ada', 'k3x7')).toBe(style.stable('Ada', 'k3x7'))
  const colours = new Set([...'abcdefghi'].map(key => style.stable('x', key)))
  expect(colours.size).toBeGreaterThan(4)
})
