/** Values of version 1 on the wire (docs/protocol.md, "Values"), which are kept for ever. */

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { decodeValue, encodeValue } from './value.ts'

interface Fixture {
  readonly name: string
  readonly kind: number
  readonly hex: string
}

const { values } = JSON.parse(readFileSync(new URL('../../test/vectors/values-v1.json', import.meta.url), 'utf8')) as {
  values: Fixture[]
}

const VALUES: Readonly<Record<string, unknown>> = {
  bytes: Uint8Array.of(1, 2, 255),
  'no bytes': new Uint8Array(0),
  text: 'naïve',
  'half a surrogate pair': '\ud83c',
  JSON: { a: [1, null, 'x'], b: true },
  undefined: undefined,
  'not a number': Number.NaN,
  infinity: Number.POSITIVE_INFINITY,
  'minus zero': -0,
  'a large number among others': [2 ** 60, undefined],
  BigInt: 258n,
  'negative BigInt': -258n,
  Date: new Date('2026-01-02T03:04:05.678Z'),
  'invalid Date': new Date(Number.NaN),
  Map: new Map<unknown, unknown>([
    ['z', 1],
    [2, ['a']],
  ]),
  Set: new Set(['z', 1]),
  'object with bytes': { name: 'a', data: Uint8Array.of(7) },
  Uint8ClampedArray: Uint8ClampedArray.of(1),
  Int8Array: Int8Array.of(-1),
  Uint16Array: Uint16Array.of(258),
  Int16Array: Int16Array.of(-2),
  Uint32Array: Uint32Array.of(258),
  Int32Array: Int32Array.of(-2),
  BigUint64Array: BigUint64Array.of(258n),
  BigInt64Array: BigInt64Array.of(-2n),
  Float32Array: Float32Array.of(1.5),
  Float64Array: Float64Array.of(1.5),
}

test('test/vectors/values-v1.json has every type', () => {
  expect(values.map(({ name }) => name)).toEqual(Object.keys(VALUES))
})

test.each(values)('$name is these bytes, and back', ({ name, kind, hex }) => {
  const encoded = encodeValue(VALUES[name])
  expect([encoded.kind, Buffer.from(encoded.bytes).toString('hex')]).toEqual([kind, hex])
  expect(decodeValue(kind, Uint8Array.from(Buffer.from(hex, 'hex')))).toStrictEqual(VALUES[name])
})
