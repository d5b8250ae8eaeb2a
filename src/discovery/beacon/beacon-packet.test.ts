import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { formatPeerId } from '../../identity/peer-id.ts'
import { MAX_BEACON_PACKET_BYTES, MAX_INFO_BYTES, MAX_NAME_BYTES } from '../../limits.ts'
import { type BeaconPacket, decodeBeacon, encodeBeacon, type Here } from './beacon-packet.ts'

const vectors = new URL('../../../test/vectors/beacon-v1.json', import.meta.url)
const { packets } = JSON.parse(readFileSync(vectors, 'utf8')) as { packets: { packet: BeaconPacket; hex: string }[] }

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const here: Here = {
  kind: 'here',
  service: 'chat',
  id: formatPeerId(Uint8Array.from({ length: 32 }, (_, i) => i)),
  port: 4_112,
  name: 'Ada',
  info: '{"team":"red"}',
}
const service = fc.stringMatching(/^[a-z0-9-]{1,15}$/)
const sender = {
  service,
  id: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(formatPeerId),
  port: fc.integer({ min: 1, max: 65_535 }),
}
const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 15 })
  // A grapheme may have many bytes.
  .filter(text => !/[\p{Cc}\u2028\u2029]/u.test(text) && Buffer.byteLength(text) <= MAX_NAME_BYTES)
const info = fc.oneof(
  fc.constant(''),
  fc
    .jsonValue()
    .map(value => JSON.stringify(value))
    .filter(text => Buffer.byteLength(text) <= MAX_INFO_BYTES),
)
const anyPacket: fc.Arbitrary<BeaconPacket> = fc.oneof(
  fc.record({ kind: fc.constant('ask' as const), service: fc.option(service, { nil: undefined }) }),
  fc.record({ kind: fc.constant('here' as const), ...sender, name, info }),
  fc.record({ kind: fc.constant('bye' as const), ...sender }),
)

/** What is wrong with the bytes. */
function refusal(bytes: Uint8Array): string {
  try {
    decodeBeacon(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(EarshotError)
    expect((error as EarshotError).code).toBe('protocol-violation')
    return (error as EarshotError).message
  }
  throw new Error('nothing was refused')
}

describe('version 1 on the wire (test/vectors/beacon-v1.json)', () => {
  test.each(packets)('$packet.kind $hex', ({ packet, hex: bytes }) => {
    expect(Buffer.from(encodeBeacon(packet)).toString('hex')).toBe(bytes)
    expect(decodeBeacon(hex(bytes))).toEqual(packet)
  })

  test('has a sample of every kind', () => {
    expect(new Set(packets.map(({ packet }) => packet.kind))).toEqual(new Set(['ask', 'here', 'bye']))
  })
})

describe('a beacon', () => {
  test('comes back as it was sent', () => {
    fc.assert(
      fc.property(anyPacket, packet => {
        expect(decodeBeacon(encodeBeacon(packet))).toEqual(packet)
      }),
    )
  })

  test('that is cut off anywhere is refused', () => {
    fc.assert(
      fc.property(anyPacket, packet => {
        const bytes = encodeBeacon(packet)
        for (let length = 0; length < bytes.length; length++) refusal(bytes.subarray(0, length))
      }),
      { numRuns: 50 },
    )
  })

  test('may say more than this version knows', () => {
    expect(decodeBeacon(Uint8Array.from([...encodeBeacon(here), 1, 2, 3]))).toEqual(here)
  })

  test('of any bytes is read or refused', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 700 }),
      // Behind a good beginning, too.
      fc
        .tuple(fc.nat(4), fc.uint8Array({ maxLength: 700 }))
        .map(([kind, rest]) => Uint8Array.from([...hex('4541525301'), kind, ...rest])),
      // And with one byte of a good packet changed.
      fc.tuple(anyPacket, fc.nat(), fc.nat(255)).map(([packet, at, value]) => {
        const changed = encodeBeacon(packet)
        changed[at % changed.length] = value
        return changed
      }),
    )
    fc.assert(
      fc.property(bytes, candidate => {
        try {
          decodeBeacon(candidate)
        } catch (error) {
          expect((error as EarshotError).code).toBe('protocol-violation')
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('is at most half as long as what is read', () => {
    const longest = { ...here, service: 's'.repeat(15), name: 'n'.repeat(63), info: `"${'i'.repeat(398)}"` }
    const bytes = encodeBeacon(longest)
    expect(bytes.length).toBeLessThanOrEqual(MAX_BEACON_PACKET_BYTES / 2)
    expect(decodeBeacon(bytes)).toEqual(longest)
  })

  test.each([
    ['another magic', '4541525401010463686174', 'no beacon'],
    ['another version', '4541525302010463686174', 'version 2'],
    ['another kind', '4541525301040463686174', 'kind 4'],
    ['a service in capitals', '4541525301010443484154', 'no service'],
    ['a service of 16 characters', `454152530101${'10'}${'61'.repeat(16)}`, '16 bytes, above 15'],
    ['a length longer than needed', '454152530101400463686174', 'longer than needed'],
  ])('with %s is refused', (_, bytes, reason) => {
    expect(refusal(hex(bytes))).toContain(reason)
  })

  test.each<[string, Partial<Here>, string]>([
    ['no service', { service: '' }, 'no service'],
    ['port 0', { port: 0 }, 'port 0'],
    ['no name', { name: '' }, 'empty'],
    ['a line break in its name', { name: 'Ada\nBob' }, 'control characters'],
    ['a name of 64 bytes', { name: 'n'.repeat(64) }, '64 bytes, above 63'],
    ['info that is no JSON', { info: '{"team":' }, 'not JSON'],
    ['401 bytes of info', { info: `"${'i'.repeat(399)}"` }, '401 bytes, above 400'],
  ])('that says `here` with %s is refused', (_, changes, reason) => {
    expect(refusal(encodeBeacon({ ...here, ...changes }))).toContain(reason)
  })

  test('longer than any is refused unread', () => {
    const bytes = new Uint8Array(MAX_BEACON_PACKET_BYTES + 1)
    bytes.set(encodeBeacon(here))
    expect(refusal(bytes)).toContain('1201 bytes')
    expect(decodeBeacon(bytes.subarray(0, MAX_BEACON_PACKET_BYTES))).toEqual(here)
  })
})
