/** The ways of finding peers by their names. Only those that are used are loaded. */

import type { Discovery, DiscoveryHandlers, LanDiscoveryOptions } from '../../discovery/discovery.ts'
import { MergedDiscovery } from '../../discovery/merged-discovery.ts'
import { Lazy } from '../lazy.ts'
import type { DiscoveryMethod } from '../options.ts'

/** A way that is loaded. */
export type Way = (options: LanDiscoveryOptions) => Discovery

export const WAYS: Readonly<Record<DiscoveryMethod, Lazy<Way>>> = {
  mdns: new Lazy(async () => {
    const { MdnsDiscovery } = await import('../../discovery/mdns-discovery.ts')
    return options => new MdnsDiscovery(options)
  }),
  beacon: new Lazy(async () => {
    const { BeaconDiscovery } = await import('../../discovery/beacon-discovery.ts')
    return options => new BeaconDiscovery(options)
  }),
}

export function loadWays(methods: readonly DiscoveryMethod[]): Promise<readonly Way[]> {
  return Promise.all(methods.map(method => WAYS[method].get()))
}

type MakeDiscovery = (handlers: DiscoveryHandlers) => Discovery

/** Looks for peers in all of these ways, and in one more that is no LAN; one alone needs no merging. */
export function discoveryBy(near: readonly Way[], options: LanDiscoveryOptions, far?: MakeDiscovery): Discovery {
  const ways = near.map(
    (make): MakeDiscovery =>
      handlers =>
        make({ ...options, handlers }),
  )
  const all = far ? [...ways, far] : ways
  const [only, ...others] = all
  return only && others.length === 0 ? only(options.handlers) : new MergedDiscovery(all, options.handlers)
}
