/**
 * A LAN: one broadcast domain, as a switch or an access point makes it. It carries a packet to the interface that has the
 * destination address, or to all of them, after a delay, unless it loses it. What is for an address elsewhere goes to the
 * router. The internet between routers is one, too, without broadcast.
 */

import { type AddressPlan, FIRST_HOST_NUMBER, type LanAddressOptions, ROUTER_NUMBER } from './address-plan.ts'
import { type IpAddress, isLinkLocalIpv6, isMulticast, parseIpAddress, sharePrefix } from './ip-address.ts'
import type { Packet } from './packet.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { AssignedAddress, Link, SimulatedInterface } from './simulated-interface.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface LanOptions extends LanAddressOptions {
  /** How long a packet is on its way, one way, in milliseconds. @default 0.2 */
  readonly delayMs?: number
  /** Up to this much more, by chance; packets may overtake each other. @default 0 */
  readonly jitterMs?: number
  /** The share of packets that get lost, from 0 to 1, decided for each packet and receiver. @default 0 */
  readonly loss?: number
  /** False: multicast does not pass, as on an access point with client isolation or broken IGMP snooping. @default true */
  readonly multicast?: boolean
  /** False: broadcast does not pass. @default true */
  readonly broadcast?: boolean
  /** False: UDP to a single host does not pass, as with a firewall that lets only TCP through. @default true */
  readonly unicastUdp?: boolean
  /** What each host can send, in bits a second. @default Infinity */
  readonly bitsPerSecond?: number
}

export interface LanParts {
  readonly name: string
  readonly addresses: AddressPlan
  readonly options: LanOptions
  /** Its addresses are public, and everything is reached through it. */
  readonly isInternet: boolean
  readonly time: VirtualTime
  readonly random: SeededRandom
}

/** Where the packets to a subnet elsewhere go: to the router that has it behind it. */
interface LinkRoute {
  readonly subnet: AssignedAddress
  readonly via: SimulatedInterface
}

/** Hosts by name or as objects. */
export type HostReference = string | { readonly name: string }

const BITS_PER_BYTE = 8

export class SimulatedLan implements Link {
  readonly name: string
  readonly isInternet: boolean
  /** These may be changed at any time; packets on their way keep their fate. */
  delayMs: number
  jitterMs: number
  multicast: boolean
  broadcast: boolean
  unicastUdp: boolean
  bitsPerSecond: number
  /** For this LAN's router: a subnet is behind a router in it. */
  onAnnounced: ((subnet: AssignedAddress) => void) | undefined
  #loss = 0
  readonly #addresses: AddressPlan
  readonly #time: VirtualTime
  readonly #random: SeededRandom
  readonly #members = new Set<SimulatedInterface>()
  readonly #byAddress = new Map<string, SimulatedInterface>()
  readonly #cuts = new Set<string>()
  readonly #isolated = new Set<string>()
  readonly #freeToSendAt = new Map<SimulatedInterface, number>()
  readonly #routes: LinkRoute[] = []
  #router: { readonly through: SimulatedInterface; readonly families: readonly IpAddress['family'][] } | undefined
  #hostNumber = FIRST_HOST_NUMBER

  constructor({ name, addresses, options, isInternet, time, random }: LanParts) {
    for (const [option, value] of Object.entries(options)) {
      if (typeof value === 'number' && !(value >= 0)) throw new RangeError(`${option} must be 0 or more, not ${value}`)
    }
    this.name = name
    this.isInternet = isInternet
    this.delayMs = options.delayMs ?? 0.2
    this.jitterMs = options.jitterMs ?? 0
    this.loss = options.loss ?? 0
    this.multicast = options.multicast ?? true
    this.broadcast = options.broadcast ?? true
    this.unicastUdp = options.unicastUdp ?? true
    this.bitsPerSecond = options.bitsPerSecond ?? Infinity
    this.#addresses = addresses
    this.#time = time
    this.#random = random
  }

  /** The share of packets that get lost, from 0 to 1. */
  get loss(): number {
    return this.#loss
  }

  set loss(share: number) {
    if (!(share >= 0 && share <= 1)) throw new RangeError(`loss must be a number from 0 to 1, not ${share}`)
    this.#loss = share
  }

  /** Nothing passes any more between a host of the first group and one of the second. Cuts add up until `heal`. */
  partition(group: readonly HostReference[], otherGroup: readonly HostReference[]): void {
    for (const host of group) {
      for (const other of otherGroup) this.#cuts.add(cutBetween(nameOf(host), nameOf(other)))
    }
  }

  /** Cuts one host off from all the others. */
  isolate(host: HostReference): void {
    this.#isolated.add(nameOf(host))
  }

  /** Ends all partitions and isolations. */
  heal(): void {
    this.#cuts.clear()
    this.#isolated.clear()
  }

  /** Addresses for one more interface, with prefix lengths. */
  assignAddresses(): readonly string[] {
    return this.#addresses.addressesOf(this.#hostNumber++)
  }

  /** The addresses that are kept for its router, with prefix lengths. */
  get routerAddresses(): readonly string[] {
    return this.#addresses.addressesOf(ROUTER_NUMBER)
  }

  /** For routers: what hosts here send to other networks goes to `through`. */
  setRouter(through: SimulatedInterface, families: readonly IpAddress['family'][]): void {
    if (this.#router !== undefined) throw new RangeError(`LAN '${this.name}' has a router already`)
    this.#router = { through, families }
  }

  /** For routers: what comes here for `subnet` goes to `via`. This LAN's own router hears of it too. */
  announce(subnet: AssignedAddress, via: SimulatedInterface): void {
    this.#routes.push({ subnet, via })
    this.onAnnounced?.(subnet)
  }

  gatewayFor(member: SimulatedInterface, family: IpAddress['family']): IpAddress | undefined {
    if (this.isInternet) return addressOf(this.routerAddresses, family)
    const router = this.#router
    if (router === undefined || router.through.host === member.host || !router.families.includes(family))
      return undefined
    return addressOf(router.through.addresses, family)
  }

  onChange(member: SimulatedInterface): void {
    this.leave(member)
    this.#members.add(member)
    for (const address of member.addresses) this.#byAddress.set(address, member)
  }

  leave(member: SimulatedInterface): void {
    this.#members.delete(member)
    for (const [address, owner] of this.#byAddress) if (owner === member) this.#byAddress.delete(address)
  }

  transmit(packet: Packet, from: SimulatedInterface): void {
    const queuedMs = this.#queueingDelay(packet, from)
    for (const to of this.#receivers(packet, from)) this.#carry(packet, from, to, queuedMs)
  }

  #receivers({ destination, protocol }: Packet, from: SimulatedInterface): Iterable<SimulatedInterface> {
    const owner = this.#byAddress.get(destination.text)
    const isBroadcast = from.isBroadcast(destination)
    if (owner !== undefined || !(isMulticast(destination) || isBroadcast)) {
      if (protocol === 'udp' && !this.unicastUdp) return []
      return owner === undefined ? this.#nextHop(destination, from) : [owner]
    }
    const passes = isBroadcast ? this.broadcast : this.multicast
    return passes ? [...this.#members].filter(member => member !== from) : []
  }

  /** The router towards an address that nobody here has. */
  #nextHop(destination: IpAddress, from: SimulatedInterface): readonly SimulatedInterface[] {
    if (isLinkLocalIpv6(destination)) return []
    const route = this.#routes.find(({ subnet }) => sharePrefix(subnet, destination, subnet.prefixLength))
    const via = route?.via ?? this.#router?.through
    return via === undefined || via === from ? [] : [via]
  }

  #carry(packet: Packet, from: SimulatedInterface, to: SimulatedInterface, queuedMs: number): void {
    if (this.#isCut(from.host.name, to.host.name)) return
    if (this.#loss > 0 && this.#random.fraction() < this.#loss) return
    const jitterMs = this.jitterMs > 0 ? this.#random.fraction() * this.jitterMs : 0
    this.#time.schedule(queuedMs + this.delayMs + jitterMs, undefined, () => to.receive(packet))
  }

  #isCut(from: string, to: string): boolean {
    if (this.#isolated.size > 0 && (this.#isolated.has(from) || this.#isolated.has(to))) return true
    return this.#cuts.size > 0 && this.#cuts.has(cutBetween(from, to))
  }

  /** A sender's packets leave one after the other. */
  #queueingDelay(packet: Packet, from: SimulatedInterface): number {
    if (this.bitsPerSecond === Infinity) return 0
    const payload = packet.protocol === 'udp' ? packet.bytes : packet.segment.bytes
    const { now } = this.#time
    const startsAt = Math.max(now, this.#freeToSendAt.get(from) ?? 0)
    const endsAt = startsAt + (payload.length * BITS_PER_BYTE * 1_000) / this.bitsPerSecond
    this.#freeToSendAt.set(from, endsAt)
    return endsAt - now
  }
}

/** The first of that family; of IPv6 addresses that is the link-local one where there is one. */
function addressOf(addresses: readonly string[], family: IpAddress['family']): IpAddress | undefined {
  return addresses.map(each => parseIpAddress(each.split('/')[0]!)).find(each => each?.family === family)
}

function nameOf(host: HostReference): string {
  return typeof host === 'string' ? host : host.name
}

function cutBetween(a: string, b: string): string {
  return a < b ? `${a} | ${b}` : `${b} | ${a}`
}
