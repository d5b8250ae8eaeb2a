import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { MAX_ICE_CANDIDATES, MAX_ICE_MESSAGE_BYTES } from '../../limits.ts'
import { canonicalIp } from '../../platform/ip-address.ts'
import { CANDIDATE_TRANSPORTS, CANDIDATE_TYPES, type Candidate } from './candidate.ts'
import { type Description, decodeDescription, encodeDescription } from './description.ts'

const seed = 20_261_126
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const address = fc.oneof(fc.ipV4(), fc.ipV6().map(canonicalIp))
const endpoint = fc.record({ address, port: fc.integer({ min: 0, max: 65_535 }) })
const delta = fc.integer({ min: -64, max: 64 }).filter(step => step !== 0)
const candidate: fc.Arbitrary<Candidate> = fc
  .tuple(endpoint, fc.constantFrom(...CANDIDATE_TYPES), fc.constantFrom(...CANDIDATE_TRANSPORTS))
  .map(([at, type, transport]) => ({ ...at, type, transport }))
const nat = fc.record({
  mapping: fc.constantFrom(
    'unknown' as const,
    'none' as const,
    'endpoint-independent' as const,
    'address-dependent' as const,
    'address-and-port-dependent' as const,
    'endpoint-dependent' as const,
  ),
  ports: fc.oneof(
    fc.record({ kind: fc.constantFrom('unknown' as const, 'random' as const) }),
    fc.record({ kind: fc.constant('sequential' as const), delta }),
    fc.record({ kind: fc.constant('preserving' as const), offset: fc.integer({ min: -32_768, max: 32_767 }) }),
  ),
  isBlocked: fc.boolean(),
})
const prediction = (transport: 'udp' | 'tcp') =>
  fc.record({ transport: fc.constant(transport), round: fc.integer({ min: 0, max: 255 }), mapped: endpoint, delta })
const description: fc.Arbitrary<Description> = fc
  .record({
    sessionId: bytes(16),
    password: bytes(16),
    heard: fc.option(fc.tuple(bytes(16), fc.integer({ min: 0, max: 0xffff_ffff })), { nil: undefined }),
    revision: fc.integer({ min: 1, max: 0xffff_ffff }),
    wantsAnswer: fc.boolean(),
    direct: fc.constantFrom('prefer' as const, 'only' as const, 'never' as const),
    hasReliableUdp: fc.boolean(),
    isComplete: fc.boolean(),
    birthday: fc.constantFrom<('udp' | 'tcp')[][]>([], ['udp'], ['tcp'], ['udp', 'tcp']),
    nat: fc.record({ udp: nat, tcp: nat }),
    candidates: fc.array(candidate, { maxLength: MAX_ICE_CANDIDATES }),
    predictions: fc.oneof(fc.constant([]), fc.tuple(prediction('udp')), fc.tuple(prediction('tcp'), prediction('udp'))),
  })
  .map(({ heard, ...rest }) => ({ ...rest, heardSessionId: heard?.[0], heardRevision: heard?.[1] ?? 0 }))

describe('a description', () => {
  test('decodes to what was encoded, within its limit', () => {
    fc.assert(
      fc.property(description, told => {
        const encoded = encodeDescription(told)
        expect(encoded.length).toBeLessThanOrEqual(MAX_ICE_MESSAGE_BYTES)
        expect(decodeDescription(encoded)).toEqual(told)
      }),
      { seed },
    )
  })

  test('of any bytes decodes or is a protocol violation', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (random, hasVersion) => {
        if (hasVersion && random.length > 2) random.set([1, random[1]! & 63, random[2]! % 3])
        try {
          decodeDescription(random)
        } catch (error) {
          expect(error).toBeInstanceOf(EarshotError)
          expect((error as EarshotError).code).toBe('protocol-violation')
        }
      }),
      { seed, numRuns: 2_000 },
    )
  })

  test('with one byte changed decodes or is a protocol violation', () => {
    fc.assert(
      fc.property(description, fc.nat(), fc.integer({ min: 1, max: 255 }), (told, at, change) => {
        const encoded = new Uint8Array(encodeDescription(told))
        encoded[at % encoded.length]! ^= change
        try {
          decodeDescription(encoded)
        } catch (error) {
          expect((error as EarshotError).code).toBe('protocol-violation')
        }
      }),
      { seed },
    )
  })

  test('cut off anywhere, or with a byte behind it, is refused', () => {
    const [told] = fc.sample(description, { seed, numRuns: 1 })
    const encoded = encodeDescription(told!)
    for (let length = 0; length < encoded.length; length++)
      expect(() => decodeDescription(encoded.subarray(0, length)), `${length}`).toThrow(
        expect.objectContaining({ code: 'protocol-violation' }),
      )
    expect(() => decodeDescription(Uint8Array.of(...encoded, 0))).toThrow(/behind its last field/)
  })

  test('that is too long, or of another version, is refused', () => {
    expect(() => decodeDescription(new Uint8Array(MAX_ICE_MESSAGE_BYTES + 1))).toThrow(/at most 2048 bytes/)
    expect(() => decodeDescription(Uint8Array.of(2, 0, 0))).toThrow(/Version 2/)
  })
})
