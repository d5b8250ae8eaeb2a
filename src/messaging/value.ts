/**
 * Values on the wire (docs/protocol.md, "Values"). Bytes and texts go as they are, everything that JSON can carry
 * unchanged goes as JSON, the fastest codec JavaScript has, and the rest (Map, Set, Date, BigInt, typed arrays,
 * undefined, NaN, -0) as CBOR (RFC 8949) with registered tags. The sender looks and chooses; nothing that arrives can
 * make an object of a class that is not in this list.
 */

import { decode as decodeCbor, encode as encodeCbor } from 'cborg'
import * as taglib from 'cborg/taglib'
import { protocolViolation } from '../errors.ts'
import { MAX_BIGINT_BYTES, MAX_VALUE_DEPTH } from '../limits.ts'

export const ValueKind = { bytes: 0, text: 1, json: 2, cbor: 3 } as const

export interface EncodedValue {
  /** One of `ValueKind`. */
  readonly kind: number
  readonly bytes: Uint8Array
}

const BIGINT_LIMIT = 2n ** BigInt(8 * MAX_BIGINT_BYTES)

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Encodes a value, or throws a TypeError that names the part which cannot be sent. */
export function encodeValue(value: unknown): EncodedValue {
  if (typeof value === 'string') return { kind: ValueKind.text, bytes: encoder.encode(value) }
  if (value instanceof Uint8Array) return { kind: ValueKind.bytes, bytes: value }
  if (value instanceof ArrayBuffer) return { kind: ValueKind.bytes, bytes: new Uint8Array(value) }
  if (isJson(value, 'data', 0)) return { kind: ValueKind.json, bytes: encoder.encode(JSON.stringify(value)) }
  return { kind: ValueKind.cbor, bytes: encodeCbor(value, { typeEncoders }) }
}

/** Decodes a value, or throws `protocol-violation`. Bytes are a view of `body`. */
export function decodeValue(kind: number, body: Uint8Array): unknown {
  if (kind === ValueKind.bytes) return body
  try {
    if (kind === ValueKind.text) return decoder.decode(body)
    if (kind === ValueKind.json) return JSON.parse(decoder.decode(body))
    return decodeCbor(body, { tags })
  } catch (cause) {
    throw protocolViolation(`a value of kind ${kind} with ${body.length} bytes cannot be decoded`, cause)
  }
}

/**
 * True where JSON carries the value unchanged, false where CBOR must. Throws where neither can.
 */
function isJson(value: unknown, path: string, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
    case 'undefined':
      return false
    case 'bigint':
      if (value >= BIGINT_LIMIT || value < -BIGINT_LIMIT)
        throw new RangeError(`${path} has over ${MAX_BIGINT_BYTES} bytes`)
      return false
    case 'object':
      return value === null || isJsonObject(value, path, depth)
    default:
      throw new TypeError(`${path} is a ${typeof value}, which cannot be sent`)
  }
}

function isJsonObject(value: object, path: string, depth: number): boolean {
  if (depth === MAX_VALUE_DEPTH) {
    throw new RangeError(`${path} is nested deeper than ${MAX_VALUE_DEPTH} levels, or contains itself`)
  }
  let json = true
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) json = isJson(value[i], `${path}[${i}]`, depth + 1) && json
    return json
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) {
    for (const key in value) json = isJson((value as Record<string, unknown>)[key], key, depth + 1) && json
    // JSON.stringify would call it and send something else.
    return json && !('toJSON' in value)
  }
  if (value instanceof Map) {
    for (const [key, item] of value) {
      isJson(key, `a key of ${path}`, depth + 1)
      isJson(item, `an item of ${path}`, depth + 1)
    }
    return false
  }
  if (value instanceof Set) {
    for (const item of value) isJson(item, `an item of ${path}`, depth + 1)
    return false
  }
  if (value instanceof Date || (ArrayBuffer.isView(value) && !(value instanceof DataView))) return false
  throw new TypeError(`${path} is a ${value.constructor?.name ?? 'object of an unknown class'}, which cannot be sent`)
}

const typeEncoders = {
  number: taglib.negativeZeroEncoder,
  bigint: taglib.structBigIntEncoder,
  Date: taglib.dateEncoder,
  Set: taglib.setEncoder,
  Map: taglib.mapEncoder,
  Uint8Array: taglib.uint8ArrayEncoder,
  Buffer: taglib.uint8ArrayEncoder,
  Uint8ClampedArray: taglib.uint8ClampedArrayEncoder,
  Int8Array: taglib.int8ArrayEncoder,
  Uint16Array: taglib.uint16ArrayEncoder,
  Uint32Array: taglib.uint32ArrayEncoder,
  Int16Array: taglib.int16ArrayEncoder,
  Int32Array: taglib.int32ArrayEncoder,
  Float32Array: taglib.float32ArrayEncoder,
  Float64Array: taglib.float64ArrayEncoder,
  BigUint64Array: taglib.bigUint64ArrayEncoder,
  BigInt64Array: taglib.bigInt64ArrayEncoder,
}

const tags = {
  [taglib.TAG_DATE_EPOCH]: taglib.dateDecoder,
  [taglib.TAG_BIGINT_POS]: decodeBigInt,
  [taglib.TAG_BIGINT_NEG]: (decode: () => unknown) => -1n - decodeBigInt(decode),
  [taglib.TAG_SET]: taglib.setDecoder,
  [taglib.TAG_MAP]: taglib.mapDecoder,
  [taglib.TAG_UINT8_ARRAY]: taglib.uint8ArrayDecoder,
  [taglib.TAG_UINT8_CLAMPED_ARRAY]: taglib.uint8ClampedArrayDecoder,
  [taglib.TAG_INT8_ARRAY]: taglib.int8ArrayDecoder,
  [taglib.TAG_UINT16_ARRAY_LE]: taglib.uint16ArrayDecoder,
  [taglib.TAG_UINT32_ARRAY_LE]: taglib.uint32ArrayDecoder,
  [taglib.TAG_INT16_ARRAY_LE]: taglib.int16ArrayDecoder,
  [taglib.TAG_INT32_ARRAY_LE]: taglib.int32ArrayDecoder,
  [taglib.TAG_FLOAT32_ARRAY_LE]: taglib.float32ArrayDecoder,
  [taglib.TAG_FLOAT64_ARRAY_LE]: taglib.float64ArrayDecoder,
  [taglib.TAG_BIGUINT64_ARRAY_LE]: taglib.bigUint64ArrayDecoder,
  [taglib.TAG_BIGINT64_ARRAY_LE]: taglib.bigInt64ArrayDecoder,
}

/** Turning bytes into a BigInt takes time that grows with the square of their number, so it is bounded. */
function decodeBigInt(decode: () => unknown): bigint {
  const bytes = decode()
  if (!(bytes instanceof Uint8Array)) throw new TypeError('the content of a bignum is not bytes')
  if (bytes.length > MAX_BIGINT_BYTES) throw new RangeError(`a bignum of ${bytes.length} bytes`)
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}
