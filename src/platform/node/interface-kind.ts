/**
 * What kind of interface it is, judged by what the system says of it and by its name. Policy only, no I/O.
 *
 * Linux tells much (sysfs), macOS and Windows only the name. A name that nothing is known of counts as wired: an
 * interface too many is a few packets, one too few is a device that nobody finds.
 */

import type { InterfaceKind } from '../network.ts'

export interface InterfaceFacts {
  readonly name: string
  readonly isLoopback: boolean
  /** What Linux says; undefined on other systems, and where sysfs shows another network namespace. */
  readonly sysfs: SysfsFacts | undefined
}

export interface SysfsFacts {
  /** DEVTYPE of the uevent: 'wlan', 'bridge', 'vlan', 'bond', …; '' for plain Ethernet, veth, dummy. */
  readonly deviceType: string
  /** ARPHRD_…: 1 is Ethernet. */
  readonly hardwareType: number
  /** It stands for a device, real or emulated: a PCI card, a USB adapter, virtio. */
  readonly hasDevice: boolean
  /** Made by a program through /dev/net/tun. */
  readonly isTun: boolean
  /** A bridge which has an interface with a device as a member, as on a host of virtual machines. */
  readonly bridgesDevice: boolean
}

const RANKS: Readonly<Record<InterfaceKind, number>> = { wired: 0, wireless: 1, loopback: 2, virtual: 3, tunnel: 4 }

/** linux/if_arp.h: Ethernet, and InfiniBand, which carries IP like a LAN. Others are point to point. */
const LAN_HARDWARE = [1, 32]

/** The first that fits. */
const KINDS_BY_NAME: readonly (readonly [InterfaceKind, RegExp])[] = [
  ['tunnel', /^(tun|tap|utun|wg|ppp|ipsec|gre|sit|ip6tnl|tunl|gif|stf)\d*($|-)|^zt[a-z0-9]{8}$/],
  ['tunnel', /tailscale|wireguard|zerotier|nordlynx|vpn/i],
  ['virtual', /^(docker|br-|veth|virbr|vnet|vmnet|vboxnet|lxc|lxd|cni|flannel|cali|podman|dummy|ifb)/],
  // macOS: Thunderbolt and virtual machines' bridges, AirDrop's radio, the phone's cable
  ['virtual', /^(bridge|awdl|llw|ap|anpi)\d/],
  // Windows; the last are Wi-Fi Direct
  ['virtual', /^(vEthernet|VMware|VirtualBox|Bluetooth|Local Area Connection\*)/],
  ['wireless', /^(wl|wifi|ath\d|wi-fi|wireless)/i],
]
/** How containers, namespaces and small systems call the one network they have. */
const STAND_IN_NAMES = /^(eth|en)/

export function interfaceRank(kind: InterfaceKind): number {
  return RANKS[kind]
}

/**
 * The kinds of all interfaces of a system, in the given order. They are judged together: the `eth0` of a container is one
 * end of a virtual cable, which alone makes it a wired interface there; beside a real one it would be virtual.
 */
export function interfaceKinds(all: readonly InterfaceFacts[]): readonly InterfaceKind[] {
  const kinds = all.map(interfaceKind)
  if (kinds.includes('wired')) return kinds
  return all.map((facts, at) => (kinds[at] === 'virtual' && isStandIn(facts) ? 'wired' : kinds[at]!))
}

function interfaceKind(facts: InterfaceFacts): InterfaceKind {
  if (facts.isLoopback) return 'loopback'
  return facts.sysfs ? kindBySysfs(facts.name, facts.sysfs) : kindByName(facts.name)
}

function kindBySysfs(name: string, sysfs: SysfsFacts): InterfaceKind {
  if (sysfs.isTun || !LAN_HARDWARE.includes(sysfs.hardwareType)) return 'tunnel'
  if (sysfs.deviceType === 'wlan') return 'wireless'
  if (sysfs.hasDevice || sysfs.bridgesDevice) return 'wired'
  // Made on top of other interfaces of this machine, and used in their place.
  if (['vlan', 'bond', 'team'].includes(sysfs.deviceType)) return 'wired'
  return kindByName(name) === 'tunnel' ? 'tunnel' : 'virtual'
}

function kindByName(name: string): InterfaceKind {
  return KINDS_BY_NAME.find(([, pattern]) => pattern.test(name))?.[0] ?? 'wired'
}

function isStandIn({ name, sysfs }: InterfaceFacts): boolean {
  return STAND_IN_NAMES.test(name) && sysfs?.deviceType === ''
}
