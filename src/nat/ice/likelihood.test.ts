import { describe, expect, test } from 'vitest'
import type { NatBehaviour } from '../behaviour/discover.ts'
import { COMMON_NATS, type CommonNat, commonNatOf, likelihood, natTraits, withMappedPort } from './likelihood.ts'

const KINDS = Object.keys(COMMON_NATS) as CommonNat[]

/** What docs/reachability.md measures; C certain, L likely, l luck, - relay only. Rows and columns in the order of COMMON_NATS. */
const TABLE = [
  //                        none full rest port sym  seq  blocked
  ['none', 'C C C C C C C'],
  ['full-cone', 'C C C C C C C'],
  ['restricted', 'C C C C C C L'],
  ['port-restricted', 'C C C C L L L'],
  ['symmetric', 'C C C L - - L'],
  ['symmetric-seq', 'C C C L - l L'],
  ['firewall-udp-blocked', 'C C L L L L L'],
] as const
const LETTERS = { certain: 'C', likely: 'L', luck: 'l', unknown: '?', 'relay-only': '-' }

describe('the kinds that are common', () => {
  test.each(TABLE)('%s meets %s', (kind, row) => {
    expect(KINDS.map(other => LETTERS[likelihood(kind, other).chance]).join(' ')).toBe(row)
  })

  test('it is the same from both sides', () => {
    for (const a of KINDS) for (const b of KINDS) expect(likelihood(a, b)).toEqual(likelihood(b, a))
  })

  test('how: plainly, by prediction, by a birthday search; over TCP where UDP is blocked', () => {
    expect(likelihood('port-restricted', 'port-restricted')).toEqual({
      chance: 'certain',
      transport: 'udp',
      by: 'plain',
    })
    expect(likelihood('port-restricted', 'symmetric-seq')).toMatchObject({ transport: 'udp', by: 'prediction' })
    expect(likelihood('port-restricted', 'symmetric')).toMatchObject({ transport: 'udp', by: 'birthday' })
    expect(likelihood('none', 'firewall-udp-blocked')).toMatchObject({ transport: 'tcp', by: 'plain' })
    expect(likelihood('symmetric', 'symmetric')).toEqual({ chance: 'relay-only', transport: undefined, by: undefined })
  })

  test('without reliable UDP only TCP is direct, which routers are more peculiar about', () => {
    const options = { hasReliableUdp: false }
    expect(likelihood('port-restricted', 'port-restricted', options)).toMatchObject({
      chance: 'likely',
      transport: 'tcp',
    })
    expect(likelihood('full-cone', 'symmetric', options)).toMatchObject({ chance: 'certain', transport: 'tcp' })
  })

  test('a mapped port reaches all', () => {
    const opened = withMappedPort(natTraits('symmetric'), ['udp', 'tcp'])
    expect(KINDS.map(other => likelihood(opened, other).chance)).toEqual(KINDS.map(() => 'certain'))
    expect(likelihood(withMappedPort(natTraits('symmetric'), ['udp']), 'firewall-udp-blocked').chance).toBe('likely')
    expect(withMappedPort(natTraits('firewall-udp-blocked'), ['udp', 'tcp']).udp.isBlocked).toBe(true)
  })

  test('another kind is refused', () => {
    expect(() => likelihood('cone' as CommonNat, 'none')).toThrow(/one of none, full-cone, .* not 'cone'/)
    expect(() => likelihood('none', 'toString' as CommonNat)).toThrow(RangeError)
  })
})

describe('what was measured', () => {
  const udp = {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    hairpinning: 'no',
    portAllocation: { kind: 'sequential', delta: 2 },
    mapped: { address: '203.0.113.7', port: 4 },
    localPort: 4,
    servers: [],
  } as const
  const base: NatBehaviour = { family: 'ipv4', udp, tcp: undefined, udpBlocked: 'no' }

  test('is compared with the kinds, and has the name of one', () => {
    expect(commonNatOf(base)).toBe('symmetric-seq')
    expect(likelihood(base, 'port-restricted')).toMatchObject({ chance: 'likely', by: 'prediction' })
    expect(commonNatOf({ ...base, udp: { ...udp, portAllocation: { kind: 'preserving', offset: 0 } } })).toBe(
      'port-restricted',
    )
    for (const kind of KINDS) expect(commonNatOf(natTraits(kind))).toBe(kind)
  })

  test('what is not known stays unknown, but one that answers comes in where all may', () => {
    const silent: NatBehaviour = { family: 'ipv4', udp: undefined, tcp: undefined, udpBlocked: 'unknown' }
    expect(commonNatOf(silent)).toBeUndefined()
    expect(KINDS.map(kind => likelihood(silent, kind).chance)).toEqual(KINDS.map(() => 'unknown'))
    const answered: NatBehaviour = { ...base, udp: { ...udp, mapping: 'unknown', filtering: 'unknown' } }
    expect(likelihood(answered, 'full-cone').chance).toBe('certain')
    expect(likelihood(answered, 'port-restricted').chance).toBe('unknown')
  })

  test('a public address behind a firewall is as strict as a NAT', () => {
    const firewalled: NatBehaviour = { ...base, udp: { ...udp, mapping: 'none' } }
    expect(commonNatOf(firewalled)).toBe('port-restricted')
    expect(likelihood(firewalled, 'symmetric')).toMatchObject({ chance: 'likely', by: 'birthday' })
  })
})
