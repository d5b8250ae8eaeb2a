/** SymmetricState of the Noise Protocol Framework, revision 34, section 5.2, with SHA-256. */

import { hkdfSha256, SHA256_BYTES, sha256 } from '../../crypto/sha256.ts'
import { protocolViolation } from '../../errors.ts'
import { CipherState } from './cipher-state.ts'

const EMPTY = new Uint8Array(0)
const encoder = new TextEncoder()

export class SymmetricState {
  #chainingKey: Uint8Array
  #hash: Uint8Array
  /** Absent until the first key is mixed in: until then texts travel as they are. */
  #cipher: CipherState | undefined

  constructor(protocolName: string) {
    const name = encoder.encode(protocolName)
    this.#hash = name.length <= SHA256_BYTES ? padded(name) : sha256(name)
    this.#chainingKey = this.#hash
  }

  /** What both sides have seen so far; after the last message it names the connection (section 11.2). */
  get handshakeHash(): Uint8Array {
    return this.#hash
  }

  mixKey(inputKey: Uint8Array): void {
    const [chainingKey, key] = this.#derive(inputKey, 2)
    this.#chainingKey = chainingKey!
    this.#cipher = new CipherState(key!)
  }

  mixHash(data: Uint8Array): void {
    this.#hash = sha256(this.#hash, data)
  }

  /** For the token `psk` (section 9.2). */
  mixKeyAndHash(inputKey: Uint8Array): void {
    const [chainingKey, hashInput, key] = this.#derive(inputKey, 3)
    this.#chainingKey = chainingKey!
    this.mixHash(hashInput!)
    this.#cipher = new CipherState(key!)
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const sealed = this.#cipher === undefined ? plaintext : this.#cipher.encrypt(plaintext, this.#hash)
    this.mixHash(sealed)
    return sealed
  }

  decryptAndHash(sealed: Uint8Array, field: string): Uint8Array {
    const plaintext = this.#cipher === undefined ? sealed : this.#cipher.decrypt(sealed, this.#hash)
    if (plaintext === undefined) throw protocolViolation(`${field} of the handshake fails authentication`)
    this.mixHash(sealed)
    return plaintext
  }

  /** The two ciphers for what follows: first the initiator's direction, then the responder's. */
  split(): readonly [CipherState, CipherState] {
    const [toResponder, toInitiator] = this.#derive(EMPTY, 2)
    return [new CipherState(toResponder!), new CipherState(toInitiator!)]
  }

  /**
   * Further bytes for a purpose of their own, after the last message: derived as in `split`, but with `label` and the
   * hash of the handshake as RFC 5869's info, so that nothing is shared with the keys of the two ciphers.
   */
  derive(label: string, length: number): Uint8Array {
    const info = new Uint8Array([...encoder.encode(label), 0, ...this.#hash])
    return hkdfSha256(EMPTY, this.#chainingKey, info, length)
  }

  /** HKDF of section 4.3, which is that of RFC 5869 with the chaining key as salt and no info. */
  #derive(inputKey: Uint8Array, outputs: 2 | 3): Uint8Array[] {
    const bytes = hkdfSha256(inputKey, this.#chainingKey, EMPTY, outputs * SHA256_BYTES)
    return Array.from({ length: outputs }, (_, i) => bytes.slice(i * SHA256_BYTES, (i + 1) * SHA256_BYTES))
  }
}

function padded(name: Uint8Array): Uint8Array {
  const hash = new Uint8Array(SHA256_BYTES)
  hash.set(name)
  return hash
}
