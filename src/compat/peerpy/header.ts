/**
 * The header of peerpy's protocol, the only thing there is on its wire beside payloads: 128 bytes of UTF-8,
 * `TYPE|key=value&key=value`, filled up with `|`. In datagrams it may be shorter. docs/compat.md has the bytes.
 */

import { EarshotError, protocolViolation } from '../../errors.ts'
import { MAX_PEERPY_DATAGRAM_BYTES } from '../../limits.ts'
import { ByteReader } from '../../wire/byte-reader.ts'

export const HEADER_BYTES = 128

export const HEADER_TYPES = ['HELLO', 'ACCEPT', 'DENY', 'DATA', 'PING', 'PONG'] as const

export type HeaderType = (typeof HEADER_TYPES)[number]

export interface Header {
  readonly type: HeaderType
  /** In the order on the wire; of a key that comes twice, the last value counts, as for the program. */
  readonly fields: ReadonlyMap<string, string>
}

const FILLER = '|'
const encoder = new TextEncoder()

/** @throws EarshotError `too-large` where the fields do not fit */
export function encodeHeader(type: HeaderType, fields: Readonly<Record<string, string>> = {}): Uint8Array {
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${value}`)
  const text = encoder.encode([type, ...(pairs.length > 0 ? [pairs.join('&')] : [])].join(FILLER))
  if (text.length > HEADER_BYTES)
    throw new EarshotError('too-large', `a header has at most ${HEADER_BYTES} bytes, this ${type} has ${text.length}`)
  const header = new Uint8Array(HEADER_BYTES).fill(FILLER.charCodeAt(0))
  header.set(text)
  return header
}

/** The header of a connection: exactly 128 bytes. */
export function decodeHeader(bytes: Uint8Array): Header {
  if (bytes.length !== HEADER_BYTES)
    throw protocolViolation(`a header has ${HEADER_BYTES} bytes, this one has ${bytes.length}`)
  return parse(bytes)
}

/** The header of a datagram: as long as the datagram, filled up or not. */
export function decodeDatagram(bytes: Uint8Array): Header {
  if (bytes.length > MAX_PEERPY_DATAGRAM_BYTES)
    throw protocolViolation(`a datagram has at most ${MAX_PEERPY_DATAGRAM_BYTES} bytes, this one has ${bytes.length}`)
  return parse(bytes)
}

/** The value of a field that must be there. */
export function requiredField({ type, fields }: Header, name: string): string {
  const value = fields.get(name)
  if (value === undefined) throw protocolViolation(`${type} lacks the field ${name}`)
  return value
}

/** The program reads what stands between the first and the second `|`, and nothing behind it. */
function parse(bytes: Uint8Array): Header {
  const [word = '', body = ''] = new ByteReader(bytes).utf8(bytes.length, 'header').split(FILLER, 2)
  const type = HEADER_TYPES.find(known => known === word)
  if (type === undefined) throw protocolViolation(`${JSON.stringify(word.slice(0, 16))} is no type of header`)
  return { type, fields: parseFields(type, body) }
}

function parseFields(type: HeaderType, body: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  if (body === '') return fields
  for (const pair of body.split('&')) {
    const [key = '', value, ...more] = pair.split('=')
    if (value === undefined || more.length > 0)
      throw protocolViolation(`${type} has ${JSON.stringify(pair)} where key=value belongs`)
    fields.set(key, value)
  }
  return fields
}
