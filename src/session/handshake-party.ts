/** What one room brings into every handshake. */

import { KEY_BYTES } from '../crypto/octet-key.ts'
import { X25519KeyPair } from '../crypto/x25519.ts'
import type { Identity } from '../identity/identity.ts'
import type { Random } from '../platform/random.ts'
import { makeProof, ProofVerifier } from './handshake-proof.ts'
import type { NoisePattern } from './noise/handshake-state.ts'
import { KNOWN_FEATURES, PROTOCOL_VERSIONS, type VersionRange } from './preamble.ts'

export interface HandshakePartyOptions {
  readonly identity: Identity
  /** RFC 6335 service name; both sides must have the same. */
  readonly service: string
  /** What `deriveSecretKey` made of the room's secret; both sides must have the same one, or none. */
  readonly psk?: Uint8Array | undefined
  readonly random: Random
  /** @default PROTOCOL_VERSIONS */
  readonly versions?: VersionRange
  /** @default KNOWN_FEATURES */
  readonly features?: number
}

/** One room's side in all of its handshakes: made once, since the static key is signed once. */
export class HandshakeParty {
  readonly identity: Identity
  readonly service: string
  readonly psk: Uint8Array | undefined
  readonly versions: VersionRange
  readonly features: number
  readonly staticKey: X25519KeyPair
  readonly proof: Uint8Array
  readonly proofVerifier: ProofVerifier = new ProofVerifier()
  readonly #random: Random

  constructor(options: HandshakePartyOptions) {
    this.identity = options.identity
    this.service = options.service
    this.psk = options.psk
    this.versions = options.versions ?? PROTOCOL_VERSIONS
    this.features = options.features ?? KNOWN_FEATURES
    this.#random = options.random
    this.staticKey = this.newKey()
    this.proof = makeProof(this.identity, this.staticKey.publicKey)
  }

  get pattern(): NoisePattern {
    return this.psk === undefined ? 'XX' : 'XXpsk3'
  }

  newKey(): X25519KeyPair {
    return new X25519KeyPair(this.#random.bytes(KEY_BYTES))
  }
}
