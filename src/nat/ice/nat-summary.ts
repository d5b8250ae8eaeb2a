/**
 * What two peers tell each other of their NATs, and what follows from both together: whether plain punching can do, or the
 * ports must be predicted or searched for. The truth table is in docs/reachability.md.
 */

import type { SocketAddress } from '../../platform/network.ts'
import type { MappingBehaviour, PortAllocation } from '../behaviour/classification.ts'

export interface NatSummary {
  readonly mapping: MappingBehaviour
  /** 'unknown' where the mapping is the same for everybody: then it does not matter. */
  readonly ports: PortAllocation
  /** No server answered over this transport, though one did over the other. */
  readonly isBlocked: boolean
}

export const UNKNOWN_NAT: NatSummary = { mapping: 'unknown', ports: { kind: 'unknown' }, isBlocked: false }

/** What can be done about two NATs. */
export type Strategy =
  /** Send to each other's mapped address at the same time. */
  | 'plain'
  /** The mapped port of one or both follows from the one before. */
  | 'prediction'
  /** One side opens many ports, the other tries many (birthday paradox). */
  | 'birthday'
  /** Nothing that would be better than luck. */
  | 'none'

/** Whether the mapped port is another one for every destination, so that what a server saw is of no use to others. */
export function isHard({ mapping, ports }: NatSummary): boolean {
  if (ports.kind === 'preserving') return false
  return mapping === 'address-dependent' || mapping === 'address-and-port-dependent' || mapping === 'endpoint-dependent'
}

export function strategyFor(a: NatSummary, b: NatSummary): Strategy {
  if (a.isBlocked || b.isBlocked) return 'none'
  const hard = [a, b].filter(isHard)
  if (hard.length === 0) return 'plain'
  if (hard.every(({ ports }) => ports.kind === 'sequential')) return 'prediction'
  return hard.length === 1 ? 'birthday' : 'none'
}

/** Larger steps than this are no sequence that could be used to predict. */
export const MAX_PORT_DELTA = 64
/** With two observations only: a small step is hardly chance. */
const MAX_LONE_DELTA = 16

/** How ports follow each other, from the mapped ports of one socket towards several endpoints, in the order in which they were made. */
export function portSequence(ports: readonly number[]): PortAllocation {
  const steps = ports.slice(1).map((port, i) => port - ports[i]!)
  if (steps.length === 0) return { kind: 'unknown' }
  const delta = mostFrequent(steps)
  const agreeing = steps.filter(step => step === delta).length
  const limit = steps.length === 1 ? MAX_LONE_DELTA : MAX_PORT_DELTA
  // Others behind the same NAT, and our own TCP, make mappings meanwhile: most steps must agree, not all.
  const isSequence = delta !== 0 && Math.abs(delta) <= limit && agreeing * 2 > steps.length
  return isSequence ? { kind: 'sequential', delta } : { kind: 'random' }
}

/** The next ports of a sequence, none outside the range of ports. */
export function predictedPorts({ port }: SocketAddress, delta: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => port + delta * (i + 1)).filter(next => next > 0 && next < 65_536)
}

/** Why there is no direct path, and what would make one: a sentence each. */
export function adviceFor({ local, remote, hasReliableUdp }: AdviceInput): readonly string[] {
  const advice: string[] = []
  if (!hasReliableUdp)
    advice.push('Install udx-native on both sides: without reliable UDP only TCP paths can be direct.')
  const sides = [
    ['this', local],
    ['the other', remote],
  ] as const
  for (const [side, { udp, tcp }] of sides) {
    if (udp.isBlocked) advice.push(`Let UDP through the firewall of ${side} side: it is blocked, TCP is not.`)
    if (isHard(udp) || isHard(tcp)) advice.push(hardAdvice(side))
  }
  if (advice.length === 0) {
    advice.push('Map a port on the router of either side (UPnP, NAT-PMP, PCP, or by hand), or use IPv6 on both.')
  }
  return advice
}

export interface AdviceInput {
  readonly local: { readonly udp: NatSummary; readonly tcp: NatSummary }
  readonly remote: { readonly udp: NatSummary; readonly tcp: NatSummary }
  /** On both sides. */
  readonly hasReliableUdp: boolean
}

function hardAdvice(side: string): string {
  const what = `The NAT of ${side} side gives each destination another port (endpoint-dependent mapping)`
  return `${what}: map a port on its router (UPnP, NAT-PMP, PCP, or by hand), or use IPv6 on both sides.`
}

function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0]
}
