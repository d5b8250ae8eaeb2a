/**
 * Peer ids: the Ed25519 public key of 32 bytes, written as 52 characters of base32. A peer is its public key; a name is
 * only a label.
 */

import { decodeBase32, encodeBase32 } from './base32.ts'

export const PEER_ID_LENGTH = 52

const PUBLIC_KEY_BYTES = 32
const SHORT_LENGTH = 8

/** The id of the peer that owns `publicKey`. */
export function formatPeerId(publicKey: Uint8Array): string {
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new RangeError(`A public key has ${PUBLIC_KEY_BYTES} bytes, this one has ${publicKey.length}`)
  }
  return encodeBase32(publicKey)
}

/** The public key that an id stands for, or `undefined` where `text` is not an id in its one canonical form. */
export function parsePeerId(text: string): Uint8Array | undefined {
  return text.length === PEER_ID_LENGTH ? decodeBase32(text) : undefined
}

/** The first 8 characters: enough to tell people apart in a list, not enough to trust somebody by. */
export function shortPeerId(id: string): string {
  return id.slice(0, SHORT_LENGTH)
}
