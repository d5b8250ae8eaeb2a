/** Who a peer is: an Ed25519 key pair. The private half never leaves this class. */

import { Ed25519KeyPair } from '../crypto/ed25519.ts'
import type { Random } from '../platform/random.ts'
import { formatPeerId } from './peer-id.ts'

export const SEED_BYTES = 32

export class Identity {
  /** The public key as 52 characters of base32. */
  readonly id: string
  /** The Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  readonly #keys: Ed25519KeyPair

  /** @param seed 32 unpredictable bytes, the private key: whoever has them is this peer */
  constructor(seed: Uint8Array) {
    this.#keys = new Ed25519KeyPair(seed)
    this.publicKey = this.#keys.publicKey
    this.id = formatPeerId(this.publicKey)
  }

  sign(message: Uint8Array): Uint8Array {
    return this.#keys.sign(message)
  }

  /** What JSON and logs show. */
  toJSON(): { id: string } {
    return { id: this.id }
  }
}

/** A peer that nobody has met before. */
export function generateIdentity(random: Random): Identity {
  return new Identity(random.bytes(SEED_BYTES))
}
