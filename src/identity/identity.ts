/** Who a peer is: an Ed25519 key pair. The private half never leaves this class. */

import { Ed25519KeyPair } from '../crypto/ed25519.ts'
import type { X25519KeyPair } from '../crypto/x25519.ts'
import type { Random } from '../platform/random.ts'
import { formatPeerId } from './peer-id.ts'

export const SEED_BYTES = 32

export class Identity {
  /** The public key as 52 characters of base32. */
  readonly id: string
  /** The Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  readonly #keys: Ed25519KeyPair
  /** Made when it is first needed: rooms on the LAN never do. */
  #agreement: X25519KeyPair | undefined

  /** @param seed 32 unpredictable bytes, the private key: whoever has them is this peer */
  constructor(seed: Uint8Array) {
    this.#keys = new Ed25519KeyPair(seed)
    this.publicKey = this.#keys.publicKey
    this.id = formatPeerId(this.publicKey)
  }

  sign(message: Uint8Array): Uint8Array {
    return this.#keys.sign(message)
  }

  /**
   * The X25519 secret shared with the owner of `remotePublicKey`, by this identity's key: what is sealed to
   * `montgomeryPublicKey(publicKey)` only this peer can open. A point of low order is a `protocol-violation`.
   */
  agree(remotePublicKey: Uint8Array): Uint8Array {
    this.#agreement ??= this.#keys.toX25519()
    return this.#agreement.agree(remotePublicKey)
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
