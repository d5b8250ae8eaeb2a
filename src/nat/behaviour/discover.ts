/** Behaviour discovery as programs use it: arguments are checked here, once. */

import type { AddressFamily } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import {
  checkFamily,
  checkRange,
  checkStunServer,
  checkStunServers,
  PORT_RANGE,
  TIMEOUT_RANGE_MS,
} from '../stun/argument-check.ts'
import { type MappingLifetime, measureLifetime } from './mapping-lifetime.ts'
import { discoverTcp, type TcpBehaviour } from './tcp-behaviour.ts'
import { discoverUdp, type TransportOptions, type UdpBehaviour } from './udp-behaviour.ts'

export interface BehaviourOptions {
  /**
   * STUN servers: `'stun:example.org'`, `'stun:192.0.2.1:3478'`, `'stun:example.org?transport=tcp'`, `'stuns:example.org'`. All
   * are asked at once; the first two kinds over UDP and TCP, the others over TCP or TLS alone. One that has a second address
   * (RFC 5780) tells everything; with two others, at different addresses, at least the mapping can be told.
   */
  readonly servers: readonly string[]
  /** @default 'ipv4' */
  readonly family?: AddressFamily
  /** @default both */
  readonly transports?: readonly ('udp' | 'tcp')[]
  /** The local port whose mapping is looked at. @default any free one */
  readonly localPort?: number
  /** How long a server may take to answer, in milliseconds, 100 to 60,000. @default 5_000 */
  readonly timeoutMs?: number
  /** Certificates in PEM to trust for `stuns:`. @default those that the system trusts */
  readonly trustedCertificates?: readonly string[]
  readonly signal?: AbortSignal
  /** A simulated host of `earshot/testing`. @default the machine that this runs on */
  readonly network?: Platform
}

export interface NatBehaviour {
  readonly family: AddressFamily
  /** Undefined where it was not asked for. */
  readonly udp: UdpBehaviour | undefined
  readonly tcp: TcpBehaviour | undefined
  /** 'yes': a server answers over TCP and none over UDP. 'unknown': nobody answers at all, or only one of them was tried. */
  readonly udpBlocked: 'yes' | 'no' | 'unknown'
}

export interface LifetimeOptions {
  /** One STUN server; with RESPONSE-PORT (RFC 5780) it can be measured behind every NAT. */
  readonly server: string
  /** @default 'ipv4' */
  readonly family?: AddressFamily
  /** The shortest silence that is tried, in milliseconds. @default 10_000 */
  readonly minMs?: number
  /** The longest. All takes at most about three times as long. @default 300_000 (five minutes, RFC 4787 REQ-5) */
  readonly maxMs?: number
  /** The result is narrow enough when `atMostMs` is at most so many times `atLeastMs`. @default 1.2 */
  readonly precision?: number
  /** How many mappings wait at the same time, 1 to 16. @default 5 */
  readonly probes?: number
  /** How long the server may take to answer, in milliseconds, 100 to 60,000. @default 5_000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** @default the machine that this runs on */
  readonly network?: Platform
}

const LONGEST_MS = 86_400_000
const MAX_PROBES = 16

export async function discoverBehaviourOn(platform: Platform, options: BehaviourOptions): Promise<NatBehaviour> {
  const {
    transports = ['udp', 'tcp'],
    family = 'ipv4',
    timeoutMs = 5_000,
    localPort,
    trustedCertificates,
    signal,
  } = options
  const servers = checkStunServers(options.servers)
  checkFamily(family)
  checkRange('timeoutMs', timeoutMs, TIMEOUT_RANGE_MS)
  if (localPort !== undefined) checkRange('localPort', localPort, PORT_RANGE)
  const known = { servers, family, timeoutMs, localPort, trustedCertificates, signal }
  const { udp, tcp } = await discoverInTurn(platform, transports, known)
  return { family, udp, tcp, udpBlocked: isUdpBlocked(udp, tcp) }
}

/** TCP begins when UDP makes no mappings any more: some NATs count both together. */
async function discoverInTurn(
  platform: Platform,
  transports: readonly ('udp' | 'tcp')[],
  options: TransportOptions,
): Promise<Pick<NatBehaviour, 'udp' | 'tcp'>> {
  let begin = () => {}
  const begun = new Promise<void>(resolve => {
    begin = resolve
  })
  const discoveringUdp = transports.includes('udp') ? discoverUdp(platform, options, begin) : undefined
  if (!discoveringUdp) begin()
  const discoveringTcp = transports.includes('tcp') ? begun.then(() => discoverTcp(platform, options)) : undefined
  const [udp, tcp] = await Promise.all([discoveringUdp, discoveringTcp])
  return { udp, tcp }
}

export async function measureMappingLifetimeOn(platform: Platform, options: LifetimeOptions): Promise<MappingLifetime> {
  const {
    family = 'ipv4',
    minMs = 10_000,
    maxMs = 300_000,
    precision = 1.2,
    probes = 5,
    timeoutMs = 5_000,
    signal,
  } = options
  const server = checkStunServer(options.server)
  checkFamily(family)
  checkRange('timeoutMs', timeoutMs, TIMEOUT_RANGE_MS)
  checkRange('minMs', minMs, [1, LONGEST_MS])
  checkRange('maxMs', maxMs, [minMs, LONGEST_MS])
  checkRange('precision', precision, [1.01, 10])
  checkRange('probes', probes, [1, MAX_PROBES])
  return measureLifetime(platform, { server, family, minMs, maxMs, precision, probes, timeoutMs, signal })
}

/** TCP that answers where UDP does not proves that it is not the servers. */
function isUdpBlocked(udp: UdpBehaviour | undefined, tcp: TcpBehaviour | undefined): NatBehaviour['udpBlocked'] {
  if (udp?.mapped) return 'no'
  const answersTcp = new Set(tcp?.servers.filter(({ mapped }) => mapped).map(({ server }) => server))
  return udp?.servers.some(({ server }) => answersTcp.has(server)) ? 'yes' : 'unknown'
}
