/** Gateways that can be asked, and the address of this host that each would map to. */

import { MAX_GATEWAYS } from '../../limits.ts'
import { canonicalIp, isInSubnet, parseIp } from '../../platform/ip-address.ts'
import type { AddressFamily, Gateway, InterfaceAddress, Network, NetworkInterface } from '../../platform/network.ts'

export interface ReachableGateway {
  readonly gateway: Gateway
  readonly link: NetworkInterface
  /** The address of this host. */
  readonly local: string
}

/** In order of preference. `internalAddress` asks for that address only. */
export function reachableGateways(
  network: Network,
  family: AddressFamily,
  internalAddress?: string,
): readonly ReachableGateway[] {
  const interfaces = network.interfaces()
  const found = network.gateways().flatMap(gateway => {
    const link = interfaces.find(({ name, isUp }) => isUp && name === gateway.interface)
    if (link === undefined || gateway.family !== family) return []
    const local = localAddress(link, gateway, internalAddress)
    return local === undefined ? [] : [{ gateway, link, local }]
  })
  return found.slice(0, MAX_GATEWAYS)
}

function localAddress(
  { addresses }: NetworkInterface,
  gateway: Gateway,
  wanted: string | undefined,
): string | undefined {
  const own = addresses.filter(({ family, scope }) => family === gateway.family && scope !== 'link-local')
  if (wanted !== undefined) return own.find(({ address }) => canonicalIp(address) === canonicalIp(wanted))?.address
  if (gateway.family === 'ipv6') return own.find(({ scope }) => scope === 'global')?.address
  return (own.find(address => isBeside(address, gateway.address)) ?? own[0])?.address
}

function isBeside({ address, prefixLength }: InterfaceAddress, gateway: string): boolean {
  const [own, other] = [parseIp(address), parseIp(gateway)]
  return own !== undefined && other !== undefined && isInSubnet(other, { address: own, prefixLength })
}
