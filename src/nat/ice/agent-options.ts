/** Options of `createAgent`, checked and completed. */

import type { EarshotError } from '../../errors.ts'
import { MAX_STUN_SERVERS } from '../../limits.ts'
import type { Platform } from '../../platform/platform.ts'
import type { PortMapping } from '../port-mapping/port-mapping.ts'
import type { MapOptions } from '../port-mapping/port-mapping-options.ts'
import { checkRange, checkStunServers } from '../stun/argument-check.ts'
import { formatStunUri, parseStunUri } from '../stun/stun-uri.ts'
import type { AllocationRequest } from '../turn/allocate.ts'
import { checkAllocateTcpOptions } from '../turn/allocate-options.ts'
import type { AgentSettings, Path } from './agent.ts'
import type { DirectPolicy } from './description.ts'

export interface AgentOptions {
  /** Names of the two sides, such as peer ids; the other side gives them the other way round. They must differ. */
  readonly localId: string
  readonly remoteId: string
  /**
   * Takes a message to the other side's `receive`: at most 2,048 bytes. Messages may be lost, late, doubled and out of order, but
   * nobody else should be able to read or write them: they carry the passwords of this session.
   */
  readonly send: (message: Uint8Array) => void
  /** A connection stands. It must be started in this turn. Later ones are better ones. */
  readonly onPath: (path: Path) => void
  /** STUN servers, as `discoverBehaviour` takes them; asked over UDP and TCP. @default none: only what needs none is tried */
  readonly stun?: readonly string[]
  /** TURN servers that relay TCP (RFC 6062). @default none */
  readonly turn?: readonly RelayServer[]
  /**
   * 'prefer': a relay carries until a direct path stands. 'only': no relay. 'never': nothing but relays, and the other side learns
   * no address that it does not need for that. The stricter side decides. @default 'prefer'
   */
  readonly direct?: DirectPolicy
  /** Ask the router for a port (UPnP-IGD, NAT-PMP, PCP). @default false */
  readonly mapPorts?: boolean
  /** From one packet that keeps a UDP mapping alive to the next, in milliseconds, 1,000 to 600,000. @default 15_000 (RFC 8445 section 11) */
  readonly keepAliveMs?: number
  /** How long paths are tried, in milliseconds, 1,000 to 600,000. @default 20_000 */
  readonly giveUpMs?: number
  /** Certificates in PEM to trust for `stuns:` and `turns:`. @default those that the system trusts */
  readonly trustedCertificates?: readonly string[]
  /** A server failed, or a message of the other side is malformed: nothing ends by it. @default nothing */
  readonly onWarning?: (error: EarshotError) => void
  /** A simulated host of `earshot/testing`. @default the machine that this runs on */
  readonly network?: Platform
}

export interface RelayServer {
  /** `'turn:example.org'` (asked over TCP), `'turns:example.org'`. */
  readonly server: string
  readonly username: string
  /** The password. */
  readonly credential: string
}

const POLICIES: readonly DirectPolicy[] = ['prefer', 'only', 'never']
const KEEP_ALIVE_RANGE_MS = [1_000, 600_000] as const
const GIVE_UP_RANGE_MS = [1_000, 600_000] as const
const MAX_TURN_SERVERS = 4

type MapPort = (options: MapOptions) => Promise<PortMapping>

/** Throws TypeError or RangeError. */
export function checkAgentOptions(options: AgentOptions, platform: Platform, mapPort: MapPort): AgentSettings {
  const { localId, remoteId, send, onPath, mapPorts = false } = options
  const { keepAliveMs = 15_000, giveUpMs = 20_000, onWarning = () => {} } = options
  checkId('localId', localId)
  checkId('remoteId', remoteId)
  if (localId === remoteId) throw new RangeError(`localId and remoteId must differ, both are '${localId}'`)
  for (const [name, value] of Object.entries({ send, onPath, onWarning })) {
    if (typeof value !== 'function') throw new TypeError(`${name} must be a function, not ${typeof value}`)
  }
  checkRange('keepAliveMs', keepAliveMs, KEEP_ALIVE_RANGE_MS)
  checkRange('giveUpMs', giveUpMs, GIVE_UP_RANGE_MS)
  return {
    platform,
    isControlling: localId > remoteId,
    ...checkAgentServers(options),
    keepAliveMs,
    giveUpMs,
    exchange: 'live',
    mapPort: mapPorts ? mapPort : undefined,
    send,
    onPath,
    onWarning,
  }
}

type Servers = Pick<AgentOptions, 'stun' | 'turn' | 'direct' | 'trustedCertificates'>

/** The servers and how they are used; throws TypeError or RangeError. */
export function checkAgentServers({
  stun = [],
  turn = [],
  direct = 'prefer',
  trustedCertificates,
}: Servers): Pick<AgentSettings, keyof Servers> {
  if (!POLICIES.includes(direct)) throw new RangeError(`direct must be one of ${POLICIES.join(', ')}, not '${direct}'`)
  if (turn.length > MAX_TURN_SERVERS)
    throw new RangeError(`turn has at most ${MAX_TURN_SERVERS} servers, not ${turn.length}`)
  if (stun.length > MAX_STUN_SERVERS)
    throw new RangeError(`stun has at most ${MAX_STUN_SERVERS} servers, not ${stun.length}`)
  return {
    stun: stun.length === 0 ? [] : checkStunServers(stun),
    turn: turn.map(server => relayRequest(server, trustedCertificates)),
    direct,
    trustedCertificates,
  }
}

/** Relayed TCP is asked for over TCP. */
function relayRequest(
  { server, username, credential }: RelayServer,
  trustedCertificates: readonly string[] | undefined,
): Omit<AllocationRequest, 'signal'> {
  const uri = parseStunUri(server)
  const overStream = uri.transport === 'udp' ? ({ ...uri, transport: 'tcp' } as const) : uri
  return checkAllocateTcpOptions({
    server: formatStunUri(overStream),
    username,
    credential,
    onConnection() {},
    ...(trustedCertificates ? { trustedCertificates } : {}),
  })
}

function checkId(name: string, id: string): void {
  if (typeof id !== 'string' || id.length === 0) throw new TypeError(`${name} must be a text that is not empty`)
}
