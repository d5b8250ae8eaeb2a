/**
 * The interfaces of the system. `os.networkInterfaces()` tells addresses and hides what is down or has none; on Linux the
 * rest is read from procfs and sysfs, elsewhere there is no rest (docs/platforms.md).
 */

import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { addressScope } from '../address-scope.ts'
import type { InterfaceAddress, NetworkInterface } from '../network.ts'
import { interfaceKinds, interfaceRank } from './interface-kind.ts'
import { type LinuxInterface, linuxInterfaces } from './linux-interfaces.ts'

export function systemInterfaces(): readonly NetworkInterface[] {
  const addressed = addressedInterfaces()
  const linux = process.platform === 'linux' ? linuxInterfaces() : new Map<string, LinuxInterface>()
  const names = [...new Set([...linux.keys(), ...addressed.keys()])]
  const found = names.map(name => describe(name, addressed.get(name) ?? [], linux.get(name)))
  const kinds = interfaceKinds(found.map(({ facts }) => facts))
  return found
    .map(({ facts, ...rest }, at): NetworkInterface => {
      const kind = kinds[at]!
      const supportsMulticast = kind === 'loopback' || (rest.supportsMulticast ?? kind !== 'tunnel')
      return { name: facts.name, ...rest, kind, supportsMulticast, rank: interfaceRank(kind) }
    })
    .sort((a, b) => a.rank - b.rank || a.index - b.index)
}

function addressedInterfaces(): Map<string, readonly NetworkInterfaceInfo[]> {
  try {
    return new Map(Object.entries(networkInterfaces()).map(([name, addresses]) => [name, addresses ?? []]))
  } catch {
    // Android forbids it to apps; and interfaces may change while the system lists them. The next look may succeed.
    return new Map()
  }
}

function describe(name: string, infos: readonly NetworkInterfaceInfo[], linux: LinuxInterface | undefined) {
  const isLoopback = infos.some(({ internal }) => internal) || linux?.isLoopback === true
  return {
    facts: { name, isLoopback, sysfs: linux?.sysfs },
    // Elsewhere the zone of a link-local address is the number of the interface.
    index: linux?.index ?? infos.map(scopeIdOf).find(scopeId => scopeId > 0) ?? 0,
    // The system lists addresses of those interfaces only which are up and have a carrier.
    isUp: linux?.isUp ?? infos.length > 0,
    supportsMulticast: linux?.supportsMulticast,
    addresses: infos.map(toInterfaceAddress),
  }
}

function toInterfaceAddress(info: NetworkInterfaceInfo): InterfaceAddress {
  const { address, cidr, family } = info
  return {
    address,
    family: family === 'IPv6' ? 'ipv6' : 'ipv4',
    prefixLength: Number(cidr?.split('/')[1] ?? (family === 'IPv6' ? 128 : 32)),
    scope: addressScope(address),
    scopeId: scopeIdOf(info),
  }
}

function scopeIdOf(info: NetworkInterfaceInfo): number {
  return info.family === 'IPv6' ? info.scopeid : 0
}
