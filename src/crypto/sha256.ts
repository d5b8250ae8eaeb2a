/** SHA-256 (FIPS 180-4) and HKDF with it (RFC 5869). */

import { createHash, type Hash, hkdfSync } from 'node:crypto'

export const SHA256_BYTES = 32

/** The hash of the parts one behind the other. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** The hash of what comes in parts, such as the content of a file. */
export class Sha256 {
  readonly #hash: Hash = createHash('sha256')

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  /** The hash of what has come so far; more may follow. */
  digest(): Uint8Array {
    return new Uint8Array(this.#hash.copy().digest())
  }
}

/** `length` bytes derived from `inputKey`: HKDF-Extract with `salt`, then HKDF-Expand with `info`. */
export function hkdfSha256(inputKey: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', inputKey, salt, info, length))
}
