/**
 * Candidates (RFC 8445 section 5.1, RFC 6544 for TCP): addresses at which a peer may be reached. Those of the other side come
 * from the network: which of them are tried is decided here.
 */

import { addressScope } from '../../platform/address-scope.ts'
import { canonicalIp, parseIp } from '../../platform/ip-address.ts'
import type { AddressFamily, SocketAddress } from '../../platform/network.ts'

/**
 * 'mapped': of a port that the router maps to us for everybody. The others are those of RFC 8445; one that was learned from a
 * check is 'peer-reflexive'.
 */
export type CandidateType = 'host' | 'server-reflexive' | 'peer-reflexive' | 'mapped' | 'relayed'

/**
 * RFC 6544 section 4.5: 'tcp-passive' accepts connections; 'tcp-so' is a port from which its owner connects, at the same time
 * as the other side (simultaneous open).
 */
export type CandidateTransport = 'udp' | 'tcp-passive' | 'tcp-so'

export interface Candidate extends SocketAddress {
  readonly type: CandidateType
  readonly transport: CandidateTransport
}

export const CANDIDATE_TYPES: readonly CandidateType[] = [
  'host',
  'server-reflexive',
  'peer-reflexive',
  'mapped',
  'relayed',
]
export const CANDIDATE_TRANSPORTS: readonly CandidateTransport[] = ['udp', 'tcp-passive', 'tcp-so']

export function sameAddress(a: SocketAddress, b: SocketAddress): boolean {
  return a.port === b.port && a.address === b.address
}

export function sameCandidate(a: Candidate, b: Candidate): boolean {
  return a.transport === b.transport && sameAddress(a, b)
}

export function familyOfCandidate({ address }: SocketAddress): AddressFamily {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

/**
 * Why a candidate of the other side is not tried; undefined where it may be. Loopback would be this machine, multicast and
 * broadcast everybody, and a link-local IPv6 address says nothing without its zone.
 */
export function candidateRefusal({ address, port }: SocketAddress): string | undefined {
  const ip = parseIp(address)
  if (ip === undefined || canonicalIp(address) !== address) return 'is no IP address'
  if (port === 0) return 'has port 0'
  if (ip.length === 4) return ipv4Refusal(ip, address)
  if (ip[0] === 0xff) return 'is a multicast address'
  if (ip.every(byte => byte === 0)) return 'is no address of a host'
  const scope = addressScope(address)
  if (scope === 'loopback') return 'is a loopback address'
  if (scope === 'link-local') return 'is a link-local address'
  const isIpv4Inside = ip.subarray(0, 10).every(byte => byte === 0)
  return isIpv4Inside ? 'is an IPv4 address in the clothes of IPv6' : undefined
}

/** RFC 1122 section 3.2.1.3, RFC 1112 section 4: 224 and above is multicast, reserved, or everybody. */
function ipv4Refusal(ip: Uint8Array, address: string): string | undefined {
  if (ip[0] === 0) return 'is no address of a host'
  if (ip[0]! >= 240) return 'is a broadcast or reserved address'
  if (ip[0]! >= 224) return 'is a multicast address'
  return addressScope(address) === 'loopback' ? 'is a loopback address' : undefined
}
