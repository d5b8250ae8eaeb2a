/**
 * JSON as Python's `json` writes and reads it (RFC 8259 with its extensions): everything beyond ASCII escaped, `", "` and
 * `": "` between, NaN and the infinities as words, whole numbers of any length. A payload is the object `{"data": …}`.
 */

import { EarshotError, protocolViolation } from '../../errors.ts'
import { MAX_BIGINT_BYTES, MAX_VALUE_DEPTH, MAX_VALUE_ITEMS } from '../../limits.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { pythonFloat } from './python-float.ts'

const encoder = new TextEncoder()

/** @throws EarshotError `invalid-data` for what JSON does not have */
export function encodeJsonPayload(value: unknown): Uint8Array {
  return encoder.encode(`{"data": ${dump(value, 'data', 0)}}`)
}

/** Whole numbers beyond 2^53 come as BigInt. @throws EarshotError `protocol-violation` */
export function decodeJsonPayload(bytes: Uint8Array): unknown {
  const payload = new JsonParser(new ByteReader(bytes).utf8(bytes.length, 'json payload')).parse()
  if (typeof payload !== 'object' || payload === null || !Object.hasOwn(payload, 'data'))
    throw protocolViolation('a json payload is an object with the key data')
  return (payload as { readonly data: unknown }).data
}

function dump(value: unknown, path: string, depth: number): string {
  if (depth > MAX_VALUE_DEPTH) throw unsendable(path, `nested deeper than ${MAX_VALUE_DEPTH}, perhaps in a circle`)
  switch (typeof value) {
    case 'string':
      return dumpText(value)
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : pythonFloat(value)
    case 'boolean':
    case 'bigint':
      return String(value)
    case 'object':
      return value === null ? 'null' : dumpObject(value, path, depth)
    default:
      throw unsendable(path, typeof value)
  }
}

function dumpObject(value: object, path: string, depth: number): string {
  if (Array.isArray(value)) return `[${value.map((item, i) => dump(item, `${path}[${i}]`, depth + 1)).join(', ')}]`
  if ('toJSON' in value && typeof value.toJSON === 'function') return dump(value.toJSON(), path, depth + 1)
  if (value instanceof Map || value instanceof Set || ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    throw unsendable(path, `a ${value.constructor.name}`)
  const members = Object.entries(value).filter(([, item]) => item !== undefined)
  return `{${members.map(([key, item]) => `${dumpText(key)}: ${dump(item, `${path}.${key}`, depth + 1)}`).join(', ')}}`
}

/** Python escapes what is not printable ASCII; beyond the Basic Multilingual Plane both halves of the pair. */
function dumpText(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function unsendable(path: string, what: string): EarshotError {
  return new EarshotError('invalid-data', `${path} is ${what}, which JSON does not have`, {
    hint: "The data type 'raw' carries bytes, Map and Set as well.",
  })
}

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y
const WORDS: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]
/** A byte is 2.4 decimal digits. */
const MAX_DIGITS = Math.floor(MAX_BIGINT_BYTES * 2.4)

class JsonParser {
  readonly #text: string
  #at = 0
  #items = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): unknown {
    const value = this.#value(0)
    this.#skipSpace()
    if (this.#at < this.#text.length) throw this.#unexpected('the end')
    return value
  }

  #value(depth: number): unknown {
    if (depth > MAX_VALUE_DEPTH) throw protocolViolation(`json is nested deeper than ${MAX_VALUE_DEPTH}`)
    if (++this.#items > MAX_VALUE_ITEMS) throw protocolViolation(`json has more than ${MAX_VALUE_ITEMS} values`)
    this.#skipSpace()
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth)
      case '[':
        return this.#array(depth)
      case '"':
        return this.#string()
      default:
        return this.#wordOrNumber()
    }
  }

  #object(depth: number): object {
    const members: (readonly [string, unknown])[] = []
    this.#list('}', () => {
      if (this.#text[this.#at] !== '"') throw this.#unexpected('a key')
      const key = this.#string()
      this.#skipSpace()
      this.#expect(':')
      members.push([key, this.#value(depth + 1)])
    })
    // Own properties, whatever they are called.
    return Object.fromEntries(members)
  }

  #array(depth: number): unknown[] {
    const items: unknown[] = []
    this.#list(']', () => items.push(this.#value(depth + 1)))
    return items
  }

  #list(end: '}' | ']', readItem: () => void): void {
    this.#at++
    this.#skipSpace()
    if (this.#text[this.#at] === end) {
      this.#at++
      return
    }
    for (;;) {
      readItem()
      this.#skipSpace()
      if (this.#text[this.#at] === end) break
      this.#expect(',')
      this.#skipSpace()
    }
    this.#at++
  }

  #string(): string {
    const start = this.#at++
    let hasEscapes = false
    for (;;) {
      const code = this.#text.charCodeAt(this.#at++)
      if (code === 0x22) break
      if (code === 0x5c) {
        hasEscapes = true
        this.#at++
      } else if (!(code >= 0x20)) throw this.#unexpected('the end of a text', this.#at - 1)
    }
    if (!hasEscapes) return this.#text.slice(start + 1, this.#at - 1)
    try {
      return JSON.parse(this.#text.slice(start, this.#at))
    } catch (cause) {
      throw protocolViolation(`json has a wrong escape in the text at ${start}`, cause)
    }
  }

  #wordOrNumber(): unknown {
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length
        return value
      }
    }
    NUMBER.lastIndex = this.#at
    const match = NUMBER.exec(this.#text)
    if (match === null) throw this.#unexpected('a value')
    this.#at += match[0].length
    const isWhole = match[1] === undefined && match[2] === undefined
    return isWhole ? wholeNumber(match[0]) : Number(match[0])
  }

  #skipSpace(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? 'end')) this.#at++
  }

  #expect(character: string): void {
    if (this.#text[this.#at] !== character) throw this.#unexpected(`'${character}'`)
    this.#at++
  }

  #unexpected(wanted: string, at: number = this.#at): EarshotError {
    const found = at < this.#text.length ? JSON.stringify(this.#text[at]) : 'nothing more'
    return protocolViolation(`json has ${found} at ${at} where ${wanted} belongs`)
  }
}

function wholeNumber(text: string): number | bigint {
  const value = Number(text)
  if (Number.isSafeInteger(value)) return value + 0 // Python knows no whole -0.
  if (text.length > MAX_DIGITS) throw protocolViolation(`json has a number of ${text.length} digits`)
  return BigInt(text)
}
