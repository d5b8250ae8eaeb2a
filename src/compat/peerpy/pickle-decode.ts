/**
 * Reads Python's pickle, protocols 0 to 5, as far as it says plain values: a pickle is a program for a little machine with
 * a stack, and whatever could make Python import or call anything is refused. Nothing is allocated because a length says
 * so, and what a small pickle unfolds to is bounded.
 */

import { type EarshotError, protocolViolation } from '../../errors.ts'
import { MAX_BIGINT_BYTES, MAX_VALUE_ITEMS } from '../../limits.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { isWellFormed } from '../../wire/well-formed.ts'
import { CALLING_OPCODES, OP } from './pickle-opcodes.ts'
import { unfoldPickle } from './pickle-unfold.ts'
import { isHashable, Tuple } from './tuple.ts'

const HIGHEST_PROTOCOL = 5
const MAX_DIGITS = Math.floor(MAX_BIGINT_BYTES * 2.4)

/**
 * None is null; int a number, beyond 2^53 a BigInt; bytes and bytearray a Uint8Array; a dict an object where all keys are
 * texts, otherwise a Map; set and frozenset a Set; a tuple a {@link Tuple}.
 *
 * @throws EarshotError `protocol-violation`
 */
export function decodePickle(bytes: Uint8Array): unknown {
  return unfoldPickle(new PickleReader(bytes).read())
}

class PickleReader {
  readonly #in: ByteReader
  readonly #stack: unknown[] = []
  /** Heights of the stack at which a MARK was set. */
  readonly #marks: number[] = []
  readonly #memo = new Map<number, unknown>()
  #pushes = 0
  #memoized = 0

  constructor(bytes: Uint8Array) {
    this.#in = new ByteReader(bytes)
  }

  read(): unknown {
    for (;;) {
      const opcode = this.#in.uint8('opcode')
      if (opcode === OP.STOP) break
      this.#step(opcode)
    }
    const value = this.#pop()
    if (this.#stack.length > 0) throw this.#wrong(`STOP leaves ${this.#stack.length} values behind`)
    this.#in.finish('pickle')
    return value
  }

  #step(opcode: number): void {
    if (this.#scalar(opcode) || this.#container(opcode) || this.#memory(opcode)) return
    const name = CALLING_OPCODES[opcode]
    const at = this.#in.offset - 1
    if (name !== undefined)
      throw protocolViolation(`pickle has ${name} at offset ${at}: it could run code, and is refused`)
    throw protocolViolation(`pickle has the opcode 0x${opcode.toString(16)} at offset ${at}, not one of a plain value`)
  }

  #scalar(opcode: number): boolean {
    switch (opcode) {
      case OP.NONE:
        return this.#push(null)
      case OP.NEWTRUE:
      case OP.NEWFALSE:
        return this.#push(opcode === OP.NEWTRUE)
      case OP.BININT:
        return this.#push(this.#uint32('BININT') | 0)
      case OP.BININT1:
        return this.#push(this.#in.uint8('BININT1'))
      case OP.BININT2:
        return this.#push(this.#in.uint8('BININT2') + 256 * this.#in.uint8('BININT2'))
      case OP.LONG1:
        return this.#push(this.#long(this.#in.uint8('LONG1')))
      case OP.LONG4:
        return this.#push(this.#long(this.#uint32('LONG4')))
      case OP.BINFLOAT:
        return this.#push(this.#float())
      case OP.INT:
        return this.#push(this.#intText())
      case OP.LONG:
        return this.#push(this.#wholeNumber('LONG', this.#line('LONG').replace(/L$/, '')))
      case OP.FLOAT:
        return this.#push(this.#floatText())
      default:
        return this.#textOrBytes(opcode)
    }
  }

  #textOrBytes(opcode: number): boolean {
    switch (opcode) {
      case OP.UNICODE:
        return this.#push(this.#escapedText())
      case OP.SHORT_BINUNICODE:
        return this.#push(this.#in.utf8(this.#in.uint8('text'), 'text'))
      case OP.BINUNICODE:
        return this.#push(this.#in.utf8(this.#uint32('text'), 'text'))
      case OP.BINUNICODE8:
        return this.#push(this.#in.utf8(this.#uint64('text'), 'text'))
      case OP.SHORT_BINBYTES:
        return this.#push(this.#in.view(this.#in.uint8('bytes'), 'bytes').slice())
      case OP.BINBYTES:
        return this.#push(this.#in.view(this.#uint32('bytes'), 'bytes').slice())
      case OP.BINBYTES8:
      case OP.BYTEARRAY8:
        return this.#push(this.#in.view(this.#uint64('bytes'), 'bytes').slice())
      default:
        return false
    }
  }

  #container(opcode: number): boolean {
    switch (opcode) {
      case OP.MARK:
        this.#marks.push(this.#stack.length)
        if (this.#marks.length > MAX_VALUE_ITEMS) throw this.#wrong(`more than ${MAX_VALUE_ITEMS} marks`)
        return true
      case OP.EMPTY_LIST:
        return this.#push([])
      case OP.EMPTY_TUPLE:
        return this.#push(new Tuple())
      case OP.EMPTY_DICT:
        return this.#push(new Map())
      case OP.EMPTY_SET:
        return this.#push(new Set())
      case OP.LIST:
        return this.#push(this.#popMark())
      case OP.TUPLE:
        return this.#push(tupleOf(this.#popMark()))
      case OP.TUPLE1:
      case OP.TUPLE2:
      case OP.TUPLE3:
        return this.#push(tupleOf(this.#popMany(opcode - OP.TUPLE1 + 1)))
      case OP.DICT:
        return this.#push(this.#setItems(new Map(), this.#popMark()))
      case OP.FROZENSET:
        return this.#push(this.#addItems(new Set(), this.#popMark()))
      default:
        return this.#filling(opcode)
    }
  }

  #filling(opcode: number): boolean {
    switch (opcode) {
      case OP.APPEND:
        this.#append(this.#popMany(1))
        return true
      case OP.APPENDS:
        this.#append(this.#popMark())
        return true
      case OP.SETITEM:
        this.#fillDict(this.#popMany(2))
        return true
      case OP.SETITEMS:
        this.#fillDict(this.#popMark())
        return true
      case OP.ADDITEMS:
        this.#fillSet(this.#popMark())
        return true
      default:
        return false
    }
  }

  #memory(opcode: number): boolean {
    switch (opcode) {
      case OP.PUT:
        return this.#put(this.#index('PUT'))
      case OP.BINPUT:
        return this.#put(this.#in.uint8('BINPUT'))
      case OP.LONG_BINPUT:
        return this.#put(this.#uint32('LONG_BINPUT'))
      case OP.MEMOIZE:
        return this.#put(this.#memo.size)
      case OP.GET:
        return this.#get(this.#index('GET'))
      case OP.BINGET:
        return this.#get(this.#in.uint8('BINGET'))
      case OP.LONG_BINGET:
        return this.#get(this.#uint32('LONG_BINGET'))
      case OP.PROTO:
        return this.#protocol(this.#in.uint8('PROTO'))
      case OP.FRAME:
        return this.#frame(this.#uint64('FRAME'))
      default:
        return false
    }
  }

  #push(value: unknown): true {
    if (++this.#pushes > MAX_VALUE_ITEMS) throw this.#wrong(`more than ${MAX_VALUE_ITEMS} values`)
    this.#stack.push(value)
    return true
  }

  #pop(): unknown {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.#wrong('a value is taken from an empty stack')
    return this.#stack.pop()
  }

  #top(): unknown {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.#wrong('a value is used that is not there')
    return this.#stack.at(-1)
  }

  #popMany(count: number): unknown[] {
    if (this.#stack.length - (this.#marks.at(-1) ?? 0) < count) throw this.#wrong(`${count} values are not there`)
    return this.#stack.splice(-count)
  }

  #popMark(): unknown[] {
    const height = this.#marks.pop()
    if (height === undefined) throw this.#wrong('there is no mark')
    return this.#stack.splice(height)
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top()
    if (!Array.isArray(list) || list instanceof Tuple) throw this.#wrong('items are appended to what is no list')
    for (const item of items) list.push(item)
  }

  #fillDict(items: readonly unknown[]): void {
    const dict = this.#top()
    if (!(dict instanceof Map)) throw this.#wrong('items are set in what is no dict')
    this.#setItems(dict, items)
  }

  #fillSet(items: readonly unknown[]): void {
    const set = this.#top()
    if (!(set instanceof Set)) throw this.#wrong('items are added to what is no set')
    this.#addItems(set, items)
  }

  #setItems(dict: Map<unknown, unknown>, items: readonly unknown[]): Map<unknown, unknown> {
    if (items.length % 2 !== 0) throw this.#wrong('a key has no value')
    for (let i = 0; i < items.length; i += 2) dict.set(this.#hashable(items[i]), items[i + 1])
    return dict
  }

  #addItems(set: Set<unknown>, items: readonly unknown[]): Set<unknown> {
    for (const item of items) set.add(this.#hashable(item))
    return set
  }

  #hashable(value: unknown): unknown {
    if (!isHashable(value)) throw this.#wrong('a key or member is of a kind that has no hash')
    return value
  }

  #put(index: number): true {
    if (++this.#memoized > MAX_VALUE_ITEMS) throw this.#wrong(`more than ${MAX_VALUE_ITEMS} values are memoised`)
    this.#memo.set(index, this.#top())
    return true
  }

  #get(index: number): true {
    if (!this.#memo.has(index)) throw this.#wrong(`nothing is memoised as ${index}`)
    return this.#push(this.#memo.get(index))
  }

  #protocol(version: number): true {
    if (version > HIGHEST_PROTOCOL) throw this.#wrong(`protocol ${version} is not known`)
    return true
  }

  /** It tells readers of files how much to read at a time. */
  #frame(length: number): true {
    if (length > this.#in.remaining) throw this.#wrong(`a frame of ${length} bytes, ${this.#in.remaining} are there`)
    return true
  }

  #uint32(field: string): number {
    const [a, b, c, d] = this.#in.view(4, field)
    return a! + 0x100 * b! + 0x1_0000 * c! + 0x100_0000 * d!
  }

  #uint64(field: string): number {
    const low = this.#uint32(field)
    if (this.#uint32(field) !== 0) throw this.#wrong(`${field} is longer than any message`)
    return low
  }

  #float(): number {
    const { buffer, byteOffset } = this.#in.view(8, 'BINFLOAT')
    return new DataView(buffer, byteOffset).getFloat64(0)
  }

  #long(length: number): number | bigint {
    if (length > MAX_BIGINT_BYTES) throw this.#wrong(`a whole number of ${length} bytes`)
    const bytes = this.#in.view(length, 'LONG')
    if (length === 0) return 0
    let hex = ''
    for (let at = length - 1; at >= 0; at--) hex += bytes[at]!.toString(16).padStart(2, '0')
    return narrowed(BigInt.asIntN(8 * length, BigInt(`0x${hex}`)))
  }

  /** Protocol 0 has booleans as numbers with a zero in front. */
  #intText(): number | bigint | boolean {
    const text = this.#line('INT')
    return text === '01' || text === '00' ? text === '01' : this.#wholeNumber('INT', text)
  }

  #wholeNumber(field: string, text: string): number | bigint {
    if (!/^-?\d+$/.test(text) || text.length > MAX_DIGITS) throw this.#wrong(`${field} is no whole number`)
    return narrowed(BigInt(text))
  }

  #floatText(): number {
    const text = this.#line('FLOAT')
    const words: Readonly<Record<string, number>> = { inf: 1 / 0, '-inf': -1 / 0, nan: Number.NaN }
    if (Object.hasOwn(words, text)) return words[text]!
    if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) throw this.#wrong('FLOAT is no number')
    return Number(text)
  }

  /** Python's raw-unicode-escape: Latin-1, and `\u` and `\U` for the rest and for the backslash itself. */
  #escapedText(): string {
    const text = this.#line('UNICODE').replace(
      /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|)/g,
      (_, short: string | undefined, long: string | undefined) => {
        const codePoint = Number.parseInt(short ?? long ?? '', 16)
        if (!(codePoint <= 0x10ffff)) throw this.#wrong('UNICODE has a wrong escape')
        return String.fromCodePoint(codePoint)
      },
    )
    if (!isWellFormed(text)) throw this.#wrong('UNICODE has half of a surrogate pair')
    return text
  }

  #index(field: string): number {
    const text = this.#line(field)
    if (!/^\d{1,10}$/.test(text)) throw this.#wrong(`${field} has no index`)
    return Number(text)
  }

  /** Latin-1 up to the next line feed. */
  #line(field: string): string {
    const { bytes, offset, end } = this.#in
    const at = bytes.subarray(0, end).indexOf(0x0a, offset)
    if (at < 0) throw this.#wrong(`${field} has no end`)
    const line = latin1.decode(this.#in.view(at - offset, field))
    this.#in.offset++
    return line
  }

  #wrong(what: string): EarshotError {
    return protocolViolation(`pickle is wrong before offset ${this.#in.offset}: ${what}`)
  }
}

/** Not TextDecoder's 'latin1', which is windows-1252. */
const latin1 = {
  decode(bytes: Uint8Array): string {
    let text = ''
    for (let at = 0; at < bytes.length; at += 8_192) text += String.fromCharCode(...bytes.subarray(at, at + 8_192))
    return text
  },
}

function tupleOf(items: readonly unknown[]): Tuple {
  const tuple = new Tuple()
  for (const item of items) tuple.push(item)
  return tuple
}

function narrowed(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
