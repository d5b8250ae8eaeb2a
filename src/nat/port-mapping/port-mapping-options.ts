/** What a program says about a mapping it wants: checked and filled once, here. */

import { parseIp } from '../../platform/ip-address.ts'
import type { AddressFamily } from '../../platform/network.ts'
import type { PortMappingProtocol } from './mapping-service.ts'
import type { PortMapping } from './port-mapping.ts'

export interface MapOptions {
  readonly protocol: 'udp' | 'tcp'
  /** The port on this host, 1 to 65535. */
  readonly internalPort: number
  /** Wanted on the gateway; it may give another one. With IPv6 it is always the internal one. @default `internalPort` */
  readonly externalPort?: number
  /** 'ipv6': a pinhole in the firewall for a global address of this host. @default 'ipv4' */
  readonly family?: AddressFamily
  /** The address of this host to map to. @default the one towards the gateway; for IPv6 the first global one */
  readonly internalAddress?: string
  /**
   * Lifetime requested from the gateway, in milliseconds. It may grant less; renewal begins at half of that. A program that
   * dies leaves its mapping for as long. From 120_000 to 86_400_000. @default 7_200_000 (two hours, RFC 6886 section 3.3)
   */
  readonly lifetimeMs?: number
  /** Which protocols are tried. @default all of them */
  readonly protocols?: readonly PortMappingProtocol[]
  /** How long gateways have to answer at the first time, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number
  /** What people see in the router's list: 1 to 64 printable ASCII characters. @default 'earshot' */
  readonly description?: string
  /** Called when `external` or `state` has changed. */
  readonly onChange?: (mapping: PortMapping) => void
  /** Aborting ends the making; a mapping that stands is ended by its `close`. */
  readonly signal?: AbortSignal
}

export type CheckedMapOptions = Required<Omit<MapOptions, 'internalAddress' | 'signal'>> & {
  readonly internalAddress: string | undefined
  readonly signal: AbortSignal | undefined
}

const PROTOCOLS: readonly PortMappingProtocol[] = ['pcp', 'nat-pmp', 'upnp-igd']
const MAX_PORT = 65_535
const DEFAULT_LIFETIME_MS = 7_200_000
const SHORTEST_LIFETIME_MS = 120_000
const LONGEST_LIFETIME_MS = 86_400_000
const DEFAULT_TIMEOUT_MS = 10_000
const LONGEST_TIMEOUT_MS = 600_000
const DESCRIPTION = /^[ -~]{1,64}$/

/** Throws TypeError or RangeError that names the option. */
export function checkMapOptions(options: MapOptions): CheckedMapOptions {
  if (typeof options !== 'object' || options === null) throw new TypeError(`options must be an object, not ${options}`)
  const { protocol, internalPort, externalPort = internalPort, family = 'ipv4', internalAddress, signal } = options
  const { lifetimeMs = DEFAULT_LIFETIME_MS, timeoutMs = DEFAULT_TIMEOUT_MS, protocols = PROTOCOLS } = options
  const { description = 'earshot', onChange = () => {} } = options
  checkChoice('protocol', protocol, ['udp', 'tcp'])
  checkChoice('family', family, ['ipv4', 'ipv6'])
  checkRange('internalPort', internalPort, 1, MAX_PORT)
  checkRange('externalPort', externalPort, 1, MAX_PORT)
  checkRange('lifetimeMs', lifetimeMs, SHORTEST_LIFETIME_MS, LONGEST_LIFETIME_MS)
  checkRange('timeoutMs', timeoutMs, 1, LONGEST_TIMEOUT_MS)
  checkAddress(internalAddress, family)
  if (!Array.isArray(protocols)) throw new TypeError(`protocols must be an array, not ${typeof protocols}`)
  for (const each of protocols) checkChoice('protocols', each, PROTOCOLS)
  if (protocols.length === 0) throw new RangeError('protocols must name at least one protocol')
  if (!DESCRIPTION.test(description))
    throw new RangeError(`description must be 1 to 64 printable ASCII characters, not '${description}'`)
  if (typeof onChange !== 'function') throw new TypeError(`onChange must be a function, not ${typeof onChange}`)
  return {
    protocol,
    internalPort,
    externalPort,
    family,
    internalAddress,
    lifetimeMs,
    protocols,
    timeoutMs,
    description,
    onChange,
    signal,
  }
}

function checkChoice(name: string, value: unknown, choices: readonly string[]): void {
  if (!choices.includes(value as string))
    throw new RangeError(`${name} must be one of ${choices.join(', ')}, not '${value}'`)
}

function checkRange(name: string, value: number, lowest: number, highest: number): void {
  if (!Number.isInteger(value) || value < lowest || value > highest)
    throw new RangeError(`${name} must be a whole number from ${lowest} to ${highest}, not ${value}`)
}

function checkAddress(address: string | undefined, family: AddressFamily): void {
  if (address === undefined) return
  if (parseIp(address)?.length !== (family === 'ipv4' ? 4 : 16))
    throw new RangeError(`internalAddress must be an ${family} address, not '${address}'`)
}
