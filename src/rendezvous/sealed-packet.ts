/**
 * Packets as brokers see them (docs/rendezvous.md, "Packets"): a version, a key of X25519 that is used once, and what only
 * the owner of the receiver's key can open, in one of three sizes.
 *
 *     1        32                      207, 975 or 4047                        16
 *     version  ephemeral public key    ciphertext, padded with zeros inside    tag
 */

import { ChaCha20Poly1305, NONCE_BYTES, TAG_BYTES } from '../crypto/chacha20-poly1305.ts'
import { KEY_BYTES } from '../crypto/octet-key.ts'
import { hkdfSha256 } from '../crypto/sha256.ts'
import { X25519KeyPair } from '../crypto/x25519.ts'
import { protocolViolation } from '../errors.ts'
import type { Random } from '../platform/random.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'

/** What a packet is bound to: opened as anything else it does not open. */
export interface PacketContext {
  readonly topic: Uint8Array
  /** The receiver's X25519 key. */
  readonly receiverKey: Uint8Array
  /** `packetSalt` of the room's key, or NO_SECRET. */
  readonly salt: Uint8Array
}

/** Who can open packets: an identity, or everybody in a group. */
export interface Opener {
  agree(remotePublicKey: Uint8Array): Uint8Array
}

/** Salt of packets in rooms without a secret. */
export const NO_SECRET: Uint8Array = new Uint8Array(32)

/** Whole packets, by which little can be told apart. */
export const PACKET_SIZES: readonly number[] = [256, 1_024, 4_096]

const VERSION = 1
const HEAD_BYTES = 1 + KEY_BYTES
/** Each key seals one packet. */
const NONCE = new Uint8Array(NONCE_BYTES)
const LABEL = new TextEncoder().encode('earshot-rendezvous-v1 packet\0')

/** Seals `content`, of at most 4,047 bytes. Throws `protocol-violation` where the receiver's key is of low order. */
export function sealPacket(content: Uint8Array, context: PacketContext, random: Random): Uint8Array {
  const overhead = HEAD_BYTES + TAG_BYTES
  const size = PACKET_SIZES.find(each => content.length + overhead <= each)
  if (size === undefined) throw new RangeError(`a packet cannot carry ${content.length} bytes`)
  const ephemeral = new X25519KeyPair(random.bytes(KEY_BYTES))
  const packet = new Uint8Array(size)
  packet[0] = VERSION
  packet.set(ephemeral.publicKey, 1)
  const padded = new Uint8Array(size - overhead)
  padded.set(content)
  const key = packetKey(ephemeral.agree(context.receiverKey), packet.subarray(0, HEAD_BYTES), context)
  new ChaCha20Poly1305(key).sealInto(packet, HEAD_BYTES, padded, NONCE, packet.subarray(0, HEAD_BYTES))
  return packet
}

/** The content, with its padding. Throws `protocol-violation` for whatever was not sealed to this opener in this context. */
export function openPacket(packet: Uint8Array, context: PacketContext, opener: Opener): Uint8Array {
  if (!PACKET_SIZES.includes(packet.length)) throw protocolViolation(`a packet has ${packet.length} bytes`)
  const reader = new ByteReader(packet)
  const version = reader.uint8('version')
  if (version !== VERSION) throw protocolViolation(`the packet is of version ${version}`)
  const ephemeralKey = reader.view(KEY_BYTES, 'ephemeral key')
  const head = packet.subarray(0, HEAD_BYTES)
  const key = packetKey(opener.agree(ephemeralKey), head, context)
  const content = new ChaCha20Poly1305(key).open(packet.subarray(HEAD_BYTES), NONCE, head)
  if (content === undefined) throw protocolViolation('the packet was not sealed for us, or was changed on its way')
  return content
}

/** RFC 5869; everything that a packet is bound to enters. */
function packetKey(agreed: Uint8Array, head: Uint8Array, { topic, receiverKey, salt }: PacketContext): Uint8Array {
  const info = new ByteWriter().append(LABEL).append(head).append(receiverKey).append(topic).finish()
  return hkdfSha256(agreed, salt, info, 32)
}
