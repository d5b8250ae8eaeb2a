import { describe, expect, test } from 'vitest'
import { candidateRefusal } from './candidate.ts'
import { isOwnBroadcast, type PathKind, pathKindTo, promiseOf } from './candidate-pair.ts'

const OWN = [
  { address: Uint8Array.of(192, 168, 1, 2), prefixLength: 24 },
  { address: Uint8Array.of(10, 1, 2, 3), prefixLength: 20 },
]

describe('candidates of the other side', () => {
  test.each([
    ['127.0.0.1', 'is a loopback address'],
    ['127.9.9.9', 'is a loopback address'],
    ['::1', 'is a loopback address'],
    ['224.0.0.251', 'is a multicast address'],
    ['239.1.2.3', 'is a multicast address'],
    ['ff02::fb', 'is a multicast address'],
    ['255.255.255.255', 'is a broadcast or reserved address'],
    ['240.0.0.1', 'is a broadcast or reserved address'],
    ['0.0.0.0', 'is no address of a host'],
    ['::', 'is no address of a host'],
    ['fe80::1', 'is a link-local address'],
    ['::7f00:1', 'is an IPv4 address in the clothes of IPv6'],
    ['::ffff:7f00:1', 'is an IPv4 address in the clothes of IPv6'],
    ['example.org', 'is no IP address'],
    ['2001:DB8::1', 'is no IP address'],
  ])('%s is not tried: it %s', (address, why) => {
    expect(candidateRefusal({ address, port: 4_112 })).toBe(why)
  })

  test.each(['192.168.1.9', '10.0.0.1', '169.254.3.4', '203.0.113.7', '100.64.1.1', '2001:db8::1', 'fd00::7'])(
    '%s may be tried',
    address => {
      expect(candidateRefusal({ address, port: 4_112 })).toBeUndefined()
      expect(candidateRefusal({ address, port: 0 })).toBe('has port 0')
    },
  )

  test.each([
    ['192.168.1.255', true],
    ['192.168.1.254', false],
    ['10.1.15.255', true],
    ['10.1.2.255', false],
    ['192.168.2.255', false],
    ['2001:db8::1', false],
  ])('%s is the broadcast address of an own subnet: %s', (address, expected) => {
    expect(isOwnBroadcast({ address, port: 1 }, OWN)).toBe(expected)
  })
})

describe('pairs', () => {
  const candidates = [
    ['192.168.1.9', 'host', 'lan'],
    ['203.0.113.7', 'host', 'direct'],
    ['203.0.113.7', 'mapped', 'direct'],
    ['203.0.113.7', 'peer-reflexive', 'direct'],
    ['203.0.113.7', 'server-reflexive', 'direct'],
    ['192.168.9.9', 'host', 'direct'],
    ['203.0.113.7', 'relayed', 'relay'],
  ] as const

  test.each(candidates)('to %s (%s) are a path of the kind %s', (address, type, kind: PathKind) => {
    expect(pathKindTo({ address, port: 1, type, transport: 'udp' }, OWN)).toBe(kind)
  })

  test('are tried in the order of what they promise', () => {
    const promises = candidates.map(([address, type]) => promiseOf({ address, port: 1, type, transport: 'udp' }, OWN))
    expect(promises).toEqual([...promises].sort((a, b) => b - a))
    expect(new Set(promises).size).toBe(promises.length)
  })
})
