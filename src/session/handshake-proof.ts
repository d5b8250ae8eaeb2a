/**
 * Identity proofs (docs/protocol.md, "Identity proof"): the identity signs the static key of the handshake, and the
 * handshake proves that the sender has that static key. 32 bytes of Ed25519 public key, then 64 bytes of signature.
 */

import { bytesToBase64Url } from '../crypto/base64url.ts'
import { SIGNATURE_BYTES, verifyEd25519 } from '../crypto/ed25519.ts'
import { KEY_BYTES } from '../crypto/octet-key.ts'
import { protocolViolation } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { MAX_CACHED_PROOFS } from '../limits.ts'
import type { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'

export const PROOF_BYTES: number = KEY_BYTES + SIGNATURE_BYTES

/** Said before every signed key, so that a signature made for this can never pass for one made for something else. */
const CONTEXT: Uint8Array = new TextEncoder().encode('earshot-noise-static-v1\0')

export function makeProof(identity: Identity, staticKey: Uint8Array): Uint8Array {
  return new ByteWriter(PROOF_BYTES)
    .append(identity.publicKey)
    .append(identity.sign(signedText(staticKey)))
    .finish()
}

/**
 * Verifies proofs and remembers those that were good: who dials again has the same proof, and comparing it costs a
 * twentieth of verifying it.
 */
export class ProofVerifier {
  /** Oldest first: a Set keeps the order in which its members came. */
  readonly #verified = new Set<string>()

  /** Reads a proof and returns the identity's public key. Throws `protocol-violation` where the signature is wrong. */
  verify(reader: ByteReader, staticKey: Uint8Array): Uint8Array {
    const proof = reader.view(PROOF_BYTES, 'identity proof')
    const publicKey = new Uint8Array(proof.subarray(0, KEY_BYTES))
    const cacheKey = bytesToBase64Url(staticKey) + bytesToBase64Url(proof)
    if (this.#verified.has(cacheKey)) return publicKey
    if (!verifyEd25519(publicKey, signedText(staticKey), proof.subarray(KEY_BYTES))) {
      throw protocolViolation('The identity did not sign the static key of the handshake')
    }
    this.#remember(cacheKey)
    return publicKey
  }

  /** How many proofs are known to be good at present. */
  get remembered(): number {
    return this.#verified.size
  }

  #remember(cacheKey: string): void {
    this.#verified.add(cacheKey)
    if (this.#verified.size <= MAX_CACHED_PROOFS) return
    for (const oldest of this.#verified) {
      this.#verified.delete(oldest)
      return
    }
  }
}

function signedText(staticKey: Uint8Array): Uint8Array {
  return new ByteWriter(CONTEXT.length + KEY_BYTES).append(CONTEXT).append(staticKey).finish()
}
