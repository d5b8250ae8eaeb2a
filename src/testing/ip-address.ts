/** IP addresses as texts and as numbers: what routing on a simulated host needs to know of them. */

import type { AddressFamily, AddressScope } from '../platform/network.ts'

export interface IpAddress {
  readonly family: AddressFamily
  /** Canonical (RFC 5952), without zone; an IPv4-mapped IPv6 address has become IPv4. */
  readonly text: string
  readonly bits: bigint
  /** `eth0` in `fe80::1%eth0`. */
  readonly zone: string | undefined
}

/** `undefined` where `text` is not an IP address. */
export function parseIpAddress(text: string): IpAddress | undefined {
  const [address = '', zone] = text.split('%')
  if (!address.includes(':')) return zone === undefined ? ipv4(parseIpv4(address)) : undefined
  const bits = parseIpv6(address)
  if (bits === undefined) return undefined
  if (bits >> 32n === 0xffffn) return ipv4(bits & 0xffff_ffffn)
  return { family: 'ipv6', text: formatIpv6(bits), bits, zone }
}

export function isMulticast({ family, bits }: IpAddress): boolean {
  return family === 'ipv4' ? bits >> 28n === 0xen : bits >> 120n === 0xffn
}

export function isUnspecified({ bits }: IpAddress): boolean {
  return bits === 0n
}

export function addressScope(address: IpAddress): AddressScope {
  const { family, bits } = address
  if (family === 'ipv6') {
    if (bits === 1n) return 'loopback'
    if (isLinkLocalIpv6(address)) return 'link-local'
    return bits >> 121n === 0x7en ? 'private' : 'global'
  }
  if (bits >> 24n === 127n) return 'loopback'
  if (bits >> 16n === 0xa9fen) return 'link-local'
  const isPrivate = bits >> 24n === 10n || bits >> 20n === 0xac1n || bits >> 16n === 0xc0a8n
  return isPrivate ? 'private' : 'global'
}

/** The only addresses that need a zone. */
export function isLinkLocalIpv6({ family, bits }: IpAddress): boolean {
  return family === 'ipv6' && bits >> 118n === 0x3fan
}

/** The address as programs see it that came through the interface `zone`. */
export function inZone(address: IpAddress, zone: string): IpAddress {
  return isLinkLocalIpv6(address) ? { ...address, zone } : address
}

/** With its zone, if it has one. */
export function formatIpAddress({ text, zone }: IpAddress): string {
  return zone === undefined ? text : `${text}%${zone}`
}

/** Whether both are in one subnet of that prefix length. */
export function sharePrefix(a: IpAddress, b: IpAddress, prefixLength: number): boolean {
  if (a.family !== b.family) return false
  const hostBits = BigInt((a.family === 'ipv4' ? 32 : 128) - prefixLength)
  return a.bits >> hostBits === b.bits >> hostBits
}

/** The directed broadcast address of the subnet (RFC 919 section 7). */
export function subnetBroadcast({ bits }: IpAddress, prefixLength: number): bigint {
  return bits | ((1n << BigInt(32 - prefixLength)) - 1n)
}

export function formatIpv4(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map(shift => (bits >> shift) & 0xffn).join('.')
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as `::`. */
export function formatIpv6(bits: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - 16 * i)) & 0xffffn).toString(16))
  const run = longestZeroRun(groups)
  if (run.length < 2) return groups.join(':')
  return `${groups.slice(0, run.start).join(':')}::${groups.slice(run.start + run.length).join(':')}`
}

function ipv4(bits: bigint | undefined): IpAddress | undefined {
  return bits === undefined ? undefined : { family: 'ipv4', text: formatIpv4(bits), bits, zone: undefined }
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every(part => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined
  return parts.reduce((bits, part) => (bits << 8n) | BigInt(part), 0n)
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(parseGroups)
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined
  const zeros = 8 - head.length - (tail?.length ?? 0)
  if (tail === undefined ? zeros !== 0 : zeros < 1) return undefined
  return [...head, ...Array<bigint>(zeros).fill(0n), ...(tail ?? [])].reduce((bits, group) => (bits << 16n) | group, 0n)
}

function parseGroups(text: string): bigint[] | undefined {
  if (text === '') return []
  const groups: bigint[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    const embedded = index === parts.length - 1 ? parseIpv4(part) : undefined
    if (embedded !== undefined) groups.push(embedded >> 16n, embedded & 0xffffn)
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(BigInt(`0x${part}`))
    else return undefined
  }
  return groups
}

function longestZeroRun(groups: readonly string[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 }
  let start = 0
  for (const [index, group] of groups.entries()) {
    if (group !== '0') start = index + 1
    else if (index + 1 - start > longest.length) longest = { start, length: index + 1 - start }
  }
  return longest
}
