import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Identity } from '../identity/identity.ts'
import { MAX_CACHED_PROOFS } from '../limits.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { makeProof, PROOF_BYTES, ProofVerifier } from './handshake-proof.ts'

const identity = new Identity(new Uint8Array(32).fill(1))
const staticKey = new Uint8Array(32).fill(2)
const proof = makeProof(identity, staticKey)
const violation = expect.objectContaining({ code: 'protocol-violation' })

describe('an identity proof', () => {
  test('is the public key and its signature over the context, a zero byte and the static key', () => {
    expect(proof.length).toBe(PROOF_BYTES)
    expect(Buffer.compare(proof.subarray(0, 32), identity.publicKey)).toBe(0)
    const signed = Buffer.concat([Buffer.from('earshot-noise-static-v1\0'), staticKey])
    expect(Buffer.compare(proof.subarray(32), identity.sign(signed))).toBe(0)
  })

  test('gives the public key, the first time and from memory, as a copy', () => {
    const verifier = new ProofVerifier()
    for (let i = 0; i < 2; i++) {
      const bytes = Buffer.from(proof)
      const publicKey = verifier.verify(new ByteReader(bytes), staticKey)
      bytes.fill(0)
      expect(publicKey).toEqual(identity.publicKey)
    }
  })

  test('that was remembered is not good for another static key', () => {
    const verifier = new ProofVerifier()
    verifier.verify(new ByteReader(proof), staticKey)
    expect(() => verifier.verify(new ByteReader(proof), new Uint8Array(32).fill(3))).toThrow(violation)
  })

  test('that was refused is refused again', () => {
    const verifier = new ProofVerifier()
    const wrong = proof.slice()
    wrong[95]! ^= 1
    for (let i = 0; i < 2; i++) expect(() => verifier.verify(new ByteReader(wrong), staticKey)).toThrow(violation)
  })

  test('is refused in every cut-off form and for any other bytes', () => {
    const verifier = new ProofVerifier()
    for (let cut = 0; cut < PROOF_BYTES; cut++) {
      expect(() => verifier.verify(new ByteReader(proof.subarray(0, cut)), staticKey)).toThrow(violation)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), bytes => {
        expect(() => verifier.verify(new ByteReader(bytes), staticKey)).toThrow(violation)
      }),
    )
  })

  test('is forgotten in the end, so that strangers cannot fill the memory', () => {
    const verifier = new ProofVerifier()
    const dial = (i: number) => {
      const key = new Uint8Array(32).fill(i).fill(i >>> 8, 16)
      verifier.verify(new ByteReader(makeProof(identity, key)), key)
    }
    for (let i = 0; i < MAX_CACHED_PROOFS + 10; i++) dial(i)
    expect(verifier.remembered).toBe(MAX_CACHED_PROOFS)
    dial(0)
    expect(verifier.remembered).toBe(MAX_CACHED_PROOFS)
  })
})
