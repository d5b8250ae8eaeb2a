/**
 * How likely a direct path is between two NATs, before anybody tries: what the truth table of docs/reachability.md says, for the
 * kinds of NAT that are common and for one that was measured. Pure.
 */

import type { FilteringBehaviour, MappingBehaviour, PortAllocation } from '../behaviour/classification.ts'
import type { NatBehaviour } from '../behaviour/discover.ts'
import type { TcpBehaviour } from '../behaviour/tcp-behaviour.ts'
import type { UdpBehaviour } from '../behaviour/udp-behaviour.ts'
import { isHard, type NatSummary, strategyFor } from './nat-summary.ts'

/** The kinds of NAT that are common, by the names that docs/reachability.md explains in RFC 4787's words. */
export type CommonNat =
  | 'none'
  | 'full-cone'
  | 'restricted'
  | 'port-restricted'
  | 'symmetric'
  | 'symmetric-seq'
  | 'firewall-udp-blocked'

/** What a NAT does with one transport. */
export interface TransportTraits extends NatSummary {
  readonly filtering: FilteringBehaviour
}

export interface NatTraits {
  readonly udp: TransportTraits
  readonly tcp: TransportTraits
}

/**
 * 'certain': the physics allow it, and it was reached in every try. 'likely': all but one or two of a hundred tries where the NAT
 * behaves; routers that are peculiar about TCP, and traffic of others, lower that. 'luck': both sides must guess. 'relay-only': no
 * direct path. 'unknown': too little is known of one of them.
 */
export type Chance = 'certain' | 'likely' | 'luck' | 'unknown' | 'relay-only'

export interface Likelihood {
  readonly chance: Chance
  /** The transport with that chance; undefined where there is no direct path. */
  readonly transport: 'udp' | 'tcp' | undefined
  /** How: each sends to the other, the next port is predicted, or searched for. */
  readonly by: 'plain' | 'prediction' | 'birthday' | undefined
}

export interface LikelihoodOptions {
  /** Whether both sides have reliable UDP (`udx-native`): without it only TCP paths are direct. @default true */
  readonly hasReliableUdp?: boolean
}

const RANDOM: PortAllocation = { kind: 'random' }
const NONE = same('none', 'endpoint-independent', { kind: 'preserving', offset: 0 })

/** What each common kind does. */
export const COMMON_NATS: Readonly<Record<CommonNat, NatTraits>> = {
  none: NONE,
  'full-cone': same('endpoint-independent', 'endpoint-independent', RANDOM),
  restricted: same('endpoint-independent', 'address-dependent', RANDOM),
  'port-restricted': same('endpoint-independent', 'address-and-port-dependent', RANDOM),
  symmetric: same('address-and-port-dependent', 'address-and-port-dependent', RANDOM),
  'symmetric-seq': same('address-and-port-dependent', 'address-and-port-dependent', { kind: 'sequential', delta: 1 }),
  'firewall-udp-blocked': {
    udp: { mapping: 'unknown', filtering: 'unknown', ports: { kind: 'unknown' }, isBlocked: true },
    tcp: same('endpoint-independent', 'address-and-port-dependent', RANDOM).tcp,
  },
}

const ORDER: readonly Chance[] = ['certain', 'likely', 'luck', 'unknown', 'relay-only']
const NO_PATH: Likelihood = { chance: 'relay-only', transport: undefined, by: undefined }

/**
 * How likely the two reach each other directly.
 *
 * @param local a common kind, what `discoverBehaviour` found, or traits
 * @param remote the same of the other side
 * @throws RangeError for a kind that is none
 */
export function likelihood(
  local: CommonNat | NatBehaviour | NatTraits,
  remote: CommonNat | NatBehaviour | NatTraits,
  { hasReliableUdp = true }: LikelihoodOptions = {},
): Likelihood {
  const [a, b] = [natTraits(local), natTraits(remote)]
  const udp = hasReliableUdp ? overUdp(a.udp, b.udp) : NO_PATH
  const tcp = overTcp(a.tcp, b.tcp)
  return ORDER.indexOf(tcp.chance) < ORDER.indexOf(udp.chance) ? tcp : udp
}

/** The traits of a common kind, or of what was measured. Throws a RangeError for a kind that is none. */
export function natTraits(nat: CommonNat | NatBehaviour | NatTraits): NatTraits {
  if (typeof nat !== 'string') return 'family' in nat ? measured(nat) : nat
  if (Object.hasOwn(COMMON_NATS, nat)) return COMMON_NATS[nat]
  throw new RangeError(`a kind of NAT is one of ${Object.keys(COMMON_NATS).join(', ')}, not '${nat}'`)
}

/** The same NAT where the router passes a port on to this machine: then all come in by it. */
export function withMappedPort({ udp, tcp }: NatTraits, protocols: readonly ('udp' | 'tcp')[]): NatTraits {
  const open = (traits: TransportTraits, protocol: 'udp' | 'tcp'): TransportTraits =>
    traits.isBlocked || !protocols.includes(protocol)
      ? traits
      : { mapping: 'endpoint-independent', filtering: 'endpoint-independent', ports: RANDOM, isBlocked: false }
  return { udp: open(udp, 'udp'), tcp: open(tcp, 'tcp') }
}

/** The common kind that does the same with UDP, for people; undefined where none does or too little is known. */
export function commonNatOf(nat: NatBehaviour | NatTraits): CommonNat | undefined {
  const { udp, tcp } = natTraits(nat)
  if (udp.isBlocked) return tcp.isBlocked ? undefined : 'firewall-udp-blocked'
  if (udp.mapping === 'unknown') return undefined
  if (isHard(udp)) return udp.ports.kind === 'sequential' ? 'symmetric-seq' : 'symmetric'
  if (udp.mapping === 'none' && udp.filtering === 'endpoint-independent') return 'none'
  const kinds = {
    'endpoint-independent': 'full-cone',
    'address-dependent': 'restricted',
    'address-and-port-dependent': 'port-restricted',
    unknown: undefined,
  } as const
  return kinds[udp.filtering]
}

function overUdp(a: TransportTraits, b: TransportTraits): Likelihood {
  return between(a, b, 'udp')
}

/**
 * Where both must send at the same time, not every router plays along: some answer a SYN that comes in with a reset (against RFC
 * 5382 REQ-4).
 */
function overTcp(a: TransportTraits, b: TransportTraits): Likelihood {
  const found = between(a, b, 'tcp')
  const isOneOpen = [a, b].some(isOpen)
  return found.chance === 'certain' && !isOneOpen ? { ...found, chance: 'likely' } : found
}

function between(a: TransportTraits, b: TransportTraits, transport: 'udp' | 'tcp'): Likelihood {
  if (a.isBlocked || b.isBlocked) return NO_PATH
  const unknown: Likelihood = { chance: 'unknown', transport, by: undefined }
  if (isSilent(a) || isSilent(b)) return unknown
  // Who lets in whom it has sent to, from any port, is reached from whatever port the other has.
  const isPlain = [a, b].some(letsInAnyPort) || [a, b].every(isEasy)
  if (isPlain) return { chance: 'certain', transport, by: 'plain' }
  if ([a, b].some(({ mapping }) => mapping === 'unknown')) return unknown
  const strategy = strategyFor(a, b)
  if (strategy === 'none' || strategy === 'plain') return NO_PATH
  return { chance: [a, b].every(isHard) ? 'luck' : 'likely', transport, by: strategy }
}

/** No server has answered: whether anything passes is not known. */
function isSilent({ mapping, ports }: TransportTraits): boolean {
  return mapping === 'unknown' && ports.kind === 'unknown'
}

/** Anybody may come in, once the mapping is there. */
function isOpen(traits: TransportTraits): boolean {
  return isEasy(traits) && traits.filtering === 'endpoint-independent'
}

function letsInAnyPort(traits: TransportTraits): boolean {
  return isEasy(traits) && (traits.filtering === 'endpoint-independent' || traits.filtering === 'address-dependent')
}

function isEasy(traits: TransportTraits): boolean {
  return !traits.isBlocked && traits.mapping !== 'unknown' && !isHard(traits)
}

function measured({ udp, tcp, udpBlocked }: NatBehaviour): NatTraits {
  const isUdpBlocked = udpBlocked === 'yes'
  return {
    udp: transportTraits(udp, udp?.filtering ?? 'unknown', isUdpBlocked),
    // What comes in over TCP cannot be asked of a STUN server; routers mostly filter both alike.
    tcp: transportTraits(tcp, (isUdpBlocked ? undefined : udp?.filtering) ?? 'unknown', false),
  }
}

function transportTraits(
  behaviour: UdpBehaviour | TcpBehaviour | undefined,
  filtering: FilteringBehaviour,
  isBlocked: boolean,
): TransportTraits {
  const { mapping = 'unknown', portAllocation: ports = { kind: 'unknown' } } = behaviour ?? {}
  return { mapping, filtering, ports, isBlocked }
}

function same(mapping: MappingBehaviour, filtering: FilteringBehaviour, ports: PortAllocation): NatTraits {
  const traits = { mapping, filtering, ports, isBlocked: false }
  return { udp: traits, tcp: traits }
}
