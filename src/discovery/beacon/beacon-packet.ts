/**
 * The packets of the beacon, byte for byte as docs/beacon.md has them. Who asks wants everybody of a service, or of all,
 * to say `here`; who leaves says `bye`. Nothing in them is proven: the handshake does that.
 */

import { protocolViolation } from '../../errors.ts'
import { formatPeerId, parsePeerId } from '../../identity/peer-id.ts'
import { MAX_BEACON_PACKET_BYTES, MAX_INFO_BYTES, MAX_NAME_BYTES, MAX_SERVICE_NAME_LENGTH } from '../../limits.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'
import { isDisplayName, isInfo, isServiceName } from '../advert-rules.ts'
import type { Advert } from '../discovery.ts'

export type BeaconPacket = Ask | Here | Bye

export interface Ask {
  readonly kind: 'ask'
  /** Undefined for everybody. */
  readonly service: string | undefined
}

export interface Here extends Advert {
  readonly kind: 'here'
}

export interface Bye extends Pick<Advert, 'service' | 'id' | 'port'> {
  readonly kind: 'bye'
}

/** `EARS`: other programs may use the port, too. */
const MAGIC = 0x4541_5253
const VERSION = 1
const KIND = { ask: 1, here: 2, bye: 3 } as const
const PUBLIC_KEY_BYTES = 32

export function encodeBeacon(packet: BeaconPacket): Uint8Array {
  const writer = new ByteWriter()
    .uint32(MAGIC)
    .uint8(VERSION)
    .uint8(KIND[packet.kind])
    .prefixedUtf8(packet.service ?? '')
  if (packet.kind === 'ask') return writer.finish()
  writer.append(parsePeerId(packet.id)!).uint16(packet.port)
  if (packet.kind === 'here') writer.prefixedUtf8(packet.name).prefixedUtf8(packet.info)
  return writer.finish()
}

/** Bytes behind the last field are ignored, so that later versions can say more. Throws `protocol-violation`. */
export function decodeBeacon(bytes: Uint8Array): BeaconPacket {
  if (bytes.length > MAX_BEACON_PACKET_BYTES) throw protocolViolation(`a beacon has ${bytes.length} bytes`)
  const reader = new ByteReader(bytes)
  if (reader.uint32('magic') !== MAGIC) throw protocolViolation('this is no beacon')
  const version = reader.uint8('version')
  if (version !== VERSION) throw protocolViolation(`the beacon is of version ${version}`)
  const kind = reader.uint8('kind')
  if (kind === KIND.ask) return { kind: 'ask', service: readService(reader) || undefined }
  if (kind !== KIND.here && kind !== KIND.bye) throw protocolViolation(`the beacon is of kind ${kind}`)
  const sender = readSender(reader)
  return kind === KIND.bye ? { kind: 'bye', ...sender } : { kind: 'here', ...sender, ...readText(reader) }
}

function readSender(reader: ByteReader): Pick<Advert, 'service' | 'id' | 'port'> {
  const service = readService(reader)
  if (service === '') throw protocolViolation('the beacon names no service')
  const id = formatPeerId(reader.view(PUBLIC_KEY_BYTES, 'id'))
  const port = reader.uint16('port')
  if (port === 0) throw protocolViolation('the beacon names port 0')
  return { service, id, port }
}

function readText(reader: ByteReader): Pick<Advert, 'name' | 'info'> {
  const name = readUtf8(reader, MAX_NAME_BYTES, 'name')
  if (!isDisplayName(name)) throw protocolViolation('the name in a beacon is empty or has control characters')
  const info = readUtf8(reader, MAX_INFO_BYTES, 'info')
  if (!isInfo(info)) throw protocolViolation('the info in a beacon is not JSON')
  return { name, info }
}

/** May be empty. */
function readService(reader: ByteReader): string {
  const service = readUtf8(reader, MAX_SERVICE_NAME_LENGTH, 'service')
  if (service !== '' && !isServiceName(service)) throw protocolViolation('the beacon names what is no service')
  return service
}

function readUtf8(reader: ByteReader, maxBytes: number, field: string): string {
  const length = reader.varint(`${field} length`)
  if (length > maxBytes) throw protocolViolation(`${field} in a beacon has ${length} bytes, above ${maxBytes}`)
  return reader.utf8(length, field)
}
