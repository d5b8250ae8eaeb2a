/** What `PythonConnectNode.join` takes, with every default; checked and filled once. */

import type { InterfaceChoice } from '../../platform/interface-choice.ts'
import { parseIp } from '../../platform/ip-address.ts'
import type { Platform } from '../../platform/platform.ts'
import { checkNodeName, nameProblem } from './node-name.ts'

/** Where the real program listens, and where it dials others, whatever they say. */
export const TCP_PORT = 4_112
const MULTICAST_ADDRESS = '239.255.4.3'
const MULTICAST_PORT = 3_235
/** Long enough for the real program on a small computer to have read a frame. */
const PACE_MS = 20

export interface PythonConnectOptions {
  /**
   * Who this node is for the others: 1 to 248 bytes of UTF-8 without `:,:` and `/EOL`. Nobody else may use it.
   * @default the host name
   */
  readonly name?: string
  /** Which interfaces to use for adverts. @default a ranked choice: wired and wireless; loopback where there is nothing else */
  readonly interfaces?: InterfaceChoice
  /** False: neither advertise nor find others; only `connect`, and those who connect. @default true */
  readonly discovery?: boolean
  /**
   * Where to listen, and the port at which others are dialled. False: do not listen. The real program knows one port, and so
   * one node for each address.
   * @default { host: '0.0.0.0', port: 4112 }
   */
  readonly listen?: { readonly host?: string; readonly port?: number } | false
  /** Where adverts go. @default { address: '239.255.4.3', port: 3235 } */
  readonly multicast?: { readonly address?: string; readonly port?: number }
  /**
   * How long a device is given to read a frame before the next one, in milliseconds: see "Pace" in docs/compat.md. 0 only
   * where no real program is about.
   * @default 20
   */
  readonly paceMs?: number
  /** The platform to run on, for example a simulated one from `earshot/testing`. @default this machine */
  readonly network?: Platform
  /** Aborting leaves at once. */
  readonly signal?: AbortSignal
}

export interface PythonConnectSendOptions {
  /** A name, or several. @default everybody connected */
  readonly to?: string | readonly string[]
  /** Takes back what has not left yet. */
  readonly signal?: AbortSignal
}

export interface PythonConnectAskOptions {
  /** Those who have not answered by then are `null`. @default 2_000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface PythonConnectConnectOptions {
  /** @default 5_000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface NodeOptions {
  readonly name: string
  readonly interfaces: InterfaceChoice | undefined
  readonly discovery: boolean
  readonly listen: { readonly host: string; readonly port: number } | undefined
  readonly port: number
  readonly multicast: { readonly address: string; readonly port: number }
  readonly paceMs: number
  readonly signal: AbortSignal | undefined
}

/** Throws a TypeError or RangeError that names value and range. */
export function checkNodeOptions(options: PythonConnectOptions, { hostName }: Platform): NodeOptions {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object')
  const { discovery = true, paceMs = PACE_MS, interfaces, signal } = options
  if (typeof discovery !== 'boolean') throw new TypeError(`discovery must be true or false, not ${String(discovery)}`)
  const multicast = { address: MULTICAST_ADDRESS, port: MULTICAST_PORT, ...options.multicast }
  const first = parseIp(multicast.address)?.[0] ?? 0
  if (multicast.address.includes(':') || first < 224 || first > 239) {
    throw new RangeError(`multicast.address must be of 224.0.0.0 to 239.255.255.255, not '${multicast.address}'`)
  }
  const listen = options.listen === false ? undefined : { host: '0.0.0.0', port: TCP_PORT, ...options.listen }
  return {
    name: checkNodeName(options.name ?? defaultName(hostName)),
    interfaces,
    discovery,
    listen: listen && { host: listen.host, port: checkPort('listen.port', listen.port) },
    port: listen?.port || TCP_PORT,
    multicast: { address: multicast.address, port: checkPort('multicast.port', multicast.port) },
    paceMs: checkMilliseconds('paceMs', paceMs),
    signal: checkSignal(signal),
  }
}

export function checkMilliseconds(field: string, ms: number): number {
  if (typeof ms !== 'number' || Number.isNaN(ms) || ms < 0) {
    throw new RangeError(`${field} must be 0 or more milliseconds, not ${String(ms)}`)
  }
  return ms
}

export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError('signal must be an AbortSignal')
  return signal
}

function checkPort(field: string, port: number): number {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new RangeError(`${field} must be a whole number from 0 to 65535, not ${String(port)}`)
  }
  return port
}

function defaultName(hostName: string): string {
  return nameProblem(hostName) === undefined ? hostName : 'earshot'
}
