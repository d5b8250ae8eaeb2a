/**
 * Messages of the Port Control Protocol (RFC 6887 sections 7, 11 and 14.1), the client's half of it.
 *
 *      0                   1                   2                   3
 *     |  version = 2  |R|   opcode    |   reserved    |  result code  |
 *     |                   lifetime, in seconds                        |
 *     |   epoch, in seconds (answer)  |  client address, 16 bytes     |
 *     |   opcode: for MAP nonce, protocol, ports, external address    |
 *     |   options                                                     |
 */

import { protocolViolation } from '../../errors.ts'
import { MAX_PCP_MESSAGE_BYTES } from '../../limits.ts'
import { formatIp, parseIp } from '../../platform/ip-address.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'

export const PCP_PORT = 5_351
export const PCP_NONCE_BYTES = 12

const VERSION = 2
const ANNOUNCE = 0
const MAP = 1
const RESPONSE = 0x80
const HEADER_BYTES = 24
const MAP_BYTES = 36
const OPTION_HEADER_BYTES = 4
/** Lengths are multiples of this (section 7). */
const ALIGNMENT = 4
/** Section 19.1: the numbers of IP protocols. */
const PROTOCOL_NUMBERS = { udp: 17, tcp: 6 } as const
/** IPv4 addresses travel as ::ffff:a.b.c.d (section 5). */
const IPV4_MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)

/** Section 7.4. */
export const PCP_RESULTS = [
  'success',
  'unsupported-version',
  'not-authorized',
  'malformed-request',
  'unsupported-opcode',
  'unsupported-option',
  'malformed-option',
  'network-failure',
  'no-resources',
  'unsupported-protocol',
  'user-exceeded-quota',
  'cannot-provide-external',
  'address-mismatch',
  'excessive-remote-peers',
] as const

export type PcpResult = (typeof PCP_RESULTS)[number] | `unknown-result-${number}`

export interface PcpMap {
  readonly nonce: Uint8Array
  readonly protocol: 'udp' | 'tcp'
  readonly internalPort: number
  /** Suggested in a request, assigned in an answer; 0 and the unspecified address for any. */
  readonly externalPort: number
  readonly externalAddress: string
}

export interface PcpMapRequest extends PcpMap {
  readonly clientAddress: string
  /** 0 removes the mapping. */
  readonly lifetimeSeconds: number
}

export interface PcpResponse {
  /** Undefined for an opcode that is not known here. */
  readonly opcode: 'announce' | 'map' | undefined
  readonly result: PcpResult
  /** Of the mapping, or with an error until it is worth asking again. */
  readonly lifetimeSeconds: number
  readonly epochSeconds: number
  /** Errors may come without. */
  readonly map: PcpMap | undefined
}

/** Asks whether somebody is there, and for how long (section 14.1). */
export function encodePcpAnnounce(clientAddress: string): Uint8Array {
  return header(ANNOUNCE, 0, clientAddress).finish()
}

export function encodePcpMapRequest(request: PcpMapRequest): Uint8Array {
  const { clientAddress, lifetimeSeconds, nonce, protocol, internalPort, externalPort, externalAddress } = request
  const reserved = 0
  return header(MAP, lifetimeSeconds, clientAddress)
    .append(nonce)
    .uint8(PROTOCOL_NUMBERS[protocol])
    .uint8(reserved)
    .uint16(reserved)
    .uint16(internalPort)
    .uint16(externalPort)
    .append(mappedAddress(externalAddress))
    .finish()
}

export function decodePcpResponse(bytes: Uint8Array): PcpResponse {
  if (bytes.length > MAX_PCP_MESSAGE_BYTES || bytes.length % ALIGNMENT !== 0)
    throw protocolViolation(
      `a PCP message has ${bytes.length} bytes, not a multiple of 4 up to ${MAX_PCP_MESSAGE_BYTES}`,
    )
  const reader = new ByteReader(bytes)
  const version = reader.uint8('version')
  if (version !== VERSION) throw protocolViolation(`PCP version ${version} at offset 0 is not ${VERSION}`)
  const opcode = reader.uint8('opcode')
  if ((opcode & RESPONSE) === 0) throw protocolViolation('a PCP request came where an answer was expected')
  reader.uint8('reserved')
  const result = resultOf(reader.uint8('result code'))
  const lifetimeSeconds = reader.uint32('lifetime')
  const epochSeconds = reader.uint32('epoch')
  reader.view(HEADER_BYTES - reader.offset, 'reserved')
  const name = ({ [ANNOUNCE]: 'announce', [MAP]: 'map' } as const)[opcode & ~RESPONSE]
  const map = name === 'map' && hasMap(reader, result) ? readMap(reader) : undefined
  if (name !== undefined) skipOptions(reader)
  return { opcode: name, result, lifetimeSeconds, epochSeconds, map }
}

/** 16 bytes as an address: IPv4 where they are a mapped one. */
export function addressIn(bytes: Uint8Array): string {
  const isIpv4 = IPV4_MAPPED.every((byte, at) => bytes[at] === byte)
  return formatIp(isIpv4 ? bytes.subarray(IPV4_MAPPED.length) : bytes)
}

export function mappedAddress(address: string): Uint8Array {
  const bytes = parseIp(address)
  if (bytes === undefined) throw new RangeError(`'${address}' is not an IP address`)
  return bytes.length === 4 ? Uint8Array.of(...IPV4_MAPPED, ...bytes) : bytes
}

function header(opcode: number, lifetimeSeconds: number, clientAddress: string): ByteWriter {
  const reserved = 0
  return new ByteWriter(HEADER_BYTES + MAP_BYTES)
    .uint8(VERSION)
    .uint8(opcode)
    .uint16(reserved)
    .uint32(lifetimeSeconds)
    .append(mappedAddress(clientAddress))
}

/** A server that could not read the request may answer with the header alone (section 8.3). */
function hasMap({ remaining }: ByteReader, result: PcpResult): boolean {
  return result === 'success' || remaining >= MAP_BYTES
}

function readMap(reader: ByteReader): PcpMap {
  const nonce = reader.view(PCP_NONCE_BYTES, 'nonce').slice()
  const at = reader.offset
  const number = reader.uint8('protocol')
  const protocol = number === PROTOCOL_NUMBERS.udp ? 'udp' : number === PROTOCOL_NUMBERS.tcp ? 'tcp' : undefined
  if (protocol === undefined) throw protocolViolation(`protocol ${number} at offset ${at} is neither UDP nor TCP`)
  reader.view(3, 'reserved')
  const internalPort = reader.uint16('internal port')
  const externalPort = reader.uint16('external port')
  const externalAddress = addressIn(reader.view(16, 'external address'))
  return { nonce, protocol, internalPort, externalPort, externalAddress }
}

/** Section 7.3. None was asked for, so what they say does not matter; that they fit does. */
function skipOptions(reader: ByteReader): void {
  while (reader.remaining > 0) {
    reader.view(OPTION_HEADER_BYTES - 2, 'option code')
    const length = reader.uint16('option length')
    reader.view(Math.ceil(length / ALIGNMENT) * ALIGNMENT, 'option')
  }
}

function resultOf(code: number): PcpResult {
  return PCP_RESULTS[code] ?? `unknown-result-${code}`
}
