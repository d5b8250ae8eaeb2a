import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesFromBase64Url, bytesToBase64Url } from '../../crypto/base64url.ts'
import { sha256 } from '../../crypto/sha256.ts'
import { EarshotError } from '../../errors.ts'
import { Identity } from '../../identity/identity.ts'
import { MAX_ICE_CANDIDATES, MAX_OFFER_TEXT_CHARACTERS } from '../../limits.ts'
import { type Description, encodeDescription } from '../../nat/ice/description.ts'
import { UNKNOWN_NAT } from '../../nat/ice/nat-summary.ts'
import { isWellFormed } from '../../wire/well-formed.ts'
import {
  decodeOfferText,
  describe as describeOffer,
  encodeOfferText,
  type OfferText,
  serviceMark,
} from './offer-text.ts'

const seed = 20_261_126
const ADA = new Identity(new Uint8Array(32).fill(1))
const EVE = new Identity(new Uint8Array(32).fill(2))

const DESCRIPTION: Description = {
  sessionId: new Uint8Array(16).fill(3),
  password: new Uint8Array(16).fill(4),
  heardSessionId: undefined,
  revision: 5,
  heardRevision: 0,
  wantsAnswer: true,
  direct: 'prefer',
  hasReliableUdp: true,
  isComplete: true,
  birthday: [],
  nat: { udp: UNKNOWN_NAT, tcp: UNKNOWN_NAT },
  candidates: [
    { type: 'host', transport: 'udp', address: '192.168.0.2', port: 4_112 },
    { type: 'server-reflexive', transport: 'udp', address: '203.0.113.7', port: 40_378 },
    { type: 'host', transport: 'tcp-passive', address: '2001:db8::2', port: 4_113 },
  ],
  predictions: [],
}
const OFFER = {
  kind: 'offer',
  name: 'Ada',
  madeAt: 1_795_689_600_000,
  service: serviceMark('chat'),
  description: encodeDescription(DESCRIPTION),
} as const

const text = encodeOfferText(OFFER, ADA)

function failureOf(given: string): EarshotError {
  try {
    decodeOfferText(given)
  } catch (error) {
    if (error instanceof EarshotError) return error
    throw error
  }
  return expect.fail(`'${given}' was understood`)
}

/** The text of these bytes, with the checksum that belongs to them. */
function sealed(packet: Uint8Array): string {
  const bytes = new Uint8Array(packet)
  bytes.set(sha256(bytes.subarray(0, -4)).subarray(0, 4), bytes.length - 4)
  return `earshot:${bytesToBase64Url(bytes)}`
}

function bytesOf(given: string): Uint8Array {
  return bytesFromBase64Url(given.slice('earshot:'.length))
}

describe('the text of an offer', () => {
  test('is one line, the same for ever', () => {
    expect(text).toBe(
      'earshot:EQDN7V9557R27YSKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXGsIDIADQWRhQFQBBwADAwMDAwMDAwMDAwMDAwMDBAQEBAQEBAQEBAQEBAQEBAAAAAUAAAAAAwAABMCoAAIQEAEABMsAcQedugABECABDbgAAAAAAAAAAAAAAAIQEQAG5BGpdnuHPE8mJe84fVeYNZqL9X2INGgFvib_PQAl39LHmawaNKFE6uApnmobq2uwhHLgU-Gmng073oEFlFMPwg6jUQ',
    )
    expect(decodeOfferText(text)).toEqual({ ...OFFER, id: ADA.id })
    expect(describeOffer(decodeOfferText(text))).toEqual(DESCRIPTION)
  })

  test('decodes to what was encoded', () => {
    const offers = fc.record({
      kind: fc.constantFrom('offer' as const, 'answer' as const),
      name: fc.string({ minLength: 1, maxLength: 15, unit: 'grapheme-composite' }).filter(isName),
      madeAt: fc.integer({ min: 0, max: 0xffff_ffff }).map(seconds => seconds * 1_000),
      service: fc.uint8Array({ minLength: 8, maxLength: 8 }),
      candidates: fc.array(fc.record({ address: fc.ipV4(), port: fc.integer({ min: 0, max: 65_535 }) }), {
        maxLength: MAX_ICE_CANDIDATES,
      }),
    })
    fc.assert(
      fc.property(offers, ({ candidates, ...offer }) => {
        const told = candidates.map(at => ({ ...at, type: 'host', transport: 'udp' }) as const)
        const description = encodeDescription({ ...DESCRIPTION, candidates: told })
        const encoded = encodeOfferText({ ...offer, description }, ADA)
        expect(encoded).toMatch(/^earshot:[\w-]+$/)
        expect(decodeOfferText(encoded)).toEqual({ ...offer, description, id: ADA.id } satisfies OfferText)
      }),
      { seed, numRuns: 200 },
    )
  })

  test('may be wrapped, quoted and surrounded', () => {
    const blank = fc.constantFrom('\n', '\r\n', ' ', '\t', '\r\n> ', '>> ', '\u200b', '\u00a0', '\u00ad')
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(text.length), blank), { maxLength: 30 }), insertions => {
        let wrapped = text
        for (const [at, what] of insertions) wrapped = `${wrapped.slice(0, at)}${what}${wrapped.slice(at)}`
        expect(decodeOfferText(`Hello!\n${wrapped}\nYours, Ada`)).toEqual({ ...OFFER, id: ADA.id })
      }),
      { seed, numRuns: 200 },
    )
    expect(decodeOfferText(text.replace('earshot', 'Earshot'))).toMatchObject({ name: 'Ada' })
  })

  test('cut off anywhere says so', () => {
    for (let length = 'earshot:'.length; length < text.length; length++)
      expect(failureOf(text.slice(0, length)), `${length}`).toMatchObject({
        code: 'invalid-data',
        message: expect.stringMatching(/cut off/),
      })
  })

  test('with one character changed, left out or doubled is refused', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 'earshot:'.length, max: text.length - 1 }),
        fc.constantFrom(...'ABCxyz019-_'),
        fc.constantFrom('change', 'leave out', 'double'),
        (at, character, how) => {
          fc.pre(how !== 'change' || text[at] !== character)
          // The last of all may be doubled: what follows the text is not looked at.
          fc.pre(how !== 'double' || at < text.length - 1)
          fc.pre(how !== 'double' || text[at] !== text[at + 1])
          const middle = { change: character, 'leave out': '', double: text[at]!.repeat(2) }[how]
          const { code } = failureOf(`${text.slice(0, at)}${middle}${text.slice(at + 1)}`)
          expect(['invalid-data', 'version-mismatch']).toContain(code)
        },
      ),
      { seed, numRuns: 500 },
    )
  })

  test('that somebody else has changed, with its checksum, is not signed any more', () => {
    const packet = bytesOf(text)
    for (let at = 3; at < packet.length - 4; at += 5) {
      const changed = new Uint8Array(packet)
      changed[at]! ^= 1
      expect(failureOf(sealed(changed)), `${at}`).toMatchObject({ code: 'invalid-data' })
    }
    const ofEve = new Uint8Array(packet)
    ofEve.set(EVE.publicKey, 11)
    expect(failureOf(sealed(ofEve)).message).toMatch(/not signed by \w{8}, whose it claims to be/)
    const answer = new Uint8Array(packet)
    answer[0] = 0x12
    expect(failureOf(sealed(answer)).message).toMatch(/not signed/)
  })

  test('of any bytes is understood or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 120, maxLength: 600 }), fc.integer({ min: 1, max: 2 }), (random, kind) => {
        random.set([0x10 + kind, random.length >> 8, random.length & 0xff])
        expect(failureOf(sealed(random)).code).toBe('invalid-data')
      }),
      { seed, numRuns: 1_000 },
    )
    fc.assert(
      fc.property(fc.string({ maxLength: 400, unit: 'binary' }), fc.boolean(), (random, hasPrefix) => {
        expect(failureOf(hasPrefix ? `earshot:${random}` : random).code).toBe('invalid-data')
      }),
      { seed, numRuns: 1_000 },
    )
  })

  test('of another version, another kind, or without end is refused', () => {
    const [version, kind] = [bytesOf(text), bytesOf(text)]
    version[0] = 0x21
    kind[0] = 0x13
    expect(failureOf(sealed(version))).toMatchObject({ code: 'version-mismatch', message: /* 2 */ expect.any(String) })
    expect(failureOf(sealed(kind)).message).toBe('the text is neither an offer nor an answer')
    expect(failureOf('x'.repeat(MAX_OFFER_TEXT_CHARACTERS + 1)).message).toMatch(/at most 16384 characters/)
    const description = encodeDescription({ ...DESCRIPTION, isComplete: false })
    expect(failureOf(encodeOfferText({ ...OFFER, description }, ADA)).message).toMatch(/not complete/)
  })
})

function isName(name: string): boolean {
  const { length } = new TextEncoder().encode(name)
  return length >= 1 && length <= 63 && isWellFormed(name)
}
