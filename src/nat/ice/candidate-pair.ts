/** Pairs of candidates (RFC 8445 section 6.1.2): what kind of path one promises, and in which order they are tried. */

import { addressScope } from '../../platform/address-scope.ts'
import { isInSubnet, parseIp, type Subnet, subnetsOf } from '../../platform/ip-address.ts'
import type { NetworkInterface, SocketAddress } from '../../platform/network.ts'
import type { Candidate } from './candidate.ts'

/** 'lan': both are in one subnet. 'direct': nobody carries it but the network. 'relay': a TURN server does. */
export type PathKind = 'lan' | 'direct' | 'relay'

const RANKS: Readonly<Record<PathKind, number>> = { lan: 3, direct: 2, relay: 1 }

/** The higher, the better. */
export function rankOf(kind: PathKind | undefined): number {
  return kind === undefined ? 0 : RANKS[kind]
}

/** The subnets of this machine's interfaces that are up, but for loopback. */
export function ownSubnets(interfaces: readonly NetworkInterface[]): readonly Subnet[] {
  return interfaces.filter(({ kind, isUp }) => isUp && kind !== 'loopback').flatMap(subnetsOf)
}

/** What a path to this remote candidate would be. */
export function pathKindTo(remote: Candidate, own: readonly Subnet[]): PathKind {
  if (remote.type === 'relayed') return 'relay'
  // A NAT whose outside is on our link does not bring what is behind it into the LAN.
  return remote.type === 'host' && isOnOwnLink(remote, own) ? 'lan' : 'direct'
}

function isOnOwnLink({ address }: SocketAddress, own: readonly Subnet[]): boolean {
  const ip = parseIp(address)
  return ip !== undefined && own.some(subnet => isInSubnet(ip, subnet))
}

/** The last address of an IPv4 subnet of this machine reaches all of it (RFC 919). */
export function isOwnBroadcast({ address }: SocketAddress, own: readonly Subnet[]): boolean {
  const ip = parseIp(address)
  if (ip?.length !== 4) return false
  return own.some(subnet => {
    if (subnet.prefixLength > 30 || !isInSubnet(ip, subnet)) return false
    const bits = ((ip[0]! << 24) | (ip[1]! << 16) | (ip[2]! << 8) | ip[3]!) >>> 0
    const hostMask = 2 ** (32 - subnet.prefixLength) - 1
    return (bits & hostMask) >>> 0 === hostMask
  })
}

const TYPE_PROMISE: Readonly<Record<Candidate['type'], number>> = {
  mapped: 40,
  'peer-reflexive': 30,
  'server-reflexive': 20,
  host: 10,
  relayed: 0,
}

/**
 * How much a pair promises; the highest is tried first. Same subnet, then public addresses of either family, then what a NAT
 * gave, then private addresses of some network that may or may not be connected to ours, and relays last.
 */
export function promiseOf(remote: Candidate, own: readonly Subnet[]): number {
  const kind = pathKindTo(remote, own)
  if (kind === 'lan') return 100
  if (remote.type === 'host' && addressScope(remote.address) === 'global') return 50
  return TYPE_PROMISE[remote.type]
}
