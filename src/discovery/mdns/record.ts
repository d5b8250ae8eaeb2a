/** Resource records: the six types that DNS-SD on a link needs (RFC 6762, 6763), and when two of them are the same. */

import { nameKey } from './domain-name.ts'

export interface SrvData {
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

export interface NsecData {
  readonly nextDomain: string
  /** The types which exist under the name; all others do not (RFC 6762 section 6.1). */
  readonly rrtypes: readonly string[]
}

export type RecordBody =
  /** An address in its canonical form (RFC 5952), without zone. */
  | { readonly type: 'A' | 'AAAA'; readonly data: string }
  | { readonly type: 'PTR'; readonly data: string }
  | { readonly type: 'SRV'; readonly data: SrvData }
  | { readonly type: 'TXT'; readonly data: readonly Uint8Array[] }
  | { readonly type: 'NSEC'; readonly data: NsecData }

export type RecordType = RecordBody['type']

export type ResourceRecord = RecordBody & {
  readonly name: string
  /** Time to live in seconds; 0 says goodbye (RFC 6762 section 10.1). */
  readonly ttl: number
  /** The cache-flush bit: the set of these records is unique, older ones are to be forgotten (section 10.2). */
  readonly flush: boolean
}

export type QuestionType = RecordType | 'ANY'

export interface Question {
  readonly name: string
  readonly type: QuestionType
  /** The QU bit: a unicast response will do (section 5.4). */
  readonly unicastResponse: boolean
}

/** RFC 6762 section 10: 120 s for records with a host name in name or data, 75 minutes for the others. */
export const HOST_TTL_SECONDS = 120
export const SERVICE_TTL_SECONDS = 4_500

/** What the records of one set have in common: name and type. */
export function setKey(record: { readonly name: string; readonly type: QuestionType }): string {
  return `${record.type} ${nameKey(record.name)}`
}

/** Equal for records that differ at most in TTL and cache-flush bit. */
export function recordKey(record: ResourceRecord): string {
  return `${setKey(record)} ${dataKey(record)}`
}

/** Equal for equal data. */
export function dataKey(record: RecordBody): string {
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return record.data
    case 'PTR':
      return nameKey(record.data)
    case 'SRV': {
      const { priority, weight, port, target } = record.data
      return `${priority} ${weight} ${port} ${nameKey(target)}`
    }
    case 'TXT':
      return record.data.map(string => Buffer.from(string).toString('latin1')).join('\u0000\u0000')
    case 'NSEC':
      return `${nameKey(record.data.nextDomain)} ${record.data.rrtypes.join(' ')}`
  }
}

/** True where the question asks for this record. */
export function answers(record: ResourceRecord, question: Question): boolean {
  return (question.type === record.type || question.type === 'ANY') && nameKey(question.name) === nameKey(record.name)
}
