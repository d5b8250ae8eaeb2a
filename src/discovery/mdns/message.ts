/**
 * One multicast DNS message (RFC 6762 section 18), as plain data. The bytes are read and written by `dns-packet`, inside
 * the checks of `wire-format.ts`.
 *
 * What a message contains besides (other classes, other types) is left out. Labels that are not UTF-8, which RFC 6762
 * section 16 forbids, are read with U+FFFD in place of what is wrong.
 */

import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet'
import { protocolViolation } from '../../errors.ts'
import { canonicalIp } from '../../platform/ip-address.ts'
import { isEncodableName, joinLabels, LINE_BREAK, splitName } from './domain-name.ts'
import type { Question, QuestionType, RecordBody, ResourceRecord } from './record.ts'
import { checkedCopy, compressNames, frameOf, type MessageFrame, TOP_BIT_OF_CLASS } from './wire-format.ts'

export interface MdnsMessage {
  /** 0 in multicast messages (section 18.1); echoed in answers to legacy queries (section 6.7). */
  readonly id: number
  readonly isResponse: boolean
  /** TC: more known answers follow in another packet (section 7.2). */
  readonly isTruncated: boolean
  readonly questions: readonly Question[]
  readonly answers: readonly ResourceRecord[]
  /** In a probe: what the prober wants to own (section 8.2). */
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
}

/** A message with nothing in it but what `parts` says. */
export function message(parts: Partial<MdnsMessage>): MdnsMessage {
  const empty = { questions: [], answers: [], authorities: [], additionals: [] }
  return { id: 0, isResponse: false, isTruncated: false, ...empty, ...parts }
}

export interface EncodeOptions {
  /** Plain DNS knows no compressed SRV target: false in answers to legacy queries (section 18.14). @default true */
  readonly compressSrvTarget?: boolean
}

export function encodeMessage(message: MdnsMessage, options: EncodeOptions = {}): Uint8Array {
  const packet = encode(packetOf(message))
  setTopBits(packet, frameOf(packet), message.questions)
  return compressNames(packet, { compressSrvTarget: options.compressSrvTarget ?? true })
}

export function decodeMessage(bytes: Uint8Array): MdnsMessage {
  const { copy, frame } = checkedCopy(bytes)
  const wanted = takeTopBits(copy, frame)
  const packet = decodePacket(copy)
  // RFC 6762 sections 18.3 and 18.11: others MUST be ignored.
  if (((packet.flags ?? 0) & 0x780f) !== 0) throw protocolViolation('mDNS message has an opcode or response code')
  const questions = (packet.questions ?? []).flatMap((question, i) =>
    isIn(question.class, 'ANY') && isQuestionType(question.type)
      ? [{ name: nameFrom(question.name), type: question.type, unicastResponse: wanted[i]! }]
      : [],
  )
  return {
    id: packet.id ?? 0,
    isResponse: packet.type === 'response',
    isTruncated: packet.flag_tc,
    questions,
    answers: recordsFrom(packet.answers),
    authorities: recordsFrom(packet.authorities),
    additionals: recordsFrom(packet.additionals),
  }
}

/** The data of a record as uncompressed bytes, which is how simultaneous probes are compared (section 8.2). */
export function dataBytes(record: ResourceRecord): Uint8Array {
  const packet = encode({ type: 'response', answers: [answerOf(record)] })
  const { dataAt, dataEnd } = frameOf(packet).records[0]!
  return packet.subarray(dataAt, dataEnd)
}

function packetOf(message: MdnsMessage): Packet {
  return {
    type: message.isResponse ? 'response' : 'query',
    id: message.id,
    // RFC 6762 section 18.4: responses are authoritative.
    flags: (message.isResponse ? AUTHORITATIVE_ANSWER : 0) | (message.isTruncated ? TRUNCATED_RESPONSE : 0),
    // The types of dns-packet do not know ANY; its code does.
    questions: message.questions.map(({ name, type }) => ({ name: nameTo(name), type: type as 'A' })),
    answers: message.answers.map(answerOf),
    authorities: message.authorities.map(answerOf),
    additionals: message.additionals.map(answerOf),
  }
}

function answerOf(record: ResourceRecord): Answer {
  const { ttl, flush } = record
  const common = { name: nameTo(record.name), ttl, flush }
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return { ...common, type: record.type, data: record.data }
    case 'PTR':
      return { ...common, type: 'PTR', data: nameTo(record.data) }
    case 'SRV':
      return { ...common, type: 'SRV', data: { ...record.data, target: nameTo(record.data.target) } }
    case 'TXT': {
      // RFC 6763 section 6.1: an empty TXT record has one empty string.
      const strings = record.data.length === 0 ? [new Uint8Array()] : record.data
      return { ...common, type: 'TXT', data: strings.map(string => Buffer.from(string)) }
    }
    case 'NSEC': {
      const { nextDomain, rrtypes } = record.data
      return { ...common, type: 'NSEC', data: { nextDomain: nameTo(nextDomain), rrtypes: [...rrtypes] } }
    }
  }
}

function recordsFrom(list: readonly Answer[] | undefined): ResourceRecord[] {
  return (list ?? []).flatMap(answer => {
    const body = bodyFrom(answer)
    if (body === undefined || !('class' in answer) || !isIn(answer.class)) return []
    return [{ ...body, name: nameFrom(answer.name), ttl: answer.ttl ?? 0, flush: answer.flush ?? false }]
  })
}

function bodyFrom(answer: Answer): RecordBody | undefined {
  switch (answer.type) {
    case 'A':
      return { type: 'A', data: answer.data }
    case 'AAAA':
      return { type: 'AAAA', data: canonicalIp(answer.data) }
    case 'PTR':
      return { type: 'PTR', data: nameFrom(answer.data) }
    case 'SRV': {
      const { priority = 0, weight = 0, port, target } = answer.data
      return { type: 'SRV', data: { priority, weight, port, target: nameFrom(target) } }
    }
    case 'TXT':
      // dns-packet always decodes to a list of buffers.
      return { type: 'TXT', data: answer.data as Buffer[] }
    case 'NSEC':
      return { type: 'NSEC', data: { ...answer.data, nextDomain: nameFrom(answer.data.nextDomain) } }
    default:
      return undefined
  }
}

const DOT_STAND_IN = '\u001f'

/** Our spelling of a name in the one that `dns-packet` takes: dots inside labels replaced by their stand-in. */
function nameTo(name: string): string {
  if (!name.includes('\\')) return name
  return splitName(name)
    .map(label => label.replaceAll('.', DOT_STAND_IN))
    .join('.')
}

function nameFrom(name: string): string {
  const escaped =
    name.includes(DOT_STAND_IN) || name.includes('\\')
      ? joinLabels(name.split('.').map(label => label.replaceAll(DOT_STAND_IN, '.')))
      : name
  // U+FFFD is longer than the byte it replaces. Names that we read we may have to ask for, so they must be encodable.
  if (LINE_BREAK.test(name) || (name.includes('\ufffd') && !isEncodableName(escaped))) {
    throw protocolViolation('mDNS message has a name with a line break or bytes that are not UTF-8')
  }
  return escaped
}

function isIn(found: string | undefined, also?: string): boolean {
  return found === 'IN' || (also !== undefined && found === also)
}

const QUESTION_TYPES: ReadonlySet<string> = new Set(['A', 'AAAA', 'PTR', 'SRV', 'TXT', 'NSEC', 'ANY'])

function isQuestionType(type: string): type is QuestionType {
  return QUESTION_TYPES.has(type)
}

/** dns-packet knows the top bit of the class in records (its `flush`) but not in questions. */
function takeTopBits(packet: Buffer, frame: MessageFrame): boolean[] {
  return frame.questions.map(({ fieldsAt }) => {
    const value = packet.readUInt16BE(fieldsAt + 2)
    packet.writeUInt16BE(value & ~TOP_BIT_OF_CLASS, fieldsAt + 2)
    return (value & TOP_BIT_OF_CLASS) !== 0
  })
}

function setTopBits(packet: Buffer, frame: MessageFrame, questions: readonly Question[]): void {
  frame.questions.forEach(({ fieldsAt }, i) => {
    if (questions[i]!.unicastResponse) packet[fieldsAt + 2]! |= TOP_BIT_OF_CLASS >>> 8
  })
}

/** Behind the checks of the frame nothing is known to make it throw; if anything does, it is the packet's fault. */
function decodePacket(copy: Buffer): ReturnType<typeof decode> {
  try {
    return decode(copy)
  } catch (cause) {
    throw protocolViolation(`mDNS message cannot be read: ${(cause as Error).message}`, cause)
  }
}
