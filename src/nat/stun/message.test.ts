import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { MAX_STUN_ATTRIBUTES } from '../../limits.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { mappedAddressIn, textIn } from './attribute.ts'
import { ATTRIBUTE } from './attribute-type.ts'
import { hasValidIntegrity, type StunIntegrity } from './integrity.ts'
import { answerChallenge } from './long-term-credential.ts'
import {
  attributeOf,
  decodeStunMessage,
  encodeStunMessage,
  looksLikeStun,
  METHOD,
  notUnderstood,
  type StunMessage,
} from './message.ts'

interface Vector {
  readonly section: string
  readonly title: string
  readonly credential:
    | { readonly kind: 'short-term'; readonly password: string }
    | Readonly<Record<'username' | 'realm' | 'password' | 'nonce', string> & { kind: 'long-term' }>
  readonly algorithm: 'sha1' | 'sha256'
  readonly hasFingerprint: boolean
  readonly class: string
  readonly software?: string
  readonly username?: string
  readonly userhash?: string
  readonly mapped?: SocketAddress
  readonly bytes: string
}

const file = new URL('../../../test/vectors/stun.json', import.meta.url)
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const toHex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex')

/** The key of a vector; for a long-term credential with the attributes that go with it. */
function signing({ credential, algorithm }: Vector): StunIntegrity {
  if (credential.kind === 'short-term') return { algorithm, key: new TextEncoder().encode(credential.password) }
  const passwordAlgorithms = algorithm === 'sha256' ? hex('00020000') : undefined
  const challenge = { ...credential, passwordAlgorithms, hidesUsername: algorithm === 'sha256' }
  return answerChallenge(credential, { ...challenge, algorithm: algorithm === 'sha256' ? 'sha256' : 'md5' }).integrity
}

function refusal(bytes: Uint8Array): string {
  try {
    decodeStunMessage(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(EarshotError)
    expect((error as EarshotError).code).toBe('protocol-violation')
    return (error as EarshotError).message
  }
  throw new Error('nothing was refused')
}

describe.each(vectors)('$section: $title', vector => {
  const bytes = hex(vector.bytes)

  test('is read', () => {
    const message = decodeStunMessage(bytes)
    expect(message).toMatchObject({
      class: vector.class,
      method: METHOD.binding,
      hasFingerprint: vector.hasFingerprint,
    })
    expect(textIn(message, ATTRIBUTE.software)).toBe(vector.software)
    expect(textIn(message, ATTRIBUTE.username)).toBe(vector.username)
    expect(toHex(attributeOf(message, ATTRIBUTE.userhash))).toBe(vector.userhash)
    expect(mappedAddressIn(message)).toEqual(vector.mapped)
    expect(notUnderstood(message)).toEqual([])
    expect(looksLikeStun(bytes)).toBe(true)
  })

  test('has the integrity of its credential, and of no other', () => {
    const message = decodeStunMessage(bytes)
    const integrity = signing(vector)
    expect(hasValidIntegrity(message, integrity)).toBe(true)
    expect(hasValidIntegrity(message, { ...integrity, key: integrity.key.map(byte => byte ^ 1) })).toBe(false)
    expect(
      hasValidIntegrity(message, { ...integrity, algorithm: vector.algorithm === 'sha1' ? 'sha256' : 'sha1' }),
    ).toBe(false)
  })

  test('is the same in the middle of a Buffer, as it comes from a socket, which stays as it is', () => {
    const chunk = Buffer.concat([Buffer.alloc(37, 7), bytes, Buffer.alloc(5, 7)])
    const before = chunk.toString('hex')
    const message = decodeStunMessage(chunk.subarray(37, 37 + bytes.length))
    expect(message.hasFingerprint).toBe(vector.hasFingerprint)
    expect(hasValidIntegrity(message, signing(vector))).toBe(true)
    expect(mappedAddressIn(message)).toEqual(vector.mapped)
    expect(chunk.toString('hex')).toBe(before)
  })

  test('with any other bit, is refused or has no valid integrity', () => {
    const integrity = signing(vector)
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = bytes.slice()
      changed[bit >>> 3]! ^= 1 << (bit & 7)
      try {
        const message = decodeStunMessage(changed)
        // A fingerprint that is none any more is no part of what integrity protects.
        if (vector.hasFingerprint && !message.hasFingerprint) continue
        expect(hasValidIntegrity(message, integrity)).toBe(false)
      } catch (error) {
        expect((error as EarshotError).code).toBe('protocol-violation')
      }
    }
  })
})

/** Those that pad with zeros, as we do. */
test.each(vectors.filter(({ credential }) => credential.kind === 'long-term'))(
  '$section is encoded to the same bytes',
  vector => {
    const bytes = hex(vector.bytes)
    const encoded = encodeStunMessage(decodeStunMessage(bytes), { integrity: signing(vector), fingerprint: false })
    expect(toHex(encoded)).toBe(vector.bytes)
  },
)

const value = fc.uint8Array({ maxLength: 40 })
const type = fc.integer({ min: 0, max: 0xffff }).filter(candidate => ![0x0008, 0x001c, 0x8028].includes(candidate))
const anyMessage: fc.Arbitrary<StunMessage> = fc.record({
  class: fc.constantFrom('request' as const, 'indication' as const, 'success' as const, 'error' as const),
  method: fc.nat(0xfff),
  transactionId: fc.uint8Array({ minLength: 12, maxLength: 12 }),
  attributes: fc.array(fc.record({ type, value }), { maxLength: 6 }),
})
const integrity: fc.Arbitrary<StunIntegrity> = fc.record({
  algorithm: fc.constantFrom('sha1' as const, 'sha256' as const),
  key: fc.uint8Array({ minLength: 1, maxLength: 32 }),
})

describe('a message', () => {
  test('comes back as it was sent, signed or not', () => {
    fc.assert(
      fc.property(
        anyMessage,
        fc.option(integrity, { nil: undefined }),
        fc.boolean(),
        (message, signature, fingerprint) => {
          const decoded = decodeStunMessage(encodeStunMessage(message, { integrity: signature, fingerprint }))
          const { class: kind, method, transactionId, attributes } = decoded
          expect({ class: kind, method, transactionId, attributes }).toEqual(message)
          expect(decoded.hasFingerprint).toBe(fingerprint)
          expect(decoded.integrity).toHaveLength(signature ? 1 : 0)
          if (signature) expect(hasValidIntegrity(decoded, signature)).toBe(true)
        },
      ),
    )
  })

  test('that is cut off anywhere is refused', () => {
    fc.assert(
      fc.property(anyMessage, fc.option(integrity, { nil: undefined }), (message, signature) => {
        const bytes = encodeStunMessage(message, { integrity: signature })
        for (let length = 0; length < bytes.length; length++) refusal(bytes.subarray(0, length))
      }),
      { numRuns: 30 },
    )
  })

  test('of any bytes is read or refused', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(fc.nat(0x3fff), fc.uint8Array({ maxLength: 200 }))
        .map(([first, rest]) => Uint8Array.of(first >>> 8, first, 0, rest.length & ~3, ...hex('2112a442'), ...rest)),
      fc
        .tuple(anyMessage, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }))
        .map(([message, changes]) => {
          const changed = encodeStunMessage(message, { fingerprint: false }).slice()
          for (const [at, byte] of changes) changed[at % changed.length] = byte
          return changed
        }),
    )
    fc.assert(
      fc.property(bytes, candidate => {
        try {
          decodeStunMessage(candidate)
        } catch (error) {
          expect((error as EarshotError).code).toBe('protocol-violation')
        }
      }),
      { numRuns: 3_000 },
    )
  })

  const small: StunMessage = {
    class: 'request',
    method: METHOD.binding,
    transactionId: new Uint8Array(12),
    attributes: [],
  }

  test('with bytes behind it, a wrong cookie or two high bits is refused', () => {
    const bytes = encodeStunMessage(small, { fingerprint: false })
    expect(refusal(Uint8Array.of(...bytes, 0, 0, 0, 0))).toMatch(/length says 0 bytes, and 4/)
    expect(refusal(bytes.with(4, 0))).toMatch(/magic cookie/)
    expect(refusal(bytes.with(0, 0x80))).toMatch(/two zero bits/)
    expect(looksLikeStun(bytes.with(0, 0x40))).toBe(false)
    expect(looksLikeStun(bytes.with(7, 0))).toBe(false)
  })

  test('whose FINGERPRINT is wrong, or not the last attribute, is refused', () => {
    const bytes = encodeStunMessage(small)
    expect(refusal(bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1))).toMatch(/FINGERPRINT does not fit/)
    const longer = Uint8Array.of(...bytes, 0x80, 0x22, 0, 0).with(3, bytes[3]! + 4)
    expect(refusal(longer)).toMatch(/not the last/)
  })

  test('says nothing behind its integrity that would count', () => {
    const key = { algorithm: 'sha1', key: Uint8Array.of(1) } as const
    const signed = encodeStunMessage(small, { integrity: key, fingerprint: false })
    const software = Uint8Array.of(0x80, 0x22, 0, 1, 65, 0, 0, 0)
    const longer = Uint8Array.of(...signed, ...software).with(3, signed[3]! + software.length)
    const message = decodeStunMessage(longer)
    expect(message.attributes).toEqual([])
    expect(hasValidIntegrity(message, key)).toBe(true)
  })

  test('has a bounded number of attributes', () => {
    const attributes = Array.from({ length: MAX_STUN_ATTRIBUTES + 1 }, () => ({
      type: 0x8022,
      value: new Uint8Array(),
    }))
    expect(() => encodeStunMessage({ ...small, attributes })).toThrow(RangeError)
    const bytes = encodeStunMessage({ ...small, attributes: attributes.slice(1) }, { fingerprint: false })
    const longer = Uint8Array.of(...bytes, 0x80, 0x22, 0, 0)
    expect(refusal(longer.with(2, (bytes.length - 16) >>> 8).with(3, bytes.length - 16))).toMatch(/more than 64/)
  })

  test('an attribute that must be understood is told', () => {
    const attributes = [
      { type: 0x7fff, value: new Uint8Array() },
      { type: 0x8fff, value: new Uint8Array() },
    ]
    expect(notUnderstood({ ...small, attributes })).toEqual([0x7fff])
  })
})
