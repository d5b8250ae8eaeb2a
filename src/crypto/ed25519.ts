/** Ed25519 signatures (RFC 8032). */

import { type KeyObject, sign, verify } from 'node:crypto'
import { importPrivateKey, importPublicKey, publicKeyBytes } from './octet-key.ts'

export const SIGNATURE_BYTES = 64

export class Ed25519KeyPair {
  readonly publicKey: Uint8Array
  readonly #privateKey: KeyObject

  /** @param seed 32 unpredictable bytes, the private key of RFC 8032 section 5.1.5 */
  constructor(seed: Uint8Array) {
    this.#privateKey = importPrivateKey('Ed25519', seed)
    this.publicKey = publicKeyBytes(this.#privateKey)
  }

  /** A signature of 64 bytes, always the same for the same message. */
  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.#privateKey))
  }
}

/** Whether `signature` was made over `message` by the owner of `publicKey`; false for anything malformed. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false
  return verify(null, message, importPublicKey('Ed25519', publicKey), signature)
}
