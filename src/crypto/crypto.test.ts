import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ChaCha20Poly1305, TAG_BYTES } from './chacha20-poly1305.ts'
import { Ed25519KeyPair, verifyEd25519 } from './ed25519.ts'
import { montgomeryPrivateKey, montgomeryPublicKey } from './montgomery.ts'
import { scrypt } from './scrypt.ts'
import { hkdfSha256, sha256 } from './sha256.ts'
import { X25519KeyPair } from './x25519.ts'

type Vector<Field extends string> = Readonly<Record<Field, string>>

interface Primitives {
  sha256: { vectors: Vector<'message' | 'hash'>[] }
  hkdfSha256: { vectors: Vector<'section' | 'inputKey' | 'salt' | 'info' | 'output'>[] }
  x25519: {
    agreements: (Vector<'section' | 'privateKey' | 'remotePublicKey' | 'secret'> & { publicKey?: string })[]
    iterated: Vector<'after1' | 'after1000'>
  }
  ed25519: { vectors: Vector<'section' | 'seed' | 'publicKey' | 'message' | 'signature'>[] }
  ed25519ToX25519: {
    vectors: Vector<'section' | 'seed' | 'ed25519PublicKey' | 'x25519PrivateKey' | 'x25519PublicKey'>[]
  }
  chacha20Poly1305: { vectors: Vector<'key' | 'nonce' | 'associatedData' | 'plaintext' | 'ciphertext' | 'tag'>[] }
  scrypt: { vectors: (Vector<'secret' | 'salt' | 'output'> & { N: number; r: number; p: number })[] }
}

const primitives = JSON.parse(
  readFileSync(new URL('../../test/vectors/primitives.json', import.meta.url), 'utf8'),
) as Primitives

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('SHA-256 and HKDF', () => {
  test.each(primitives.sha256.vectors)('the hash of $message, in one part or several', ({ message, hash }) => {
    expect(text(sha256(hex(message)))).toBe(hash)
    expect(text(sha256(hex(message).subarray(0, 1), hex(message).subarray(1)))).toBe(hash)
  })

  test.each(primitives.hkdfSha256.vectors)('RFC 5869 $section', ({ inputKey, salt, info, output }) => {
    expect(text(hkdfSha256(hex(inputKey), hex(salt), hex(info), output.length / 2))).toBe(output)
  })

  test('an empty input key is allowed, as Noise splits with one', () => {
    expect(hkdfSha256(new Uint8Array(0), new Uint8Array(32), new Uint8Array(0), 64).length).toBe(64)
  })
})

describe('X25519', () => {
  test.each(primitives.x25519.agreements)('RFC 7748 $section', vector => {
    const pair = new X25519KeyPair(hex(vector.privateKey))
    if (vector.publicKey !== undefined) expect(text(pair.publicKey)).toBe(vector.publicKey)
    expect(text(pair.agree(hex(vector.remotePublicKey)))).toBe(vector.secret)
  })

  test('RFC 7748 section 5.2, iterated 1,000 times', () => {
    let scalar = hex(`09${'00'.repeat(31)}`)
    let point = scalar
    const once = () => {
      const secret = new X25519KeyPair(scalar).agree(point)
      point = scalar
      scalar = new Uint8Array(secret)
    }
    once()
    expect(text(scalar)).toBe(primitives.x25519.iterated.after1)
    for (let i = 1; i < 1000; i++) once()
    expect(text(scalar)).toBe(primitives.x25519.iterated.after1000)
  })

  test('a point of low order is a protocol-violation', () => {
    expect(() => new X25519KeyPair(new Uint8Array(32).fill(1)).agree(new Uint8Array(32))).toThrow(
      expect.objectContaining({ code: 'protocol-violation' }),
    )
  })

  test.each([0, 31, 33])('a key of %d bytes is a RangeError', length => {
    expect(() => new X25519KeyPair(new Uint8Array(length))).toThrow(RangeError)
    expect(() => new X25519KeyPair(new Uint8Array(32)).agree(new Uint8Array(length))).toThrow(RangeError)
  })
})

describe('Ed25519', () => {
  test.each(primitives.ed25519.vectors)('RFC 8032 $section', ({ seed, publicKey, message, signature }) => {
    const pair = new Ed25519KeyPair(hex(seed))
    expect(text(pair.publicKey)).toBe(publicKey)
    expect(text(pair.sign(hex(message)))).toBe(signature)
    expect(verifyEd25519(hex(publicKey), hex(message), hex(signature))).toBe(true)
  })

  test('a changed message, signature or key does not verify', () => {
    const { publicKey, message, signature } = primitives.ed25519.vectors[2]!
    expect(verifyEd25519(hex(publicKey), hex(`${message}00`), hex(signature))).toBe(false)
    for (const bit of [0, 255, 256, 511]) {
      const changed = hex(signature)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(verifyEd25519(hex(publicKey), hex(message), changed)).toBe(false)
    }
    for (const length of [0, 63, 65]) {
      expect(verifyEd25519(hex(publicKey), hex(message), new Uint8Array(length))).toBe(false)
    }
  })

  test('any 32 bytes are taken as a key, and none of them makes it throw', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
    fc.assert(
      fc.property(bytes(32), bytes(64), (publicKey, signature) => {
        expect(verifyEd25519(publicKey, new Uint8Array(0), signature)).toBe(false)
      }),
    )
  })

  test.each([
    '00'.repeat(32),
    `${'00'.repeat(31)}80`,
    `01${'00'.repeat(31)}`,
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    `ec${'ff'.repeat(30)}7f`,
    `ed${'ff'.repeat(30)}7f`,
    `ee${'ff'.repeat(30)}7f`,
    `ee${'ff'.repeat(30)}ff`,
  ])('nobody signs as %s, a key of low order', publicKey => {
    // With R = A and s = 0 the equation of RFC 8032 section 5.1.7 holds for at least one message in eight.
    const forged = hex(publicKey + '00'.repeat(32))
    for (let i = 0; i < 64; i++) expect(verifyEd25519(hex(publicKey), Uint8Array.of(i), forged)).toBe(false)
  })
})

describe('an Ed25519 key as one of X25519', () => {
  test.each(primitives.ed25519ToX25519.vectors)('$section of RFC 8032', vector => {
    const privateKey = Buffer.from(montgomeryPrivateKey(hex(vector.seed)))
    privateKey[0]! &= 248
    privateKey[31]! = (privateKey[31]! & 127) | 64
    expect(text(privateKey)).toBe(vector.x25519PrivateKey)
    expect(text(montgomeryPublicKey(hex(vector.ed25519PublicKey)))).toBe(vector.x25519PublicKey)
    expect(text(new Ed25519KeyPair(hex(vector.seed)).toX25519().publicKey)).toBe(vector.x25519PublicKey)
  })

  test('whoever has the seed and whoever has the public key agree, for any seed', () => {
    const seed = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(seed, seed, (mine, theirs) => {
        const [receiver, ephemeral] = [new Ed25519KeyPair(mine), new X25519KeyPair(theirs)]
        const sent = ephemeral.agree(montgomeryPublicKey(receiver.publicKey))
        expect(text(receiver.toX25519().agree(ephemeral.publicKey))).toBe(text(sent))
      }),
      { numRuns: 50 },
    )
  })

  test.each([
    `01${'00'.repeat(31)}`,
    `${'00'.repeat(31)}80`,
    `ec${'ff'.repeat(30)}7f`,
    `ed${'ff'.repeat(30)}7f`,
    `ee${'ff'.repeat(30)}7f`,
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  ])('nobody agrees with %s, a key of low order', publicKey => {
    const agree = () => new X25519KeyPair(new Uint8Array(32).fill(1)).agree(montgomeryPublicKey(hex(publicKey)))
    expect(agree).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
  })

  test.each([0, 31, 33])('a key of %d bytes is a RangeError', length => {
    expect(() => montgomeryPublicKey(new Uint8Array(length))).toThrow(RangeError)
  })
})

describe('ChaCha20-Poly1305', () => {
  const [vector] = primitives.chacha20Poly1305.vectors
  const { key, nonce, associatedData, plaintext, ciphertext, tag } = vector!
  const aead = new ChaCha20Poly1305(hex(key))
  const seal = (offset: number) => {
    const target = new Uint8Array(offset + plaintext.length / 2 + TAG_BYTES)
    aead.sealInto(target, offset, hex(plaintext), hex(nonce), hex(associatedData))
    return target
  }

  test('RFC 8439 section 2.8.2, written to its place', () => {
    expect(text(seal(0))).toBe(ciphertext + tag)
    expect(text(seal(3))).toBe(`000000${ciphertext}${tag}`)
    expect(text(aead.open(seal(0), hex(nonce), hex(associatedData))!)).toBe(plaintext)
  })

  test('nothing opens that was changed in any bit, or with another key, nonce or associated data', () => {
    const sealed = seal(0)
    for (let bit = 0; bit < sealed.length * 8; bit += 5) {
      sealed[bit >> 3]! ^= 1 << (bit & 7)
      expect(aead.open(sealed, hex(nonce), hex(associatedData))).toBeUndefined()
      sealed[bit >> 3]! ^= 1 << (bit & 7)
    }
    const other = new Uint8Array(32)
    expect(new ChaCha20Poly1305(other).open(sealed, hex(nonce), hex(associatedData))).toBeUndefined()
    expect(aead.open(sealed, other.subarray(0, 12), hex(associatedData))).toBeUndefined()
    expect(aead.open(sealed, hex(nonce), undefined)).toBeUndefined()
    for (let cut = 0; cut < sealed.length; cut++) {
      expect(aead.open(sealed.subarray(0, cut), hex(nonce), hex(associatedData))).toBeUndefined()
    }
  })

  test('an empty text has a tag of its own', () => {
    const target = new Uint8Array(TAG_BYTES)
    aead.sealInto(target, 0, new Uint8Array(0), hex(nonce), undefined)
    expect(aead.open(target, hex(nonce), undefined)).toEqual(new Uint8Array(0))
  })
})

describe('scrypt', () => {
  test.each(primitives.scrypt.vectors)('RFC 7914 section 12, N = $N', async ({ secret, salt, output, ...cost }) => {
    expect(text(await scrypt(hex(secret), hex(salt), output.length / 2, cost))).toBe(output)
  })
})
