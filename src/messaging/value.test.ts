import { encode, Tagged } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../errors.ts'
import { MAX_BIGINT_BYTES, MAX_VALUE_DEPTH, MAX_VALUE_ITEMS } from '../limits.ts'
import { decodeValue, encodeValue, ValueKind } from './value.ts'

const { bytes, text, json, cbor } = ValueKind
const utf8 = (value: string) => new TextEncoder().encode(value)
const hex = (digits: string) => Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'))

function roundTrip(value: unknown): unknown {
  const encoded = encodeValue(value)
  return decodeValue(encoded.kind, encoded.bytes)
}

/** A value in which `depth` arrays are nested. */
function nested(depth: number): unknown {
  let value: unknown[] = []
  for (let i = 1; i < depth; i++) value = [value]
  return value
}

function violation(cause: unknown = expect.anything()) {
  return expect.objectContaining({ code: 'protocol-violation', cause })
}

// What is sent, and as what -------------------------------------------------------------------------------------------

describe('the sender chooses the plainest form that loses nothing', () => {
  test.each<[string, unknown, number]>([
    ['bytes', Uint8Array.of(1, 2), bytes],
    ['a Buffer', Buffer.from('ab'), bytes],
    ['an ArrayBuffer', new ArrayBuffer(3), bytes],
    ['a text', 'naïve 🎉', text],
    ['a text that UTF-8 cannot tell', 'half \ud83c of a pair', json],
    ['null', null, json],
    ['a number', 1.5, json],
    ['an array', [1, 'a', true, null], json],
    ['an object', { a: { b: [] } }, json],
    ['an object without prototype', Object.assign(Object.create(null), { a: 1 }), json],
    ['undefined', undefined, cbor],
    ['NaN', Number.NaN, cbor],
    ['minus zero', -0, cbor],
    ['a hole in an array', [1, undefined, 3], cbor],
    ['a BigInt', 7n, cbor],
    ['a Date', new Date(0), cbor],
    ['a Map', new Map(), cbor],
    ['a Set', new Set(), cbor],
    ['a typed array', new Float64Array(2), cbor],
    ['bytes in an object', { file: Uint8Array.of(1) }, cbor],
    ['an object that JSON would ask for another', { toJSON: 1 }, cbor],
  ])('%s', (_, value, kind) => {
    const encoded = encodeValue(value)

    expect(encoded.kind).toBe(kind)
  })

  test('bytes are not copied, neither here nor there', () => {
    const sent = Uint8Array.of(1, 2, 3)
    expect(encodeValue(sent).bytes).toBe(sent)
    expect(decodeValue(bytes, sent)).toBe(sent)
  })
})

/** Seconds are sent as a double, which is exact to the millisecond for 69,000 years before and after 1970. */
const LONG_AGO = 1_000 * 2 ** 41

/** Any value of the types that can be sent, nested. */
const anyValue = fc.letrec(tie => ({
  leaf: fc.oneof(
    fc.constantFrom(undefined, null, true, false, Number.NaN, Number.POSITIVE_INFINITY, -0, ''),
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.bigInt(),
    fc.string({ unit: 'binary', maxLength: 40 }).filter(value => !/\p{Surrogate}/u.test(value)),
    fc.constantFrom('\ufeffwith a byte-order mark', '\u2028', '__proto__', 'constructor'),
    fc.date({ min: new Date(-LONG_AGO), max: new Date(LONG_AGO), noInvalidDate: false }),
    fc.uint8Array(),
    fc.uint8ClampedArray(),
    fc.int8Array(),
    fc.uint16Array(),
    fc.int16Array(),
    fc.uint32Array(),
    fc.int32Array(),
    fc.float32Array(),
    fc.float64Array(),
    fc.bigUint64Array(),
    fc.bigInt64Array(),
  ),
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string({ maxLength: 12 }), tie('value'), { maxKeys: 5, noNullPrototype: true }),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 5 }).map(entries => new Map(entries)),
    fc.array(tie('value'), { maxLength: 5 }).map(items => new Set(items)),
  ),
})).value

test('every value arrives as it was sent', () => {
  fc.assert(
    fc.property(anyValue, value => {
      expect(roundTrip(value)).toStrictEqual(value)
    }),
    { numRuns: 300 },
  )
})

test('every JSON value arrives as it was sent, half surrogate pairs included', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), value => {
      expect(roundTrip(value)).toEqual(value)
    }),
  )
  expect(roundTrip({ '\ud800': ['\udc00'] })).toEqual({ '\ud800': ['\udc00'] })
})

test('entries and items keep their order', () => {
  const map = new Map<unknown, unknown>([
    ['zebra', 1],
    ['a', 2],
    [[3, 4], 3],
    [{ x: 1 }, 4],
  ])
  const object = { zebra: 1n, ant: 2, m: 3 }

  expect([...(roundTrip(map) as typeof map).keys()]).toEqual(['zebra', 'a', [3, 4], { x: 1 }])
  expect(Object.keys(roundTrip(object) as object)).toEqual(['zebra', 'ant', 'm'])
  expect([...(roundTrip(new Set(['z', 'a'])) as Set<string>)]).toEqual(['z', 'a'])
})

test('a key called __proto__ is a key like any other', () => {
  const sent = JSON.parse('{"__proto__":{"isAdmin":true}}')
  for (const value of [sent, Object.assign(JSON.parse('{"__proto__":{"isAdmin":true}}'), { at: new Date(0) })]) {
    const arrived = roundTrip(value) as Record<string, unknown>
    expect(Object.hasOwn(arrived, '__proto__')).toBe(true)
    expect(Object.getPrototypeOf(arrived)).toBe(Object.prototype)
    expect(arrived['isAdmin']).toBeUndefined()
  }
})

describe('what cannot be sent is refused, and named', () => {
  class Point {}
  const cycle: unknown[] = []
  cycle.push({ cycle })

  test.each<[unknown, ErrorConstructor, string]>([
    [() => {}, TypeError, 'data is a function, which cannot be sent'],
    [Symbol('s'), TypeError, 'data is a symbol, which cannot be sent'],
    [{ users: [{}, { save() {} }] }, TypeError, 'data.users[1].save is a function, which cannot be sent'],
    [{ at: [new Point()] }, TypeError, 'data.at[0] is a Point, which cannot be sent'],
    [{ a: { b: /x/ } }, TypeError, 'data.a.b is a RegExp, which cannot be sent'],
    [[new DataView(new ArrayBuffer(1))], TypeError, 'data[0] is a DataView, which cannot be sent'],
    [[Promise.resolve()], TypeError, 'data[0] is a Promise, which cannot be sent'],
    [new Map([['k', [() => {}]]]), TypeError, 'data(value 0)[0] is a function, which cannot be sent'],
    [new Map([[Symbol('k'), 1]]), TypeError, 'data(key 0) is a symbol, which cannot be sent'],
    [{ tags: new Set([1, Symbol('x')]) }, TypeError, 'data.tags(item 1) is a symbol, which cannot be sent'],
    [{ toJSON: () => 1 }, TypeError, 'data.toJSON is a function, which cannot be sent'],
    [{ n: [2n ** BigInt(8 * MAX_BIGINT_BYTES)] }, RangeError, 'data.n[0] has over 1024 bytes'],
    [new Set(['\ud800']), TypeError, 'a text beside Map, Set, Date … has half a surrogate pair in it'],
    [cycle, RangeError, 'is nested deeper than 100 levels, or contains itself'],
    [nested(MAX_VALUE_DEPTH + 1), RangeError, 'is nested deeper than 100 levels, or contains itself'],
    [Object.create(Object.create(null)), TypeError, 'data is a object of an unknown class, which cannot be sent'],
  ])('%o', (value, Class, message) => {
    expect(() => encodeValue(value)).toThrow(Class)
    expect(() => encodeValue(value)).toThrow(message)
  })
})

test('BigInts of the longest length are sent, and back', () => {
  const largest = 2n ** BigInt(8 * MAX_BIGINT_BYTES) - 1n
  expect(roundTrip([largest, -largest - 1n])).toEqual([largest, -largest - 1n])
})

test('values as deep as allowed are sent, and back', () => {
  const json = nested(MAX_VALUE_DEPTH)
  const cbor = [new Map([[1, nested(MAX_VALUE_DEPTH - 2)]])]
  expect(roundTrip(json)).toEqual(json)
  expect(roundTrip(cbor)).toEqual(cbor)
})

describe('a value has as many items as allowed, and no more', () => {
  const HALF = MAX_VALUE_ITEMS / 2
  /** The beginning of an array of 2^24 - 1 empty ones. */
  const longArray = (empty: number) => {
    const body = new Uint8Array(HALF + 6).fill(empty)
    body.set([0x9a, 0, 0xff, 0xff, 0xff])
    return body
  }
  const range = (length: number) => Array.from({ length }, (_, i) => i)

  test.each<[string, (extra: number) => unknown]>([
    ['an array', extra => new Array(MAX_VALUE_ITEMS + extra).fill(0)],
    ['empty arrays', extra => Array.from({ length: HALF + extra }, () => [])],
    ['an object', extra => Object.fromEntries(range(HALF + extra).map(i => [`k${i}`, i]))],
    ['a Map', extra => new Map(range(HALF + extra).map(i => [i, i]))],
    ['a Set', extra => new Set(range(MAX_VALUE_ITEMS + extra))],
    ['empty Sets', extra => Array.from({ length: HALF + extra }, () => new Set())],
    ['BigInts', extra => new Array(MAX_VALUE_ITEMS + extra).fill(1n)],
  ])('%s', (_, make) => {
    const { kind, bytes: body } = encodeValue(make(0))
    expect(() => decodeValue(kind, body)).not.toThrow()
    expect(() => encodeValue(make(1))).toThrow(RangeError)
    expect(() => encodeValue(make(1))).toThrow('data has more than 1000000 items')
  })

  test.each<[string, number, Uint8Array]>([
    ['JSON arrays', json, utf8(`[${'[],'.repeat(HALF)}[]]`)],
    ['JSON objects', json, utf8(`[${'{},'.repeat(HALF)}{}]`)],
    ['JSON keys', json, utf8(`{${'"":1,'.repeat(HALF)}"":1}`)],
    ['CBOR arrays', cbor, longArray(0x80)],
    ['CBOR maps', cbor, longArray(0xa0)],
  ])('%s of somebody else', (_, kind, body) => {
    expect(() => decodeValue(kind, body)).toThrow(
      violation(expect.objectContaining({ message: 'it has more than 1000000 items' })),
    )
  })
})

// What arrives --------------------------------------------------------------------------------------------------------

describe('any bytes are a value or a protocol violation', () => {
  test('of any kind', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 }), fc.uint8Array({ maxLength: 300 }), (kind, body) => {
        try {
          decodeValue(kind, body)
        } catch (error) {
          expect(error).toBeInstanceOf(EarshotError)
          expect(error).toMatchObject({ code: 'protocol-violation' })
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('CBOR with some bytes changed', () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(anyValue, flips, (value, changes) => {
        const body = encodeValue([value, undefined]).bytes.slice()
        for (const [at, byte] of changes) body[at % body.length] = byte
        try {
          decodeValue(cbor, body)
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol-violation' })
        }
      }),
      { numRuns: 500 },
    )
  })

  test('every cut-off CBOR value is refused', () => {
    fc.assert(
      fc.property(anyValue, value => {
        const whole = encodeValue([value, undefined]).bytes
        for (let length = 0; length < whole.length; length++) {
          expect(() => decodeValue(cbor, whole.subarray(0, length))).toThrow(violation())
        }
      }),
      { numRuns: 25 },
    )
  })
})

describe('hostile JSON is refused', () => {
  test.each([
    ['nothing', ''],
    ['half a value', '{"a":'],
    ['two values', '1 2'],
    ['NaN', 'NaN'],
    ['a byte-order mark', '\ufeff1'],
  ])('%s', (_, value) => {
    expect(() => decodeValue(json, utf8(value))).toThrow(violation())
  })

  test('bytes that are not UTF-8', () => {
    expect(() => decodeValue(json, hex('22 ff 22'))).toThrow(violation())
    expect(() => decodeValue(text, hex('ff'))).toThrow(violation())
  })

  test.each([
    ['arrays', '['.repeat(MAX_VALUE_DEPTH + 1) + ']'.repeat(MAX_VALUE_DEPTH + 1)],
    ['objects', `${'{"":'.repeat(MAX_VALUE_DEPTH + 1)}0${'}'.repeat(MAX_VALUE_DEPTH + 1)}`],
    ['a million arrays', '['.repeat(1_000_000) + ']'.repeat(1_000_000)],
    ['arrays behind a text of escapes', `["\\"\\\\",${'['.repeat(MAX_VALUE_DEPTH)}${']'.repeat(MAX_VALUE_DEPTH)}]`],
  ])('too many levels: %s', (_, value) => {
    expect(() => decodeValue(json, utf8(value))).toThrow(violation(expect.any(RangeError)))
  })

  test('brackets in texts are no levels, nor are those side by side', () => {
    const texts = { '[[[': '"]['.repeat(200), '\\': '{"'.repeat(200), '"': '[\\' }
    const wide = Array.from({ length: 500 }, () => [{}])
    expect(decodeValue(json, utf8(JSON.stringify(texts)))).toEqual(texts)
    expect(decodeValue(json, utf8(JSON.stringify(wide)))).toEqual(wide)
  })
})

describe('hostile CBOR is refused', () => {
  test.each([
    ['nothing', ''],
    ['two values', '01 02'],
    ['an array that lies about its length', '9b 00 00 00 00 ff ff ff ff 01'],
    ['a map that lies about its length', 'bb 00 00 00 00 ff ff ff ff 61 61 01'],
    ['a text that lies about its length', '7a ff ff ff ff 61'],
    ['bytes that lie about their length', '5b 00 1f ff ff ff ff ff ff 61'],
    ['a length above all numbers', '5b ff ff ff ff ff ff ff ff 61'],
    ['an array without end', '9f 01 ff'],
    ['an end without an array', 'ff'],
    ['an integer that no number holds', '1b ff ff ff ff ff ff ff ff'],
    ['a key that is not a text', 'a1 01 02'],
    ['a key twice', 'a2 61 61 01 61 61 02'],
    ['a text that is not UTF-8', '61 ff'],
    ['a key that is not UTF-8', 'a1 61 ff 01'],
    ['an unknown tag', 'd8 63 01'],
    ['a regular expression', 'd9 52 4a 81 61 61'],
    ['an error', 'd8 1b 82 65 45 72 72 6f 72 61 61'],
    ['a tag without content', 'c2'],
    ['a Map with a key twice', 'd9 01 03 a2 01 02 01 03'],
    ['a Map that is an array', 'd9 01 03 81 01'],
    ['a Set with an item twice', 'd9 01 02 82 01 01'],
    ['a Set that is a text', 'd9 01 02 62 61 62'],
    ['a Date that is a text', 'c1 61 31'],
    ['a BigInt that is a number', 'c2 01'],
    ['half an element of a typed array', 'd8 46 43 01 02 03'],
  ])('%s', (_, digits) => {
    expect(() => decodeValue(cbor, hex(digits))).toThrow(violation())
  })

  test('a BigInt longer than allowed', () => {
    const long = new Tagged(2, new Uint8Array(MAX_BIGINT_BYTES + 1).fill(0xff))
    expect(() => decodeValue(cbor, encode(long))).toThrow(violation(expect.any(RangeError)))
  })

  test.each([64, 68, 69, 70, 71, 72, 77, 78, 79, 85, 86])(
    'content that would make a typed array of tag %i allocate gigabytes',
    tag => {
      const bomb = new Tagged(tag, { buffer: '4000000000', byteOffset: 0, byteLength: 10 })
      expect(() => decodeValue(cbor, encode(bomb))).toThrow(violation(expect.any(TypeError)))
    },
  )

  test.each([
    ['arrays', '81'],
    ['maps', 'a1 61 61'],
    ['Sets', 'd9 01 02 81'],
    ['Maps in their values', 'd9 01 03 a1 01'],
    ['Maps in their keys', 'd9 01 03 a1 81'],
  ])('too many levels: %s', (_, level) => {
    for (const levels of [MAX_VALUE_DEPTH + 1, 20_000]) {
      const opening = hex(level.repeat(levels))
      const ending = level.endsWith('81') && level.includes('a1') ? '01'.repeat(levels + 1) : '01'
      expect(() => decodeValue(cbor, new Uint8Array([...opening, ...hex(ending)]))).toThrow(violation())
    }
  })
})
