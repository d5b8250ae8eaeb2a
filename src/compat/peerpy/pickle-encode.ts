/**
 * Writes Python's pickle, protocol 4, which is what the program writes on Python 3.8 to 3.13: opcode for opcode what
 * CPython writes for such a value, where each text is one object. Only plain values: nothing that Python would have to
 * call anything for.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_BIGINT_BYTES, MAX_VALUE_DEPTH } from '../../limits.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'
import { isWellFormed } from '../../wire/well-formed.ts'
import { OP } from './pickle-opcodes.ts'
import { isHashable, Tuple } from './tuple.ts'

const PROTOCOL = 4
/** CPython frames neither what is shorter nor, in one piece, what is longer; frames are optional. */
const MIN_FRAME_BYTES = 4
const MAX_FRAME_BYTES = 65_536
/** So many items share one MARK. */
const BATCH = 1_000
const MAX_UINT32 = 0xffff_ffff

/**
 * null, booleans, numbers (whole ones as int), BigInt, texts, Uint8Array, arrays, {@link Tuple}s, Maps and plain objects
 * (dict), Sets.
 *
 * @throws EarshotError `invalid-data` for anything else
 */
export function encodePickle(value: unknown): Uint8Array {
  const body = new PickleWriter().write(value)
  const pickle = new ByteWriter(body.length + 11).uint8(OP.PROTO).uint8(PROTOCOL)
  if (body.length >= MIN_FRAME_BYTES && body.length <= MAX_FRAME_BYTES) putUint64(pickle.uint8(OP.FRAME), body.length)
  return pickle.append(body).finish()
}

const encoder = new TextEncoder()

class PickleWriter {
  readonly #out = new ByteWriter()
  /** Objects by identity, texts by value. */
  readonly #memo = new Map<unknown, number>()
  /** Those whose parts are being written. */
  readonly #open = new Set<unknown>()

  write(value: unknown): Uint8Array {
    this.#save(value, 'data', 0)
    return this.#out.uint8(OP.STOP).finish()
  }

  #save(value: unknown, path: string, depth: number): void {
    if (depth > MAX_VALUE_DEPTH) throw unsendable(path, `nested deeper than ${MAX_VALUE_DEPTH}`)
    const known = this.#memo.get(value)
    if (this.#open.has(value)) throw unsendable(path, 'what contains it')
    if (known !== undefined) this.#get(known)
    else if (value === null) this.#out.uint8(OP.NONE)
    else if (typeof value === 'boolean') this.#out.uint8(value ? OP.NEWTRUE : OP.NEWFALSE)
    else if (typeof value === 'number') this.#number(value)
    else if (typeof value === 'bigint') this.#bigint(value, path)
    else if (typeof value === 'string') this.#text(value, path)
    else if (typeof value === 'object') this.#writeObject(value, path, depth)
    else throw unsendable(path, `of type ${typeof value}`)
  }

  #writeObject(value: object, path: string, depth: number): void {
    this.#open.add(value)
    this.#object(value, path, depth)
    this.#open.delete(value)
  }

  #object(value: object, path: string, depth: number): void {
    if (value instanceof Uint8Array) this.#bytes(value)
    else if (value instanceof Tuple) this.#tuple(value, path, depth)
    else if (Array.isArray(value)) this.#list(value, path, depth)
    else if (value instanceof Map) this.#dict(value, path, depth)
    else if (value instanceof Set) this.#set(value, path, depth)
    else if (isPlain(value)) this.#plainObject(value, path, depth)
    else throw unsendable(path, `a ${value.constructor?.name ?? 'special object'}`)
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) this.#int(value)
    else this.#float(value)
  }

  #int(value: number): void {
    if (value >= 0 && value <= 0xff) this.#out.uint8(OP.BININT1).uint8(value)
    else if (value >= 0 && value <= 0xffff)
      this.#out
        .uint8(OP.BININT2)
        .uint8(value)
        .uint8(value >>> 8)
    else if (value === (value | 0)) putUint32(this.#out.uint8(OP.BININT), value)
    else this.#long(BigInt(value))
  }

  #bigint(value: bigint, path: string): void {
    const number = Number(value)
    if (value.toString(16).length > 2 * MAX_BIGINT_BYTES)
      throw unsendable(path, `longer than ${MAX_BIGINT_BYTES} bytes`)
    if (Number.isSafeInteger(number)) this.#int(number)
    else this.#long(value)
  }

  /** Two's complement, little-endian, no byte more than it takes. */
  #long(value: bigint): void {
    let length = 1
    while (BigInt.asIntN(8 * length, value) !== value) length++
    if (length < 256) this.#out.uint8(OP.LONG1).uint8(length)
    else putUint32(this.#out.uint8(OP.LONG4), length)
    const hex = BigInt.asUintN(8 * length, value)
      .toString(16)
      .padStart(2 * length, '0')
    for (let at = hex.length - 2; at >= 0; at -= 2) this.#out.uint8(Number.parseInt(hex.slice(at, at + 2), 16))
  }

  #float(value: number): void {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setFloat64(0, value)
    this.#out.uint8(OP.BINFLOAT).append(bytes)
  }

  #text(value: string, path: string): void {
    if (!isWellFormed(value)) throw unsendable(path, 'a text with half of a surrogate pair')
    const bytes = encoder.encode(value)
    if (bytes.length <= 0xff) this.#out.uint8(OP.SHORT_BINUNICODE).uint8(bytes.length)
    else putUint32(this.#out.uint8(OP.BINUNICODE), checkedLength(bytes, path))
    this.#out.append(bytes)
    this.#memoize(value)
  }

  #bytes(value: Uint8Array): void {
    if (value.length <= 0xff) this.#out.uint8(OP.SHORT_BINBYTES).uint8(value.length)
    else putUint32(this.#out.uint8(OP.BINBYTES), checkedLength(value, 'data'))
    this.#out.append(value)
    this.#memoize(value)
  }

  #tuple(value: Tuple, path: string, depth: number): void {
    if (value.length === 0) {
      this.#out.uint8(OP.EMPTY_TUPLE)
      return
    }
    if (value.length > 3) this.#out.uint8(OP.MARK)
    for (const [i, item] of value.entries()) this.#save(item, `${path}[${i}]`, depth + 1)
    this.#out.uint8([OP.TUPLE, OP.TUPLE1, OP.TUPLE2, OP.TUPLE3][value.length] ?? OP.TUPLE)
    this.#memoize(value)
  }

  #list(value: readonly unknown[], path: string, depth: number): void {
    this.#out.uint8(OP.EMPTY_LIST)
    this.#memoize(value)
    const save = (i: number) => this.#save(value[i], `${path}[${i}]`, depth + 1)
    if (value.length === 1) {
      save(0)
      this.#out.uint8(OP.APPEND)
    } else this.#batches(value.length, save, OP.APPENDS)
  }

  #plainObject(value: object, path: string, depth: number): void {
    const members = Object.entries(value).filter(([, item]) => item !== undefined)
    this.#members(value, members, path, depth)
  }

  #dict(value: ReadonlyMap<unknown, unknown>, path: string, depth: number): void {
    checkDistinct([...value.keys()], path, 'key')
    this.#members(value, [...value], path, depth)
  }

  #members(value: object, members: readonly (readonly [unknown, unknown])[], path: string, depth: number): void {
    this.#out.uint8(OP.EMPTY_DICT)
    this.#memoize(value)
    const save = (i: number) => {
      const [key, item] = members[i]!
      this.#save(key, `a key of ${path}`, depth + 1)
      this.#save(item, `${path}.${typeof key === 'string' ? key : `(${typeof key})`}`, depth + 1)
    }
    if (members.length === 1) {
      save(0)
      this.#out.uint8(OP.SETITEM)
    } else this.#unorderedBatches(members.length, save, OP.SETITEMS)
  }

  #set(value: ReadonlySet<unknown>, path: string, depth: number): void {
    const members = [...value]
    checkDistinct(members, path, 'member')
    this.#out.uint8(OP.EMPTY_SET)
    this.#memoize(value)
    const save = (i: number) => this.#save(members[i], `a member of ${path}`, depth + 1)
    this.#unorderedBatches(members.length, save, OP.ADDITEMS)
  }

  /** Of dicts and sets CPython does not know the end: after a full batch it looks for more. */
  #unorderedBatches(count: number, save: (index: number) => void, opcode: number): void {
    this.#batches(count, save, opcode)
    if (count > 0 && count % BATCH === 0) this.#out.uint8(OP.MARK).uint8(opcode)
  }

  #batches(count: number, save: (index: number) => void, opcode: number): void {
    for (let from = 0; from < count; from += BATCH) {
      this.#out.uint8(OP.MARK)
      for (let i = from; i < Math.min(from + BATCH, count); i++) save(i)
      this.#out.uint8(opcode)
    }
  }

  #memoize(value: unknown): void {
    this.#memo.set(value, this.#memo.size)
    this.#out.uint8(OP.MEMOIZE)
  }

  #get(index: number): void {
    if (index <= 0xff) this.#out.uint8(OP.BINGET).uint8(index)
    else putUint32(this.#out.uint8(OP.LONG_BINGET), index)
  }
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Python raises for keys that it cannot hash, and would silently keep one of two that are equal there: 1, 1n, true. */
function checkDistinct(keys: readonly unknown[], path: string, kind: string): void {
  const seen = new Set<string>()
  for (const key of keys) {
    if (!isHashable(key)) throw unsendable(path, `with a ${kind} that Python cannot hash`)
    const identity = pythonIdentity(key)
    if (seen.has(identity)) throw unsendable(path, `with a ${kind} ${String(key)} that equals another one in Python`)
    seen.add(identity)
  }
}

function pythonIdentity(key: unknown): string {
  if (key instanceof Tuple)
    return `(${key
      .map(pythonIdentity)
      .map(part => `${part.length}:${part}`)
      .join()})`
  if (key instanceof Uint8Array) return `b${key.join()}`
  if (typeof key === 'boolean') return `n${Number(key)}`
  if (typeof key === 'bigint' || typeof key === 'number') return `n${Object.is(key, -0) ? 0 : key}`
  return `${typeof key}${String(key)}`
}

function checkedLength({ length }: Uint8Array, path: string): number {
  if (length > MAX_UINT32) throw unsendable(path, `${length} bytes long`)
  return length
}

function putUint32(out: ByteWriter, value: number): ByteWriter {
  return out
    .uint8(value)
    .uint8(value >>> 8)
    .uint8(value >>> 16)
    .uint8(value >>> 24)
}

function putUint64(out: ByteWriter, value: number): ByteWriter {
  return putUint32(putUint32(out, value), 0)
}

function unsendable(path: string, what: string): EarshotError {
  return new EarshotError('invalid-data', `${path} is ${what}: pickle carries plain values here`, {
    hint: 'null, booleans, numbers, BigInt, texts, Uint8Array, arrays, Tuple, Map, plain objects and Set.',
  })
}
