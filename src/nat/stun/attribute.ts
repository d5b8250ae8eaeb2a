/** Values of attributes: addresses, errors, numbers and texts (RFC 8489 section 14, RFC 5780 section 7). */

import { protocolViolation } from '../../errors.ts'
import { MAX_STUN_TEXT_BYTES } from '../../limits.ts'
import { canonicalIp, parseIp } from '../../platform/ip-address.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'
import { ATTRIBUTE } from './attribute-type.ts'
import { attributeOf, MAGIC_COOKIE, type StunAttribute, type StunMessage } from './message.ts'

export interface StunErrorCode {
  /** 300 to 699. */
  readonly code: number
  /** Text for people, untrusted. */
  readonly reason: string
}

const IPV4 = 1
const IPV6 = 2
const encoder = new TextEncoder()

/** MAPPED-ADDRESS, ALTERNATE-SERVER, RESPONSE-ORIGIN, OTHER-ADDRESS (section 14.1). Zones are not told. */
export function addressAttribute(type: number, { address, port }: SocketAddress): StunAttribute {
  const ip = parseIp(address)
  if (ip === undefined) throw new RangeError(`'${address}' is not an IP address`)
  const value = new ByteWriter(20)
    .uint8(0)
    .uint8(ip.length === 4 ? IPV4 : IPV6)
    .uint16(port)
    .append(ip)
    .finish()
  return { type, value }
}

/** XOR-MAPPED-ADDRESS and its kin (section 14.2): obscured, so that no gateway rewrites the address on its way. */
export function xorAddressAttribute(type: number, address: SocketAddress, transactionId: Uint8Array): StunAttribute {
  return { type, value: obscure(addressAttribute(type, address).value, transactionId) }
}

export function uint32Attribute(type: number, value: number): StunAttribute {
  return { type, value: new ByteWriter(4).uint32(value).finish() }
}

export function textAttribute(type: number, text: string): StunAttribute {
  return { type, value: encoder.encode(text) }
}

/** CHANGE-REQUEST (RFC 5780 section 7.2): the answer is to come from another address, another port, or both. */
export function changeRequestAttribute({
  address,
  port,
}: {
  readonly address: boolean
  readonly port: boolean
}): StunAttribute {
  return uint32Attribute(ATTRIBUTE.changeRequest, (address ? 4 : 0) | (port ? 2 : 0))
}

export function errorCodeAttribute({ code, reason }: StunErrorCode): StunAttribute {
  const value = new ByteWriter(32)
    .uint16(0)
    .uint8(Math.floor(code / 100))
    .uint8(code % 100)
    .append(encoder.encode(reason))
    .finish()
  return { type: ATTRIBUTE.errorCode, value }
}

export function unknownAttributesAttribute(types: readonly number[]): StunAttribute {
  const value = new ByteWriter(2 * types.length)
  for (const type of types) value.uint16(type)
  return { type: ATTRIBUTE.unknownAttributes, value: value.finish() }
}

/** Undefined where the message has no such attribute. Throws `protocol-violation` where it is malformed, as all below. */
export function addressIn(message: StunMessage, type: number): SocketAddress | undefined {
  const value = attributeOf(message, type)
  return value && decodeAddress(value)
}

export function xorAddressIn(message: StunMessage, type: number): SocketAddress | undefined {
  const value = attributeOf(message, type)
  return value && decodeXorAddress(value, message.transactionId)
}

/** XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS from a server that has only this. */
export function mappedAddressIn(message: StunMessage): SocketAddress | undefined {
  return xorAddressIn(message, ATTRIBUTE.xorMappedAddress) ?? addressIn(message, ATTRIBUTE.mappedAddress)
}

export function decodeXorAddress(value: Uint8Array, transactionId: Uint8Array): SocketAddress {
  return decodeAddress(obscure(value, transactionId))
}

export function uint32In(message: StunMessage, type: number): number | undefined {
  const value = attributeOf(message, type)
  if (value === undefined) return undefined
  const reader = new ByteReader(value)
  const number = reader.uint32('number')
  reader.finish('the attribute')
  return number
}

/** REALM, NONCE, SOFTWARE and their kin: at most 763 bytes (section 14.9 and others). */
export function textIn(message: StunMessage, type: number): string | undefined {
  const value = attributeOf(message, type)
  return value && readText(new ByteReader(value), 'text')
}

/** Section 14.8. An error response must have one. */
export function errorCodeIn(message: StunMessage): StunErrorCode | undefined {
  const value = attributeOf(message, ATTRIBUTE.errorCode)
  if (value === undefined) return undefined
  const reader = new ByteReader(value)
  reader.uint16('reserved')
  const hundreds = reader.uint8('class') & 7
  const number = reader.uint8('number')
  if (hundreds < 3 || hundreds > 6 || number > 99)
    throw protocolViolation(`${hundreds} and ${number} make no error code`)
  return { code: hundreds * 100 + number, reason: readText(reader, 'reason phrase') }
}

export function unknownAttributesIn(message: StunMessage): readonly number[] {
  const value = attributeOf(message, ATTRIBUTE.unknownAttributes)
  if (value === undefined) return []
  const reader = new ByteReader(value)
  const types: number[] = []
  while (reader.remaining > 0) types.push(reader.uint16('attribute type'))
  return types
}

function decodeAddress(value: Uint8Array): SocketAddress {
  const reader = new ByteReader(value)
  reader.uint8('reserved')
  const family = reader.uint8('address family')
  if (family !== IPV4 && family !== IPV6) throw protocolViolation(`${family} is no address family`)
  const port = reader.uint16('port')
  const ip = reader.view(family === IPV4 ? 4 : 16, 'address')
  reader.finish('the address')
  return { address: formatIp(ip), port }
}

function formatIp(ip: Uint8Array): string {
  if (ip.length === 4) return ip.join('.')
  const groups = Array.from({ length: 8 }, (_, i) => ((ip[2 * i]! << 8) | ip[2 * i + 1]!).toString(16))
  return canonicalIp(groups.join(':'))
}

/** Its own inverse. The port is combined with the cookie, the address with cookie and transaction id. */
function obscure(value: Uint8Array, transactionId: Uint8Array): Uint8Array {
  const pad = new ByteWriter(20)
    .uint16(0)
    .uint16(MAGIC_COOKIE >>> 16)
    .uint32(MAGIC_COOKIE)
    .append(transactionId)
    .finish()
  return value.map((byte, i) => byte ^ (pad[i] ?? 0))
}

function readText(reader: ByteReader, field: string): string {
  if (reader.remaining > MAX_STUN_TEXT_BYTES) {
    throw protocolViolation(`The ${field} has ${reader.remaining} bytes, at most ${MAX_STUN_TEXT_BYTES} are allowed`)
  }
  return reader.utf8(reader.remaining, field)
}
