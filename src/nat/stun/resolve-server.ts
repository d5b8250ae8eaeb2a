/**
 * The addresses of a server. Its host name is asked for A and AAAA records by the system; SRV records (RFC 8489 section 8.1),
 * which hardly any server has, are not.
 */

import { EarshotError } from '../../errors.ts'
import type { AddressFamily, Network } from '../../platform/network.ts'
import { formatStunUri, type StunUri } from './stun-uri.ts'

/** Those of one family, at least one. Rejects with `unreachable`. */
export async function resolveServer(network: Network, uri: StunUri, family: AddressFamily): Promise<readonly string[]> {
  const found = await network.lookup(uri.host)
  const addresses = found.filter(address => familyOf(address) === family)
  if (addresses.length > 0) return addresses
  const name = family === 'ipv4' ? 'IPv4' : 'IPv6'
  throw new EarshotError('unreachable', `${formatStunUri(uri)} has no ${name} address`)
}

export function familyOf(address: string): AddressFamily {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
