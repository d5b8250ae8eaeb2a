/** Addresses as people write them: `192.168.0.2:4112`, `[fe80::1%eth0]:4112`, `ada.local:4112`. */

import type { SocketAddress } from '../platform/network.ts'

export interface HostAndPort {
  readonly host: string
  readonly port: number
}

const BRACKETED = /^\[([0-9a-fA-F.]*:[0-9a-fA-F:.]*(?:%[\w.-]+)?)\]:(\d{1,5})$/
const PLAIN = /^([^\s:[\]]{1,253}):(\d{1,5})$/

/** Undefined where the text is not an address with a port. */
export function parseAddress(text: string): HostAndPort | undefined {
  const match = BRACKETED.exec(text) ?? PLAIN.exec(text)
  if (!match) return undefined
  const port = Number(match[2])
  return port > 0 && port <= 65_535 ? { host: match[1]!, port } : undefined
}

export function formatAddress({ address, port }: SocketAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** True for IPv4 and IPv6 addresses, false for names that must be looked up. */
export function isIpAddress(host: string): boolean {
  return host.includes(':') || /^\d{1,3}(\.\d{1,3}){3}$/.test(host)
}
