/**
 * Values on the wire (docs/protocol.md, "Values"). Bytes and texts go as they are, everything that JSON can carry
 * unchanged goes as JSON, the fastest codec JavaScript has, and the rest (Map, Set, Date, BigInt, typed arrays,
 * undefined, NaN, -0) as CBOR. The sender looks and chooses; nothing that arrives can make an object of a class that
 * is not in this list.
 */

import { EarshotError, protocolViolation } from '../errors.ts'
import { MAX_BIGINT_BYTES, MAX_MESSAGE_BYTES, MAX_VALUE_DEPTH, MAX_VALUE_ITEMS } from '../limits.ts'
import { isWellFormed } from '../wire/well-formed.ts'
import { decodeCbor, encodeCbor } from './cbor.ts'
import { checkJsonBounds, isDeeperThan, tooDeep } from './value-bounds.ts'

export const ValueKind = { bytes: 0, text: 1, json: 2, cbor: 3 } as const

export interface EncodedValue {
  /** One of `ValueKind`. */
  readonly kind: number
  readonly bytes: Uint8Array
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Encodes a value, or throws a TypeError or RangeError that names the part which cannot be sent, or `too-large`. */
export function encodeValue(value: unknown): EncodedValue {
  const encoded = encodeAnySize(value)
  const { length } = encoded.bytes
  if (length > MAX_MESSAGE_BYTES) {
    throw new EarshotError('too-large', `this is ${length} bytes, at most ${MAX_MESSAGE_BYTES} go in one message`, {
      hint: 'Send it in several messages.',
    })
  }
  return encoded
}

function encodeAnySize(value: unknown): EncodedValue {
  if (typeof value === 'string' && isWellFormed(value)) return { kind: ValueKind.text, bytes: encoder.encode(value) }
  if (value instanceof Uint8Array) return { kind: ValueKind.bytes, bytes: value }
  if (value instanceof ArrayBuffer) return { kind: ValueKind.bytes, bytes: new Uint8Array(value) }
  if (isJson(value, { steps: [], items: 0 }))
    return { kind: ValueKind.json, bytes: encoder.encode(JSON.stringify(value)) }
  return { kind: ValueKind.cbor, bytes: encodeCbor(value) }
}

/** Decodes a value, or throws `protocol-violation`. Bytes are a view of `body`. */
export function decodeValue(kind: number, body: Uint8Array): unknown {
  if (kind === ValueKind.bytes) return body
  try {
    if (kind === ValueKind.text) return decoder.decode(body)
    return kind === ValueKind.json ? decodeJson(body) : decodeDeepCbor(body)
  } catch (cause) {
    throw protocolViolation(`a value of kind ${kind} with ${body.length} bytes cannot be decoded`, cause)
  }
}

function decodeJson(body: Uint8Array): unknown {
  checkJsonBounds(body)
  return JSON.parse(decoder.decode(body))
}

function decodeDeepCbor(body: Uint8Array): unknown {
  const value = decodeCbor(body)
  if (isDeeperThan(MAX_VALUE_DEPTH, value)) throw tooDeep()
  return value
}

// Can it be sent, and how? --------------------------------------------------------------------------------------------

interface Path {
  /** From the whole value to the present part: keys, indices, and `(…)` for parts of Maps and Sets. */
  readonly steps: (string | number)[]
  /** Seen so far, of the whole value. */
  items: number
}

const BIGINT_LIMIT = 2n ** BigInt(8 * MAX_BIGINT_BYTES)

const TYPED_ARRAYS = [
  Uint8Array,
  Uint8ClampedArray,
  Int8Array,
  Uint16Array,
  Uint32Array,
  Int16Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigUint64Array,
  BigInt64Array,
]

/** True where JSON carries the value unchanged, false where CBOR must. Throws where neither can. */
function isJson(value: unknown, path: Path): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
    case 'undefined':
      return false
    case 'bigint':
      if (value < BIGINT_LIMIT && value >= -BIGINT_LIMIT) return false
      throw new RangeError(`${formatPath(path)} has over ${MAX_BIGINT_BYTES} bytes`)
    case 'object':
      return value === null || isJsonObject(value, path)
    default:
      throw new TypeError(`${formatPath(path)} is a ${typeof value}, which cannot be sent`)
  }
}

function isJsonObject(value: object, path: Path): boolean {
  if (path.steps.length === MAX_VALUE_DEPTH) {
    throw new RangeError(`${formatPath(path)} is nested deeper than ${MAX_VALUE_DEPTH} levels, or contains itself`)
  }
  if (Array.isArray(value)) return isJsonArray(value, path)
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return isJsonRecord(value, path)
  if (value instanceof Map) checkMap(value, path)
  else if (value instanceof Set) checkItems(value, path)
  else if (!(value instanceof Date) && !TYPED_ARRAYS.some(TypedArray => value instanceof TypedArray)) {
    const kind = value.constructor?.name ?? 'object of an unknown class'
    throw new TypeError(`${formatPath(path)} is a ${kind}, which cannot be sent`)
  }
  return false
}

function isJsonArray(value: readonly unknown[], path: Path): boolean {
  countItems(value.length, path)
  let json = true
  for (let i = 0; i < value.length; i++) json = isJsonPart(value[i], path, i) && json
  return json
}

function isJsonRecord(value: object, path: Path): boolean {
  let json = true
  let keys = 0
  for (const key in value) {
    json = isJsonPart((value as Record<string, unknown>)[key], path, key) && json
    keys++
  }
  countItems(2 * keys, path)
  // JSON.stringify would call it and send something else.
  return json && !('toJSON' in value)
}

function checkMap(map: ReadonlyMap<unknown, unknown>, path: Path): void {
  countItems(2 * map.size, path)
  let index = 0
  for (const [key, item] of map) {
    isJsonPart(key, path, `(key ${index})`)
    isJsonPart(item, path, `(value ${index++})`)
  }
}

function checkItems(items: ReadonlySet<unknown>, path: Path): void {
  countItems(items.size, path)
  let index = 0
  for (const item of items) isJsonPart(item, path, `(item ${index++})`)
}

/** An empty array is an item, too: it takes no less memory than one with something in it. */
function countItems(count: number, path: Path): void {
  path.items += Math.max(count, 1)
  if (path.items > MAX_VALUE_ITEMS) throw new RangeError(`data has more than ${MAX_VALUE_ITEMS} items`)
}

function isJsonPart(part: unknown, path: Path, step: string | number): boolean {
  path.steps.push(step)
  const json = isJson(part, path)
  path.steps.pop()
  return json
}

/** Such as `data.users[3].name`. */
function formatPath(path: Path): string {
  const steps = path.steps.map(step =>
    typeof step === 'number' ? `[${step}]` : step.startsWith('(') ? step : `.${step}`,
  )
  return `data${steps.join('')}`
}
