/**
 * `earshot/mdns`: services on the local network, published and found by multicast DNS and DNS-SD (RFC 6762, 6763), the
 * protocol of printers, speakers and of earshot's own rooms. `docs/mdns.md` has examples.
 */

import { type BrowseOptions, browseOn, type ServiceEvent } from './discovery/dns-sd/browse.ts'
import { type PublishedService, type PublishOptions, publishOn } from './discovery/dns-sd/publish.ts'
import { keepProcessAlive } from './platform/node/keep-process-alive.ts'
import { nodePlatform } from './platform/node/node-platform.ts'

export type { BrowseOptions, ServiceEvent } from './discovery/dns-sd/browse.ts'
export type { PublishedService, PublishOptions } from './discovery/dns-sd/publish.ts'
export type { InterfaceChoice } from './platform/interface-choice.ts'

/**
 * Publishes a service on every interface. Resolves when its name is known to be its own and has been announced, after
 * about a second; where no interface can be used, at once, and it is published when one can.
 *
 * @throws rejects with TypeError or RangeError for wrong arguments, with `signal.reason` when aborted before that
 */
export async function publish(options: PublishOptions): Promise<PublishedService> {
  return publishOn(options?.network ?? nodePlatform(), options)
}

/**
 * The instances of a service type on the local network, followed live, until `signal` is aborted or the loop is left.
 *
 * @param type `'_ipp._tcp'` (RFC 6763 section 7)
 * @throws TypeError or RangeError for wrong arguments
 */
export function browse(type: string, options: BrowseOptions = {}): AsyncGenerator<ServiceEvent, void, undefined> {
  return browseOn(options.network ?? nodePlatform(), type, options, keepProcessAlive)
}
