/** The names under which a peer is known: one for each address at which it is reached, `'ip:port'`. */

import { defaultInterfaces, type InterfaceChoice } from '../../platform/interface-choice.ts'
import { onLinkTest } from '../../platform/ip-address.ts'
import type { InterfaceAddress, Network, NetworkInterface, SocketAddress } from '../../platform/network.ts'

const WILDCARD = '0.0.0.0'

export interface OwnNamesOptions {
  readonly network: Network
  /** What it listens on. */
  readonly host: string
  readonly port: number
  readonly interfaces: InterfaceChoice
}

/** An IPv4 address to look for peers from. */
export interface Place {
  readonly interface: NetworkInterface
  readonly address: InterfaceAddress
}

export class OwnNames {
  readonly #options: OwnNamesOptions

  constructor(options: OwnNamesOptions) {
    this.#options = options
  }

  /** Where to look for peers: the IPv4 addresses of the chosen interfaces, as far as somebody can come back to them. */
  get places(): readonly Place[] {
    const { network, interfaces, host } = this.#options
    return defaultInterfaces(network.interfaces(), interfaces).flatMap(link =>
      link.addresses
        .filter(({ family, address }) => family === 'ipv4' && (host === WILDCARD || host === address))
        .map(address => ({ interface: link, address })),
    )
  }

  /** The first one, for people. */
  get preferred(): string {
    const { host } = this.#options
    return this.#at(host === WILDCARD ? (this.places[0]?.address.address ?? '127.0.0.1') : host)
  }

  /** The one for whoever is at the other end of a connection. */
  towards(local: SocketAddress): string {
    const { host } = this.#options
    return this.#at(host === WILDCARD ? local.address : host)
  }

  /** The one for a neighbour on one of the links; undefined where it is on none of those that were chosen. */
  onLinkOf(neighbour: string): string | undefined {
    const { host } = this.#options
    const place = this.places.find(({ interface: link, address }) => {
      return address.address === neighbour || onLinkTest({ ...link, addresses: [address] })(neighbour)
    })
    if (place === undefined) return undefined
    return this.#at(host === WILDCARD ? place.address.address : host)
  }

  /** Whether a name is one of ours, on whichever interface. */
  includes(name: string): boolean {
    if (name === this.preferred) return true
    return this.#options.network
      .interfaces()
      .some(({ addresses }) => addresses.some(({ address }) => this.#at(address) === name))
  }

  #at(address: string): string {
    return `${address}:${this.#options.port}`
  }
}
