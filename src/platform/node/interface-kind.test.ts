import { describe, expect, test } from 'vitest'
import { type InterfaceFacts, interfaceKinds, interfaceRank, type SysfsFacts } from './interface-kind.ts'

const PLAIN: SysfsFacts = { deviceType: '', hardwareType: 1, hasDevice: false, isTun: false, bridgesDevice: false }

function onLinux(name: string, sysfs: Partial<SysfsFacts> = {}): InterfaceFacts {
  return { name, isLoopback: false, sysfs: { ...PLAIN, ...sysfs } }
}

function byName(name: string): InterfaceFacts {
  return { name, isLoopback: false, sysfs: undefined }
}

describe('on Linux, where sysfs tells', () => {
  test.each([
    ['a network card', onLinux('enp3s0', { hasDevice: true }), 'wired'],
    ['a USB adapter', onLinux('enx00e04c680001', { hasDevice: true }), 'wired'],
    ['a Wi-Fi card', onLinux('wlp2s0', { deviceType: 'wlan', hasDevice: true }), 'wireless'],
    ['a bridge of Docker', onLinux('docker0', { deviceType: 'bridge' }), 'virtual'],
    ['a bridge of libvirt', onLinux('virbr0', { deviceType: 'bridge' }), 'virtual'],
    [
      'a bridge with a network card, on a host of virtual machines',
      onLinux('vmbr0', { deviceType: 'bridge', bridgesDevice: true }),
      'wired',
    ],
    ['one end of a virtual cable', onLinux('veth9a31b2c'), 'virtual'],
    ['a dummy', onLinux('dummy0'), 'virtual'],
    ['a VLAN', onLinux('enp3s0.10', { deviceType: 'vlan' }), 'wired'],
    ['a bond', onLinux('bond0', { deviceType: 'bond' }), 'wired'],
    ['a tun device', onLinux('tun0', { hardwareType: 65_534, isTun: true }), 'tunnel'],
    ['a tap device', onLinux('vpn', { isTun: true }), 'tunnel'],
    ['WireGuard', onLinux('home', { deviceType: 'wireguard', hardwareType: 65_534 }), 'tunnel'],
    ['a 6in4 tunnel', onLinux('sit0', { hardwareType: 776 }), 'tunnel'],
    ['a modem', onLinux('wwan0', { hardwareType: 65_534, hasDevice: true }), 'tunnel'],
  ] as const)('%s', (_, facts, kind) => {
    const card = onLinux('enp9s0', { hasDevice: true })

    expect(interfaceKinds([card, facts])).toEqual(['wired', kind])
  })

  test('the only network of a container is wired, though its cable is virtual', () => {
    expect(interfaceKinds([{ name: 'lo', isLoopback: true, sysfs: PLAIN }, onLinux('eth0')])).toEqual([
      'loopback',
      'wired',
    ])
    expect(interfaceKinds([onLinux('eth0'), onLinux('eth1'), onLinux('veth1')])).toEqual(['wired', 'wired', 'virtual'])
  })

  test('the same beside a real card is virtual', () => {
    expect(interfaceKinds([onLinux('eth1'), onLinux('enp3s0', { hasDevice: true })])).toEqual(['virtual', 'wired'])
  })

  test('a tunnel does not become wired by its name', () => {
    expect(interfaceKinds([onLinux('eth0', { isTun: true })])).toEqual(['tunnel'])
  })
})

describe('elsewhere, by name', () => {
  test.each([
    // macOS
    ['en0', 'wired'],
    ['bridge0', 'virtual'],
    ['awdl0', 'virtual'],
    ['llw0', 'virtual'],
    ['utun3', 'tunnel'],
    ['gif0', 'tunnel'],
    ['stf0', 'tunnel'],
    // Windows
    ['Ethernet', 'wired'],
    ['Ethernet 2', 'wired'],
    ['Wi-Fi', 'wireless'],
    ['vEthernet (WSL)', 'virtual'],
    ['VMware Network Adapter VMnet8', 'virtual'],
    ['VirtualBox Host-Only Network', 'virtual'],
    ['Local Area Connection', 'wired'],
    ['Local Area Connection* 3', 'virtual'],
    ['Bluetooth Network Connection', 'virtual'],
    ['Tailscale', 'tunnel'],
    ['ProtonVPN', 'tunnel'],
    // Linux without sysfs
    ['eth0', 'wired'],
    ['wlan0', 'wireless'],
    ['wlp2s0', 'wireless'],
    ['docker0', 'virtual'],
    ['br-5a3c9d1e7f20', 'virtual'],
    ['veth9a31b2c', 'virtual'],
    ['virbr0', 'virtual'],
    ['vmnet1', 'virtual'],
    ['vboxnet0', 'virtual'],
    ['tun0', 'tunnel'],
    ['tap0', 'tunnel'],
    ['wg0', 'tunnel'],
    ['wg-home', 'tunnel'],
    ['tailscale0', 'tunnel'],
    ['ppp0', 'tunnel'],
    ['ztabcdefgh', 'tunnel'],
    // Unknown: one too many is better than one too few.
    ['Büro-LAN', 'wired'],
    ['lan0', 'wired'],
  ] as const)('%s is %s', (name, kind) => {
    expect(interfaceKinds([byName('Ethernet'), byName(name)])[1]).toBe(kind)
  })
})

test('wired and wireless come first, then loopback; what is not around you comes last', () => {
  const kinds = ['wired', 'wireless', 'loopback', 'virtual', 'tunnel'] as const

  expect(kinds.map(interfaceRank)).toEqual([0, 1, 2, 3, 4])
})
