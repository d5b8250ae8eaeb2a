/**
 * The skeleton of a DNS message (RFC 1035 section 4): where each name and record begins and ends. `dns-packet` reads and
 * writes the fields; this file does for it what it does not do:
 *
 * - before decoding: every count, name, pointer and length is checked against the packet; a dot inside a label gets a
 *   stand-in, since `dns-packet` joins labels by dots; records of types that we do not use become opaque, so that no
 *   further decoder can be reached from the network;
 * - after encoding: names are compressed (RFC 6762 section 18.14), and the stand-in becomes a dot again.
 */

import { protocolViolation } from '../../errors.ts'
import { MAX_MDNS_ENTRIES, MAX_MDNS_PACKET_BYTES, MAX_NAME_POINTERS } from '../../limits.ts'

const HEADER_BYTES = 12
/** Type, class, TTL and the length of the data. */
const RECORD_FIELDS_BYTES = 10
const DOT = 0x2e
/** Stands for a dot inside a label. RFC 6763 section 4.1.1 allows no control characters there. */
const DOT_STAND_IN = 0x1f
/** RFC 6895 section 3.1: for private use. `dns-packet` leaves the data of such records alone. */
const OPAQUE_TYPE = 0xff00
/** RFC 6762 sections 5.4 and 10.2: in questions "unicast response wanted", in records "flush the cache". */
export const TOP_BIT_OF_CLASS = 0x8000

const A = 1
const PTR = 12
const TXT = 16
const AAAA = 28
const SRV = 33
const NSEC = 47

/** How the data of a record begins: how many bytes stand before the name in it; undefined where there is none. */
const BYTES_BEFORE_NAME: ReadonlyMap<number, number> = new Map([
  [PTR, 0],
  [SRV, 6],
  [NSEC, 0],
])
const KNOWN_TYPES: ReadonlySet<number> = new Set([A, PTR, TXT, AAAA, SRV, NSEC])

interface QuestionFrame {
  readonly nameAt: number
  readonly fieldsAt: number
}

export interface RecordFrame {
  readonly nameAt: number
  readonly fieldsAt: number
  readonly type: number
  readonly dataAt: number
  readonly dataEnd: number
  /** Where the name inside the data begins. */
  readonly dataNameAt: number | undefined
}

export interface MessageFrame {
  readonly questions: readonly QuestionFrame[]
  readonly records: readonly RecordFrame[]
}

/** A copy of `bytes` which is safe to hand to `dns-packet`; throws `protocol-violation`. */
export function checkedCopy(bytes: Uint8Array): { copy: Buffer; frame: MessageFrame } {
  if (bytes.length > MAX_MDNS_PACKET_BYTES) {
    throw protocolViolation(`mDNS message has ${bytes.length} bytes, more than ${MAX_MDNS_PACKET_BYTES}`)
  }
  const copy = Buffer.from(bytes)
  const entries = entryCount(copy)
  if (entries > MAX_MDNS_ENTRIES) throw protocolViolation(`mDNS message announces ${entries} entries`)
  const frame = frameOf(copy)
  for (const { type, fieldsAt } of frame.records) if (!KNOWN_TYPES.has(type)) copy.writeUInt16BE(OPAQUE_TYPE, fieldsAt)
  return { copy, frame }
}

/** Finds and checks every part, and puts the stand-in for each dot inside a label. */
export function frameOf(message: Buffer): MessageFrame {
  const questionCount = message.readUInt16BE(4)
  const recordCount = entryCount(message) - questionCount
  const questions: QuestionFrame[] = []
  const records: RecordFrame[] = []
  let at = HEADER_BYTES
  for (let i = 0; i < questionCount; i++) {
    const fieldsAt = checkName(message, at)
    questions.push({ nameAt: at, fieldsAt })
    at = need(message, fieldsAt, 4, 'question')
  }
  for (let i = 0; i < recordCount; i++) {
    const record = recordFrame(message, at)
    records.push(record)
    at = record.dataEnd
  }
  return { questions, records }
}

/** Questions and records of all sections, as the header says. */
function entryCount(message: Buffer): number {
  if (message.length < HEADER_BYTES) throw protocolViolation(`mDNS message has only ${message.length} bytes`)
  return message.readUInt16BE(4) + message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10)
}

/** The same message with its names compressed and the dots inside labels in place. */
export function compressNames(message: Buffer, options: { readonly compressSrvTarget: boolean }): Uint8Array {
  const { questions, records } = frameOf(message)
  const out = new CompressingWriter(message)
  out.copy(0, HEADER_BYTES)
  for (const { nameAt, fieldsAt } of questions) {
    out.name(nameAt, true)
    out.copy(fieldsAt, fieldsAt + 4)
  }
  for (const { nameAt, fieldsAt, type, dataAt, dataEnd, dataNameAt } of records) {
    out.name(nameAt, true)
    out.copy(fieldsAt, dataAt)
    const start = out.length
    if (dataNameAt === undefined) {
      out.copy(dataAt, dataEnd)
    } else {
      out.copy(dataAt, dataNameAt)
      out.name(dataNameAt, type !== SRV || options.compressSrvTarget)
      out.copy(checkName(message, dataNameAt), dataEnd)
    }
    out.patchLength(start - 2, out.length - start)
  }
  return out.finish()
}

function recordFrame(message: Buffer, nameAt: number): RecordFrame {
  const fieldsAt = checkName(message, nameAt)
  const dataAt = need(message, fieldsAt, RECORD_FIELDS_BYTES, 'record')
  const type = message.readUInt16BE(fieldsAt)
  const length = message.readUInt16BE(fieldsAt + 8)
  const dataEnd = need(message, dataAt, length, 'record data')
  const before = BYTES_BEFORE_NAME.get(type)
  const dataNameAt = before === undefined ? undefined : dataAt + before
  checkData(message, { type, dataAt, dataEnd, dataNameAt })
  return { nameAt, fieldsAt, type, dataAt, dataEnd, dataNameAt }
}

/** The data must have the length that its type demands: `dns-packet` would read on into the next record. */
function checkData(message: Buffer, data: Pick<RecordFrame, 'type' | 'dataAt' | 'dataEnd' | 'dataNameAt'>): void {
  const { type, dataAt, dataEnd, dataNameAt } = data
  const length = dataEnd - dataAt
  if ((type === A && length !== 4) || (type === AAAA && length !== 16)) {
    throw protocolViolation(`address record at offset ${dataAt} has ${length} bytes of data`)
  }
  if (type === TXT) checkStrings(message, dataAt, dataEnd)
  if (dataNameAt === undefined) return
  const nameEnd = dataNameAt < dataEnd ? checkName(message, dataNameAt) : dataEnd + 1
  if (nameEnd > dataEnd || (type !== NSEC && nameEnd < dataEnd)) {
    throw protocolViolation(`name in the data at offset ${dataAt} does not end with it`)
  }
  if (type === NSEC) checkTypeBitMaps(message, nameEnd, dataEnd)
}

function checkStrings(message: Buffer, start: number, end: number): void {
  let at = start
  while (at < end) at += 1 + message[at]!
  if (at !== end) throw protocolViolation(`TXT data at offset ${start} has a string longer than the data`)
}

/** RFC 4034 section 4.1.2: blocks of window number, length 1 to 32, and that many bytes. */
function checkTypeBitMaps(message: Buffer, start: number, end: number): void {
  let at = start
  while (at < end) {
    const length = at + 1 < end ? message[at + 1]! : 0
    if (length < 1 || length > 32) throw protocolViolation(`NSEC bit map at offset ${at} has a length of ${length}`)
    at += 2 + length
  }
  if (at !== end) throw protocolViolation(`NSEC bit map at offset ${start} is longer than the data`)
}

/**
 * Checks the name at `start`, and returns where it ends in place. A pointer must lead to before the name or pointer that
 * we came from, so a chain of them has an end (RFC 1035 section 4.1.4: "a prior occurrence").
 */
function checkName(message: Buffer, start: number): number {
  let at = start
  let end: number | undefined
  let lowest = start
  let pointers = 0
  let wireBytes = 1
  for (;;) {
    const length = at < message.length ? message[at]! : undefined
    if (length === undefined) throw protocolViolation(`name at offset ${start} is cut off`)
    if (length === 0) return end ?? at + 1
    if (length < 0x40) {
      wireBytes += length + 1
      if (wireBytes > 255) throw protocolViolation(`name at offset ${start} is longer than 255 bytes`)
      const next = need(message, at, length + 1, 'label')
      for (let i = at + 1; i < next; i++) if (message[i] === DOT) message[i] = DOT_STAND_IN
      at = next
    } else {
      need(message, at, 2, 'pointer')
      const target = message.readUInt16BE(at) & 0x3fff
      if (length < 0xc0 || target >= lowest || target < HEADER_BYTES || ++pointers > MAX_NAME_POINTERS) {
        throw protocolViolation(`name at offset ${start} has a bad pointer at offset ${at}`)
      }
      end ??= at + 2
      lowest = target
      at = target
    }
  }
}

/** `at + length`, where the message has that many bytes. */
function need(message: Buffer, at: number, length: number, field: string): number {
  if (at + length > message.length) throw protocolViolation(`${field} at offset ${at} is cut off`)
  return at + length
}

/** Copies a message whose names have no pointers, and puts one wherever the rest of a name was written before. */
class CompressingWriter {
  readonly #from: Buffer
  readonly #out: Buffer
  readonly #seen = new Map<string, number>()
  #length = 0

  constructor(from: Buffer) {
    this.#from = from
    this.#out = Buffer.allocUnsafe(from.length)
  }

  get length(): number {
    return this.#length
  }

  copy(start: number, end: number): void {
    this.#length += this.#from.copy(this.#out, this.#length, start, end)
  }

  name(start: number, compress: boolean): void {
    let end = start
    while (this.#from[end] !== 0) end += this.#from[end]! + 1
    for (let at = start; at < end; at += this.#from[at]! + 1) {
      const rest = this.#from.toString('latin1', at, end)
      const target = this.#seen.get(rest)
      if (compress && target !== undefined) {
        this.#length = this.#out.writeUInt16BE(0xc000 | target, this.#length)
        return
      }
      // A pointer has 14 bits; the length byte's upper two mark it.
      if (target === undefined && this.#length < 0x4000) this.#seen.set(rest, this.#length)
      this.#label(at)
    }
    this.#out[this.#length++] = 0
  }

  patchLength(at: number, length: number): void {
    this.#out.writeUInt16BE(length, at)
  }

  finish(): Uint8Array {
    return this.#out.subarray(0, this.#length)
  }

  #label(at: number): void {
    const length = this.#from[at]!
    this.#out[this.#length++] = length
    for (let i = at + 1; i <= at + length; i++) {
      const byte = this.#from[i]!
      this.#out[this.#length++] = byte === DOT_STAND_IN ? DOT : byte
    }
  }
}
