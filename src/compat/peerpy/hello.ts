/** HELLO, the first header of a connection: who dials, and what will travel. */

import { protocolViolation } from '../../errors.ts'
import { MAX_PEERPY_MESSAGE_BYTES } from '../../limits.ts'
import { encodeHeader, type Header, requiredField } from './header.ts'
import { decodePeerName } from './peer-name.ts'

export const DATA_TYPES = ['json', 'bytes', 'raw'] as const

/** 'raw' is Python's pickle. */
export type DataType = (typeof DATA_TYPES)[number]

/** What the two sides of a connection agree on. */
export interface ConnectionTerms {
  readonly dataType: DataType
  /** Messages of another type than the agreed one are not taken. */
  readonly strict: boolean
  /** All messages have one size, and only the first one has a header. */
  readonly isStream: boolean
  /** The size of a stream's messages where it is agreed before the first one: then that has no header either. */
  readonly streamSizeBytes: number | undefined
}

export interface Hello extends ConnectionTerms {
  /** Where the dialling side listens: its name. */
  readonly peerName: string
}

/** The program writes its fields in this order; it would take any. `data_size` it reads, but never writes. */
export function encodeHello({ peerName, dataType, strict, isStream, streamSizeBytes }: Hello): Uint8Array {
  return encodeHeader('HELLO', {
    peer_name: peerName,
    data_type: dataType,
    strict: strict ? 'True' : 'False',
    ...(isStream && { stream: 'True' }),
    ...(streamSizeBytes !== undefined && { data_size: String(streamSizeBytes) }),
  })
}

/**
 * The program takes every text for true, `strict=False` too. Here it means what it says: on our side that changes only
 * what is taken.
 */
export function decodeHello(header: Header): Hello {
  if (header.type !== 'HELLO') throw protocolViolation(`a connection begins with HELLO, not with ${header.type}`)
  const { fields } = header
  const peerName = requiredField(header, 'peer_name')
  decodePeerName('peer_name', peerName)
  const isStream = isTrue(fields.get('stream') ?? '')
  const size = fields.get('data_size')
  return {
    peerName,
    dataType: decodeDataType(requiredField(header, 'data_type')),
    strict: isTrue(requiredField(header, 'strict')),
    isStream,
    streamSizeBytes: isStream && size !== undefined ? decodeStreamSize(size) : undefined,
  }
}

export function decodeDataType(text: string): DataType {
  const found = DATA_TYPES.find(type => type === text)
  if (found === undefined) throw protocolViolation(`data_type is ${JSON.stringify(text)}, not one of ${DATA_TYPES}`)
  return found
}

/** The size of a message that comes, which says nothing about what was allocated for it. */
export function decodeDataSize(text: string): number {
  const size = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(size <= MAX_PEERPY_MESSAGE_BYTES))
    throw protocolViolation(`data_size is ${JSON.stringify(text)}, not a number up to ${MAX_PEERPY_MESSAGE_BYTES}`)
  return size
}

function decodeStreamSize(text: string): number {
  const size = decodeDataSize(text)
  if (size === 0) throw protocolViolation('data_size of a stream is 0')
  return size
}

/** Python's `bool` of a text, except that False is false. */
function isTrue(text: string): boolean {
  return text !== '' && text !== 'False'
}
