/** How a simulated NAT behaves, in the words of RFC 4787 (UDP) and RFC 5382 (TCP), and the kinds that are common. */

/**
 * What a mapping, or a filter, depends on: nothing but the inner endpoint, the remote address too, or the remote address
 * and port (RFC 4787 sections 4.1 and 5).
 */
export type NatDependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'

/**
 * Which external port a mapping gets: that of the inner endpoint if it is free, the last one plus `portDelta`, or any
 * (RFC 4787 section 4.2).
 */
export type PortAllocation = 'preserving' | 'sequential' | 'random'

/** The kinds of NAT that people talk of. 'none' is a router: hosts behind it have public addresses. */
export type NatKind =
  | 'none'
  | 'full-cone'
  | 'restricted'
  | 'port-restricted'
  | 'symmetric'
  | 'symmetric-seq'
  | 'udp-blocked'

export interface NatBehaviour {
  /** False: packets pass as they are, and nothing is filtered. */
  readonly translates: boolean
  readonly mapping: NatDependence
  readonly filtering: NatDependence
  readonly portAllocation: PortAllocation
  /** From one sequential port to the next; UDP and TCP share the counter. @default 1 */
  readonly portDelta: number
  /**
   * How long a UDP mapping lives after the last packet from inside; packets from outside do not refresh it (RFC 4787
   * REQ-5, REQ-6). @default 120_000
   */
  readonly udpMappingLifetimeMs: number
  /** The same for TCP (RFC 5382 REQ-5). @default 7_440_000 (2 h 4 min) */
  readonly tcpMappingLifetimeMs: number
  /** For TCP connections that are not established, or no longer (RFC 5382 REQ-5). @default 240_000 */
  readonly tcpTransitoryLifetimeMs: number
  /** Mapping and filtering of TCP, where they differ from those of UDP (RFC 5382 REQ-1, REQ-3). */
  readonly tcpMapping: NatDependence
  readonly tcpFiltering: NatDependence
  /** Hosts behind it reach each other at their external endpoints (RFC 4787 REQ-9). @default false */
  readonly hairpinning: boolean
  /** No UDP passes in either direction, IPv6 neither. @default false */
  readonly blocksUdp: boolean
  /** The only remote TCP ports to which hosts behind it may connect. @default undefined: all */
  readonly allowedTcpPorts: readonly number[] | undefined
  /**
   * What a SYN gets for which there is no mapping, or which the filter refuses: silence, with which simultaneous open
   * works (RFC 5382 REQ-4), or a reset, with which it mostly does not. @default 'drop'
   */
  readonly unsolicitedSyn: 'drop' | 'reset'
  /**
   * IPv6 behind it: none, through a stateful firewall without translation (RFC 6092), or unfiltered. @default 'none'
   */
  readonly ipv6: 'none' | 'firewall' | 'open'
  /** The filtering of the IPv6 firewall (RFC 6092 section 3.2). @default 'address-and-port-dependent' */
  readonly ipv6Filtering: NatDependence
}

const EIM = 'endpoint-independent'
const ADF = 'address-dependent'
const APDM = 'address-and-port-dependent'

type KindBehaviour = Partial<NatBehaviour> & Pick<NatBehaviour, 'mapping' | 'filtering' | 'portAllocation'>

export const NAT_KINDS: Readonly<Record<NatKind, KindBehaviour>> = {
  none: { translates: false, mapping: EIM, filtering: EIM, portAllocation: 'preserving', ipv6Filtering: EIM },
  'full-cone': { mapping: EIM, filtering: EIM, portAllocation: 'random' },
  restricted: { mapping: EIM, filtering: ADF, portAllocation: 'random' },
  'port-restricted': { mapping: EIM, filtering: APDM, portAllocation: 'random' },
  symmetric: { mapping: APDM, filtering: APDM, portAllocation: 'random' },
  'symmetric-seq': { mapping: APDM, filtering: APDM, portAllocation: 'sequential' },
  'udp-blocked': { mapping: EIM, filtering: APDM, portAllocation: 'random', blocksUdp: true },
}

const DEPENDENCES: readonly NatDependence[] = [EIM, ADF, APDM]
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  mapping: DEPENDENCES,
  filtering: DEPENDENCES,
  tcpMapping: DEPENDENCES,
  tcpFiltering: DEPENDENCES,
  ipv6Filtering: DEPENDENCES,
  portAllocation: ['preserving', 'sequential', 'random'],
  unsolicitedSyn: ['drop', 'reset'],
  ipv6: ['none', 'firewall', 'open'],
}
const LIFETIMES = ['udpMappingLifetimeMs', 'tcpMappingLifetimeMs', 'tcpTransitoryLifetimeMs'] as const

/** A kind, and what is different from it. */
export function natBehaviour(kind: NatKind, different: Partial<NatBehaviour>): NatBehaviour {
  const base = Object.hasOwn(NAT_KINDS, kind) ? NAT_KINDS[kind] : undefined
  if (base === undefined)
    throw new RangeError(`kind must be one of ${Object.keys(NAT_KINDS).join(', ')}, not '${kind}'`)
  const chosen = { ...base, ...different }
  return checkNatBehaviour({
    translates: true,
    portDelta: 1,
    udpMappingLifetimeMs: 120_000,
    tcpMappingLifetimeMs: 7_440_000,
    tcpTransitoryLifetimeMs: 240_000,
    tcpMapping: chosen.mapping,
    tcpFiltering: chosen.filtering,
    hairpinning: false,
    blocksUdp: false,
    allowedTcpPorts: undefined,
    unsolicitedSyn: 'drop',
    ipv6: 'none',
    ipv6Filtering: APDM,
    ...chosen,
  })
}

export function checkNatBehaviour(behaviour: NatBehaviour): NatBehaviour {
  for (const [option, choices] of Object.entries(CHOICES)) {
    const value = behaviour[option as keyof NatBehaviour]
    if (!choices.includes(String(value)))
      throw new RangeError(`${option} must be one of ${choices.join(', ')}, not '${value}'`)
  }
  for (const option of LIFETIMES) {
    const value = behaviour[option]
    if (!(value > 0)) throw new RangeError(`${option} must be a number of milliseconds above 0, not ${value}`)
  }
  const { portDelta } = behaviour
  if (!Number.isInteger(portDelta) || portDelta === 0 || Math.abs(portDelta) > 1_000)
    throw new RangeError(`portDelta must be a whole number from -1000 to 1000 other than 0, not ${portDelta}`)
  return behaviour
}
