/** IP addresses as bytes: for comparing records, and for asking whether a packet came from this link. */

import type { InterfaceAddress, NetworkInterface } from './network.ts'

/** The 4 or 16 bytes of an address, its zone left out; undefined where the text is none. */
export function parseIp(text: string): Uint8Array | undefined {
  const zone = text.indexOf('%')
  const address = zone < 0 ? text : text.slice(0, zone)
  return address.includes(':') ? parseIpv6(address) : parseIpv4(address)
}

/** The one text of an address, its zone left out; `address` itself where it is none. */
export function canonicalIp(address: string): string {
  const bytes = parseIp(address)
  return bytes === undefined ? address : formatIp(bytes)
}

/** The text of an address of 4 or 16 bytes. */
export function formatIp(bytes: Uint8Array): string {
  return bytes.length === 4 ? bytes.join('.') : formatIpv6(bytes)
}

/** RFC 5952: lower case, the longest run of zero groups shortened. */
function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16))
  const zeros = longestZeroRun(groups)
  if (zeros.length < 2) return groups.join(':')
  return `${groups.slice(0, zeros.start).join(':')}::${groups.slice(zeros.start + zeros.length).join(':')}`
}

/** The zone of `fe80::1%eth0`; undefined where there is none. */
export function zoneOf(address: string): string | undefined {
  const at = address.indexOf('%')
  return at < 0 ? undefined : address.slice(at + 1)
}

/** RFC 4291 section 2.5.6: fe80::/10. */
export function isLinkLocalIpv6(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80
}

/**
 * What counts as one host where limits are shared out: of IPv6 the whole /64, in which a host gives itself as many
 * addresses as it likes (RFC 4862, RFC 8981). All hosts of a link share the prefix of link-local addresses, so these
 * count one by one.
 */
export function hostOf(address: string): string {
  const bytes = parseIp(address)
  if (bytes?.length !== 16 || isLinkLocalIpv6(bytes)) return address
  return `${bytes.subarray(0, 8).join('.')}/64`
}

/**
 * RFC 6762 section 11: a packet counts only if its source is on this link. On Linux a socket bound to the wildcard also
 * receives the multicast of other interfaces, so this is what keeps the links apart, too.
 */
export function onLinkTest(link: NetworkInterface): (source: string) => boolean {
  const subnets = subnetsOf(link)
  return source => {
    const bytes = parseIp(source)
    if (bytes === undefined) return false
    const zone = zoneOf(source)
    if (isLinkLocalIpv6(bytes) && zone !== undefined) return zone === link.name || zone === String(link.index)
    return subnets.some(subnet => isInSubnet(bytes, subnet))
  }
}

export interface Subnet {
  readonly address: Uint8Array
  readonly prefixLength: number
}

export function subnetsOf({ addresses }: NetworkInterface): Subnet[] {
  return addresses.flatMap(({ address, prefixLength }) => {
    const bytes = parseIp(address)
    return bytes === undefined ? [] : [{ address: bytes, prefixLength }]
  })
}

export function isInSubnet(address: Uint8Array, { address: own, prefixLength }: Subnet): boolean {
  if (own.length !== address.length) return false
  const whole = prefixLength >>> 3
  for (let i = 0; i < whole; i++) if (address[i] !== own[i]) return false
  const rest = prefixLength & 7
  return rest === 0 || (address[whole]! ^ own[whole]!) >>> (8 - rest) === 0
}

/** Where everybody in the subnet of an IPv4 address hears. RFC 919 section 7; subnets of one or two addresses have none (RFC 3021 section 2.2). */
export function subnetBroadcast({ address, prefixLength }: InterfaceAddress): string | undefined {
  const bytes = parseIp(address)
  if (bytes?.length !== 4 || prefixLength > 30) return undefined
  return [...bytes].map((byte, i) => byte | (0xff >>> Math.min(8, Math.max(0, prefixLength - 8 * i)))).join('.')
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every(part => /^\d{1,3}$/.test(part) && Number(part) <= 255)) return undefined
  return Uint8Array.from(parts, Number)
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groupsOf(halves[0]!)
  const tail = halves.length === 2 ? groupsOf(halves[1]!) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  return Uint8Array.from(groups.flatMap(group => [group >>> 8, group & 0xff]))
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const last = parts.at(-1)!
  const embedded = last.includes('.') ? parseIpv4(last) : undefined
  if (last.includes('.') && embedded === undefined) return undefined
  const hex = embedded === undefined ? parts : parts.slice(0, -1)
  if (!hex.every(part => /^[0-9a-f]{1,4}$/i.test(part))) return undefined
  const groups = hex.map(part => Number.parseInt(part, 16))
  if (embedded !== undefined) groups.push((embedded[0]! << 8) | embedded[1]!, (embedded[2]! << 8) | embedded[3]!)
  return groups
}

function longestZeroRun(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let i = 0; i < groups.length; i++) {
    let end = i
    while (groups[end] === '0') end++
    if (end - i > best.length) best = { start: i, length: end - i }
    i = Math.max(i, end)
  }
  return best
}
