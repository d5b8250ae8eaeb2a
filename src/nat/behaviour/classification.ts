/**
 * What observations say about a NAT, in the words of RFC 4787: pure functions from what servers saw to a behaviour. What the
 * observations do not decide is 'unknown'.
 */

import type { SocketAddress } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'

/**
 * Whether the mapped address of one local port depends on whom one talks to (RFC 4787 section 4.1). 'none': it is the local
 * address, there is no NAT. 'endpoint-dependent': it does depend, on the address alone or on the port as well; the servers
 * that answered could not tell.
 */
export type MappingBehaviour =
  | 'none'
  | 'endpoint-independent'
  | 'address-dependent'
  | 'address-and-port-dependent'
  | 'endpoint-dependent'
  | 'unknown'

/** From whom packets come in through a mapping: anybody, or whom one has sent to before (RFC 4787 section 5). */
export type FilteringBehaviour = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent' | 'unknown'

/** How external ports are chosen for new mappings (RFC 4787 section 4.2). */
export type PortAllocation =
  /** The local port, or always the same distance from it. */
  | { readonly kind: 'preserving'; readonly offset: number }
  /** Each mapping gets the port `delta` above that of the one made before. */
  | { readonly kind: 'sequential'; readonly delta: number }
  | { readonly kind: 'random' }
  | { readonly kind: 'unknown' }

/** What one server endpoint saw of one local port. */
export interface MappingObservation {
  readonly server: SocketAddress
  readonly mapped: SocketAddress
}

/** What the servers saw of the local port that all observations are of. */
export function classifyMapping(
  observations: readonly MappingObservation[],
  isLocal: (address: SocketAddress) => boolean,
): MappingBehaviour {
  if (observations.length === 0) return 'unknown'
  if (observations.every(({ mapped }) => isLocal(mapped))) return 'none'
  const byAddress = groupByAddress(observations)
  const mappedSets = [...byAddress.values()].map(
    group => new Set(group.map(({ mapped }) => formatSocketAddress(mapped))),
  )
  if (mappedSets.some(set => set.size > 1)) return 'address-and-port-dependent'
  const all = new Set(mappedSets.flatMap(set => [...set]))
  if (all.size === 1) return byAddress.size > 1 ? 'endpoint-independent' : 'unknown'
  const hasTwoPorts = [...byAddress.values()].some(group => new Set(group.map(({ server }) => server.port)).size > 1)
  return hasTwoPorts ? 'address-dependent' : 'endpoint-dependent'
}

/** Whether further observations could still change it. */
export function isMappingDecided(mapping: MappingBehaviour): boolean {
  return mapping !== 'unknown' && mapping !== 'endpoint-dependent'
}

/** What became of a request whose answer had to come from somewhere else (RFC 5780 section 4.4). */
export interface FilteringObservation {
  /** The answer from another address and port. */
  readonly fromOtherAddress: 'came' | 'silence' | 'no-evidence'
  /** The answer from the same address and another port. */
  readonly fromOtherPort: 'came' | 'silence' | 'no-evidence'
}

/** Silence of a server endpoint that is known to answer is evidence; that of any other is none. */
export function classifyFiltering(observations: readonly FilteringObservation[]): FilteringBehaviour {
  // What came through did come through, whatever other servers saw.
  if (observations.some(({ fromOtherAddress }) => fromOtherAddress === 'came')) return 'endpoint-independent'
  const refusesOthers = observations.filter(({ fromOtherAddress }) => fromOtherAddress === 'silence')
  if (refusesOthers.some(({ fromOtherPort }) => fromOtherPort === 'came')) return 'address-dependent'
  if (refusesOthers.some(({ fromOtherPort }) => fromOtherPort === 'silence')) return 'address-and-port-dependent'
  return 'unknown'
}

/** The external port that a local one got; in the order in which the mappings were made. */
export interface PortObservation {
  readonly localPort: number
  readonly mappedPort: number
}

/** Fewer mappings than this could agree by chance. */
export const MIN_PORT_OBSERVATIONS = 4
/** Larger steps than this are no sequence that could be used to predict. */
const MAX_DELTA = 64
/** Others behind the same NAT make mappings meanwhile: so many of the steps must agree. */
const AGREEMENT = 0.6

/** The local ports must not be a sequence themselves. */
export function classifyPortAllocation(observations: readonly PortObservation[]): PortAllocation {
  if (observations.length < MIN_PORT_OBSERVATIONS) return { kind: 'unknown' }
  const offsets = observations.map(({ localPort, mappedPort }) => mappedPort - localPort)
  const offset = mostFrequent(offsets)
  if (offset.share >= AGREEMENT) return { kind: 'preserving', offset: offset.value }
  const steps = observations.slice(1).map(({ mappedPort }, i) => mappedPort - observations[i]!.mappedPort)
  const step = mostFrequent(steps)
  const isSequence = step.share >= AGREEMENT && step.value !== 0 && Math.abs(step.value) <= MAX_DELTA
  return isSequence ? { kind: 'sequential', delta: step.value } : { kind: 'random' }
}

function groupByAddress(
  observations: readonly MappingObservation[],
): ReadonlyMap<string, readonly MappingObservation[]> {
  const groups = new Map<string, MappingObservation[]>()
  for (const observation of observations) {
    const { address } = observation.server
    groups.set(address, [...(groups.get(address) ?? []), observation])
  }
  return groups
}

function mostFrequent(values: readonly number[]): { readonly value: number; readonly share: number } {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  const [value, count] = [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))
  return { value, share: count / values.length }
}
