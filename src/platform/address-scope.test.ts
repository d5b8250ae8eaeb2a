import { expect, test } from 'vitest'
import { addressScope } from './address-scope.ts'

test.each([
  ['127.0.0.1', 'loopback'],
  ['127.255.255.254', 'loopback'],
  ['::1', 'loopback'],
  ['169.254.0.1', 'link-local'],
  ['169.253.255.255', 'global'],
  ['fe80::1', 'link-local'],
  ['febf:ffff::1', 'link-local'],
  ['fec0::1', 'global'],
  ['10.0.0.1', 'private'],
  ['11.0.0.1', 'global'],
  ['172.15.255.255', 'global'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['172.32.0.1', 'global'],
  ['192.168.1.1', 'private'],
  ['192.169.1.1', 'global'],
  ['100.63.255.255', 'global'],
  ['100.64.0.1', 'private'],
  ['100.127.255.255', 'private'],
  ['100.128.0.1', 'global'],
  ['fc00::1', 'private'],
  ['fd00::2', 'private'],
  ['fe00::1', 'global'],
  ['2001:db8::1', 'global'],
  ['::2', 'global'],
])('%s is %s', (address, scope) => {
  expect(addressScope(address)).toBe(scope)
})
