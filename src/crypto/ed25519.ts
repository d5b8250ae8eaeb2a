/** Ed25519 signatures (RFC 8032). */

import { type KeyObject, sign, verify } from 'node:crypto'
import { bytesFromBase64Url } from './base64url.ts'
import { montgomeryPrivateKey } from './montgomery.ts'
import { importPrivateKey, importPublicKey, publicKeyBytes } from './octet-key.ts'
import { X25519KeyPair } from './x25519.ts'

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

  /** The same key pair as one for X25519; `montgomeryPublicKey` gives others its public half. */
  toX25519(): X25519KeyPair {
    const { d } = this.#privateKey.export({ format: 'jwk' })
    return new X25519KeyPair(montgomeryPrivateKey(bytesFromBase64Url(d!)))
  }
}

/**
 * Whether `signature` was made over `message` by the owner of `publicKey`; false for anything malformed, and for a key of
 * low order, under which anybody can make up signatures.
 */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES || isLowOrder(publicKey)) return false
  return verify(null, message, importPublicKey('Ed25519', publicKey), signature)
}

/**
 * The y coordinates of the eight points of low order, in hexadecimal, with the two of them that also have a form above
 * the prime p = 2^255 - 19. They have no private key, RFC 8032 does not exclude them, and OpenSSL accepts them.
 */
const LOW_ORDER_Y: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000', // 0, order 4
  '0100000000000000000000000000000000000000000000000000000000000000', // 1, order 1
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', // order 8
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', // order 8
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', // p - 1, order 2
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', // p, which is 0
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', // p + 1, which is 1
])

function isLowOrder(publicKey: Uint8Array): boolean {
  const y = Buffer.from(publicKey)
  // The highest bit is the sign of x (RFC 8032 section 5.1.2).
  y[31]! &= 0x7f
  return LOW_ORDER_Y.has(y.toString('hex'))
}
