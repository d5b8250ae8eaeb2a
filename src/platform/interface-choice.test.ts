import { expect, test } from 'vitest'
import { defaultInterfaces, type InterfaceChoice, whyLeftOut } from './interface-choice.ts'
import type { InterfaceKind, NetworkInterface } from './network.ts'

const LOOPBACK = networkInterface('lo', 'loopback')
const LAPTOP = [
  networkInterface('eth0', 'wired'),
  networkInterface('wlan0', 'wireless'),
  LOOPBACK,
  networkInterface('docker0', 'virtual'),
  networkInterface('tun0', 'tunnel'),
]

function networkInterface(name: string, kind: InterfaceKind, rest: Partial<NetworkInterface> = {}): NetworkInterface {
  const address = { address: '192.168.0.2', family: 'ipv4', prefixLength: 24, scope: 'private', scopeId: 0 } as const
  return { name, index: 1, kind, isUp: true, supportsMulticast: true, addresses: [address], rank: 0, ...rest }
}

function chosen(interfaces: readonly NetworkInterface[], choice?: InterfaceChoice): readonly string[] {
  return defaultInterfaces(interfaces, choice).map(({ name }) => name)
}

test('cables and Wi-Fi are used; docker, tunnels and loopback are not', () => {
  expect(chosen(LAPTOP)).toEqual(['eth0', 'wlan0'])
})

test('with nothing but loopback, programs on this machine still find each other', () => {
  expect(chosen([LOOPBACK])).toEqual(['lo'])
  expect(chosen([LOOPBACK, networkInterface('docker0', 'virtual')])).toEqual(['lo'])
})

test.each([
  ['down', { isUp: false }],
  ['without an address', { addresses: [] }],
  ['without multicast', { supportsMulticast: false }],
])('an interface that is %s is not used', (_, rest) => {
  expect(chosen([networkInterface('eth0', 'wired', rest), LOOPBACK])).toEqual(['lo'])
})

test('what is excluded is not used, by name or by pattern', () => {
  expect(chosen(LAPTOP, { exclude: ['eth0'] })).toEqual(['wlan0'])
  expect(chosen(LAPTOP, { exclude: ['wl*'] })).toEqual(['eth0'])
  expect(chosen(LAPTOP, { exclude: ['eth?', 'wlan?'] })).toEqual(['lo'])
  expect(chosen(LAPTOP, { exclude: ['*'] })).toEqual([])
})

test('what is included replaces the choice, whatever its kind', () => {
  expect(chosen(LAPTOP, { include: ['docker*', 'tun0'] })).toEqual(['docker0', 'tun0'])
  expect(chosen(LAPTOP, { include: ['lo', 'eth0'], exclude: ['eth*'] })).toEqual(['lo'])
  expect(chosen(LAPTOP, { include: ['nothing'] })).toEqual([])
})

test('a pattern is a name with wildcards and nothing else', () => {
  const dotted = [networkInterface('eth0.10', 'wired'), networkInterface('eth0x10', 'wired')]

  expect(chosen(dotted, { include: ['eth0.10'] })).toEqual(['eth0.10'])
  expect(chosen(dotted, { include: ['eth'] })).toEqual([])
  expect(chosen([networkInterface('Ethernet (2)', 'wired')], { include: ['Ethernet (*)'] })).toEqual(['Ethernet (2)'])
})

test('of each one that is left out the reason can be told', () => {
  const down = networkInterface('eth1', 'wired', { isUp: false })
  const bare = networkInterface('eth2', 'wired', { addresses: [] })
  const deaf = networkInterface('eth3', 'wired', { supportsMulticast: false })
  const all = [...LAPTOP, down, bare, deaf]
  const reasons = (choice?: InterfaceChoice) => all.map(item => whyLeftOut(item, all, choice))
  const rest = ['down', 'no-address']
  expect(reasons()).toEqual([undefined, undefined, 'loopback', 'virtual', 'tunnel', ...rest, 'no-multicast'])
  expect(reasons({ exclude: ['wl*', 'eth1'] })[1]).toBe('excluded')
  const [none, other] = [undefined, 'not-included']
  expect(reasons({ include: ['docker0', 'eth1'] })).toEqual([other, other, other, none, other, ...rest, other])
})
