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

/** The static key of an identity in this process, and the identity's proof of it: made and signed once. */
interface ProvenKey {
  readonly staticKey: X25519KeyPair
  readonly proof: Uint8Array
}

const provenKeys = new WeakMap<Identity, ProvenKey>()
/** What one room has verified, the next one need not. */
const sharedVerifier = new ProofVerifier()

/** One room's side in all of its handshakes. */
export class HandshakeParty {
  readonly identity: Identity
  readonly service: string
  readonly psk: Uint8Array | undefined
  readonly versions: VersionRange
  readonly features: number
  readonly staticKey: X25519KeyPair
  readonly proof: Uint8Array
  readonly proofVerifier: ProofVerifier = sharedVerifier
  readonly #random: Random
  #spareKey: X25519KeyPair | undefined

  constructor(options: HandshakePartyOptions) {
    this.identity = options.identity
    this.service = options.service
    this.psk = options.psk
    this.versions = options.versions ?? PROTOCOL_VERSIONS
    this.features = options.features ?? KNOWN_FEATURES
    this.#random = options.random
    const { staticKey, proof } = this.#provenKey()
    this.staticKey = staticKey
    this.proof = proof
  }

  get pattern(): NoisePattern {
    return this.psk === undefined ? 'XX' : 'XXpsk3'
  }

  /** An ephemeral key that nobody has used. */
  newKey(): X25519KeyPair {
    const key = this.#spareKey ?? this.#makeKey()
    this.#spareKey = undefined
    return key
  }

  /** Makes the next ephemeral key now, while the network is busy, so that `newKey` need not. */
  prepareKey(): void {
    this.#spareKey ??= this.#makeKey()
  }

  #makeKey(): X25519KeyPair {
    return new X25519KeyPair(this.#random.bytes(KEY_BYTES))
  }

  #provenKey(): ProvenKey {
    const known = provenKeys.get(this.identity)
    if (known) return known
    const staticKey = this.#makeKey()
    const proven = { staticKey, proof: makeProof(this.identity, staticKey.publicKey) }
    provenKeys.set(this.identity, proven)
    return proven
  }
}
