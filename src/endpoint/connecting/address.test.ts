import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressFault, formatAddress, isIpAddress, parseAddress } from './address.ts'

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
    '999.1.1.1:80',
    '[1:2:3]:80',
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

describe('addressFault', () => {
  test.each([
    ['192.168.0.2', /port is missing/],
    ['192.168.0.2:', /port is missing/],
    ['192.168.0.2:99999', /1 to 65535, not 99999/],
    ['192.168.0.2:0', /1 to 65535, not 0/],
    ['192.168.0.2:http', /1 to 65535, not http/],
    ['192.168.0.256:80', /0 to 255/],
    ['192.168.0.256', /0 to 255/],
    ['ada.local:65536', /1 to 65535, not 65536/],
    [':4112', /host .* missing/],
    ['fe80::1', /brackets/],
    ['fe80::1%eth0', /brackets/],
    ['fe80::1:80', /brackets/],
    ['[fe80::1]', /port is missing/],
    ['[fe80::1]:', /port is missing/],
    ['[fe80::1]:70000', /1 to 65535/],
    ['[fe80::1%]:80', /not an IPv6 address/],
    ['[ada]:80', /not an IPv6 address/],
    ['[]:80', /not an IPv6 address/],
    [`${'a'.repeat(254)}:80`, /253/],
    [`ada:${'9'.repeat(1_000)}`, /^the port must be 1 to 65535, not 9{20}$/],
  ])('says what is wrong with %s', (text, fault) => {
    expect(addressFault(text)).toMatch(fault)
  })

  test.each([
    '',
    'ada',
    'ada:',
    'ada:8o',
    'ada: 80',
    'Ada: the second',
    '[bot] Ada',
    '[bot]',
    '[bot]: hello',
    '1.2.3',
    '10:30 train',
    'http://ada:80',
    'dead:beef',
    '192.168.0.2:4112',
    '[fe80::1%eth0]:4112',
  ])('finds no fault with %j', text => {
    expect(addressFault(text)).toBeUndefined()
  })

  test('any text is an address, a faulty one, or none', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'[]:.%0129af g') }), text => {
        if (parseAddress(text)) expect(addressFault(text)).toBeUndefined()
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
