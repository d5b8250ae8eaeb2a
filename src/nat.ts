/**
 * `earshot/nat`: what a NAT does, and ways through it, in the words of the RFCs. Useful alone; `docs/nat.md` has examples.
 * No server is contacted that the caller has not named.
 */

import {
  type BehaviourOptions,
  discoverBehaviourOn,
  type LifetimeOptions,
  measureMappingLifetimeOn,
  type NatBehaviour,
} from './nat/behaviour/discover.ts'
import type { MappingLifetime } from './nat/behaviour/mapping-lifetime.ts'
import { Agent } from './nat/ice/agent.ts'
import { type AgentOptions, checkAgentOptions } from './nat/ice/agent-options.ts'
import { portMapperOf } from './nat/port-mapping/port-mapper.ts'
import type { PortMapping } from './nat/port-mapping/port-mapping.ts'
import type { MapOptions } from './nat/port-mapping/port-mapping-options.ts'
import { checkFamily, checkRange, checkStunServer, PORT_RANGE, TIMEOUT_RANGE_MS } from './nat/stun/argument-check.ts'
import { requestBindingOn } from './nat/stun/binding.ts'
import { allocateOn, allocateTcpOn } from './nat/turn/allocate.ts'
import {
  type AllocateOptions,
  type AllocateTcpOptions,
  checkAllocateOptions,
  checkAllocateTcpOptions,
} from './nat/turn/allocate-options.ts'
import type { Allocation } from './nat/turn/allocation.ts'
import type { TcpAllocation } from './nat/turn/tcp-allocation.ts'
import type { AddressFamily, SocketAddress } from './platform/network.ts'
import { keepProcessAlive } from './platform/node/keep-process-alive.ts'
import { nodePlatform } from './platform/node/node-platform.ts'
import type { Platform } from './platform/platform.ts'

export type {
  FilteringBehaviour,
  MappingBehaviour,
  PortAllocation,
} from './nat/behaviour/classification.ts'
export type { BehaviourOptions, LifetimeOptions, NatBehaviour } from './nat/behaviour/discover.ts'
export type { Hairpinning } from './nat/behaviour/hairpinning.ts'
export type { MappingLifetime } from './nat/behaviour/mapping-lifetime.ts'
export type { ServerReport } from './nat/behaviour/survey.ts'
export type { TcpBehaviour } from './nat/behaviour/tcp-behaviour.ts'
export type { UdpBehaviour } from './nat/behaviour/udp-behaviour.ts'
export type { Agent, ConnectivityReport, Path } from './nat/ice/agent.ts'
export type { AgentOptions, RelayServer } from './nat/ice/agent-options.ts'
export type { Candidate, CandidateTransport, CandidateType } from './nat/ice/candidate.ts'
export type { PathKind } from './nat/ice/candidate-pair.ts'
export type { DirectPolicy } from './nat/ice/description.ts'
export type { PathMethod, PathReport, PathResult } from './nat/ice/journal.ts'
export {
  type Chance,
  COMMON_NATS,
  type CommonNat,
  commonNatOf,
  type Likelihood,
  type LikelihoodOptions,
  likelihood,
  type NatTraits,
  type TransportTraits,
} from './nat/ice/likelihood.ts'
export type { NatSummary } from './nat/ice/nat-summary.ts'
export type { PortMappingProtocol } from './nat/port-mapping/mapping-service.ts'
export type { PortMapping, PortMappingState } from './nat/port-mapping/port-mapping.ts'
export { parseStunUri, type ServerTransport, type StunUri } from './nat/stun/stun-uri.ts'
export type { AllocateOptions, AllocateTcpOptions, TurnServerOptions } from './nat/turn/allocate-options.ts'
export type { Allocation, AllocationStats } from './nat/turn/allocation.ts'
export type { RelayConnectOptions, TcpAllocation } from './nat/turn/tcp-allocation.ts'
export type { SocketAddress, TcpConnection, TcpHandlers } from './platform/network.ts'

export interface RequestBindingOptions {
  /** @default 'ipv4' */
  readonly family?: AddressFamily
  /** @default any free port */
  readonly localPort?: number
  /** How long the server may take to answer, in milliseconds, 100 to 60,000. @default 5_000 */
  readonly timeoutMs?: number
  /** Certificates in PEM to trust for `stuns:`. @default those that the system trusts */
  readonly trustedCertificates?: readonly string[]
  readonly signal?: AbortSignal
  /** A simulated host of `earshot/testing`. @default the machine that this runs on */
  readonly network?: Platform
}

export interface BindingAnswer {
  /** Our address as the server sees it. */
  readonly mapped: SocketAddress
  readonly localPort: number
  /** The server's address. */
  readonly server: SocketAddress
  /** From the request to the answer, in milliseconds. */
  readonly rttMs: number
}

/**
 * Asks one STUN server (RFC 8489) how it sees us, over UDP, TCP (`'stun:host?transport=tcp'`) or TLS (`'stuns:host'`).
 *
 * @throws rejects with TypeError or RangeError for wrong arguments, `timeout`, `unreachable`, `untrusted-peer` for a wrong
 *   certificate, `refused` with the server's error as `reason`, or `signal.reason`
 */
export async function requestBinding(server: string, options: RequestBindingOptions = {}): Promise<BindingAnswer> {
  const {
    family = 'ipv4',
    localPort,
    timeoutMs = 5_000,
    trustedCertificates,
    signal,
    network = nodePlatform(),
  } = options
  const uri = checkStunServer(server)
  checkFamily(family)
  checkRange('timeoutMs', timeoutMs, TIMEOUT_RANGE_MS)
  if (localPort !== undefined) checkRange('localPort', localPort, PORT_RANGE)
  const answer = await requestBindingOn(network, { uri, family, localPort, timeoutMs, trustedCertificates, signal })
  return { mapped: answer.mapped, localPort: answer.localPort, server: answer.from, rttMs: answer.rttMs }
}

/**
 * Behaviour discovery (RFC 5780): mapping, filtering, hairpinning and how ports are chosen. Takes one to a few seconds, since
 * some answers are silence. What cannot be told is 'unknown'; servers that do not answer are in the report, and are no error.
 *
 * @throws rejects with TypeError or RangeError for wrong arguments, with `address-in-use` where `localPort` is taken,
 *   `no-network` where there is none, `signal.reason` when aborted
 */
export async function discoverBehaviour(options: BehaviourOptions): Promise<NatBehaviour> {
  return discoverBehaviourOn(options?.network ?? nodePlatform(), options)
}

/**
 * How long a UDP mapping lives without traffic (RFC 5780 section 4.6). Takes minutes: it has to wait as long as that, two or
 * three times. Sockets are open meanwhile and keep the process alive.
 *
 * @throws rejects with TypeError or RangeError for wrong arguments, `timeout` where the server does not answer, `unreachable`
 *   where it has no address, `signal.reason` when aborted
 */
export async function measureMappingLifetime(options: LifetimeOptions): Promise<MappingLifetime> {
  return measureMappingLifetimeOn(options?.network ?? nodePlatform(), options)
}

/**
 * An address at a TURN server (RFC 8656) that relays datagrams between us and peers, over UDP, TCP or TLS. It keeps itself alive
 * until `close()`, and keeps the process alive.
 *
 * @throws rejects with TypeError or RangeError for wrong arguments; `refused` for a wrong user name or password, or where the
 *   server does not want to; `limit-reached` where it has no room, with `retryAfterMs`; `timeout` and `unreachable` where
 *   nobody answers; `untrusted-peer` for a wrong certificate; `signal.reason`
 */
export async function allocate(options: AllocateOptions): Promise<Allocation> {
  return allocateOn(options?.network ?? nodePlatform(), checkAllocateOptions(options), options)
}

/**
 * An address at a TURN server that relays TCP (RFC 6062): a permitted peer connects to it with plain TCP and needs no TURN
 * itself. Over TCP or TLS only.
 *
 * @throws rejects as `allocate`; `refused` where the server does not relay TCP
 */
export async function allocateTcp(options: AllocateTcpOptions): Promise<TcpAllocation> {
  return allocateTcpOn(options?.network ?? nodePlatform(), checkAllocateTcpOptions(options), options)
}

export interface MapPortOptions extends MapOptions {
  /** A simulated host of `earshot/testing`. @default the machine that this runs on */
  readonly network?: Platform
}

/**
 * Maps a port of this machine on the router in front of it, in PCP, NAT-PMP or UPnP-IGD, whichever it speaks, or opens a pinhole
 * in its IPv6 firewall. Resolves when it stands, within milliseconds where the router answers at once. It is renewed, made
 * again where the router has lost it or another network is joined, and removed by `close()`; until then it keeps the
 * process alive.
 *
 * @throws rejects with TypeError or RangeError for wrong arguments, `no-network` where no router is known, `refused` where one
 *   said no (`reason` is its word), `unreachable` where none answered, `limit-reached`, or `signal.reason`. `attempts` tells each
 *   protocol and router that was tried
 */
export async function mapPort(options: MapPortOptions): Promise<PortMapping> {
  return portMapperOf(options?.network ?? nodePlatform(), keepProcessAlive).map(options)
}

/**
 * Connects two programs that can exchange small messages somehow: over the LAN, by UDP or TCP through both NATs, or over a relay,
 * all tried at the same time. `onPath` gets each connection as it stands, first mostly a relay and then a better one; `report`
 * tells what was tried and why it is no better. It keeps the process alive until `close()`.
 *
 * @throws TypeError or RangeError for wrong arguments; what the network does is told by `onWarning` and `report`
 */
export function createAgent(options: AgentOptions): Agent {
  const platform = options?.network ?? nodePlatform()
  const mapPort = (wanted: MapOptions) => portMapperOf(platform, keepProcessAlive).map(wanted)
  return new Agent(checkAgentOptions(options, platform, mapPort))
}
