/**
 * A LAN: one broadcast domain, as a switch or an access point makes it. It carries a packet to the interface that has the
 * destination address, or to all of them, after a delay, unless it loses it.
 */

import { isMulticast } from './ip-address.ts'
import type { Packet } from './packet.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { Link, SimulatedInterface } from './simulated-interface.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface LanOptions {
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
  /** Give hosts IPv4 addresses, 192.168.N.x in the N-th LAN. @default true */
  readonly ipv4?: boolean
  /** Give hosts link-local IPv6 addresses, global ones too, or none. @default 'link-local' */
  readonly ipv6?: 'link-local' | 'global' | 'none'
}

/** Hosts by name or as objects. */
export type HostReference = string | { readonly name: string }

const BITS_PER_BYTE = 8
/** The first host number; .1 is the gateway's. */
const FIRST_HOST_NUMBER = 2
const LAST_HOST_NUMBER = 254

export class SimulatedLan implements Link {
  readonly name: string
  /** These may be changed at any time; packets on their way keep their fate. */
  delayMs: number
  jitterMs: number
  multicast: boolean
  broadcast: boolean
  unicastUdp: boolean
  bitsPerSecond: number
  #loss = 0
  readonly #number: number
  readonly #ipv4: boolean
  readonly #ipv6: 'link-local' | 'global' | 'none'
  readonly #time: VirtualTime
  readonly #random: SeededRandom
  readonly #members = new Set<SimulatedInterface>()
  readonly #byAddress = new Map<string, SimulatedInterface>()
  readonly #cuts = new Set<string>()
  readonly #isolated = new Set<string>()
  readonly #freeToSendAt = new Map<SimulatedInterface, number>()
  #hostNumber = FIRST_HOST_NUMBER

  constructor(name: string, number: number, options: LanOptions, time: VirtualTime, random: SeededRandom) {
    for (const [option, value] of Object.entries(options)) {
      if (typeof value === 'number' && !(value >= 0)) throw new RangeError(`${option} must be 0 or more, not ${value}`)
    }
    this.name = name
    this.delayMs = options.delayMs ?? 0.2
    this.jitterMs = options.jitterMs ?? 0
    this.loss = options.loss ?? 0
    this.multicast = options.multicast ?? true
    this.broadcast = options.broadcast ?? true
    this.unicastUdp = options.unicastUdp ?? true
    this.bitsPerSecond = options.bitsPerSecond ?? Infinity
    this.#ipv4 = options.ipv4 ?? true
    this.#ipv6 = options.ipv6 ?? 'link-local'
    this.#number = number
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
    const host = this.#hostNumber++
    if (this.#ipv4 && host > LAST_HOST_NUMBER) {
      throw new RangeError(`LAN '${this.name}' is full: an IPv4 /24 has room for ${LAST_HOST_NUMBER - 1} hosts`)
    }
    const number = this.#number.toString(16)
    const identifier = `${number}:0:1:${host.toString(16)}`
    return [
      ...(this.#ipv4 ? [`192.168.${this.#number}.${host}/24`] : []),
      ...(this.#ipv6 === 'none' ? [] : [`fe80::${identifier}/64`]),
      ...(this.#ipv6 === 'global' ? [`2001:db8:0:${number}:${identifier}/64`] : []),
    ]
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
    if (owner !== undefined) return protocol === 'udp' && !this.unicastUdp ? [] : [owner]
    const passes = isMulticast(destination) ? this.multicast : this.broadcast && from.isBroadcast(destination)
    return passes ? [...this.#members].filter(member => member !== from) : []
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

function nameOf(host: HostReference): string {
  return typeof host === 'string' ? host : host.name
}

function cutBetween(a: string, b: string): string {
  return a < b ? `${a} | ${b}` : `${b} | ${a}`
}
