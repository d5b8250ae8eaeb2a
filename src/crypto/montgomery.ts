/**
 * The X25519 key that belongs to an Ed25519 key, so that one key pair both signs and agrees: the birational map from the
 * Edwards curve to the Montgomery curve (RFC 7748 section 4.1) for public keys, the clamped half of SHA-512 of the seed
 * (RFC 8032 section 5.1.5) for private ones.
 */

import { createHash } from 'node:crypto'
import { protocolViolation } from '../errors.ts'
import { KEY_BYTES } from './octet-key.ts'

const P = 2n ** 255n - 19n

/**
 * u = (1 + y) / (1 - y) modulo p. The sign of x is not needed: a point and its negative agree on the same secret. The
 * point with y = 1, for which there is no u, is a `protocol-violation`; others of low order are refused by `agree`.
 */
export function montgomeryPublicKey(ed25519PublicKey: Uint8Array): Uint8Array {
  if (ed25519PublicKey.length !== KEY_BYTES) {
    throw new RangeError(`A key of Ed25519 has ${KEY_BYTES} bytes, this one has ${ed25519PublicKey.length}`)
  }
  const y = littleEndian(ed25519PublicKey) & (2n ** 255n - 1n)
  const denominator = modulo(1n - y)
  if (denominator === 0n) throw protocolViolation('The Ed25519 public key is the neutral point')
  return toLittleEndian(modulo((1n + y) * inverse(denominator)))
}

/** The private key for X25519. Its bits are clamped where it is used (RFC 7748 section 5). */
export function montgomeryPrivateKey(ed25519Seed: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha512').update(ed25519Seed).digest().subarray(0, KEY_BYTES))
}

function modulo(value: bigint): bigint {
  return ((value % P) + P) % P
}

/** By the extended algorithm of Euclid: public keys are public, so time may depend on them. */
function inverse(value: bigint): bigint {
  let [a, b, x, next] = [value, P, 1n, 0n]
  while (b !== 0n) {
    const quotient = a / b
    ;[a, b] = [b, a - quotient * b]
    ;[x, next] = [next, x - quotient * next]
  }
  return modulo(x)
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
}

function toLittleEndian(value: bigint): Uint8Array {
  const hex = value.toString(16).padStart(KEY_BYTES * 2, '0')
  return new Uint8Array(Buffer.from(hex, 'hex').reverse())
}
