/** Options of `allocate`, checked and completed. */

import type { EarshotError } from '../../errors.ts'
import type { AddressFamily, SocketAddress, TcpConnection } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { checkFamily, checkRange, checkTurnServer, PORT_RANGE, TIMEOUT_RANGE_MS } from '../stun/argument-check.ts'
import { prepareCredential } from '../stun/long-term-credential.ts'
import type { AllocationRequest } from './allocate.ts'

export interface AllocateOptions extends TurnServerOptions {
  /** A datagram from a peer, to whom something was sent or who was permitted. `bytes` belongs to the receiver. */
  readonly onDatagram: (bytes: Uint8Array, from: SocketAddress) => void
}

export interface AllocateTcpOptions extends TurnServerOptions {
  /** A permitted peer has connected to the relayed address. The connection must be started in this turn. */
  readonly onConnection: (connection: TcpConnection) => void
}

export interface TurnServerOptions {
  /** `'turn:example.org'`, over TCP `'turn:example.org?transport=tcp'`, over TLS `'turns:example.org'` (RFC 7065). */
  readonly server: string
  readonly username: string
  /** The password. */
  readonly credential: string
  /** Something that concerns one peer failed, such as a permission that the server refuses. @default nothing */
  readonly onWarning?: (error: EarshotError) => void
  /** Of the relayed address; peers must have the same. @default 'ipv4' */
  readonly family?: AddressFamily
  /** Of the way to the server. @default 'ipv4' */
  readonly serverFamily?: AddressFamily
  /** How long the server is asked to keep the allocation without a refresh, in milliseconds, 30,000 to 3,600,000. @default 600_000 */
  readonly lifetimeMs?: number
  /**
   * Silence after which the server is asked for a sign of life, in milliseconds, 5,000 to 600,000. Shorter than the lifetime of
   * mappings on the way; a server that is gone is noticed 12 s later. @default 20_000
   */
  readonly keepAliveMs?: number
  /** @default any free port */
  readonly localPort?: number
  /** How long the server may take to answer, and a connection to it, in milliseconds, 100 to 60,000. @default 10_000 */
  readonly timeoutMs?: number
  /** Certificates in PEM to trust for `turns:`. @default those that the system trusts */
  readonly trustedCertificates?: readonly string[]
  /** Aborting stops the attempt; an allocation that stands is closed by `close`. */
  readonly signal?: AbortSignal
  /** A simulated host of `earshot/testing`. @default the machine that this runs on */
  readonly network?: Platform
}

const LIFETIME_RANGE_MS = [30_000, 3_600_000] as const
const KEEP_ALIVE_RANGE_MS = [5_000, 600_000] as const

/** Throws TypeError or RangeError. */
export function checkAllocateOptions(options: AllocateOptions): AllocationRequest {
  checkFunction('onDatagram', options.onDatagram)
  return checkServerOptions(options)
}

/** Throws TypeError or RangeError. */
export function checkAllocateTcpOptions(options: AllocateTcpOptions): AllocationRequest {
  checkFunction('onConnection', options.onConnection)
  const request = checkServerOptions(options)
  if (request.uri.transport !== 'udp') return request
  throw new RangeError(`'${options.server}' is talked to over UDP; relaying TCP needs '?transport=tcp' or 'turns:'`)
}

function checkServerOptions(options: TurnServerOptions): AllocationRequest {
  const { family = 'ipv4', serverFamily = 'ipv4', lifetimeMs = 600_000, keepAliveMs = 20_000 } = options
  const { timeoutMs = 10_000, localPort, trustedCertificates, signal } = options
  const uri = checkTurnServer(options.server)
  const credential = prepareCredential({ username: options.username, password: options.credential })
  checkFamily(family)
  checkFamily(serverFamily)
  checkRange('lifetimeMs', lifetimeMs, LIFETIME_RANGE_MS)
  checkRange('keepAliveMs', keepAliveMs, KEEP_ALIVE_RANGE_MS)
  checkRange('timeoutMs', timeoutMs, TIMEOUT_RANGE_MS)
  if (localPort !== undefined) checkRange('localPort', localPort, PORT_RANGE)
  return {
    uri,
    credential,
    family,
    serverFamily,
    lifetimeMs,
    keepAliveMs,
    timeoutMs,
    localPort,
    trustedCertificates,
    signal,
  }
}

function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw new TypeError(`${name} must be a function, not ${typeof value}`)
}
