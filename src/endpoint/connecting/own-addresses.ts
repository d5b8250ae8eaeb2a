/** The addresses and interfaces of this machine, as far as a room uses them. */

import { addressScope } from '../../platform/address-scope.ts'
import { defaultInterfaces } from '../../platform/interface-choice.ts'
import { onLinkTest } from '../../platform/ip-address.ts'
import type { Network, NetworkInterface, SocketAddress } from '../../platform/network.ts'
import type { RouteKind } from '../../session/route.ts'
import type { InterfaceChoice } from '../options.ts'
import { formatAddress } from './address.ts'

export class OwnAddresses {
  readonly #network: Network
  /** What the application wants instead of the ranked choice. */
  readonly #choice: InterfaceChoice | undefined
  /** Interfaces that connections came from, numbered from 1. */
  readonly #numbers = new Map<string, number>()

  constructor(network: Network, choice: InterfaceChoice | undefined) {
    this.#network = network
    this.#choice = choice
  }

  /** The interfaces on which peers are looked for. */
  choose(all: readonly NetworkInterface[]): readonly NetworkInterface[] {
    return defaultInterfaces(all, this.#choice)
  }

  /** `'ip:port'` texts under which others can dial a listener. */
  forOthers(listener: SocketAddress): string[] {
    if (listener.address !== '::' && listener.address !== '0.0.0.0') return [formatAddress(listener)]
    return this.choose(this.#network.interfaces()).flatMap(({ name, addresses }) =>
      addresses
        .filter(({ family }) => family === 'ipv4' || listener.address === '::')
        .map(({ address, scope }) => {
          const zone = scope === 'link-local' && address.includes(':') ? `%${name}` : ''
          return formatAddress({ address: address + zone, port: listener.port })
        }),
    )
  }

  /** The interface that has this address, with or without a zone. */
  interfaceOf(address: string): NetworkInterface | undefined {
    return interfaceWith(address, this.#network.interfaces())
  }

  /** Whether this is an address of an interface that is up, or stands for all of them. */
  isOwn(address: string): boolean {
    return address === '::' || address === '0.0.0.0' || this.interfaceOf(address)?.isUp === true
  }

  /** A connection that was dialled by an address is not in the LAN where that is public and on no link of ours. */
  kindOf(kind: RouteKind, remote: string): RouteKind {
    if (kind !== 'lan' || addressScope(remote.split('%')[0]!) !== 'global') return kind
    const links = this.#network.interfaces().map(onLinkTest)
    return links.some(isOnLink => isOnLink(remote)) ? 'lan' : 'direct'
  }

  /** How much this own address is preferred, 0 first: the rank of its interface, and the last of all without one. */
  rankOf(address: string): number {
    return this.interfaceOf(address)?.rank ?? Number.MAX_SAFE_INTEGER
  }

  /** A number that stands for the interface that has this address; 0 without one. */
  networkOf(address: string): number {
    const name = this.interfaceOf(address)?.name
    if (name === undefined) return 0
    const number = this.#numbers.get(name) ?? this.#numbers.size + 1
    this.#numbers.set(name, number)
    return number
  }

  /** Who asked for certain interfaces does not want callers from others; the ranked choice is about looking only. */
  mayBeCalledAt(address: string): boolean {
    if (!this.#choice) return true
    const allowed = defaultInterfaces(this.#network.interfaces(), { include: ['*'], ...this.#choice })
    return interfaceWith(address, allowed) !== undefined
  }
}

function interfaceWith(address: string, interfaces: readonly NetworkInterface[]): NetworkInterface | undefined {
  const [withoutZone] = address.split('%')
  return interfaces.find(({ addresses }) => addresses.some(own => own.address === withoutZone))
}
