import { isIPv4, isIPv6 } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressScope, formatIpv6, isMulticast, parseIpAddress, sharePrefix, subnetBroadcast } from './ip-address.ts'

const parse = (text: string) => parseIpAddress(text)!

describe('an IP address', () => {
  test.each([
    ['192.168.1.2', '192.168.1.2'],
    ['::', '::'],
    ['::1', '::1'],
    ['FE80:0:0:0:0:0:0:1', 'fe80::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], // RFC 5952 section 4.2.3: the first of equal runs
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // section 4.2.2: one group is no run
    ['::ffff:192.168.1.2', '192.168.1.2'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is written %s', (text, canonical) => {
    expect(parse(text).text).toBe(canonical)
  })

  test('keeps its zone apart', () => {
    expect(parse('fe80::1%eth0')).toMatchObject({ text: 'fe80::1', zone: 'eth0', family: 'ipv6' })
  })

  test('is read wherever Node reads one, and nowhere else', () => {
    const part = fc.oneof(
      fc.constantFrom<string[]>('', ':', '::', '.', '%', '0', '01', '256', 'g'),
      fc.nat(0xffff).map(hex),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), parts => {
        const text = parts.join(parts.length % 2 === 0 ? ':' : '')
        fc.pre(!text.includes('%'))
        expect(parseIpAddress(text) !== undefined).toBe(isIPv4(text) || isIPv6(text))
      }),
      { numRuns: 2_000 },
    )
  })

  test('survives being written and read', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0n, 0n, 1n, 0xffffn, 0xfe80n), { minLength: 8, maxLength: 8 }), groups => {
        const bits = groups.reduce<bigint>((all, group) => (all << 16n) | group, 0n)
        fc.pre(bits >> 32n !== 0xffffn)
        expect(parse(formatIpv6(bits)).bits).toBe(bits)
      }),
    )
  })

  test.each([
    ['127.0.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['169.254.3.4', 'link-local'],
    ['fe80::1', 'link-local'],
    ['10.1.2.3', 'private'],
    ['172.16.0.1', 'private'],
    ['192.168.1.2', 'private'],
    ['fd00::1', 'private'],
    ['172.32.0.1', 'global'],
    ['2001:db8::1', 'global'],
  ])('%s has the scope %s', (text, scope) => {
    expect(addressScope(parse(text))).toBe(scope)
  })

  test('is multicast in 224.0.0.0/4 and ff00::/8', () => {
    const addresses = ['223.255.255.255', '224.0.0.251', '239.255.255.255', '240.0.0.0', 'ff02::fb', 'fe80::1']

    expect(addresses.filter(text => isMulticast(parse(text)))).toEqual(['224.0.0.251', '239.255.255.255', 'ff02::fb'])
  })

  test('shares a subnet as its prefix length says', () => {
    expect(sharePrefix(parse('192.168.1.2'), parse('192.168.1.77'), 24)).toBe(true)
    expect(sharePrefix(parse('192.168.1.2'), parse('192.168.2.2'), 24)).toBe(false)
    expect(sharePrefix(parse('192.168.1.2'), parse('192.168.2.2'), 22)).toBe(true)
    expect(sharePrefix(parse('192.168.1.2'), parse('fe80::1'), 0)).toBe(false)
  })

  test('has the broadcast address with all host bits set', () => {
    expect(subnetBroadcast(parse('192.168.1.2'), 24)).toBe(parse('192.168.1.255').bits)
  })
})

function hex(number: number): string {
  return number.toString(16)
}
