import { describe, expect, test } from 'vitest'
import {
  classifyFiltering,
  classifyMapping,
  classifyPortAllocation,
  type FilteringObservation,
  type MappingBehaviour,
} from './classification.ts'

const [A1, A2, B1, B2] = ['192.0.2.1 1', '192.0.2.1 2', '192.0.2.2 1', '192.0.2.2 2']
const LOCAL = '10.0.0.2 1000'
const isLocal = ({ address, port }: { address: string; port: number }) => `${address} ${port}` === LOCAL

function at(text: string): { address: string; port: number } {
  const [address = '', port] = text.split(' ')
  return { address, port: Number(port) }
}

describe('mapping', () => {
  const table: [MappingBehaviour, Record<string, string>][] = [
    ['unknown', {}],
    ['none', { [A1]: LOCAL }],
    ['none', { [A1]: LOCAL, [B1]: LOCAL }],
    ['unknown', { [A1]: '198.51.100.1 7' }],
    ['unknown', { [A1]: '198.51.100.1 7', [A2]: '198.51.100.1 7' }],
    ['endpoint-independent', { [A1]: '198.51.100.1 7', [B1]: '198.51.100.1 7' }],
    ['endpoint-independent', { [A1]: '198.51.100.1 7', [B1]: '198.51.100.1 7', [B2]: '198.51.100.1 7' }],
    ['endpoint-dependent', { [A1]: '198.51.100.1 7', [B1]: '198.51.100.1 8' }],
    // Another external address is another mapping, too (RFC 4787 REQ-2).
    ['endpoint-dependent', { [A1]: '198.51.100.1 7', [B1]: '198.51.100.2 7' }],
    ['address-dependent', { [A1]: '198.51.100.1 7', [B1]: '198.51.100.1 8', [B2]: '198.51.100.1 8' }],
    ['address-and-port-dependent', { [A1]: '198.51.100.1 7', [B1]: '198.51.100.1 8', [B2]: '198.51.100.1 9' }],
    ['address-and-port-dependent', { [A1]: '198.51.100.1 7', [A2]: '198.51.100.1 8' }],
  ]
  test.each(table)('%s: %j', (expected, seen) => {
    const observations = Object.entries(seen).map(([server, mapped]) => ({ server: at(server), mapped: at(mapped) }))
    expect(classifyMapping(observations, isLocal)).toBe(expected)
  })
})

describe('filtering', () => {
  const observed = (
    fromOtherAddress: FilteringObservation['fromOtherAddress'],
    fromOtherPort: FilteringObservation['fromOtherPort'],
  ): FilteringObservation => ({ fromOtherAddress, fromOtherPort })

  test.each([
    ['endpoint-independent', [observed('came', 'came')]],
    ['endpoint-independent', [observed('came', 'silence')]],
    ['address-dependent', [observed('silence', 'came')]],
    ['address-and-port-dependent', [observed('silence', 'silence')]],
    ['unknown', []],
    ['unknown', [observed('no-evidence', 'came')]],
    ['unknown', [observed('silence', 'no-evidence')]],
    // Where servers differ, what came through counts.
    ['endpoint-independent', [observed('silence', 'silence'), observed('came', 'came')]],
    ['address-dependent', [observed('silence', 'silence'), observed('silence', 'came')]],
    ['address-and-port-dependent', [observed('no-evidence', 'no-evidence'), observed('silence', 'silence')]],
  ] as const)('%s: %j', (expected, observations) => {
    expect(classifyFiltering(observations)).toBe(expected)
  })
})

describe('port allocation', () => {
  const LOCAL_PORTS = [50_100, 61_007, 49_932, 55_555, 58_001, 52_220]
  const mapped = (...ports: readonly number[]) =>
    ports.map((mappedPort, i) => ({ localPort: LOCAL_PORTS[i]!, mappedPort }))

  test.each([
    ['the same ports', { kind: 'preserving', offset: 0 }, mapped(...LOCAL_PORTS)],
    ['a constant distance', { kind: 'preserving', offset: -1_000 }, mapped(...LOCAL_PORTS.map(port => port - 1_000))],
    ['one port taken', { kind: 'preserving', offset: 0 }, mapped(...LOCAL_PORTS.with(2, 7))],
    ['one after the other', { kind: 'sequential', delta: 1 }, mapped(7, 8, 9, 10, 11, 12)],
    ['every second', { kind: 'sequential', delta: 2 }, mapped(7, 9, 11, 13, 15, 17)],
    ['downwards', { kind: 'sequential', delta: -1 }, mapped(17, 16, 15, 14, 13, 12)],
    ['with one of somebody else between', { kind: 'sequential', delta: 1 }, mapped(7, 8, 10, 11, 12, 13)],
    ['any', { kind: 'random' }, mapped(1_234, 60_000, 7, 30_000, 45_000, 2_000)],
    ['steps too large to be of use', { kind: 'random' }, mapped(1_000, 2_000, 3_000, 4_000, 5_000, 6_000)],
    ['one and the same', { kind: 'random' }, mapped(7, 7, 7, 7, 7, 7)],
    ['too few', { kind: 'unknown' }, mapped(7, 8, 9)],
    ['none', { kind: 'unknown' }, []],
  ] as const)('%s', (_, expected, observations) => {
    expect(classifyPortAllocation(observations)).toEqual(expected)
  })
})
