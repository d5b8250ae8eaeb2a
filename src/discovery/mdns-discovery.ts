/** Finding peers by multicast DNS and DNS-SD (RFC 6762, 6763): works on every network where multicast does. */

import type { EarshotError } from '../errors.ts'
import { addressScope } from '../platform/address-scope.ts'
import type { SocketAddress } from '../platform/network.ts'
import type { Advert, Discovery, LanDiscoveryOptions } from './discovery.ts'
import {
  decodeAdvert,
  encodeAdvert,
  ROOM_SERVICE_TYPE,
  roomHostLabel,
  roomInstanceLabel,
  roomSubtype,
} from './dns-sd/room-advert.ts'
import { type InstanceAddress, ServiceBrowser, type ServiceInstance } from './dns-sd/service-browser.ts'
import { ServicePublication } from './dns-sd/service-publication.ts'
import { nameKey } from './mdns/domain-name.ts'
import { MdnsEngine } from './mdns/mdns-engine.ts'
import { noInterface } from './no-interface.ts'
import { SightingsById } from './sightings-by-id.ts'

export class MdnsDiscovery implements Discovery {
  readonly #options: LanDiscoveryOptions
  readonly #engine: MdnsEngine
  /** By label: one peer may be advertised by several instances, for example while it is being renamed. */
  readonly #sightings = new SightingsById()
  #browser: ServiceBrowser | undefined
  #publication: ServicePublication | undefined
  /** We hear ourselves, too. */
  #ownId: string | undefined

  constructor(options: LanDiscoveryOptions) {
    const { platform, chooseInterfaces, handlers } = options
    this.#options = options
    const { clock, random, network } = platform
    const onWarning = (error: EarshotError) => handlers.onWarning(error)
    this.#engine = new MdnsEngine({ clock, random, network, chooseInterfaces, onWarning })
  }

  async start(): Promise<void> {
    const { service } = this.#options
    const subtype = service === undefined ? undefined : roomSubtype(service)
    this.#browser = new ServiceBrowser(this.#engine, ROOM_SERVICE_TYPE, subtype, {
      onFound: instance => this.#onFound(instance),
      onLost: instance => this.#onLost(instance.label),
    })
    await this.#engine.start()
    if (this.#engine.interfaces.length === 0) this.#options.handlers.onWarning(noInterface())
  }

  advertise(advert: Advert | undefined): void {
    if (advert === undefined) {
      if (this.#publication !== undefined) this.#engine.withdraw(this.#publication)
      this.#publication = undefined
      return
    }
    this.#ownId = advert.id
    const txt = encodeAdvert(advert)
    if (this.#publication === undefined) {
      this.#publication = publicationOf(advert, txt)
      this.#engine.publish(this.#publication)
    } else {
      this.#engine.update(this.#publication, () => this.#publication?.change({ port: advert.port, txt }))
    }
  }

  async close(): Promise<void> {
    this.#browser?.close()
    await this.#engine.close()
  }

  #onFound(instance: ServiceInstance): void {
    const { service, handlers } = this.#options
    const text = decodeAdvert(instance.txt)
    if (text === undefined || text.id === this.#ownId || (service !== undefined && text.service !== service)) {
      // A good advert may have become a bad one.
      this.#onLost(instance.label)
      return
    }
    const addresses = dialAddresses(instance)
    if (addresses.length === 0) {
      this.#onLost(instance.label)
      return
    }
    this.#report(this.#sightings.set(nameKey(instance.label), { ...text, addresses, via: 'mdns' }))
    handlers.onSighting(this.#sightings.merged(text.id)!)
  }

  #onLost(label: string): void {
    this.#report(this.#sightings.delete(nameKey(label)))
  }

  #report(lostId: string | undefined): void {
    if (lostId !== undefined) this.#options.handlers.onLost(lostId)
  }
}

function publicationOf(advert: Advert, txt: readonly Uint8Array[]): ServicePublication {
  const service = {
    label: roomInstanceLabel(advert),
    type: ROOM_SERVICE_TYPE,
    subtypes: [roomSubtype(advert.service)],
    port: advert.port,
    txt,
    host: roomHostLabel(advert),
    // Both are made of the peer's key. Without probing, peers that start together meet at once.
    isUnique: true,
  }
  return new ServicePublication(service, { onRenamed: () => {}, onAnnounced: () => {} })
}

/**
 * The order in which dialling makes sense: no router needed, IPv4 first as it fails faster where it is blocked. What is
 * heard on a link is about this link: a private address of another network is a mistake or a lie there, and whoever
 * lives at it here has nothing to do with it. A global one may be reached through a router.
 */
function dialAddresses({ addresses, port }: ServiceInstance): SocketAddress[] {
  return addresses
    .filter(isDialable)
    .sort((a, b) => preference(a) - preference(b))
    .map(({ address }) => ({ address, port }))
}

function isDialable({ address, isLinkLocal, isOnSubnet }: InstanceAddress): boolean {
  if (isOnSubnet || isLinkLocal) return true
  const scope = addressScope(address)
  return scope === 'global' || scope === 'link-local'
}

function preference({ family, isLinkLocal, isOnSubnet }: InstanceAddress): number {
  if (family === 'ipv4' && isOnSubnet) return 0
  if (isLinkLocal && family === 'ipv6') return 1
  return isOnSubnet ? 2 : 3
}
