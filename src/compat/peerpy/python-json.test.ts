import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { pythonFloat } from './python-float.ts'
import { decodeJsonPayload, encodeJsonPayload } from './python-json.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (value: string) => new TextEncoder().encode(value)

function violation(fn: () => unknown): string {
  try {
    fn()
  } catch (error) {
    expect(error).toBeInstanceOf(EarshotError)
    expect((error as EarshotError).code).toBe('protocol-violation')
    return (error as EarshotError).message
  }
  throw new Error('nothing was thrown')
}

const jsonValue = fc.letrec(tie => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(null, true, false, Number.NaN, -0, 0, 1 / 0, -1 / 0),
    fc.double(),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).filter(n => !Number.isSafeInteger(Number(n))),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.oneof(fc.string({ maxLength: 6 }), fc.constant('__proto__')), tie('value'), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
})).value

describe('a json payload', () => {
  test('any value comes back, in ASCII', () => {
    fc.assert(
      fc.property(jsonValue, value => {
        const payload = encodeJsonPayload(value)
        expect(payload.every(byte => byte >= 0x20 && byte < 0x7f)).toBe(true)
        expect(decodeJsonPayload(payload)).toStrictEqual(value)
      }),
      { numRuns: 500 },
    )
  })

  test('what JSON.stringify writes is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json(), json => {
        expect(decodeJsonPayload(bytes(`{"data":${json}}`))).toEqual(numbersAs(JSON.parse(json)))
      }),
    )
  })

  test('any text is a value or refused; so is any prefix of one', () => {
    const part = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      ',',
      ':',
      '"data"',
      '1',
      '-',
      '.5',
      'e9',
      'NaN',
      'null',
      '\\u00e9',
      '\\',
      ' ',
      '\n',
      'é',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), parts => {
        try {
          decodeJsonPayload(bytes(parts.join('')))
        } catch (error) {
          expect((error as EarshotError).code).toBe('protocol-violation')
        }
      }),
      { numRuns: 2_000 },
    )
    const whole = encodeJsonPayload({ a: [1, 'é'], b: -1.5 })
    for (let cut = 0; cut < whole.length; cut++) violation(() => decodeJsonPayload(whole.subarray(0, cut)))
  })

  // json.dumps({"data": …}), Python 3.11
  test.each([
    ['Hello world!', '"Hello world!"'],
    [
      { n: 1, f: 2.5, u: 'é€', l: [null, true, false] },
      '{"n": 1, "f": 2.5, "u": "\\u00e9\\u20ac", "l": [null, true, false]}',
    ],
    [[], '[]'],
    [{}, '{}'],
    ['\u007f\u0000\n"\\/😀', '"\\u007f\\u0000\\n\\"\\\\/\\ud83d\\ude00"'],
    [[1e16, 1e-5, 123456789012345680000, 0.1, -0, 5e-324], '[1e+16, 1e-05, 1.2345678901234568e+20, 0.1, -0.0, 5e-324]'],
    [[Number.NaN, 1 / 0, -1 / 0], '[NaN, Infinity, -Infinity]'],
    [2n ** 64n, '18446744073709551616'],
  ])('%s is written as Python writes it', (value, written) => {
    expect(text(encodeJsonPayload(value))).toBe(`{"data": ${written}}`)
  })

  test('other keys beside data are ignored, and of two the last counts', () => {
    expect(decodeJsonPayload(bytes(' {"x": [], "data": 1, "data": 2}\n'))).toBe(2)
  })

  test.each([
    ['', 'nothing more'],
    ['[1]', 'key data'],
    ['{"date": 1}', 'key data'],
    ['{"__proto__": {"data": 1}}', 'key data'],
    ['null', 'key data'],
    ['{"data": 01}', 'belongs'],
    ['{"data": 1} x', 'the end'],
    ['{"data": "a', 'the end of a text'],
    ['{"data": "a\nb"}', 'the end of a text'],
    ['{"data": "\\x"}', 'wrong escape'],
    ['{"data": "\\u12"}', 'wrong escape'],
    ['{"data": [1,]}', 'a value'],
    ['{"data" 1}', "':'"],
    ['{data: 1}', 'a key'],
    [`{"data": ${'['.repeat(200_000)}`, 'deeper'],
    [`{"data": ${'9'.repeat(2_500)}}`, '2500 digits'],
    [`{"data": [${'1,'.repeat(1_000_000)}1]}`, 'more than 1000000 values'],
  ])('%.30j is refused', (json, message) => {
    expect(violation(() => decodeJsonPayload(bytes(json)))).toContain(message)
  })

  test('what is not UTF-8 is refused', () => {
    violation(() => decodeJsonPayload(Uint8Array.from([...bytes('{"data": "'), 0xff, ...bytes('"}')])))
  })

  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  test.each([
    ['undefined', undefined],
    ['a function in a list', [() => {}]],
    ['bytes', new Uint8Array(1)],
    ['a Map', { a: new Map() }],
    ['what contains itself', circle],
  ])('%s is not sent', (_, value) => {
    expect(() => encodeJsonPayload(value)).toThrow(expect.objectContaining({ code: 'invalid-data' }))
  })

  test('members that are undefined are left out, and toJSON is asked, as by JSON.stringify', () => {
    expect(text(encodeJsonPayload({ a: undefined, at: new Date(0) }))).toBe(
      '{"data": {"at": "1970-01-01T00:00:00.000Z"}}',
    )
  })
})

test.each([
  [1, '1.0'],
  [1e15, '1000000000000000.0'],
  [1e16, '1e+16'],
  [1.5e300, '1.5e+300'],
  [0.0001, '0.0001'],
  [0.00001, '1e-05'],
  [1.25e-7, '1.25e-07'],
  [-12.25, '-12.25'],
])('%f is %s in Python', (value, repr) => {
  expect(pythonFloat(value)).toBe(repr)
})

/** JSON.parse rounds long whole numbers; here they are exact. */
function numbersAs(value: unknown): unknown {
  if (typeof value === 'number' && Object.is(value, -0)) return expect.toSatisfy(read => read === 0)
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value))
    return expect.toSatisfy(read => Number(read) === value)
  if (Array.isArray(value)) return value.map(numbersAs)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, numbersAs(item)]))
  return value
}
