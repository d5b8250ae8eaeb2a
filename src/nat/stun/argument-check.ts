/** Checks of arguments that all of `nat` share, done once, at the edge. */

import { MAX_STUN_SERVERS } from '../../limits.ts'
import type { AddressFamily } from '../../platform/network.ts'
import { formatStunUri, parseStunUri, type StunUri } from './stun-uri.ts'

export const TIMEOUT_RANGE_MS = [100, 60_000] as const
export const PORT_RANGE = [1, 65_535] as const

export function checkStunServers(servers: readonly string[]): readonly StunUri[] {
  if (!Array.isArray(servers)) throw new TypeError('servers must be an array of URIs of STUN servers')
  if (servers.length === 0 || servers.length > MAX_STUN_SERVERS) {
    throw new RangeError(`servers must have 1 to ${MAX_STUN_SERVERS} URIs of STUN servers, not ${servers.length}`)
  }
  // One named twice is one.
  return [...new Map(servers.map(checkStunServer).map(uri => [formatStunUri(uri), uri])).values()]
}

export function checkStunServer(server: string): StunUri {
  const uri = parseStunUri(server)
  if (uri.scheme === 'stun' || uri.scheme === 'stuns') return uri
  throw new RangeError(`'${server}' is a TURN server; the URI of a STUN server begins with 'stun:' or 'stuns:'`)
}

export function checkTurnServer(server: string): StunUri {
  const uri = parseStunUri(server)
  if (uri.scheme === 'turn' || uri.scheme === 'turns') return uri
  throw new RangeError(`'${server}' is a STUN server; the URI of a TURN server begins with 'turn:' or 'turns:'`)
}

export function checkFamily(family: AddressFamily): void {
  if (family !== 'ipv4' && family !== 'ipv6') throw new RangeError(`family must be 'ipv4' or 'ipv6', not '${family}'`)
}

export function checkRange(name: string, value: number, [min, max]: readonly [min: number, max: number]): void {
  if (typeof value === 'number' && value >= min && value <= max) return
  throw new RangeError(`${name} must be a number from ${min} to ${max}, not ${value}`)
}
