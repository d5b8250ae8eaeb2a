import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatAddress, isIpAddress, parseAddress } from './address.ts'

describe('parseAddress', () => {
  test.each([
    ['192.168.0.2:4112', { host: '192.168.0.2', port: 4112 }],
    ['[fe80::1%eth0]:4112', { host: 'fe80::1%eth0', port: 4112 }],
    ['[2001:db8::1]:1', { host: '2001:db8::1', port: 1 }],
    ['[::ffff:10.0.0.1]:65535', { host: '::ffff:10.0.0.1', port: 65_535 }],
    ['ada.local:80', { host: 'ada.local', port: 80 }],
    ['ada:80', { host: 'ada', port: 80 }],
  ])('reads %s', (text, expected) => {
    expect(parseAddress(text)).toEqual(expected)
  })

  test.each([
    '',
    ':80',
    'ada',
    'ada:',
    'ada:0',
    'ada:65536',
    'ada:123456',
    'ada:8o',
    'ada: 80',
    'two words:80',
    'fe80::1:80',
    '[fe80::1]',
    '[fe80::1]:',
    '[ada]:80',
    '[fe80::1%]:80',
    'http://ada:80',
    `${'a'.repeat(254)}:80`,
  ])('finds no address in %j', text => {
    expect(parseAddress(text)).toBeUndefined()
  })

  test('reads back what formatAddress wrote', () => {
    const ipv6 = fc.ipV6().filter(address => !address.includes('.'))
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), ipv6), fc.integer({ min: 1, max: 65_535 }), (address, port) => {
        expect(parseAddress(formatAddress({ address, port }))).toEqual({ host: address, port })
      }),
    )
  })

  test('any text is an address or undefined', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        const address = parseAddress(text)
        if (address) expect(address.port).toBeLessThanOrEqual(65_535)
      }),
    )
  })
})

test.each([
  ['10.0.0.1', true],
  ['fe80::1%eth0', true],
  ['ada.local', false],
  ['1.2.3', false],
])('isIpAddress tells that %s is one: %s', (host, expected) => {
  expect(isIpAddress(host)).toBe(expected)
})
