/** A network interface of a simulated host: a cable into a LAN, or the loopback. */

import type { Gateway, InterfaceAddress, InterfaceKind, NetworkInterface } from '../platform/network.ts'
import {
  addressScope,
  formatIpAddress,
  type IpAddress,
  inZone,
  parseIpAddress,
  sharePrefix,
  subnetBroadcast,
} from './ip-address.ts'
import type { Packet } from './packet.ts'

/** Where the packets of an interface go to. */
export interface Link {
  /** Its addresses are public: names of hosts on it resolve everywhere. */
  readonly isInternet: boolean
  transmit(packet: Packet, from: SimulatedInterface): void
  /** The addresses of `member`, or whether it is up, have changed. */
  onChange(member: SimulatedInterface): void
  leave(member: SimulatedInterface): void
  /** The router's address to which `member` sends what is not for this link; undefined where there is none. */
  gatewayFor(member: SimulatedInterface, family: IpAddress['family']): IpAddress | undefined
}

/** What an interface is plugged into on the inside. */
export interface InterfaceOwner {
  readonly name: string
  receive(packet: Packet, through: SimulatedInterface): void
  onInterfaceChange(): void
}

export interface AssignedAddress extends IpAddress {
  readonly prefixLength: number
}

export interface InterfaceSetup {
  readonly name: string
  readonly index: number
  readonly kind: InterfaceKind
  readonly supportsMulticast: boolean
  /** With prefix length: `192.168.1.2/24`. */
  readonly addresses: readonly string[]
}

export class SimulatedInterface {
  readonly name: string
  readonly index: number
  readonly kind: InterfaceKind
  readonly supportsMulticast: boolean
  readonly host: InterfaceOwner
  readonly link: Link
  #isUp = true
  #assigned: readonly AssignedAddress[]

  constructor(setup: InterfaceSetup, host: InterfaceOwner, link: Link) {
    this.name = setup.name
    this.index = setup.index
    this.kind = setup.kind
    this.supportsMulticast = setup.supportsMulticast
    this.host = host
    this.link = link
    this.#assigned = setup.addresses.map(parseAssigned)
    link.onChange(this)
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Its addresses without prefix length; a link-local IPv6 one without zone. */
  get addresses(): readonly string[] {
    return this.#assigned.map(({ text }) => text)
  }

  get assigned(): readonly AssignedAddress[] {
    return this.#assigned
  }

  /** Connects the cable. */
  up(): void {
    this.#isUp = true
    this.#changed()
  }

  /** Pulls the cable: nothing passes, and programs see the interface as down. It keeps its addresses. */
  down(): void {
    this.#isUp = false
    this.#changed()
  }

  /** Replaces all its addresses, as a new DHCP lease does. With prefix length: `'192.168.1.77/24'`. */
  setAddresses(addresses: readonly string[]): void {
    this.#assigned = addresses.map(parseAssigned)
    this.#changed()
  }

  /** The address of this interface with which `destination` is on the same link. */
  addressTowards(destination: IpAddress): AssignedAddress | undefined {
    return this.#assigned.find(own => sharePrefix(own, destination, own.prefixLength))
  }

  /** The router here, and the address from which it sends to what is behind it; undefined where one is missing. */
  defaultRoute(
    family: IpAddress['family'],
  ): { readonly gateway: IpAddress; readonly source: AssignedAddress } | undefined {
    const gateway = this.link.gatewayFor(this, family)
    // A link-local source would not get past the router (RFC 4291 section 2.5.6, RFC 3927 section 2.6.2).
    const source = this.#assigned.find(own => own.family === family && addressScope(own) !== 'link-local')
    return gateway === undefined || source === undefined ? undefined : { gateway, source }
  }

  /** The address from which it sends multicast; IPv6 does so from its link-local one. */
  multicastSource(family: IpAddress['family']): AssignedAddress | undefined {
    const candidates = this.#assigned.filter(own => own.family === family)
    return candidates.find(own => own.family === 'ipv6' && addressScope(own) === 'link-local') ?? candidates[0]
  }

  has(address: IpAddress): boolean {
    return this.#assigned.some(own => own.text === address.text)
  }

  isBroadcast({ family, bits }: IpAddress): boolean {
    if (family !== 'ipv4') return false
    if (bits === 0xffff_ffffn) return true
    return this.#assigned.some(own => own.family === 'ipv4' && subnetBroadcast(own, own.prefixLength) === bits)
  }

  /** A packet comes out of the link. */
  receive(packet: Packet): void {
    if (this.#isUp) this.host.receive(packet, this)
  }

  describe(rank: number): NetworkInterface {
    const { name, index, kind, isUp, supportsMulticast } = this
    const addresses = this.#assigned.map(own => describeAddress(own, index))
    return { name, index, kind, isUp, supportsMulticast, addresses, rank }
  }

  describeGateways(): readonly Gateway[] {
    return (['ipv4', 'ipv6'] as const).flatMap(family => {
      const route = this.#isUp ? this.defaultRoute(family) : undefined
      if (route === undefined) return []
      return { address: formatIpAddress(inZone(route.gateway, this.name)), family, interface: this.name }
    })
  }

  #changed(): void {
    this.link.onChange(this)
    this.host.onInterfaceChange()
  }
}

function parseAssigned(text: string): AssignedAddress {
  const [address = '', length] = text.split('/')
  const parsed = parseIpAddress(address)
  const prefixLength = Number(length)
  const longest = parsed?.family === 'ipv4' ? 32 : 128
  if (!parsed || !length || !(Number.isInteger(prefixLength) && prefixLength >= 0 && prefixLength <= longest)) {
    throw new RangeError(`an address must be given with its prefix length, as '192.168.1.2/24', not '${text}'`)
  }
  return { ...parsed, prefixLength }
}

function describeAddress(own: AssignedAddress, index: number): InterfaceAddress {
  const { text: address, family, prefixLength } = own
  const scope = addressScope(own)
  return { address, family, prefixLength, scope, scopeId: family === 'ipv6' && scope === 'link-local' ? index : 0 }
}
