/**
 * What reaching peers across the Internet needs. The NAT is looked at first and alone: the mappings that the other checks make
 * would hide how it counts. Nobody is asked who was not named, but for the router.
 */

import { discoverBehaviourOn, measureMappingLifetimeOn, type NatBehaviour } from '../nat/behaviour/discover.ts'
import type { PortMapping } from '../nat/port-mapping/port-mapping.ts'
import type { MapOptions } from '../nat/port-mapping/port-mapping-options.ts'
import { parseStunUri } from '../nat/stun/stun-uri.ts'
import { parseIp } from '../platform/ip-address.ts'
import type { AddressFamily } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'
import type { Rendezvous } from '../rendezvous/rendezvous.ts'
import { aboutIpv6, aboutLifetime, aboutNat, aboutServers } from './about-nat.ts'
import { checkPortMapping } from './check-port-mapping.ts'
import { checkRelay } from './check-relay.ts'
import { checkRendezvous } from './check-rendezvous.ts'
import { type Finding, failure, finding, type OnFinding } from './finding.ts'
import { type Outlook, outlook } from './outlook.ts'

export interface RelayToCheck {
  readonly server: string
  readonly username: string
  readonly credential: string
}

export interface InternetCheckParts {
  readonly platform: Platform
  readonly stun: readonly string[]
  readonly turn: readonly RelayToCheck[]
  /** Opens each of them. */
  readonly rendezvous: readonly (() => Rendezvous)[]
  readonly mapPort: (options: MapOptions) => Promise<PortMapping>
  readonly timeoutMs: number
  /** The longest silence after which a mapping is looked at; 0: none. */
  readonly lifetimeMs: number
  readonly trustedCertificates: readonly string[] | undefined
  readonly signal: AbortSignal | undefined
  readonly onFinding: OnFinding
}

export interface InternetReport {
  /** In the order in which they were told. */
  readonly findings: readonly Finding[]
  /** Undefined where no STUN server was named. */
  readonly behaviour: NatBehaviour | undefined
  readonly outlook: Outlook | undefined
}

/** From the shortest silence to the longest, with five mappings at once, the bracket is so narrow after one wait. */
const LIFETIME_SPREAD = 4
const LIFETIME_PRECISION = 2

/** Rejects with `signal.reason`, or with a RangeError or TypeError for servers that are none. */
export async function checkInternetOn(parts: InternetCheckParts): Promise<InternetReport> {
  const { platform, turn, rendezvous, signal, onFinding } = parts
  signal?.throwIfAborted()
  const findings: Finding[] = []
  const tell = (...all: readonly Finding[]): void => {
    for (const each of all) {
      findings.push(each)
      onFinding(each)
    }
  }
  const behaviour = await discover(parts, 'ipv4')
  tell(...(behaviour ? aboutNat(behaviour) : [noStunServer()]))
  const [mapping] = await Promise.all([
    checkPortMapping(parts).then(found => {
      tell(found)
      return found
    }),
    checkIpv6(parts).then(found => tell(...found)),
    checkLifetime(parts, behaviour).then(found => tell(...found)),
    ...turn.map(server => checkRelay({ ...parts, ...server }).then(found => tell(...found))),
    ...rendezvous.map(open => checkRendezvous({ ...parts, open }).then(tell)),
  ])
  signal?.throwIfAborted()
  if (!behaviour) return { findings, behaviour, outlook: undefined }
  const hasReliableUdp = (await platform.reliableUdp()).kind === 'available'
  const isPortMapped = mapping.verdict === 'ok'
  return { findings, behaviour, outlook: outlook({ behaviour, isPortMapped, hasReliableUdp }) }
}

/** Asks the servers that can have an address of that family; undefined where there is none. */
async function discover(parts: InternetCheckParts, family: AddressFamily): Promise<NatBehaviour | undefined> {
  const { platform, stun, timeoutMs, trustedCertificates, signal } = parts
  const servers = stun.filter(server => literalFamily(server) !== OTHER_FAMILY[family])
  if (servers.length === 0) return undefined
  return discoverBehaviourOn(platform, {
    servers,
    family,
    timeoutMs,
    ...(trustedCertificates && { trustedCertificates }),
    ...(signal && { signal }),
  })
}

async function checkIpv6(parts: InternetCheckParts): Promise<readonly Finding[]> {
  const up = parts.platform.network.interfaces().filter(({ isUp }) => isUp)
  const own = up.flatMap(({ addresses }) => addresses).filter(({ family }) => family === 'ipv6')
  const isGlobal = own.some(({ scope }) => scope === 'global')
  const behaviour = isGlobal ? await discover(parts, 'ipv6') : undefined
  // Of names, what became of them over IPv4 has been told.
  const literal = behaviour
    ? aboutServers(behaviour).filter(({ subject = '' }) => literalFamily(subject) === 'ipv6')
    : []
  return [...literal, aboutIpv6(behaviour ?? SILENT, isGlobal)]
}

/** Of a server that is named by its address. */
function literalFamily(server: string): AddressFamily | undefined {
  const { host } = parseStunUri(server)
  const bytes = parseIp(host)
  if (bytes === undefined) return undefined
  return bytes.length === 4 ? 'ipv4' : 'ipv6'
}

async function checkLifetime(
  parts: InternetCheckParts,
  behaviour: NatBehaviour | undefined,
): Promise<readonly Finding[]> {
  const { platform, lifetimeMs, timeoutMs, signal } = parts
  const server = behaviour?.udp?.servers.find(({ mapped }) => mapped)?.server
  // Without a NAT there is no mapping that could be lost.
  if (lifetimeMs === 0 || server === undefined || behaviour?.udp?.mapping === 'none') return []
  try {
    const measured = await measureMappingLifetimeOn(platform, {
      server,
      minMs: lifetimeMs / LIFETIME_SPREAD,
      maxMs: lifetimeMs,
      precision: LIFETIME_PRECISION,
      timeoutMs,
      ...(signal && { signal }),
    })
    return [aboutLifetime(measured, lifetimeMs)]
  } catch (error) {
    signal?.throwIfAborted()
    return [failure({ check: 'lifetime', verdict: 'note' }, error)]
  }
}

function noStunServer(): Finding {
  return finding({
    check: 'stun',
    verdict: 'note',
    message: 'no STUN server that has an IPv4 address was named, so nothing is known of the NAT',
    hint: 'Name one with --stun or EARSHOT_STUN. None is asked unless you say so, since it learns your address.',
  })
}

const OTHER_FAMILY = { ipv4: 'ipv6', ipv6: 'ipv4' } as const
const SILENT: NatBehaviour = { family: 'ipv6', udp: undefined, tcp: undefined, udpBlocked: 'unknown' }
