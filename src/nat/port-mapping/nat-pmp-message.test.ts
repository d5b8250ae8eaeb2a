import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import {
  decodeNatPmpResponse,
  encodeNatPmpAddressRequest,
  encodeNatPmpMapRequest,
  NAT_PMP_RESULTS,
  type NatPmpResponse,
} from './nat-pmp-message.ts'

/** An answer as RFC 6886 sections 3.2 and 3.3 draw it, written apart from the client. */
function encodeResponse(value: NatPmpResponse): Uint8Array {
  const kind = value.kind === 'failure' ? value.request : value.kind === 'map' ? value.protocol : value.kind
  const bytes = new Uint8Array(value.kind === 'failure' ? 8 : kind === 'external-address' ? 12 : 16)
  const view = new DataView(bytes.buffer)
  view.setUint8(1, 128 + ['external-address', 'udp', 'tcp'].indexOf(kind!))
  view.setUint16(2, (NAT_PMP_RESULTS as readonly string[]).indexOf(value.result))
  view.setUint32(4, value.epochSeconds)
  if (value.kind === 'external-address') bytes.set(value.address.split('.').map(Number), 8)
  if (value.kind === 'map') {
    view.setUint16(8, value.internalPort)
    view.setUint16(10, value.externalPort)
    view.setUint32(12, value.lifetimeSeconds)
  }
  return bytes
}

const success = { result: fc.constant('success' as const), epochSeconds: fc.nat(0xffff_ffff) }
const response: fc.Arbitrary<NatPmpResponse> = fc.oneof(
  fc.record({ kind: fc.constant('external-address' as const), ...success, address: fc.ipV4() }),
  fc.record({
    kind: fc.constant('map' as const),
    ...success,
    protocol: fc.constantFrom('udp' as const, 'tcp' as const),
    internalPort: fc.nat(65_535),
    externalPort: fc.nat(65_535),
    lifetimeSeconds: fc.nat(0xffff_ffff),
  }),
  fc.record({
    kind: fc.constant('failure' as const),
    request: fc.constantFrom('external-address' as const, 'udp' as const, 'tcp' as const),
    result: fc.constantFrom(...NAT_PMP_RESULTS.filter(result => result !== 'success')),
    epochSeconds: fc.nat(0xffff_ffff),
  }),
)

describe('NAT-PMP requests', () => {
  test('for the external address have two bytes (RFC 6886 section 3.2)', () => {
    expect([...encodeNatPmpAddressRequest()]).toEqual([0, 0])
  })

  test('for a mapping have ports and lifetime (RFC 6886 section 3.3)', () => {
    const bytes = encodeNatPmpMapRequest({
      protocol: 'tcp',
      internalPort: 4_112,
      externalPort: 5_000,
      lifetimeSeconds: 7_200,
    })
    expect(Buffer.from(bytes).toString('hex')).toBe('00020000' + '10101388' + '00001c20')
  })
})

describe('NAT-PMP answers', () => {
  test('are what was written', () => {
    fc.assert(fc.property(response, value => void expect(decodeNatPmpResponse(encodeResponse(value))).toEqual(value)))
  })

  test('of an error may say more, or have a result of tomorrow', () => {
    const failure = decodeNatPmpResponse(Uint8Array.of(0, 129, 0, 77, 0, 0, 0, 1, 16, 16, 0, 0, 0, 0, 0, 0))
    expect(failure).toEqual({ kind: 'failure', request: 'udp', result: 'unknown-result-77', epochSeconds: 1 })
  })

  test('of success are refused where they are cut off, or longer', () => {
    fc.assert(
      fc.property(
        response.filter(({ kind }) => kind !== 'failure'),
        value => {
          const whole = encodeResponse(value)
          for (let length = 0; length < whole.length; length++) {
            expect(() => decodeNatPmpResponse(whole.subarray(0, length))).toThrow(EarshotError)
          }
          expect(() => decodeNatPmpResponse(Uint8Array.of(...whole, 0))).toThrow('behind its last field')
        },
      ),
    )
  })

  test('any bytes are an answer or a protocol violation', () => {
    const headed = fc
      .uint8Array({ maxLength: 20 })
      .map(bytes => Uint8Array.of(0, 128 + ((bytes[0] ?? 0) % 4), 0, ...bytes))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), headed), bytes => {
        try {
          decodeNatPmpResponse(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol-violation' })
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
