/** What the members of a room have in common, and nobody else: everything comes from the room's secret. */

import { scrypt } from '../crypto/scrypt.ts'
import { secretBytes } from '../crypto/secret-text.ts'
import { hkdfSha256 } from '../crypto/sha256.ts'
import { X25519KeyPair } from '../crypto/x25519.ts'

export const ROOM_KEY_BYTES = 32

/**
 * RFC 7914 section 2; 16 MiB, and five times the work of the handshake's key: a broker, and on public brokers anybody, sees
 * topics that are made of it and can try guesses on them for as long as it likes.
 */
const COST = { N: 16_384, r: 8, p: 5 }

const encoder = new TextEncoder()
const NO_SALT = new Uint8Array(0)

/**
 * The key of 32 bytes that topics and packets of a room with a secret are derived from. Not the one of the handshake: who
 * guesses on one must begin anew for the other. Rejects with a RangeError for a secret of other than 1 to
 * MAX_SECRET_BYTES bytes.
 */
export async function deriveRoomKey(secret: string, service: string): Promise<Uint8Array> {
  return scrypt(secretBytes(secret), encoder.encode(`earshot-rendezvous-secret-v1\0${service}`), ROOM_KEY_BYTES, COST)
}

/** The key pair that everybody in the group has: what is sealed to it, all of them can open. */
export function groupKeyPair(roomKey: Uint8Array): X25519KeyPair {
  return new X25519KeyPair(hkdfSha256(roomKey, NO_SALT, encoder.encode('earshot-rendezvous-v1 group key'), 32))
}

/** Enters every packet between members, so that nobody else can make one. */
export function packetSalt(roomKey: Uint8Array): Uint8Array {
  return hkdfSha256(roomKey, NO_SALT, encoder.encode('earshot-rendezvous-v1 packet salt'), 32)
}
