/**
 * CBOR (RFC 8949) for the values that JSON cannot carry, with registered tags for Map, Set, Date, BigInt and typed
 * arrays (RFC 8746). The codec is cborg's; what goes in and comes out is ours, and strict: no indefinite lengths, no
 * key twice, well-formed UTF-8, and the content of a tag is checked before anything is made of it. A few bytes that
 * pass for the content of a typed array would otherwise allocate gigabytes.
 */

import { encode, type TagDecodeControl, Tokenizer, Type, tokensToObject } from 'cborg'
import * as taglib from 'cborg/taglib'
import { MAX_BIGINT_BYTES, MAX_VALUE_ITEMS } from '../limits.ts'
import { isWellFormed } from '../wire/well-formed.ts'
import { tooManyItems } from './value-bounds.ts'

type Token = ReturnType<Tokenizer['next']>
type TagContent = TagDecodeControl

/** Throws where the value has a part that CBOR cannot carry. The entries of objects and Maps keep their order. */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, { typeEncoders, mapSorter: keepOrder })
}

/** Throws for anything but one value, whole, with nothing behind it. */
export function decodeCbor(bytes: Uint8Array): unknown {
  // Not as a Buffer, whose `slice` makes views: what is decoded must not share its memory with anything else.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  const tokenizer = new StrictTokenizer(plain, decodeOptions)
  const value: unknown = tokensToObject(tokenizer, decodeOptions)
  // cborg's signs for "nothing there" and "the end of what never began".
  if (typeof value === 'symbol') throw new TypeError('there is no value')
  if (!tokenizer.done()) throw new TypeError('there are bytes behind the value')
  return value
}

/**
 * cborg replaces what is not UTF-8 and drops a byte-order mark; here the first is refused and the second kept. And it
 * counts the items, before anything is made of them.
 */
class StrictTokenizer extends Tokenizer {
  /** The value as a whole is not an item. */
  #items = -1

  override next(): Token {
    const token = super.next()
    if (token.type !== Type.tag) this.#items++
    if (token.value === 0 && (token.type === Type.array || token.type === Type.map)) this.#items++
    if (this.#items > MAX_VALUE_ITEMS) throw tooManyItems()
    if (token.byteValue !== undefined && !isAscii(token.value, token.byteValue)) {
      token.value = utf8.decode(token.byteValue)
    }
    return token
  }
}

/** Most texts: each byte is one character. What was replaced, one for one, is not ASCII either. */
function isAscii(decoded: string, bytes: Uint8Array): boolean {
  return decoded.length === bytes.length && !decoded.includes('\ufffd')
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const typeEncoders = {
  number: taglib.negativeZeroEncoder,
  string: requireWellFormed,
  bigint: taglib.structBigIntEncoder,
  Date: taglib.dateEncoder,
  Set: taglib.setEncoder,
  Map: taglib.mapEncoder,
  Uint8Array: taglib.uint8ArrayEncoder,
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

const decodeOptions = {
  allowIndefinite: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
  retainStringBytes: true,
  tags: {
    [taglib.TAG_DATE_EPOCH]: decodeDate,
    [taglib.TAG_BIGINT_POS]: decodeBigInt,
    [taglib.TAG_BIGINT_NEG]: (content: TagContent) => -1n - decodeBigInt(content),
    [taglib.TAG_SET]: decodeSet,
    [taglib.TAG_MAP]: decodeMap,
    [taglib.TAG_UINT8_ARRAY]: arrayDecoder(Uint8Array),
    [taglib.TAG_UINT8_CLAMPED_ARRAY]: arrayDecoder(Uint8ClampedArray),
    [taglib.TAG_INT8_ARRAY]: arrayDecoder(Int8Array),
    [taglib.TAG_UINT16_ARRAY_LE]: arrayDecoder(Uint16Array),
    [taglib.TAG_UINT32_ARRAY_LE]: arrayDecoder(Uint32Array),
    [taglib.TAG_INT16_ARRAY_LE]: arrayDecoder(Int16Array),
    [taglib.TAG_INT32_ARRAY_LE]: arrayDecoder(Int32Array),
    [taglib.TAG_FLOAT32_ARRAY_LE]: arrayDecoder(Float32Array),
    [taglib.TAG_FLOAT64_ARRAY_LE]: arrayDecoder(Float64Array),
    [taglib.TAG_BIGUINT64_ARRAY_LE]: arrayDecoder(BigUint64Array),
    [taglib.TAG_BIGINT64_ARRAY_LE]: arrayDecoder(BigInt64Array),
  },
}

function keepOrder(): number {
  return 0
}

function requireWellFormed(text: string): null {
  if (!isWellFormed(text)) throw new TypeError('a text beside Map, Set, Date … has half a surrogate pair in it')
  return null
}

function decodeDate(content: TagContent): Date {
  const seconds = content()
  if (typeof seconds !== 'number') throw new TypeError('the content of a date is not a number')
  return new Date(Math.round(seconds * 1_000))
}

function decodeSet(content: TagContent): Set<unknown> {
  const items = content()
  if (!Array.isArray(items)) throw new TypeError('the content of a set is not an array')
  const set = new Set<unknown>(items)
  if (set.size !== items.length) throw new TypeError('a set has an item twice')
  return set
}

function decodeMap(content: TagContent): Map<unknown, unknown> {
  const entries = content.entries()
  const map = new Map(entries)
  if (map.size !== entries.length) throw new TypeError('a map has a key twice')
  return map
}

/** Reading digits takes time that grows with the square of their number in the worst case, so it is bounded. */
function decodeBigInt(content: TagContent): bigint {
  const bytes = contentBytes(content)
  if (bytes.length > MAX_BIGINT_BYTES) throw new RangeError(`a bignum of ${bytes.length} bytes`)
  let digits = '0x0'
  for (const byte of bytes) digits += byte.toString(16).padStart(2, '0')
  return BigInt(digits)
}

function arrayDecoder<T>(TypedArray: new (buffer: ArrayBuffer) => T): (content: TagContent) => T {
  return content => new TypedArray(new Uint8Array(contentBytes(content)).buffer)
}

function contentBytes(content: TagContent): Uint8Array {
  const bytes = content()
  if (!(bytes instanceof Uint8Array)) throw new TypeError('the content of a tag is not bytes')
  return bytes
}
