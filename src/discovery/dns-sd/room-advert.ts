/**
 * A room's advert as a service instance: the DNS-SD service `_earshot._tcp` with the subtype `_<service>`. The layout is
 * normative in docs/mdns.md, "Rooms on the link".
 */

import { parsePeerId, shortPeerId } from '../../identity/peer-id.ts'
import { MAX_INFO_BYTES } from '../../limits.ts'
import { isDisplayName, isInfo, isServiceName } from '../advert-rules.ts'
import type { Advert } from '../discovery.ts'
import { cutToLabel } from './service-type.ts'
import { MAX_TXT_STRING_BYTES } from './txt-record.ts'

export const ROOM_SERVICE_TYPE = '_earshot._tcp'

/** The layout of the TXT record. Others are ignored, so a new one has to be announced beside this one. */
const ADVERT_VERSION = '1'
/** Of the id, in the host's name: 80 bits, so that no two hosts share it. */
const HOST_LABEL_LENGTH = 16
/** `i`, `i1`, `i2`: enough for MAX_INFO_BYTES. */
const MAX_INFO_PARTS = Math.ceil(MAX_INFO_BYTES / (MAX_TXT_STRING_BYTES - 'i0='.length))
const CONTROL_CHARACTERS = /[\p{Cc}\u2028\u2029]/gu

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What the advert of a peer says, but for its address. */
export type AdvertText = Omit<Advert, 'port'>

/** The subtype under which the peers of one service are found. */
export function roomSubtype(service: string): string {
  return `_${service}`
}

/**
 * `Ada mfrggzdf chat`: unique by id and service, so that nobody has to be renamed, and still to be recognised in other
 * browsers. A peer that restarts has the same label, so that what was known of it is replaced.
 */
export function roomInstanceLabel({ name, id, service }: AdvertText): string {
  const suffix = ` ${shortPeerId(id)} ${service}`
  return cutToLabel(name.replace(CONTROL_CHARACTERS, ' '), suffix.length) + suffix
}

/** A host name of our own: the system's belongs to the system's responder. */
export function roomHostLabel({ id }: AdvertText): string {
  return id.slice(0, HOST_LABEL_LENGTH)
}

export function encodeAdvert({ service, id, name, info }: AdvertText): Uint8Array[] {
  const fields = { v: ADVERT_VERSION, id, n: name, s: service }
  const strings = Object.entries(fields).map(([key, value]) => encoder.encode(`${key}=${value}`))
  return [...strings, ...infoStrings(encoder.encode(info))]
}

/** What the TXT record of an instance says; undefined where it is not an advert of this version or breaks a rule. */
export function decodeAdvert(txt: readonly Uint8Array[]): AdvertText | undefined {
  const fields = new Map<string, Uint8Array>()
  for (const string of txt) {
    const equals = string.indexOf(0x3d)
    const key = decode(string.subarray(0, Math.max(equals, 0)))
    if (key !== undefined && key !== '' && !fields.has(key)) fields.set(key, string.subarray(equals + 1))
  }
  const [version, id, name, service] = ['v', 'id', 'n', 's'].map(key => decode(fields.get(key)))
  const info = decode(infoBytes(fields))
  if (version !== ADVERT_VERSION || id === undefined || parsePeerId(id) === undefined) return undefined
  if (name === undefined || !isDisplayName(name) || service === undefined || !isServiceName(service)) return undefined
  return info !== undefined && isInfo(info) ? { service, id, name, info } : undefined
}

function infoStrings(info: Uint8Array): Uint8Array[] {
  const strings: Uint8Array[] = []
  for (let at = 0; at < info.length; ) {
    const key = encoder.encode(strings.length === 0 ? 'i=' : `i${strings.length}=`)
    const part = info.subarray(at, at + MAX_TXT_STRING_BYTES - key.length)
    strings.push(Uint8Array.from([...key, ...part]))
    at += part.length
  }
  return strings
}

function infoBytes(fields: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const bytes: number[] = []
  for (let i = 0; i < MAX_INFO_PARTS; i++) {
    const part = fields.get(i === 0 ? 'i' : `i${i}`)
    if (part === undefined) break
    bytes.push(...part)
  }
  return Uint8Array.from(bytes)
}

function decode(bytes: Uint8Array | undefined): string | undefined {
  try {
    return bytes && decoder.decode(bytes)
  } catch {
    return undefined // Not UTF-8: as good as not there.
  }
}
