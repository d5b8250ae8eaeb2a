/**
 * Signals: what a packet carries (docs/rendezvous.md, "Signals"). The sender's key and signature, then what is signed: time,
 * number, kind, body. The signature also covers topic and receiver, so that a signal cannot be handed on as if it had been
 * meant for somebody else.
 */

import { SIGNATURE_BYTES, verifyEd25519 } from '../crypto/ed25519.ts'
import { KEY_BYTES } from '../crypto/octet-key.ts'
import { protocolViolation } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { MAX_SIGNAL_BYTES } from '../limits.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'

export type SignalKind = 'message' | 'announce' | 'leave' | 'ask'

export interface Signal {
  /** Ed25519 public key. */
  readonly sender: Uint8Array
  /** When it was made, by the sender's clock, in milliseconds since 1970. */
  readonly time: number
  /** 16 random bytes. */
  readonly number: Uint8Array
  readonly kind: SignalKind
  readonly body: Uint8Array
}

/** Whom and where it is for. */
export interface SignalContext {
  readonly topic: Uint8Array
  /** The receiver's X25519 key. */
  readonly receiverKey: Uint8Array
}

export const SIGNAL_NUMBER_BYTES = 16

const KINDS: readonly SignalKind[] = ['message', 'announce', 'leave', 'ask']
const TWO_32 = 2 ** 32
const LABEL = new TextEncoder().encode('earshot-rendezvous-v1 signal\0')

export function encodeSignal(
  { time, number, kind, body }: Omit<Signal, 'sender'>,
  context: SignalContext,
  identity: Identity,
): Uint8Array {
  if (body.length > MAX_SIGNAL_BYTES) throw new RangeError(`a signal cannot carry ${body.length} bytes`)
  const signed = new ByteWriter()
    .uint16(Math.floor(time / TWO_32))
    .uint32(time % TWO_32)
    .append(number)
    .uint8(KINDS.indexOf(kind) + 1)
    .uint16(body.length)
    .append(body)
    .finish()
  return new ByteWriter(KEY_BYTES + SIGNATURE_BYTES + signed.length)
    .append(identity.publicKey)
    .append(identity.sign(signedText(signed, context)))
    .append(signed)
    .finish()
}

/** A signal read, and not yet believed: `isAuthentic` verifies the signature, which is the dear part. */
export interface ReadSignal extends Signal {
  isAuthentic(context: SignalContext): boolean
}

/** Behind it there may be zeros and nothing else. Throws `protocol-violation`. */
export function decodeSignal(bytes: Uint8Array): ReadSignal {
  const reader = new ByteReader(bytes)
  const sender = reader.view(KEY_BYTES, 'sender')
  const signature = reader.view(SIGNATURE_BYTES, 'signature')
  const start = reader.offset
  const time = reader.uint16('time') * TWO_32 + reader.uint32('time')
  const number = reader.view(SIGNAL_NUMBER_BYTES, 'number')
  const kind = readKind(reader)
  const length = reader.uint16('body length')
  if (length > MAX_SIGNAL_BYTES) throw protocolViolation(`a signal has a body of ${length} bytes`)
  const body = reader.view(length, 'body')
  const signed = bytes.subarray(start, reader.offset)
  if (reader.view(reader.remaining, 'padding').some(byte => byte !== 0))
    throw protocolViolation('a signal is padded with something else than zeros')
  const isAuthentic = (context: SignalContext): boolean => verifyEd25519(sender, signedText(signed, context), signature)
  return { sender, time, number, kind, body, isAuthentic }
}

function readKind(reader: ByteReader): SignalKind {
  const code = reader.uint8('kind')
  const kind = KINDS[code - 1]
  if (kind === undefined) throw protocolViolation(`a signal is of kind ${code}`)
  return kind
}

function signedText(signed: Uint8Array, { topic, receiverKey }: SignalContext): Uint8Array {
  return new ByteWriter(LABEL.length + topic.length + receiverKey.length + signed.length)
    .append(LABEL)
    .append(topic)
    .append(receiverKey)
    .append(signed)
    .finish()
}
