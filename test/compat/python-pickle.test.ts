/** The codecs of `raw` and `json` against Python's own, both ways, for values made up by fast-check. */

import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodePickle } from '../../src/compat/peerpy/pickle-decode.ts'
import { encodePickle } from '../../src/compat/peerpy/pickle-encode.ts'
import { decodeJsonPayload, encodeJsonPayload } from '../../src/compat/peerpy/python-json.ts'
import { Tuple } from '../../src/compat/peerpy/tuple.ts'
import { pickleValue } from './pickle-value.ts'

const SAMPLES = 400
const hasPython = spawnSync('python3', ['-c', 'import pickle, json']).status === 0
const leftOut = hasPython ? '' : ' (left out: there is no python3)'

/**
 * Builds each value from its description, equal texts as one object, and answers with what Python writes of it, with
 * whether it reads ours as that value, and with what it writes of what it read.
 */
const PROGRAM = `
import json, pickle, sys
texts = {}
def build(d):
    kind, v = d
    if kind == 'none': return None
    if kind == 'bool': return v
    if kind == 'int': return int(v)
    if kind == 'float': return float.fromhex(v)
    if kind == 'text': return texts.setdefault(v, v)
    if kind == 'bytes': return bytes.fromhex(v)
    if kind == 'list': return [build(x) for x in v]
    if kind == 'tuple': return tuple([build(x) for x in v])
    if kind == 'set': return set([build(x) for x in v])
    if kind == 'dict': return {build(k): build(x) for k, x in v}
def written(value, protocol):
    return pickle.dumps(value, protocol).hex()
answers = []
for d, ours in json.load(sys.stdin):
    texts.clear()
    value = build(d)
    read = pickle.loads(bytes.fromhex(ours))
    answers.append({'same': repr(read) == repr(value), 'again': written(read, 4), 'written': [written(value, p) for p in range(6)]})
json.dump(answers, sys.stdout)
`

interface Answer {
  readonly same: boolean
  readonly again: string
  readonly written: readonly string[]
}

describe(`Python's pickle${leftOut}`, () => {
  test.skipIf(!hasPython)('reads what we write, we read what it writes, and both write the same bytes', () => {
    const values = fc.sample(pickleValue, { numRuns: SAMPLES, seed: 7 })
    const answers = python<Answer[]>(
      PROGRAM,
      values.map(value => [describeValue(value), hex(encodePickle(value))]),
    )
    expect(answers).toHaveLength(SAMPLES)
    let compared = 0
    values.forEach((value, i) => {
      const { same, again, written } = answers[i]!
      if (!hasSet(value)) {
        expect(same, describeValue(value).toString()).toBe(true)
        expect(again).toBe(hex(encodePickle(value)))
      }
      if (!hasSet(value) && !hasShortBytes(value)) {
        expect(hex(encodePickle(value))).toBe(written[4])
        compared++
      }
      written.forEach((pickle, protocol) => {
        const isPlain =
          protocol >= 4 || !(hasSet(value) || (protocol < 3 && has(value, each => each instanceof Uint8Array)))
        if (isPlain) expect(decodePickle(fromHex(pickle)), `protocol ${protocol}`).toStrictEqual(value)
        // Below protocol 3 and 4 Python writes these as calls of functions.
        else
          expect(() => decodePickle(fromHex(pickle))).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
      })
    })
    expect(compared).toBeGreaterThan(SAMPLES / 4)
  })

  test.skipIf(!hasPython)('reads and writes long lists, dicts, sets, texts and bytes as we do', () => {
    const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)
    const values: unknown[] = [1, 2, 999, 1_000, 1_001, 2_000, 2_500].flatMap(count => [
      numbers(count),
      new Map(numbers(count).map(i => [i, i])),
      new Set(numbers(count)),
      Tuple.from(numbers(count)),
      numbers(count).map(i => `text ${i % 400}`),
    ])
    values.push(
      'a'.repeat(255),
      'a'.repeat(256),
      'é'.repeat(20_000),
      new Uint8Array(255),
      new Uint8Array(256),
      2n ** 2_100n,
    )
    const answers = python<Answer[]>(
      PROGRAM,
      values.map(value => [describeValue(value), hex(encodePickle(value))]),
    )
    values.forEach((value, i) => {
      const { same, written } = answers[i]!
      // Not `toBe`, whose report of a difference would fill the screen.
      expect([i, same, hex(encodePickle(value)) === written[4]]).toEqual([i, true, true])
      for (const protocol of [4, 5]) expect(decodePickle(fromHex(written[protocol]!))).toStrictEqual(value)
    })
  })

  test.skipIf(!hasPython)('of more than a frame is read, and ours is read there', () => {
    const values = [
      new Uint8Array(200_000).fill(7),
      Array.from({ length: 30_000 }, (_, i) => `number ${i}`),
      ['x'.repeat(70_000), 'y'.repeat(70_000)],
    ]
    const answers = python<Answer[]>(
      PROGRAM,
      values.map(value => [describeValue(value), hex(encodePickle(value))]),
    )
    values.forEach((value, i) => {
      expect(answers[i]!.same).toBe(true)
      expect(decodePickle(fromHex(answers[i]!.written[4]!))).toStrictEqual(value)
      expect(decodePickle(fromHex(answers[i]!.written[5]!))).toStrictEqual(value)
    })
  })
})

const JSON_PROGRAM = `
import json, sys
print(json.dumps([json.dumps(json.loads(bytes.fromhex(each))).encode().hex() for each in json.load(sys.stdin)]))
`

describe(`Python's json${leftOut}`, () => {
  test.skipIf(!hasPython)('reads what we write, and writes it again as we did', () => {
    const value = fc.letrec(tie => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, Number.NaN, -0, 1 / 0, -1 / 0),
        fc.double(),
        fc.integer(),
        fc.bigInt({ min: -(2n ** 90n), max: 2n ** 90n }),
        fc.string({ unit: 'binary' }),
        fc.array(tie('value'), { maxLength: 5 }),
        fc.dictionary(fc.string({ unit: 'grapheme' }), tie('value'), { maxKeys: 5 }),
      ),
    })).value
    const payloads = fc.sample(value, { numRuns: 600, seed: 7 }).map(encodeJsonPayload).map(hex)
    const again = python<string[]>(JSON_PROGRAM, payloads)
    expect(again).toEqual(payloads)
    for (const payload of again) decodeJsonPayload(fromHex(payload))
  })
})

function python<T>(program: string, input: unknown): T {
  const options = { input: JSON.stringify(input), encoding: 'utf8', maxBuffer: 2 ** 28 } as const
  const { status, stdout, stderr } = spawnSync('python3', ['-c', program], options)
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout)
}

type Description = readonly [kind: string, value: unknown]

function describeValue(value: unknown): Description {
  if (value === null) return ['none', null]
  if (typeof value === 'boolean') return ['bool', value]
  if (typeof value === 'bigint') return ['int', value.toString()]
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? ['int', String(value)] : ['float', hexFloat(value)]
  if (typeof value === 'string') return ['text', value]
  if (value instanceof Uint8Array) return ['bytes', hex(value)]
  if (value instanceof Tuple) return ['tuple', [...value].map(describeValue)]
  if (Array.isArray(value)) return ['list', value.map(describeValue)]
  if (value instanceof Set) return ['set', [...value].map(describeValue)]
  const entries = value instanceof Map ? [...value] : Object.entries(value as object)
  return ['dict', entries.map(([key, item]) => [describeValue(key), describeValue(item)])]
}

/** As C's %a, which Python's float.fromhex reads: exact. */
function hexFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  const bits = view.getBigUint64(0)
  const exponent = Number((bits >> 52n) & 0x7ffn)
  const fraction = (bits & (2n ** 52n - 1n)).toString(16).padStart(13, '0')
  const sign = bits >> 63n ? '-' : ''
  return exponent === 0 ? `${sign}0x0.${fraction}p-1022` : `${sign}0x1.${fraction}p${exponent - 1023}`
}

function has(value: unknown, is: (value: unknown) => boolean): boolean {
  if (is(value)) return true
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false
  const parts = value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : Object.values(value)
  return parts.some(part => has(part, is))
}

/** Python's sets have an order of their own. */
function hasSet(value: unknown): boolean {
  return has(value, each => each instanceof Set)
}

/** Of no byte and of one, Python has one object each. */
function hasShortBytes(value: unknown): boolean {
  return has(value, each => each instanceof Uint8Array && each.length < 2)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}
