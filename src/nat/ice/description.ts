/**
 * What one side tells the other over the signalling channel: all of it in every message, so that messages may be lost, late,
 * doubled or out of order. docs/nat.md has the layout.
 */

import { EarshotError, protocolViolation } from '../../errors.ts'
import { MAX_ICE_CANDIDATES, MAX_ICE_MESSAGE_BYTES } from '../../limits.ts'
import { canonicalIp, parseIp } from '../../platform/ip-address.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'
import type { MappingBehaviour, PortAllocation } from '../behaviour/classification.ts'
import { CANDIDATE_TRANSPORTS, CANDIDATE_TYPES, type Candidate } from './candidate.ts'
import { type Credentials, PASSWORD_BYTES, SESSION_ID_BYTES } from './credentials.ts'
import { MAX_PORT_DELTA, type NatSummary } from './nat-summary.ts'

export type DirectPolicy = 'prefer' | 'only' | 'never'

/** A mapping that was just made on a NAT that counts: those made next follow. */
export interface Prediction {
  readonly transport: 'udp' | 'tcp'
  /** The later ones replace the earlier ones. */
  readonly round: number
  readonly mapped: SocketAddress
  readonly delta: number
}

export interface Description extends Credentials {
  /** The session of the other side that this one has heard of. */
  readonly heardSessionId: Uint8Array | undefined
  /** Counts what was told, from 1. */
  readonly revision: number
  /** The last revision of the heard session. */
  readonly heardRevision: number
  /** It has not been told yet that this revision has arrived. */
  readonly wantsAnswer: boolean
  readonly direct: DirectPolicy
  readonly hasReliableUdp: boolean
  /** No more candidates will follow. */
  readonly isComplete: boolean
  /** Its many sockets for a birthday search are open, per transport. */
  readonly birthday: readonly ('udp' | 'tcp')[]
  readonly nat: { readonly udp: NatSummary; readonly tcp: NatSummary }
  readonly candidates: readonly Candidate[]
  /** At most one per transport. */
  readonly predictions: readonly Prediction[]
}

const VERSION = 1
const POLICIES: readonly DirectPolicy[] = ['prefer', 'only', 'never']
const MAPPINGS: readonly MappingBehaviour[] = [
  'unknown',
  'none',
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
  'endpoint-dependent',
]
const ALLOCATIONS: readonly PortAllocation['kind'][] = ['unknown', 'preserving', 'sequential', 'random']
const TRANSPORTS = ['udp', 'tcp'] as const
const FLAG = { wantsAnswer: 1, hasReliableUdp: 2, isComplete: 4, heard: 8, udpBirthday: 16, tcpBirthday: 32 } as const
const MAX_FLAGS = 63

export function encodeDescription(description: Description): Uint8Array {
  const { heardSessionId, candidates, predictions, birthday } = description
  const flags =
    (description.wantsAnswer ? FLAG.wantsAnswer : 0) |
    (description.hasReliableUdp ? FLAG.hasReliableUdp : 0) |
    (description.isComplete ? FLAG.isComplete : 0) |
    (heardSessionId ? FLAG.heard : 0) |
    (birthday.includes('udp') ? FLAG.udpBirthday : 0) |
    (birthday.includes('tcp') ? FLAG.tcpBirthday : 0)
  const writer = new ByteWriter(512)
    .uint8(VERSION)
    .uint8(flags)
    .uint8(POLICIES.indexOf(description.direct))
    .append(description.sessionId)
    .append(description.password)
    .uint32(description.revision)
  if (heardSessionId) writer.append(heardSessionId).uint32(description.heardRevision)
  for (const transport of TRANSPORTS) writeNat(writer, description.nat[transport])
  writer.uint8(candidates.length)
  for (const candidate of candidates) {
    writer.uint8(CANDIDATE_TYPES.indexOf(candidate.type)).uint8(CANDIDATE_TRANSPORTS.indexOf(candidate.transport))
    writeAddress(writer, candidate)
  }
  writer.uint8(predictions.length)
  for (const { transport, round, mapped, delta } of predictions) {
    writer
      .uint8(TRANSPORTS.indexOf(transport))
      .uint8(round)
      .uint8(delta + MAX_PORT_DELTA)
    writeAddress(writer, mapped)
  }
  return writer.finish()
}

/** Throws `protocol-violation` for whatever is not a description of this version, whole and nothing more. */
export function decodeDescription(bytes: Uint8Array): Description {
  if (bytes.length > MAX_ICE_MESSAGE_BYTES) {
    throw protocolViolation(`A description has at most ${MAX_ICE_MESSAGE_BYTES} bytes, this one has ${bytes.length}`)
  }
  const reader = new ByteReader(bytes)
  const version = reader.uint8('version')
  if (version !== VERSION) throw protocolViolation(`Version ${version} of the description is not known here`)
  const flags = reader.uint8('flags')
  if (flags > MAX_FLAGS) throw protocolViolation(`${flags} has flags that are not known here`)
  const direct = choice(reader, POLICIES, 'direct')
  const sessionId = bytesOf(reader, SESSION_ID_BYTES, 'session id')
  const password = bytesOf(reader, PASSWORD_BYTES, 'password')
  const revision = reader.uint32('revision')
  if (revision === 0) throw protocolViolation('Revisions count from 1')
  const hasHeard = (flags & FLAG.heard) !== 0
  const heardSessionId = hasHeard ? bytesOf(reader, SESSION_ID_BYTES, 'heard session id') : undefined
  const heardRevision = hasHeard ? reader.uint32('heard revision') : 0
  const nat = { udp: readNat(reader), tcp: readNat(reader) }
  const candidates = listOf(reader, MAX_ICE_CANDIDATES, 'candidates', () => readCandidate(reader))
  const predictions = listOf(reader, TRANSPORTS.length, 'predictions', () => readPrediction(reader))
  if (predictions.length === 2 && predictions[0]!.transport === predictions[1]!.transport) {
    throw protocolViolation('A description has one prediction per transport')
  }
  reader.finish('the description')
  return {
    sessionId,
    password,
    heardSessionId,
    revision,
    heardRevision,
    wantsAnswer: (flags & FLAG.wantsAnswer) !== 0,
    direct,
    hasReliableUdp: (flags & FLAG.hasReliableUdp) !== 0,
    isComplete: (flags & FLAG.isComplete) !== 0,
    birthday: TRANSPORTS.filter(
      transport => (flags & (transport === 'udp' ? FLAG.udpBirthday : FLAG.tcpBirthday)) !== 0,
    ),
    nat,
    candidates,
    predictions,
  }
}

/** For whoever feeds what arrived: undefined where the bytes are none. */
export function readDescription(bytes: Uint8Array): Description | EarshotError {
  try {
    return decodeDescription(bytes)
  } catch (error) {
    if (error instanceof EarshotError && error.code === 'protocol-violation') return error
    throw error
  }
}

function writeNat(writer: ByteWriter, { mapping, ports, isBlocked }: NatSummary): void {
  writer.uint8((MAPPINGS.indexOf(mapping) << 1) | (isBlocked ? 1 : 0)).uint8(ALLOCATIONS.indexOf(ports.kind))
  if (ports.kind === 'sequential') writer.uint8(ports.delta + MAX_PORT_DELTA)
  if (ports.kind === 'preserving') writer.uint16(ports.offset & 0xffff)
}

function readNat(reader: ByteReader): NatSummary {
  const bits = reader.uint8('mapping behaviour')
  const mapping = MAPPINGS[bits >>> 1]
  if (mapping === undefined) throw protocolViolation(`${bits} is no mapping behaviour`)
  const kind = choice(reader, ALLOCATIONS, 'port allocation')
  const isBlocked = (bits & 1) !== 0
  if (kind === 'sequential') return { mapping, ports: { kind, delta: readDelta(reader) }, isBlocked }
  if (kind === 'preserving')
    return { mapping, ports: { kind, offset: (reader.uint16('offset') << 16) >> 16 }, isBlocked }
  return { mapping, ports: { kind }, isBlocked }
}

function readDelta(reader: ByteReader): number {
  const delta = reader.uint8('delta') - MAX_PORT_DELTA
  if (delta === 0 || delta > MAX_PORT_DELTA) {
    throw protocolViolation(
      `A step between ports is from -${MAX_PORT_DELTA} to ${MAX_PORT_DELTA} and not 0, not ${delta}`,
    )
  }
  return delta
}

function readCandidate(reader: ByteReader): Candidate {
  const type = choice(reader, CANDIDATE_TYPES, 'candidate type')
  const transport = choice(reader, CANDIDATE_TRANSPORTS, 'candidate transport')
  return { type, transport, ...readAddress(reader) }
}

function readPrediction(reader: ByteReader): Prediction {
  const transport = choice(reader, TRANSPORTS, 'transport')
  const round = reader.uint8('round')
  const delta = readDelta(reader)
  return { transport, round, delta, mapped: readAddress(reader) }
}

function writeAddress(writer: ByteWriter, { address, port }: SocketAddress): void {
  const ip = parseIp(address)
  if (ip === undefined) throw new RangeError(`'${address}' is not an IP address`)
  writer.uint8(ip.length).append(ip).uint16(port)
}

function readAddress(reader: ByteReader): SocketAddress {
  const length = reader.uint8('length of the address')
  if (length !== 4 && length !== 16) throw protocolViolation(`An address has 4 or 16 bytes, not ${length}`)
  const ip = reader.view(length, 'address')
  const text =
    length === 4
      ? ip.join('.')
      : canonicalIp(Array.from({ length: 8 }, (_, i) => ((ip[2 * i]! << 8) | ip[2 * i + 1]!).toString(16)).join(':'))
  return { address: text, port: reader.uint16('port') }
}

function listOf<Item>(reader: ByteReader, most: number, field: string, read: () => Item): Item[] {
  const count = reader.uint8(field)
  if (count > most) throw protocolViolation(`A description has at most ${most} ${field}, not ${count}`)
  return Array.from({ length: count }, read)
}

function choice<Value>(reader: ByteReader, values: readonly Value[], field: string): Value {
  const index = reader.uint8(field)
  const value = values[index]
  if (value === undefined) throw protocolViolation(`${index} is no ${field}`)
  return value
}

/** A copy: what arrived may be a small part of a large buffer. */
function bytesOf(reader: ByteReader, length: number, field: string): Uint8Array {
  return new Uint8Array(reader.view(length, field))
}
