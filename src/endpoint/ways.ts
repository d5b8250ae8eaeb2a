/** The ways of finding peers by their names. */

import { BeaconDiscovery, type BeaconDiscoveryOptions } from '../discovery/beacon-discovery.ts'
import type { Discovery, DiscoveryHandlers } from '../discovery/discovery.ts'
import { MdnsDiscovery, type MdnsDiscoveryOptions } from '../discovery/mdns-discovery.ts'
import { MergedDiscovery } from '../discovery/merged-discovery.ts'
import type { DiscoveryMethod } from './options.ts'

type WayOptions = MdnsDiscoveryOptions & BeaconDiscoveryOptions

const WAYS: Readonly<Record<DiscoveryMethod, (options: WayOptions) => Discovery>> = {
  mdns: options => new MdnsDiscovery(options),
  beacon: options => new BeaconDiscovery(options),
}

/** Looks for peers in all of these ways; one alone needs no merging. */
export function discoveryBy(methods: readonly DiscoveryMethod[], options: WayOptions): Discovery {
  const [only, ...others] = methods
  if (only !== undefined && others.length === 0) return WAYS[only](options)
  const ways = methods.map(method => (handlers: DiscoveryHandlers) => WAYS[method]({ ...options, handlers }))
  return new MergedDiscovery(ways, options.handlers)
}
