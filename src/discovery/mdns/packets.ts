/** Cuts messages into packets that fit one Ethernet frame (RFC 6762 sections 7.2 and 17). */

import { MDNS_PAYLOAD_BYTES } from '../../limits.ts'
import { type EncodeOptions, encodeMessage, type MdnsMessage, message } from './message.ts'
import type { Question, ResourceRecord } from './record.ts'

/** A response in as few packets as it needs. Additional records that do not fit beside the answers stay away. */
export function responsePackets(response: MdnsMessage, options: EncodeOptions = {}): Uint8Array[] {
  const bytes = encodeMessage(response, options)
  if (bytes.length <= MDNS_PAYLOAD_BYTES) return [bytes]
  if (response.additionals.length > 0) {
    return responsePackets({ ...response, additionals: response.additionals.slice(0, -1) }, options)
  }
  // One record that is longer than a frame has to travel as IP fragments (section 17).
  if (response.answers.length < 2) return [bytes]
  return halves(response.answers).flatMap(answers => responsePackets({ ...response, answers }, options))
}

/** A question, and what the asker knows of its answer already (section 7.1). */
export interface AskedQuestion {
  readonly question: Question
  readonly known: readonly ResourceRecord[]
}

/** Queries in as few packets as they need. Of known answers in several packets all but the last have the TC bit (7.2). */
export function queryPackets(asked: readonly AskedQuestion[]): Uint8Array[] {
  const questions = asked.map(({ question }) => question)
  if (asked.length > 1 && encodeMessage(message({ questions })).length > MDNS_PAYLOAD_BYTES / 2) {
    return halves(asked).flatMap(queryPackets)
  }
  const known = asked.flatMap(entry => entry.known)
  const parts = partition(known, part => encodeMessage(message({ questions, answers: part })).length)
  return parts.map((answers, i) =>
    encodeMessage(message({ questions: i === 0 ? questions : [], answers, isTruncated: i < parts.length - 1 })),
  )
}

function partition(
  records: readonly ResourceRecord[],
  size: (part: readonly ResourceRecord[]) => number,
): (readonly ResourceRecord[])[] {
  if (records.length < 2 || size(records) <= MDNS_PAYLOAD_BYTES) return [records]
  return halves(records).flatMap(half => partition(half, size))
}

function halves<T>(list: readonly T[]): [readonly T[], readonly T[]] {
  const middle = Math.ceil(list.length / 2)
  return [list.slice(0, middle), list.slice(middle)]
}
