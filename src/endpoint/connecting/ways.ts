/** The ways of finding peers by their names. */

import { BeaconDiscovery } from '../../discovery/beacon-discovery.ts'
import type { Discovery, DiscoveryHandlers, LanDiscoveryOptions } from '../../discovery/discovery.ts'
import { MdnsDiscovery } from '../../discovery/mdns-discovery.ts'
import { MergedDiscovery } from '../../discovery/merged-discovery.ts'
import type { DiscoveryMethod } from '../options.ts'

const WAYS: Readonly<Record<DiscoveryMethod, (options: LanDiscoveryOptions) => Discovery>> = {
  mdns: options => new MdnsDiscovery(options),
  beacon: options => new BeaconDiscovery(options),
}

/** Looks for peers in all of these ways; one alone needs no merging. */
export function discoveryBy(methods: readonly DiscoveryMethod[], options: LanDiscoveryOptions): Discovery {
  const [only, ...others] = methods
  if (only !== undefined && others.length === 0) return WAYS[only](options)
  const ways = methods.map(method => (handlers: DiscoveryHandlers) => WAYS[method]({ ...options, handlers }))
  return new MergedDiscovery(ways, options.handlers)
}
