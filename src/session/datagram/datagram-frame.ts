/**
 * The frames inside a datagram (docs/protocol.md, "Datagrams"). Their types are numbers of their own, beside those of
 * the frames in records:
 *
 *     00      padding
 *     01      challenge   number varint
 *     02      response    number varint | labels varint
 *     10–13   message     label varint | sequence varint | bytes
 *     14–17   fragment    label varint | sequence varint | count varint | index varint | bytes
 */

import { protocolViolation } from '../../errors.ts'
import { MAX_LATEST_BYTES } from '../../limits.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { putVarint, varintLength } from '../../wire/varint.ts'

export const DatagramFrame = { padding: 0x00, challenge: 0x01, response: 0x02, message: 0x10, fragment: 0x14 } as const

const KIND_BITS = 0x03
/** Each fragment of a value has so many bytes of it, the last one what is left. */
export const FRAGMENT_BYTES = 1_152
export const MAX_FRAGMENTS: number = Math.ceil(MAX_LATEST_BYTES / FRAGMENT_BYTES)

/** A part of a value that is too large for one datagram. */
export interface Fragment {
  readonly label: number
  /** At least 1. */
  readonly sequence: number
  /** Of the value in the whole. */
  readonly kind: number
  readonly count: number
  readonly index: number
  readonly bytes: Uint8Array
}

export interface DatagramFrameHandlers {
  onChallenge(number: number): void
  /** The other side has had so many of our labels. */
  onResponse(number: number, labels: number): void
  /** `sequence` is 0 for what was sent 'unreliable'. */
  onMessage(label: number, sequence: number, kind: number, body: Uint8Array): void
  onFragment(fragment: Fragment): void
}

/** Hands over every frame, in order; throws `protocol-violation` at one that breaks a rule. */
export function readDatagramFrames(plaintext: Uint8Array, handlers: DatagramFrameHandlers): void {
  const reader = new ByteReader(plaintext)
  while (reader.offset < reader.end) readFrame(reader, handlers)
}

function readFrame(reader: ByteReader, handlers: DatagramFrameHandlers): void {
  const type = reader.uint8('frame type')
  switch (type & ~KIND_BITS) {
    case DatagramFrame.message: {
      const label = reader.varint('label')
      const sequence = reader.varint('sequence')
      handlers.onMessage(label, sequence, type & KIND_BITS, reader.view(reader.varint('body length'), 'body'))
      return
    }
    case DatagramFrame.fragment:
      handlers.onFragment(readFragment(reader, type & KIND_BITS))
      return
  }
  switch (type) {
    case DatagramFrame.padding:
      return
    case DatagramFrame.challenge:
      handlers.onChallenge(reader.varint('challenge number'))
      return
    case DatagramFrame.response:
      handlers.onResponse(reader.varint('challenge number'), reader.varint('labels'))
      return
    default:
      throw protocolViolation(`a frame of unknown type ${type} in a datagram`)
  }
}

function readFragment(reader: ByteReader, kind: number): Fragment {
  const label = reader.varint('label')
  const sequence = reader.varint('sequence')
  const count = reader.varint('fragment count')
  const index = reader.varint('fragment index')
  const bytes = reader.view(reader.varint('fragment length'), 'fragment')
  if (sequence === 0) throw protocolViolation('a fragment without a sequence number')
  if (count < 2 || count > MAX_FRAGMENTS || index >= count) {
    throw protocolViolation(`fragment ${index} of ${count}, where 2 to ${MAX_FRAGMENTS} are allowed`)
  }
  const isWhole = index < count - 1 ? bytes.length === FRAGMENT_BYTES : bytes.length > 0
  if (!isWhole || index * FRAGMENT_BYTES + bytes.length > MAX_LATEST_BYTES) {
    throw protocolViolation(`fragment ${index} of ${count} has ${bytes.length} bytes`)
  }
  return { label, sequence, kind, count, index, bytes }
}

export function fragmentLength({ label, sequence, count, index, bytes }: Fragment): number {
  const header = varintLength(label) + varintLength(sequence) + varintLength(count) + varintLength(index)
  return 1 + header + varintLength(bytes.length) + bytes.length
}

/** Writes a fragment at `offset` and returns the offset behind it. */
export function putFragment(target: Uint8Array, offset: number, fragment: Fragment): number {
  const { label, sequence, kind, count, index, bytes } = fragment
  target[offset] = DatagramFrame.fragment | kind
  let at = putVarint(target, offset + 1, label)
  at = putVarint(target, at, sequence)
  at = putVarint(target, at, count)
  at = putVarint(target, at, index)
  at = putVarint(target, at, bytes.length)
  target.set(bytes, at)
  return at + bytes.length
}
