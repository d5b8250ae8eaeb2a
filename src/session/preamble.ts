/**
 * The preamble (docs/protocol.md, "Preamble"): what an initiator says first, in the clear. Its layout is the same in all
 * versions of the protocol. It is the prologue of the Noise handshake, so a change on the way makes that fail.
 */

import { protocolViolation } from '../errors.ts'
import { MAX_SERVICE_NAME_LENGTH } from '../limits.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { NoisePattern } from './noise/handshake-state.ts'

export interface VersionRange {
  readonly lowest: number
  readonly highest: number
}

export interface Preamble {
  readonly versions: VersionRange
  /** 32 bits, one for each feature that the initiator offers. */
  readonly features: number
  readonly pattern: NoisePattern
  readonly service: string
}

/** The versions of the protocol that this program speaks. */
export const PROTOCOL_VERSIONS: VersionRange = { lowest: 1, highest: 1 }

/** The features that this program knows, as bits: none yet. docs/protocol.md reserves the first three. */
export const KNOWN_FEATURES = 0

const encoder = new TextEncoder()
const MAGIC: Uint8Array = encoder.encode('EARSHOT')
const PATTERNS: readonly NoisePattern[] = ['XX', 'XXpsk3']
const SERVICE_NAME = /^[a-z0-9-]+$/

/** Everything before the service name: magic, lowest, highest, features, pattern, length. */
const FIXED_BYTES = MAGIC.length + 1 + 1 + 4 + 1 + 1

export function encodePreamble(preamble: Preamble): Uint8Array {
  const service = encoder.encode(preamble.service)
  return new ByteWriter(FIXED_BYTES + service.length)
    .append(MAGIC)
    .uint8(preamble.versions.lowest)
    .uint8(preamble.versions.highest)
    .uint32(preamble.features)
    .uint8(PATTERNS.indexOf(preamble.pattern))
    .uint8(service.length)
    .append(service)
    .finish()
}

/**
 * How long the preamble is that `bytes` begin with, or `undefined` while that cannot be told. Throws
 * `protocol-violation` at the first byte that is wrong, so that a stranger is not waited for.
 */
export function preambleLength(bytes: Uint8Array): number | undefined {
  const magicLength = Math.min(MAGIC.length, bytes.length)
  for (let i = 0; i < magicLength; i++) {
    if (bytes[i] !== MAGIC[i]) throw protocolViolation('What arrived does not begin like a connection of earshot')
  }
  if (bytes.length < FIXED_BYTES) return undefined
  const serviceLength = bytes[FIXED_BYTES - 1]!
  if (serviceLength === 0 || serviceLength > MAX_SERVICE_NAME_LENGTH) {
    throw protocolViolation(`The service name has ${serviceLength} bytes, not 1 to ${MAX_SERVICE_NAME_LENGTH}`)
  }
  return FIXED_BYTES + serviceLength
}

/** Decodes exactly one preamble. */
export function decodePreamble(bytes: Uint8Array): Preamble {
  if (preambleLength(bytes) === undefined)
    throw protocolViolation(`The preamble is cut off after ${bytes.length} bytes`)
  const reader = new ByteReader(bytes, MAGIC.length)
  const versions = readVersions(reader)
  const features = reader.uint32('features')
  const pattern = PATTERNS[reader.uint8('pattern')]
  if (pattern === undefined) throw protocolViolation('The preamble asks for an unknown handshake pattern')
  const service = reader.utf8(reader.uint8('service name length'), 'service name')
  if (!SERVICE_NAME.test(service)) throw protocolViolation('The service name has characters other than a-z, 0-9 and -')
  reader.finish('The preamble')
  return { versions, features, pattern, service }
}

function readVersions(reader: ByteReader): VersionRange {
  const lowest = reader.uint8('lowest version')
  const highest = reader.uint8('highest version')
  if (lowest === 0 || lowest > highest) throw protocolViolation(`The versions ${lowest} to ${highest} are no range`)
  return { lowest, highest }
}
