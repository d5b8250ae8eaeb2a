import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatStunUri, parseStunUri, type StunUri } from './stun-uri.ts'

test.each([
  ['stun:example.org', 'stun', 'example.org', 3478, 'udp'],
  ['stun:example.org:19302', 'stun', 'example.org', 19302, 'udp'],
  ['stun:example.org?transport=tcp', 'stun', 'example.org', 3478, 'tcp'],
  ['stuns:example.org', 'stuns', 'example.org', 5349, 'tls'],
  ['turn:192.0.2.1', 'turn', '192.0.2.1', 3478, 'udp'],
  ['turn:192.0.2.1?transport=udp', 'turn', '192.0.2.1', 3478, 'udp'],
  ['turn:Example.ORG:80?transport=TCP', 'turn', 'example.org', 80, 'tcp'],
  ['turns:example.org:443?transport=tcp', 'turns', 'example.org', 443, 'tls'],
  ['turn:[2001:db8::1]:3478', 'turn', '2001:db8::1', 3478, 'udp'],
  ['stun:[fe80::1%eth0]', 'stun', 'fe80::1%eth0', 3478, 'udp'],
])('%s', (text, scheme, host, port, transport) => {
  expect(parseStunUri(text)).toEqual({ scheme, host, port, transport })
})

test.each([
  ['http://example.org', /no URI/],
  ['stun://example.org', /no URI/],
  ['example.org', /no URI/],
  ['stun:', /no URI/],
  ['stun:a b', /no URI/],
  ['stun:[::1', /no URI/],
  ['stun:user@example.org', /no URI/],
  [`stun:${'a'.repeat(300)}`, /no URI/],
  ['stun:example.org:0', /from 1 to 65535, not 0/],
  ['stun:example.org:65536', /not 65536/],
  ['turn:example.org?transport=sctp', /udp or tcp, not sctp/],
  ['turns:example.org?transport=udp', /DTLS/],
])('%s is refused', (text, message) => {
  expect(() => parseStunUri(text)).toThrow(RangeError)
  expect(() => parseStunUri(text)).toThrow(message)
})

test('any text is read, and written as it can be read again, or is a RangeError', () => {
  const text = fc.oneof(
    fc.string(),
    fc
      .tuple(fc.constantFrom('stun:', 'turns:', 'TURN:'), fc.string(), fc.constantFrom('', ':80', '?transport=tcp'))
      .map(parts => parts.join('')),
    fc.domain().map(host => `turn:${host}`),
    fc.ipV6().map(address => `stun:[${address}]:1`),
  )
  fc.assert(
    fc.property(text, candidate => {
      let uri: StunUri
      try {
        uri = parseStunUri(candidate)
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
        return
      }
      expect(parseStunUri(formatStunUri(uri))).toEqual(uri)
    }),
    { numRuns: 1_000 },
  )
})

test('what is no text is a TypeError', () => {
  expect(() => parseStunUri(7 as unknown as string)).toThrow(TypeError)
})

test.each(['stun:example.org:3478', 'turn:[2001:db8::1]:3478?transport=tcp', 'turns:example.org:443'])(
  '%s is written as it was',
  text => {
    expect(formatStunUri(parseStunUri(text))).toBe(text)
  },
)
