/** How far an address reaches, read from its bits. */

import type { AddressScope } from './network.ts'

/** `address` is an IPv4 or IPv6 address as `InterfaceAddress` has them: valid, without zone, not IPv4-mapped. */
export function addressScope(address: string): AddressScope {
  return address.includes(':') ? ipv6Scope(address) : ipv4Scope(address)
}

function ipv4Scope(address: string): AddressScope {
  const [a = 0, b = 0] = address.split('.').map(Number)
  if (a === 127) return 'loopback' // RFC 1122 section 3.2.1.3
  if (a === 169 && b === 254) return 'link-local' // RFC 3927
  if (a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168)) return 'private' // RFC 1918
  if (a === 100 && b >= 64 && b <= 127) return 'private' // RFC 6598: shared by the customers of a carrier
  return 'global'
}

function ipv6Scope(address: string): AddressScope {
  if (address === '::1') return 'loopback'
  // `::2` has no first group: zero, as in the text of the address.
  const first = Number.parseInt(address.split(':')[0] || '0', 16)
  if ((first & 0xffc0) === 0xfe80) return 'link-local' // RFC 4291 section 2.5.6
  if ((first & 0xfe00) === 0xfc00) return 'private' // RFC 4193
  return 'global'
}
