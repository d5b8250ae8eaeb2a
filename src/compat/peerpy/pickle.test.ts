/** The pickle codec against itself; against Python's own in test/compat/python-pickle.test.ts. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { pickleValue } from '../../../test/compat/pickle-value.ts'
import { EarshotError } from '../../errors.ts'
import { decodePickle } from './pickle-decode.ts'
import { encodePickle } from './pickle-encode.ts'
import { CALLING_OPCODES, OP } from './pickle-opcodes.ts'
import { Tuple } from './tuple.ts'

const ascii = (text: string) => Uint8Array.from(text, character => character.charCodeAt(0))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const fromHex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

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

describe('a pickle', () => {
  test('any plain value comes back; any prefix is refused', () => {
    fc.assert(
      fc.property(pickleValue, value => {
        const bytes = encodePickle(value)
        expect(decodePickle(bytes)).toStrictEqual(value)
        for (let cut = 0; cut < bytes.length; cut += 1 + (cut >> 4))
          violation(() => decodePickle(bytes.subarray(0, cut)))
      }),
      { numRuns: 300 },
    )
  })

  test('any bytes are a value or refused', () => {
    const opcode = fc.constantFrom(...Object.values(OP), ...Object.keys(CALLING_OPCODES).map(Number))
    const program = fc.array(
      fc.oneof(
        opcode.map(op => [op]),
        fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 3 }),
        fc.constantFrom([...ascii('1\n')], [0, 0, 0, 0]),
      ),
      { maxLength: 60 },
    )
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      program.map(parts => Uint8Array.from([...parts.flat(), OP.STOP])),
    )
    fc.assert(
      fc.property(bytes, each => {
        try {
          decodePickle(each)
        } catch (error) {
          expect(error).toBeInstanceOf(EarshotError)
          expect((error as EarshotError).code).toBe('protocol-violation')
        }
      }),
      { numRuns: 3_000 },
    )
  })

  // Python 3.11: pickle.dumps(value, 4).hex()
  test.each([
    [null, '80044e2e'],
    [true, '8004882e'],
    [255, '80044bff2e'],
    [300, '80049504000000000000004d2c012e'],
    [-1, '80049506000000000000004affffffff2e'],
    [2 ** 31, '80049508000000000000008a0500000080002e'],
    [-(2n ** 63n), '8004950b000000000000008a0800000000000000802e'],
    [2.5, '8004950a000000000000004740040000000000002e'],
    ['é', '80049506000000000000008c02c3a9942e'],
    [new Uint8Array([0, 255]), '8004950600000000000000430200ff942e'],
    [[], '80045d942e'],
    [[1], '80049506000000000000005d944b01612e'],
    [[1, 2], '80049509000000000000005d94284b014b02652e'],
    [{ a: 1 }, '8004950a000000000000007d948c0161944b01732e'],
    [Tuple.of(), '8004292e'],
    [Tuple.of(1, 2), '80049507000000000000004b014b0286942e'],
    [Tuple.of(1, 2, 3, 4), '8004950c00000000000000284b014b024b034b0474942e'],
    [new Set([1]), '80049507000000000000008f94284b01902e'],
    [['a', 'a'], '8004950b000000000000005d94288c0161946801652e'],
  ])('%s is written as Python writes it', (value, written) => {
    expect(hex(encodePickle(value))).toBe(written)
  })

  test('an object that stands in two places stays one', () => {
    const shared = [1]
    const read = decodePickle(encodePickle([shared, shared])) as unknown[]
    expect(read).toEqual([[1], [1]])
    expect(read[0]).toBe(read[1])
  })

  test('a dict of texts is an object, whatever they are, and any other a Map', () => {
    const odd = JSON.parse('{"__proto__":1,"constructor":2}')
    expect(decodePickle(encodePickle(odd))).toEqual(odd)
    expect(Object.keys(decodePickle(encodePickle(odd)) as object)).toEqual(['__proto__', 'constructor'])
    expect(
      decodePickle(
        encodePickle(
          new Map<unknown, unknown>([
            [1, 2],
            ['a', 3],
          ]),
        ),
      ),
    ).toEqual(
      new Map<unknown, unknown>([
        [1, 2],
        ['a', 3],
      ]),
    )
    expect(decodePickle(encodePickle(new Map([['a', 1]])))).toEqual({ a: 1 })
  })

  test('members that are undefined are left out', () => {
    expect(decodePickle(encodePickle({ a: undefined, b: 1 }))).toEqual({ b: 1 })
  })
})

describe('is not written:', () => {
  const circle: unknown[] = []
  circle.push(circle)
  class Point {}
  test.each([
    ['a function', () => {}, 'of type function'],
    ['undefined', undefined, 'of type undefined'],
    ['an object of a class', { at: new Point() }, 'data.at is a Point'],
    ['a Date', [new Date(0)], 'data[0] is a Date'],
    ['what contains itself', circle, 'what contains it'],
    ['half of a surrogate pair', '\ud800', 'surrogate'],
    ['a set with a list', new Set([[1]]), 'cannot hash'],
    ['a dict with a Map as key', new Map([[new Map(), 1]]), 'cannot hash'],
    ['a set with a tuple of lists', new Set([Tuple.of([1])]), 'cannot hash'],
    [
      'a dict with two keys that are one in Python',
      new Map<unknown, number>([
        [1, 1],
        [true, 2],
      ]),
      'equals another one',
    ],
    ['a set with two members that are one', new Set<unknown>([0, 0n]), 'equals another one'],
    ['a set with equal bytes', new Set([new Uint8Array([1]), new Uint8Array([1])]), 'equals another one'],
    ['a number of more than 1,024 bytes', 2n ** 8_200n, 'longer than 1024 bytes'],
  ])('%s', (_, value, message) => {
    expect(() => encodePickle(value)).toThrow(
      expect.objectContaining({ code: 'invalid-data', message: expect.stringContaining(message) }),
    )
  })
})

describe('is refused:', () => {
  test.each(Object.entries(CALLING_OPCODES))('the opcode %s, %s', (opcode, name) => {
    // Behind a callable and its arguments, where Python would do it.
    const bytes = Uint8Array.from([0x80, 4, OP.NONE, OP.EMPTY_TUPLE, Number(opcode), ...ascii('os\nsystem\n'), OP.STOP])
    expect(violation(() => decodePickle(bytes))).toContain(`pickle has ${name} at offset 4: it could run code`)
  })

  test.each([
    ['the classic', "cos\nsystem\n(S'id'\ntR.", 'GLOBAL'],
    ['bytes of protocol 0', 'c_codecs\nencode\np0\n(Vab\np1\nVlatin1\np2\ntp3\nRp4\n.', 'GLOBAL'],
    ['a set of protocol 2', '\x80\x02c__builtin__\nset\nq\x00]q\x01K\x01a\x85q\x02Rq\x03.', 'GLOBAL'],
  ])('%s', (_, text, name) => {
    expect(violation(() => decodePickle(ascii(text)))).toContain(name)
  })

  test.each([
    ['nothing', '', 'opcode at offset 0'],
    ['an empty stack', '.', 'empty stack'],
    ['two values', 'NN.', 'leaves 1'],
    ['bytes behind the end', 'N.N', 'behind its last field'],
    ['an unknown opcode', '\xff.', '0xff'],
    ['an opcode of streams', '0.', '0x30'],
    ['protocol 6', '\x80\x06N.', 'protocol 6'],
    ['a frame longer than the rest', '\x80\x04\x95\x09\0\0\0\0\0\0\0N.', 'frame of 9'],
    ['a text longer than the message', 'X\xff\xff\xff\xffab.', 'needs 4294967295 bytes'],
    ['a text longer than any', '\x8d\0\0\0\0\x01\0\0\0ab.', 'longer than any message'],
    ['a text that is not UTF-8', '\x8c\x01\xff.', 'not well-formed'],
    ['a text with half of a pair', 'V\\ud800\n.', 'surrogate'],
    ['a text with a loose backslash', 'Va\\b\n.', 'wrong escape'],
    ['a code point beyond Unicode', 'V\\U00110000\n.', 'wrong escape'],
    ['a line without end', 'I1', 'INT has no end'],
    ['a number that is none', 'I1x\n.', 'no whole number'],
    ['a float that is none', 'F1x\n.', 'no number'],
    ['a float that is a property', 'FtoString\n.', 'no number'],
    ['a long number', `L${'1'.repeat(2_500)}L\n.`, 'no whole number'],
    ['a long number in binary', '\x8b\x01\x04\0\0.', 'whole number of 1025 bytes'],
    ['no mark', 'e.', 'there is no mark'],
    ['a value below the mark', 'N(\x85.', '1 values are not there'],
    ['append to a tuple', ')Na.', 'no list'],
    ['append to nothing', 'Na.', 'not there'],
    ['setitem in a list', ']NNs.', 'no dict'],
    ['additems to a list', ']((\x90.', 'a value is used that is not there'],
    ['a key without a value', '}(Nu.', 'no value'],
    ['a list in a set', '\x8f(]\x90.', 'no hash'],
    ['a list as key', '}]Ns.', 'no hash'],
    ['a memo that is not there', 'h\x07.', 'memoised as 7'],
    ['a memo of nothing', '\x94N.', 'not there'],
    ['a list that contains itself', ']\x94h\0a.', 'contains itself'],
    ['a tuple around a list that contains it', ']\x94h\0\x85a.', 'contains itself'],
  ])('%s', (_, text, message) => {
    expect(violation(() => decodePickle(ascii(text)))).toContain(message)
  })

  test('what is nested too deep, also by way of the memo', () => {
    expect(decodePickle(ascii(`${']'.repeat(100)}${'a'.repeat(99)}.`))).toBeDefined()
    expect(violation(() => decodePickle(ascii(`${']'.repeat(102)}${'a'.repeat(101)}.`)))).toContain('deeper')
    const deep = ']'.repeat(60) + 'a'.repeat(59)
    expect(violation(() => decodePickle(ascii(`(${deep}\x94${']'.repeat(60)}h\0${'a'.repeat(60)}l.`)))).toContain(
      'deeper',
    )
    expect(violation(() => decodePickle(ascii(`${']'.repeat(500_000)}${'a'.repeat(499_999)}.`)))).toContain('deeper')
  })

  test('a bomb of memoised lists', () => {
    // [[…[x, x, …] …, …]: 20 levels of ten.
    let bomb = ']\x94(K\x01K\x01e'
    for (let level = 0; level < 20; level++) bomb += `]\x94(${`h${String.fromCharCode(level)}`.repeat(10)}e`
    expect(bomb.length).toBeLessThan(600)
    // Each stays on the stack below the next; the last takes them all.
    expect(violation(() => decodePickle(ascii(`(${bomb}l.`)))).toContain('unfolds to more than')
  })

  test('a bomb of one memoised text', () => {
    const text = `X${String.fromCharCode(0, 0, 16, 0)}${'a'.repeat(2 ** 20)}\x94`
    expect(violation(() => decodePickle(ascii(`(${text}${'h\0'.repeat(100)}l.`)))).toContain('unfolds to more than')
  })

  test('more values than there may be', () => {
    expect(violation(() => decodePickle(ascii(`(${']'.repeat(1_000_001)}l.`)))).toContain('more than 1000000 values')
    expect(violation(() => decodePickle(ascii(`N${'\x94'.repeat(1_000_001)}.`)))).toContain('memoised')
    expect(violation(() => decodePickle(ascii('('.repeat(1_000_001))))).toContain('marks')
  })
})

// value = {'a': [1, 2.5, None, True, 'é€😀\\n\\\\'], 'b': (1, -2**40)}; pickle.dumps(value, protocol).hex(), Python 3.11
test.each([
  [
    0,
    '286470300a56610a70310a286c70320a49310a6146322e350a614e614930310a6156e95c75323061635c5530303031663630305c75303030615c75303035630a70330a617356620a70340a2849310a4c2d313039393531313632373737364c0a7470350a732e',
  ],
  [
    1,
    '7d71002858010000006171015d7102284b014740040000000000004e4930310a580b000000c3a9e282acf09f98800a5c7103655801000000627104284b014c2d313039393531313632373737364c0a747105752e',
  ],
  [
    2,
    '80027d71002858010000006171015d7102284b014740040000000000004e88580b000000c3a9e282acf09f98800a5c71036558010000006271044b018a060000000000ff867105752e',
  ],
  [
    3,
    '80037d71002858010000006171015d7102284b014740040000000000004e88580b000000c3a9e282acf09f98800a5c71036558010000006271044b018a060000000000ff867105752e',
  ],
  [
    4,
    '80049538000000000000007d94288c0161945d94284b014740040000000000004e888c0bc3a9e282acf09f98800a5c94658c0162944b018a060000000000ff8694752e',
  ],
  [
    5,
    '80059538000000000000007d94288c0161945d94284b014740040000000000004e888c0bc3a9e282acf09f98800a5c94658c0162944b018a060000000000ff8694752e',
  ],
])('what Python writes of plain values in protocol %i is read', (_, written) => {
  const value = { a: [1, 2.5, null, true, 'é€😀\n\\'], b: Tuple.of(1, -(2 ** 40)) }
  expect(decodePickle(fromHex(written))).toStrictEqual(value)
})
