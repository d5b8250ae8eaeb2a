/** How addresses are written: `192.168.0.2:4112`, `[fe80::1%eth0]:4112`. */

import type { SocketAddress } from './network.ts'

const MAPPED_PREFIX = '::ffff:'

export function formatSocketAddress({ address, port }: SocketAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), which a listener on `::` sees, as the IPv4 address it is. */
export function unmapped(address: string): string {
  return address.startsWith(MAPPED_PREFIX) && address.includes('.') ? address.slice(MAPPED_PREFIX.length) : address
}
