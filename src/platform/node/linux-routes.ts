/** The default routes of Linux, as its kernel prints them (proc_pid_net(5), linux/route.h, linux/ipv6_route.h). */

import { endianness } from 'node:os'
import { formatIp, isLinkLocalIpv6 } from '../ip-address.ts'
import type { Gateway } from '../network.ts'

const RTF_UP = 0x1
const RTF_GATEWAY = 0x2
const RTF_REJECT = 0x200
const NOWHERE = /^0+$/

interface DefaultRoute extends Gateway {
  readonly metric: number
}

/** `/proc/net/route`: numbers in hexadecimal, addresses in the byte order of the machine. */
export function ipv4Gateways(text: string): readonly Gateway[] {
  return sorted(rows(text).flatMap(ipv4Route))
}

/** `/proc/net/ipv6_route`: numbers and addresses in hexadecimal. */
export function ipv6Gateways(text: string): readonly Gateway[] {
  return sorted(rows(text).flatMap(ipv6Route))
}

function ipv4Route([name, destination, gateway, flags, , , metric, mask]: readonly string[]): readonly DefaultRoute[] {
  if (name === undefined || gateway === undefined || !isDefault(destination, mask) || !hasGateway(flags)) return []
  const bytes = bytesOf(gateway, 4)
  if (bytes === undefined) return []
  const address = formatIp(endianness() === 'LE' ? bytes.reverse() : bytes)
  return [{ address, family: 'ipv4', interface: name, metric: Number(metric) }]
}

function ipv6Route(fields: readonly string[]): readonly DefaultRoute[] {
  const [destination, prefixLength, , , gateway, metric, , , flags, name] = fields
  if (name === undefined || gateway === undefined || !isDefault(destination, prefixLength) || !hasGateway(flags))
    return []
  const bytes = bytesOf(gateway, 16)
  if (bytes === undefined) return []
  const address = isLinkLocalIpv6(bytes) ? `${formatIp(bytes)}%${name}` : formatIp(bytes)
  return [{ address, family: 'ipv6', interface: name, metric: Number.parseInt(metric ?? '', 16) }]
}

function isDefault(destination: string | undefined, mask: string | undefined): boolean {
  return destination !== undefined && mask !== undefined && NOWHERE.test(destination) && NOWHERE.test(mask)
}

function hasGateway(flags: string | undefined): boolean {
  const bits = Number.parseInt(flags ?? '', 16)
  return (bits & RTF_UP) !== 0 && (bits & RTF_GATEWAY) !== 0 && (bits & RTF_REJECT) === 0
}

function bytesOf(hex: string, length: number): Uint8Array | undefined {
  if (!new RegExp(`^[0-9a-f]{${length * 2}}$`, 'i').test(hex)) return undefined
  return Uint8Array.from({ length }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16))
}

function rows(text: string): string[][] {
  return text.split('\n').map(line => line.trim().split(/\s+/))
}

/** Of several default routes the system takes the one with the smallest metric. */
function sorted(routes: readonly DefaultRoute[]): readonly Gateway[] {
  return [...routes]
    .sort((a, b) => a.metric - b.metric)
    .map(({ address, family, interface: name }) => ({ address, family, interface: name }))
}
