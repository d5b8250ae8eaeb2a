import { expect, test } from 'vitest'
import { fromText, toJsonText, toText } from './json-value.ts'

test.each([
  [{ a: [1, 'x', null, true] }, '{"a":[1,"x",null,true]}'],
  [undefined, 'null'],
  [Number.NaN, 'null'],
  [12345678901234567890n, '"12345678901234567890"'],
  [new Date(0), '"1970-01-01T00:00:00.000Z"'],
  [Uint8Array.of(1, 2, 255), '{"bytes":"AQL/"}'],
  [new Map([['a', new Set([1n])]]), '[["a",["1"]]]'],
  ['two\nlines', '"two\\nlines"'],
])('%o is written as %s', (value, text) => {
  expect(toJsonText(value)).toBe(text)
})

test('a view of bytes is just these bytes', () => {
  expect(toJsonText(Uint8Array.of(0, 1, 2, 0).subarray(1, 3))).toBe('{"bytes":"AQI="}')
})

test('a key called __proto__ stays a key', () => {
  expect(toJsonText(JSON.parse('{"__proto__":1}'))).toBe('{"__proto__":1}')
})

test('people see a text as it is', () => {
  expect(toText('hi "you"')).toBe('hi "you"')
  expect(toText({ a: 1 })).toBe('{"a":1}')
})

test('a text which is JSON is read as JSON, any other as text', () => {
  expect(fromText('{"celsius":21.5}')).toEqual({ celsius: 21.5 })
  expect(fromText('21.5')).toBe(21.5)
  expect(fromText('it is warm')).toBe('it is warm')
  expect(fromText('')).toBe('')
})
