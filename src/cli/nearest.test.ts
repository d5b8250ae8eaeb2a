import { expect, test } from 'vitest'
import { nearest } from './nearest.ts'

const COMMANDS = ['chat', 'ask', 'answer', 'ping', 'interfaces', 'who']

test.each([
  ['chta', 'chat'],
  ['cht', 'chat'],
  ['anwser', 'answer'],
  ['pnig', 'ping'],
  ['interface', 'interfaces'],
  ['ASK', 'ask'],
])('%s is near %s', (word, candidate) => {
  expect(nearest(word, COMMANDS)).toBe(candidate)
})

test('what is like nothing gets no suggestion', () => {
  expect(nearest('teleport', COMMANDS)).toBeUndefined()
  expect(nearest('x', [])).toBeUndefined()
})
