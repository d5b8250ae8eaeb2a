/** Options of a peer and of its connections: checked and completed once, here. */

import { MAX_PEERPY_MESSAGE_BYTES, PEERPY_SAFE_MESSAGE_BYTES } from '../../limits.ts'
import type { InterfaceChoice } from '../../platform/interface-choice.ts'
import { parseIp } from '../../platform/ip-address.ts'
import type { SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import type { PeerpyOffer } from './events.ts'
import { type ConnectionTerms, DATA_TYPES, type DataType } from './hello.ts'
import { parsePeerName } from './peer-name.ts'

/** Whether somebody may connect. */
export type PeerpyAdmit = (offer: PeerpyOffer) => boolean | Promise<boolean>

export interface PeerpyPeerOptions {
  /** The IPv4 address to listen on. @default all: `'0.0.0.0'` */
  readonly host?: string
  /** @default 0, any free port */
  readonly port?: number
  /**
   * How long others may take to connect and to answer, and after how much silence a sign of life is sent, in
   * milliseconds, from 10. @default 2_000, as the program
   */
  readonly timeoutMs?: number
  /** So many connections, then callers wait for a place, as they do for the program. @default Infinity */
  readonly maxConnections?: number
  /** Do not answer those who look for peers. @default false */
  readonly invisible?: boolean
  /** Asked about everybody who wants to connect, for a minute at most. @default everybody may */
  readonly admit?: PeerpyAdmit
  /**
   * The longest message sent, in bytes. The program mostly fails at more than the default; peers of this library take
   * 8 MiB. @default 8_192
   */
  readonly maxMessageBytes?: number
  /**
   * The pause between two messages on one connection, in milliseconds, unless something was heard in between: the program
   * loses its place where several come at once. 0 where all peers are of this library. @default 1
   */
  readonly paceMs?: number
  /** Where to look for peers, and which address to give them. @default those on which rooms look for peers */
  readonly interfaces?: InterfaceChoice
  /** Aborting closes the peer. */
  readonly signal?: AbortSignal
  /** A simulated host of `earshot/testing`. @default the machine that this runs on */
  readonly network?: Platform
}

export interface PeerpyConnectOptions {
  /** What messages are: JSON, bytes, or Python's pickle. @default 'json' */
  readonly dataType?: DataType
  /** Leave out what is of another type. @default true */
  readonly strict?: boolean
  /** All messages have one size, and after the first no header. @default false */
  readonly stream?: boolean
  /** That size in bytes, where it is known before the first message. @default the size of the first message */
  readonly streamSizeBytes?: number
  /** @default `timeoutMs` of the peer */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface PeerOptions {
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
  readonly maxConnections: number
  readonly invisible: boolean
  readonly admit: PeerpyAdmit | undefined
  readonly maxMessageBytes: number
  readonly paceMs: number
  readonly interfaces: InterfaceChoice
  readonly signal: AbortSignal | undefined
}

const MIN_TIMEOUT_MS = 10
const MAX_TIMEOUT_MS = 3_600_000

export function checkPeerOptions(options: PeerpyPeerOptions): PeerOptions {
  const { host = '0.0.0.0', port = 0, invisible = false, admit, interfaces = {}, signal } = options
  if (parseIp(host)?.length !== 4) throw new RangeError(`host must be an IPv4 address, not ${show(host)}`)
  checkRange('port', port, 0, 65_535)
  if (admit !== undefined && typeof admit !== 'function')
    throw new TypeError(`admit must be a function, not ${show(admit)}`)
  return {
    host,
    port,
    timeoutMs: checkTimeout(options.timeoutMs ?? 2_000),
    maxConnections: checkMaxConnections(options.maxConnections ?? Number.POSITIVE_INFINITY),
    invisible: checkBoolean('invisible', invisible),
    admit,
    maxMessageBytes: checkRange(
      'maxMessageBytes',
      options.maxMessageBytes ?? PEERPY_SAFE_MESSAGE_BYTES,
      1,
      MAX_PEERPY_MESSAGE_BYTES,
    ),
    paceMs: checkRange('paceMs', options.paceMs ?? 1, 0, 10_000),
    interfaces,
    signal,
  }
}

export function checkConnectOptions(options: PeerpyConnectOptions): ConnectionTerms {
  const { dataType = 'json', strict = true, stream = false, streamSizeBytes } = options
  if (!DATA_TYPES.includes(dataType))
    throw new RangeError(`dataType must be one of ${DATA_TYPES}, not ${show(dataType)}`)
  if (streamSizeBytes !== undefined) {
    if (!stream) throw new RangeError(`streamSizeBytes is of a stream: ${streamSizeBytes} needs stream: true`)
    checkRange('streamSizeBytes', streamSizeBytes, 1, MAX_PEERPY_MESSAGE_BYTES)
  }
  return { dataType, strict: checkBoolean('strict', strict), isStream: checkBoolean('stream', stream), streamSizeBytes }
}

/** The address of a peer, `'ip:port'`. */
export function checkAddress(address: string): SocketAddress {
  const parsed = typeof address === 'string' ? parsePeerName(address) : undefined
  if (parsed === undefined)
    throw new RangeError(`the address must be an IPv4 address and a port, like 192.168.0.2:51002, not ${show(address)}`)
  return parsed
}

export function checkTimeout(timeoutMs: number): number {
  return checkRange('timeoutMs', timeoutMs, MIN_TIMEOUT_MS, MAX_TIMEOUT_MS)
}

export function checkMaxConnections(count: number): number {
  if (count !== Number.POSITIVE_INFINITY && !(Number.isInteger(count) && count >= 1))
    throw new RangeError(`maxConnections must be a whole number from 1, or Infinity, not ${show(count)}`)
  return count
}

export function checkBoolean(name: string, value: boolean): boolean {
  if (typeof value !== 'boolean') throw new TypeError(`${name} must be true or false, not ${show(value)}`)
  return value
}

function checkRange(name: string, value: number, from: number, to: number): number {
  if (typeof value !== 'number' || !(value >= from && value <= to))
    throw new RangeError(`${name} must be from ${from} to ${to}, not ${show(value)}`)
  return value
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
