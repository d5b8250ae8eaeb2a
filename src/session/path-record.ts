/**
 * Path records (docs/protocol.md, "Paths"): what two sides say about the connection itself. They begin with a byte 0,
 * which no frame of a session does, and are neither numbered nor sent again: on another connection they would mean
 * nothing.
 */

import { protocolViolation } from '../errors.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { decodeGoodbye, encodeGoodbye, type Goodbye } from './frame.ts'

export type PathFrame =
  /** The next record of the session on this path has this number. */
  | { readonly kind: 'start'; readonly number: number }
  /** All records of the session below this number have arrived. */
  | { readonly kind: 'acknowledgement'; readonly received: number }
  /** The session is over. */
  | { readonly kind: 'goodbye'; readonly goodbye: Goodbye }
  | { readonly kind: 'ping' | 'pong'; readonly token: number }

const MARK = 0x00
const Type = { start: 0x01, acknowledgement: 0x02, goodbye: 0x03, ping: 0x04, pong: 0x05 } as const

export function isPathRecord(plaintext: Uint8Array): boolean {
  return plaintext[0] === MARK
}

/** Room for a mark, a type and a varint. */
const USUAL_BYTES = 10

export function encodePathRecord(frame: PathFrame): Uint8Array {
  const writer = new ByteWriter(USUAL_BYTES).uint8(MARK)
  switch (frame.kind) {
    case 'start':
      return writer.uint8(Type.start).varint(frame.number).finish()
    case 'acknowledgement':
      return writer.uint8(Type.acknowledgement).varint(frame.received).finish()
    case 'goodbye':
      return writer.append(encodeGoodbye(frame.goodbye)).finish()
    case 'ping':
    case 'pong':
      return writer.uint8(Type[frame.kind]).varint(frame.token).finish()
  }
}

/** Calls `onFrame` for every frame, in order; a record has at least one. */
export function decodePathRecord(plaintext: Uint8Array, onFrame: (frame: PathFrame) => void): void {
  const reader = new ByteReader(plaintext, 1)
  do onFrame(decodePathFrame(reader))
  while (reader.remaining > 0)
}

function decodePathFrame(reader: ByteReader): PathFrame {
  const type = reader.uint8('path frame type')
  switch (type) {
    case Type.start:
      return { kind: 'start', number: reader.varint('record number') }
    case Type.acknowledgement:
      return { kind: 'acknowledgement', received: reader.varint('received records') }
    case Type.goodbye:
      return { kind: 'goodbye', goodbye: decodeGoodbye(reader) }
    case Type.ping:
      return { kind: 'ping', token: reader.varint('ping token') }
    case Type.pong:
      return { kind: 'pong', token: reader.varint('pong token') }
    default:
      throw protocolViolation(`a path frame of unknown type ${type}`)
  }
}
