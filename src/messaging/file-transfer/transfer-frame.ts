/**
 * Frames of a transfer (docs/protocol.md, "Transfers"): type, length, body. They travel on one byte stream for each
 * transfer, so a broken rule ends that transfer and nothing else.
 */

import { protocolViolation } from '../../errors.ts'
import { MAX_OFFER_NAME_BYTES, MAX_TRANSFER_ENTRIES } from '../../limits.ts'
import { ByteReader } from '../../wire/byte-reader.ts'
import { ByteWriter } from '../../wire/byte-writer.ts'

export const FrameType = {
  offer: 1,
  accept: 2,
  entries: 3,
  have: 4,
  start: 5,
  data: 6,
  end: 7,
  done: 8,
  working: 9,
} as const

export const KEY_BYTES = 32
export const DIGEST_BYTES = 32

export type TransferKind = 'file' | 'folder'

/** What the receiving application is asked about. */
export interface Offer {
  readonly kind: TransferKind
  /** The same for the same name, files, sizes and time stamps: by it a receiver knows what it has a part of. */
  readonly key: Uint8Array
  /** Of all files together. */
  readonly sizeBytes: number
  /** Files and folders; 1 for a file, 0 for an empty folder. */
  readonly entryCount: number
  readonly name: string
}

export type TransferFrame =
  | { readonly type: 'offer'; readonly offer: Offer }
  | { readonly type: 'accept' }
  | { readonly type: 'entries'; readonly body: Uint8Array }
  | { readonly type: 'have'; readonly bytes: number; readonly digest: Uint8Array }
  | { readonly type: 'start'; readonly bytes: number }
  /** A piece of the content, as long as what came at a time: a view. */
  | { readonly type: 'data'; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly digest: Uint8Array }
  | { readonly type: 'done' }
  | { readonly type: 'working' }

const KINDS: readonly TransferKind[] = ['file', 'folder']
const EMPTY = new Uint8Array(0)

export function encodeOffer({ kind, key, sizeBytes, entryCount, name }: Offer): Uint8Array {
  const body = new ByteWriter().uint8(KINDS.indexOf(kind)).append(key).varint(sizeBytes).varint(entryCount)
  return encodeFrame(FrameType.offer, body.prefixedUtf8(name).finish())
}

export function encodeAccept(): Uint8Array {
  return encodeFrame(FrameType.accept, EMPTY)
}

export function encodeEntries(body: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.entries, body)
}

export function encodeHave(bytes: number, digest: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.have, new ByteWriter().varint(bytes).append(digest).finish())
}

export function encodeStart(bytes: number): Uint8Array {
  return encodeFrame(FrameType.start, new ByteWriter().varint(bytes).finish())
}

export function encodeEnd(digest: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.end, digest)
}

export function encodeDone(): Uint8Array {
  return encodeFrame(FrameType.done, EMPTY)
}

export function encodeWorking(): Uint8Array {
  return encodeFrame(FrameType.working, EMPTY)
}

/** `data` is what `FrameParser` hands over in pieces; all others are decoded here. Throws `protocol-violation`. */
export function decodeFrame(type: number, body: Uint8Array): TransferFrame {
  const reader = new ByteReader(body)
  const frame = decodeBody(type, reader)
  reader.finish('a frame of a transfer')
  return frame
}

function decodeBody(type: number, reader: ByteReader): TransferFrame {
  switch (type) {
    case FrameType.offer:
      return { type: 'offer', offer: decodeOffer(reader) }
    case FrameType.accept:
      return { type: 'accept' }
    case FrameType.entries:
      return { type: 'entries', body: reader.view(reader.remaining, 'entries') }
    case FrameType.have:
      return { type: 'have', bytes: reader.varint('have.bytes'), digest: reader.view(DIGEST_BYTES, 'have.digest') }
    case FrameType.start:
      return { type: 'start', bytes: reader.varint('start.bytes') }
    case FrameType.end:
      return { type: 'end', digest: reader.view(DIGEST_BYTES, 'end.digest') }
    case FrameType.done:
      return { type: 'done' }
    case FrameType.working:
      return { type: 'working' }
    default:
      throw protocolViolation(`a frame of a transfer of unknown type ${type}`)
  }
}

function decodeOffer(reader: ByteReader): Offer {
  const kind = KINDS[reader.uint8('offer.kind')]
  if (kind === undefined) throw protocolViolation('an offer of an unknown kind')
  const key = reader.view(KEY_BYTES, 'offer.key').slice()
  const sizeBytes = reader.varint('offer.size')
  const entryCount = reader.varint('offer.entries')
  if (entryCount > MAX_TRANSFER_ENTRIES || (kind === 'file' && entryCount !== 1)) {
    throw protocolViolation(`an offer of a ${kind} with ${entryCount} entries`)
  }
  const length = reader.varint('offer.name')
  if (length === 0 || length > MAX_OFFER_NAME_BYTES) throw protocolViolation(`an offer with a name of ${length} bytes`)
  return { kind, key, sizeBytes, entryCount, name: reader.utf8(length, 'offer.name') }
}

function encodeFrame(type: number, body: Uint8Array): Uint8Array {
  return new ByteWriter(body.length + 5).uint8(type).prefixed(body).finish()
}
