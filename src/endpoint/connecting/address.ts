/** Addresses as people write them: `192.168.0.2:4112`, `[fe80::1%eth0]:4112`, `ada.local:4112`. */

import { parseIp } from '../../platform/ip-address.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { boundText } from '../../wire/bound-text.ts'

export interface HostAndPort {
  readonly host: string
  readonly port: number
}

const BRACKETED = /^\[([^[\]]*)\](?::(.*))?$/
const PLAIN = /^([^\s:[\]]*):(\d+)$/
const ZONED_IPV6 = /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%[\w.-]+)?$/
const MAX_HOST_LENGTH = 253

/** Undefined where the text is not an address with a port. */
export function parseAddress(text: string): HostAndPort | undefined {
  const reading = readAddress(text)
  return typeof reading === 'object' ? reading : undefined
}

/**
 * What is wrong with a text that can only be meant as an address; undefined for a right one, and for texts that mean
 * something else, a name for example. Meant as addresses are an IP address, with or without a port, something in
 * brackets that is IPv6 or is followed by a port, and a word or nothing with a colon and digits behind it.
 */
export function addressFault(text: string): string | undefined {
  const reading = readAddress(text)
  return typeof reading === 'string' ? reading : undefined
}

/** The address, what is wrong with it, or undefined where none is meant. */
function readAddress(text: string): HostAndPort | string | undefined {
  const [, bracketed, portBehind] = BRACKETED.exec(text) ?? []
  if (bracketed !== undefined) {
    if (!bracketed.includes(':') && !/^\d*$/.test(portBehind ?? 'none')) return undefined
    if (!ZONED_IPV6.test(bracketed) || parseIp(bracketed) === undefined) return `'${bracketed}' is not an IPv6 address`
    return withPort(bracketed, portBehind)
  }
  if (ZONED_IPV6.test(text) && parseIp(text) !== undefined) return IPV6_WITHOUT_BRACKETS
  if (DOTTED.test(text)) return readHost(text, undefined)
  const [, host, port] = PLAIN.exec(text) ?? DOTTED_AND_MORE.exec(text) ?? []
  return host === undefined ? undefined : readHost(host, port)
}

const IPV6_WITHOUT_BRACKETS = 'IPv6 needs brackets and a port, as in [fe80::1%eth0]:4112'
const DOTTED = /^\d{1,3}(\.\d{1,3}){3}$/
const DOTTED_AND_MORE = /^(\d{1,3}(?:\.\d{1,3}){3}):(\S*)$/

function readHost(host: string, port: string | undefined): HostAndPort | string {
  if (host === '') return 'the host before the port is missing'
  if (host.length > MAX_HOST_LENGTH) return `a host has at most ${MAX_HOST_LENGTH} characters`
  if (DOTTED.test(host) && parseIp(host) === undefined) return `the numbers of '${host}' must be 0 to 255`
  return withPort(host, port)
}

function withPort(host: string, text: string | undefined): HostAndPort | string {
  if (text === undefined || text === '') return 'the port is missing, as in 192.168.0.2:4112'
  const port = Number(text)
  const isPort = /^\d+$/.test(text) && port >= 1 && port <= 65_535
  return isPort ? { host, port } : `the port must be 1 to 65535, not ${boundText(text, 20)}`
}

export function formatAddress({ address, port }: SocketAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** True for IPv4 and IPv6 addresses, false for names that must be looked up. */
export function isIpAddress(host: string): boolean {
  return host.includes(':') || /^\d{1,3}(\.\d{1,3}){3}$/.test(host)
}
