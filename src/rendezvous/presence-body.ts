/** The bodies of `announce` and `leave` (docs/rendezvous.md, "Presence"). Bytes behind the last field are ignored. */

import { isDisplayName, isInfo } from '../discovery/advert-rules.ts'
import { protocolViolation } from '../errors.ts'
import { MAX_INFO_BYTES, MAX_NAME_BYTES } from '../limits.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'

export interface Announcement {
  /** 8 random bytes: a peer that was started again has others. */
  readonly instance: Uint8Array
  /** The sender wants to know who else is there. */
  readonly asks: boolean
  readonly name: string
  /** JSON text, or empty. */
  readonly info: string
}

export const INSTANCE_BYTES = 8

const ASKS = 1

export function encodeAnnouncement({ instance, asks, name, info }: Announcement): Uint8Array {
  return new ByteWriter()
    .append(instance)
    .uint8(asks ? ASKS : 0)
    .prefixedUtf8(name)
    .prefixedUtf8(info)
    .finish()
}

/** Throws `protocol-violation`. */
export function decodeAnnouncement(bytes: Uint8Array): Announcement {
  const reader = new ByteReader(bytes)
  const instance = new Uint8Array(reader.view(INSTANCE_BYTES, 'instance'))
  const asks = (reader.uint8('flags') & ASKS) !== 0
  const name = readText(reader, MAX_NAME_BYTES, 'name')
  if (!isDisplayName(name)) throw protocolViolation('the name in an announcement is empty or has control characters')
  const info = readText(reader, MAX_INFO_BYTES, 'info')
  if (!isInfo(info)) throw protocolViolation('the info in an announcement is not JSON')
  return { instance, asks, name, info }
}

/** The instance that is gone. Throws `protocol-violation`. */
export function decodeLeave(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(new ByteReader(bytes).view(INSTANCE_BYTES, 'instance'))
}

function readText(reader: ByteReader, maxBytes: number, field: string): string {
  const length = reader.varint(`${field} length`)
  if (length > maxBytes) throw protocolViolation(`${field} in an announcement has ${length} bytes, above ${maxBytes}`)
  return reader.utf8(length, field)
}
