import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { canonicalIp } from '../../platform/ip-address.ts'
import {
  decodePcpResponse,
  encodePcpAnnounce,
  encodePcpMapRequest,
  mappedAddress,
  PCP_RESULTS,
  type PcpMap,
  type PcpResponse,
} from './pcp-message.ts'

const NONCE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
const MAP: PcpMap = {
  nonce: NONCE,
  protocol: 'udp',
  internalPort: 4_112,
  externalPort: 5_000,
  externalAddress: '203.0.113.7',
}

/** An answer as RFC 6887 figures 3 and 10 draw it, written apart from the client. */
function encodeResponse(
  { opcode, result, lifetimeSeconds, epochSeconds, map }: PcpResponse,
  options: number[] = [],
): Uint8Array {
  const bytes = new Uint8Array(24 + (map === undefined ? 0 : 36) + options.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, 2)
  view.setUint8(1, 0x80 + (opcode === 'map' ? 1 : 0))
  view.setUint8(3, (PCP_RESULTS as readonly string[]).indexOf(result))
  view.setUint32(4, lifetimeSeconds)
  view.setUint32(8, epochSeconds)
  if (map !== undefined) {
    bytes.set(map.nonce, 24)
    view.setUint8(36, map.protocol === 'udp' ? 17 : 6)
    view.setUint16(40, map.internalPort)
    view.setUint16(42, map.externalPort)
    bytes.set(mappedAddress(map.externalAddress), 44)
  }
  bytes.set(options, bytes.length - options.length)
  return bytes
}

const map: fc.Arbitrary<PcpMap> = fc.record({
  nonce: fc.uint8Array({ minLength: 12, maxLength: 12 }),
  protocol: fc.constantFrom('udp' as const, 'tcp' as const),
  internalPort: fc.nat(65_535),
  externalPort: fc.nat(65_535),
  externalAddress: fc.oneof(
    fc.ipV4(),
    fc
      .ipV6()
      .filter(text => !text.includes('.'))
      .map(canonicalIp),
  ),
})
const response: fc.Arbitrary<PcpResponse> = fc
  .record({
    result: fc.constantFrom(...PCP_RESULTS),
    lifetimeSeconds: fc.nat(0xffff_ffff),
    epochSeconds: fc.nat(0xffff_ffff),
    map: fc.option(map, { nil: undefined }),
  })
  .map(fields => ({ opcode: fields.map === undefined ? ('announce' as const) : ('map' as const), ...fields }))

describe('PCP requests', () => {
  test('ANNOUNCE has a header alone (RFC 6887 figure 2)', () => {
    expect(Buffer.from(encodePcpAnnounce('192.168.1.2')).toString('hex')).toBe(
      '02000000' + '00000000' + '00000000000000000000ffffc0a80102',
    )
  })

  test('MAP has nonce, protocol, ports and the address wanted (RFC 6887 figure 9)', () => {
    const bytes = encodePcpMapRequest({
      ...MAP,
      clientAddress: '2001:db8::2',
      lifetimeSeconds: 7_200,
      externalAddress: '::',
    })

    expect(Buffer.from(bytes).toString('hex')).toBe(
      '02010000' +
        '00001c20' +
        '20010db8000000000000000000000002' +
        '0102030405060708090a0b0c' +
        '11000000' +
        '10101388' +
        '0'.repeat(32),
    )
  })
})

describe('PCP answers', () => {
  test('are what was written', () => {
    fc.assert(fc.property(response, value => void expect(decodePcpResponse(encodeResponse(value))).toEqual(value)))
  })

  test('may have options, which are left out (RFC 6887 section 7.3)', () => {
    const value: PcpResponse = { opcode: 'map', result: 'success', lifetimeSeconds: 1, epochSeconds: 2, map: MAP }

    expect(decodePcpResponse(encodeResponse(value, [3, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 9, 0, 0, 0]))).toEqual(value)
    expect(() => decodePcpResponse(encodeResponse(value, [3, 0, 0, 5, 1, 2, 3, 4]))).toThrow('option at offset 64')
  })

  test('of an error may be a header alone (RFC 6887 section 8.3)', () => {
    const bytes = encodeResponse({
      opcode: 'map',
      result: 'unsupported-version',
      lifetimeSeconds: 0,
      epochSeconds: 9,
      map: undefined,
    })

    expect(decodePcpResponse(bytes)).toMatchObject({ result: 'unsupported-version', map: undefined })
  })

  test('may have a result of tomorrow, and an opcode', () => {
    const bytes = encodeResponse({
      opcode: 'announce',
      result: 'success',
      lifetimeSeconds: 0,
      epochSeconds: 0,
      map: undefined,
    })
    bytes.set([0x80 | 9, 0, 200], 1)

    expect(decodePcpResponse(bytes)).toMatchObject({ opcode: undefined, result: 'unknown-result-200' })
  })

  test('of every length but their own are refused', () => {
    const whole = encodeResponse({ opcode: 'map', result: 'success', lifetimeSeconds: 1, epochSeconds: 2, map: MAP })
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodePcpResponse(whole.subarray(0, length)), String(length)).toThrow(EarshotError)
    }
  })

  test.each<[string, number[], string]>([
    ['a NAT-PMP answer', [0, 128, 0, 1], 'PCP version 0 at offset 0 is not 2'],
    ['a request', [2, 1, 0, 0], 'a PCP request came'],
    ['a protocol that is neither', [2, 129], 'protocol 0 at offset 36'],
  ])('are none where they are %s', (_, start, message) => {
    const bytes = new Uint8Array(60)
    bytes.set(start)
    expect(() => decodePcpResponse(bytes)).toThrow(message)
  })

  test('any bytes are an answer or a protocol violation', () => {
    const headed = fc
      .uint8Array({ maxLength: 120 })
      .map(bytes => Uint8Array.of(2, 0x80 | ((bytes[0] ?? 0) % 3), ...bytes))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 1_200 }), headed), bytes => {
        try {
          decodePcpResponse(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol-violation' })
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
