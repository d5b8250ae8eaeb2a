/**
 * Messages of the NAT Port Mapping Protocol (RFC 6886 section 3), the client's half of it.
 *
 *     external address   request   version = 0, opcode = 0
 *                        answer    version, opcode + 128, result (2), epoch in seconds (4), address (4)
 *     mapping            request   version = 0, opcode, reserved (2), internal port, external port, lifetime in seconds (4)
 *                        answer    version, opcode + 128, result (2), epoch (4), internal port, external port, lifetime (4)
 */

import { protocolViolation } from '../../errors.ts'
import { formatIp } from '../../platform/ip-address.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'

export const NAT_PMP_PORT = 5_351

const VERSION = 0
const EXTERNAL_ADDRESS = 0
const OPCODES = { udp: 1, tcp: 2 } as const
const RESPONSE = 0x80

/** Section 3.5. */
export const NAT_PMP_RESULTS = [
  'success',
  'unsupported-version',
  'not-authorized',
  'network-failure',
  'no-resources',
  'unsupported-opcode',
] as const

export type NatPmpResult = (typeof NAT_PMP_RESULTS)[number] | `unknown-result-${number}`

export interface NatPmpMapRequest {
  readonly protocol: 'udp' | 'tcp'
  readonly internalPort: number
  /** Suggested; 0 with a lifetime of 0. */
  readonly externalPort: number
  /** 0 removes the mapping. */
  readonly lifetimeSeconds: number
}

export type NatPmpResponse =
  | {
      readonly kind: 'external-address'
      readonly result: 'success'
      readonly epochSeconds: number
      readonly address: string
    }
  | ({ readonly kind: 'map'; readonly result: 'success'; readonly epochSeconds: number } & NatPmpMapRequest)
  | NatPmpFailure

/** What else an error says has no meaning, and some gateways leave it out. */
export interface NatPmpFailure {
  readonly kind: 'failure'
  /** To which request; undefined for one that is not known here. */
  readonly request: 'external-address' | 'udp' | 'tcp' | undefined
  readonly result: Exclude<NatPmpResult, 'success'>
  readonly epochSeconds: number
}

export function encodeNatPmpAddressRequest(): Uint8Array {
  return new ByteWriter(2).uint8(VERSION).uint8(EXTERNAL_ADDRESS).finish()
}

export function encodeNatPmpMapRequest(request: NatPmpMapRequest): Uint8Array {
  const { protocol, internalPort, externalPort, lifetimeSeconds } = request
  const reserved = 0
  return new ByteWriter(12)
    .uint8(VERSION)
    .uint8(OPCODES[protocol])
    .uint16(reserved)
    .uint16(internalPort)
    .uint16(externalPort)
    .uint32(lifetimeSeconds)
    .finish()
}

export function decodeNatPmpResponse(bytes: Uint8Array): NatPmpResponse {
  const reader = new ByteReader(bytes)
  const version = reader.uint8('version')
  if (version !== VERSION) throw protocolViolation(`NAT-PMP version ${version} at offset 0 is not ${VERSION}`)
  const opcode = reader.uint8('opcode')
  if ((opcode & RESPONSE) === 0) throw protocolViolation('a NAT-PMP request came where an answer was expected')
  const request = requestOf(opcode & ~RESPONSE)
  const result = resultOf(reader.uint16('result code'))
  const epochSeconds = reader.uint32('epoch')
  if (result !== 'success') return { kind: 'failure', request, result, epochSeconds }
  if (request === undefined) throw protocolViolation(`NAT-PMP opcode ${opcode} at offset 1 is not known`)
  const response: NatPmpResponse =
    request === 'external-address'
      ? { kind: 'external-address', result, epochSeconds, address: formatIp(reader.view(4, 'external address')) }
      : { kind: 'map', result, epochSeconds, protocol: request, ...readMapping(reader) }
  reader.finish('a NAT-PMP answer')
  return response
}

function readMapping(reader: ByteReader): Omit<NatPmpMapRequest, 'protocol'> {
  return {
    internalPort: reader.uint16('internal port'),
    externalPort: reader.uint16('external port'),
    lifetimeSeconds: reader.uint32('lifetime'),
  }
}

function requestOf(opcode: number): NatPmpFailure['request'] {
  if (opcode === EXTERNAL_ADDRESS) return 'external-address'
  return opcode === OPCODES.udp ? 'udp' : opcode === OPCODES.tcp ? 'tcp' : undefined
}

function resultOf(code: number): NatPmpResult {
  return NAT_PMP_RESULTS[code] ?? `unknown-result-${code}`
}
