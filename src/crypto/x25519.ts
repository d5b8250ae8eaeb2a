/** X25519 key agreement (RFC 7748). */

import { diffieHellman, type KeyObject } from 'node:crypto'
import { protocolViolation } from '../errors.ts'
import { importPrivateKey, importPublicKey, publicKeyBytes } from './octet-key.ts'

export class X25519KeyPair {
  readonly publicKey: Uint8Array
  readonly #privateKey: KeyObject

  /** @param privateKey 32 unpredictable bytes */
  constructor(privateKey: Uint8Array) {
    this.#privateKey = importPrivateKey('X25519', privateKey)
    this.publicKey = publicKeyBytes(this.#privateKey)
  }

  /**
   * The secret shared with the owner of `remotePublicKey`. A point of low order, for which the secret would be all
   * zeros and known to everybody, is a `protocol-violation` (RFC 7748 section 6.1).
   */
  agree(remotePublicKey: Uint8Array): Uint8Array {
    const publicKey = importPublicKey('X25519', remotePublicKey)
    try {
      return diffieHellman({ privateKey: this.#privateKey, publicKey })
    } catch (cause) {
      // OpenSSL refuses a secret of zeros, and nothing else can go wrong with two keys of the right length.
      throw protocolViolation('The X25519 public key is a point of low order', cause)
    }
  }
}
