import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../../errors.ts'
import { decodeSsdpAnswer, encodeSsdpSearch, GATEWAY_DEVICES, type SsdpAnswer } from './ssdp-message.ts'

const ANSWER: SsdpAnswer = { location: 'http://192.168.1.1:5000/rootDesc.xml', searchTarget: GATEWAY_DEVICES[0] }

function encode({ location, searchTarget }: SsdpAnswer, lineBreak = '\r\n'): Uint8Array {
  const lines = ['HTTP/1.1 200 OK', 'CACHE-CONTROL: max-age=120', `ST: ${searchTarget}`, 'EXT:', `Location:${location}`]
  return new TextEncoder().encode(lines.join(lineBreak) + lineBreak + lineBreak)
}

describe('SSDP', () => {
  test('a search says what it looks for, and how long devices may wait (UPnP Device Architecture 1.1 section 1.3.2)', () => {
    expect(new TextDecoder().decode(encodeSsdpSearch('ff02::c', GATEWAY_DEVICES[0]))).toBe(
      'M-SEARCH * HTTP/1.1\r\nHOST: [ff02::c]:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n' +
        'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n',
    )
  })

  test('an answer is read whatever the case of its fields and the ends of its lines', () => {
    expect(decodeSsdpAnswer(encode(ANSWER))).toEqual(ANSWER)
    expect(decodeSsdpAnswer(encode(ANSWER, '\n'))).toEqual(ANSWER)
  })

  test('answers are what was written, and nothing where they are cut off', () => {
    const word = fc.stringMatching(/^[!-~]{1,40}$/)
    fc.assert(
      fc.property(word, word, (location, searchTarget) => {
        const whole = encode({ location, searchTarget })
        expect(decodeSsdpAnswer(whole)).toEqual({ location, searchTarget })
        for (let length = 0; length < whole.length; length++) {
          expect(() => decodeSsdpAnswer(whole.subarray(0, length))).toThrow(EarshotError)
        }
      }),
      { numRuns: 30 },
    )
  })

  test('any bytes are an answer or a protocol violation', () => {
    const headed = fc.string().map(text => new TextEncoder().encode(`HTTP/1.1 200 OK\r\n${text}\r\n\r\n`))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 5_000 }), headed), bytes => {
        try {
          decodeSsdpAnswer(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol-violation' })
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
