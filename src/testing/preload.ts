/** What rooms load when they first use it: in virtual time it must be there before. */

import { BeaconDiscovery } from '../discovery/beacon-discovery.ts'
import { MdnsDiscovery } from '../discovery/mdns-discovery.ts'
import { WAYS } from '../endpoint/connecting/ways.ts'
import * as internet from '../endpoint/internet/entry.ts'
import { INTERNET } from '../endpoint/internet/lazy-internet.ts'

export function preload(): void {
  WAYS.mdns.provide(options => new MdnsDiscovery(options))
  WAYS.beacon.provide(options => new BeaconDiscovery(options))
  INTERNET.provide(internet)
}
