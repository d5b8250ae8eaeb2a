import { describe, expect, test } from 'vitest'
import { canonicalIp, onLinkTest, parseIp } from './ip-address.ts'
import type { NetworkInterface } from './network.ts'

const link: NetworkInterface = {
  name: 'eth0',
  index: 2,
  kind: 'wired',
  isUp: true,
  supportsMulticast: true,
  rank: 0,
  addresses: [
    { address: '192.168.4.7', family: 'ipv4', prefixLength: 22, scope: 'private', scopeId: 0 },
    { address: 'fe80::1', family: 'ipv6', prefixLength: 64, scope: 'link-local', scopeId: 2 },
    { address: '2001:db8::7', family: 'ipv6', prefixLength: 64, scope: 'global', scopeId: 0 },
  ],
}

describe('IP addresses', () => {
  test.each([
    ['fe80::1%eth0', 'fe80::1'],
    ['FE80:0:0:0:0:0:0:1', 'fe80::1'],
    ['2001:db8:0:0:1:0:0:0', '2001:db8:0:0:1::'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
    ['10.0.0.255', '10.0.0.255'],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalIp(text)).toBe(canonical)
  })

  test.each([
    '',
    'x',
    '1.2.3',
    '1.2.3.256',
    '1:2:3:4:5:6:7',
    '1::2::3',
    ':1',
    'fe80::g',
    '1:2:3:4:5:6:7:8:9',
    '::1.2.3',
  ])('%j is none', text => {
    expect(parseIp(text)).toBeUndefined()
  })

  test.each([
    ['192.168.4.1', true],
    ['192.168.7.255', true],
    ['192.168.8.1', false],
    ['8.8.8.8', false],
    ['fe80::99%eth0', true],
    ['fe80::99%2', true],
    ['fe80::99%eth1', false],
    ['2001:db8::99', true],
    ['2001:db8:0:1::99', false],
    ['nonsense', false],
  ])('%s is on the link: %s', (source, expected) => {
    expect(onLinkTest(link)(source)).toBe(expected)
  })
})
