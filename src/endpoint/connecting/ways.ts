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

type Way = (handlers: DiscoveryHandlers) => Discovery

/** Looks for peers in all of these ways, and in one more that is no LAN; one alone needs no merging. */
export function discoveryBy(methods: readonly DiscoveryMethod[], options: LanDiscoveryOptions, far?: Way): Discovery {
  const near = methods.map(
    (method): Way =>
      handlers =>
        WAYS[method]({ ...options, handlers }),
  )
  const ways = far ? [...near, far] : near
  const [only, ...others] = ways
  return only && others.length === 0 ? only(options.handlers) : new MergedDiscovery(ways, options.handlers)
}
