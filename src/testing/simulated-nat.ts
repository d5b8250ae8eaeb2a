/**
 * A router with a NAT between a LAN and what is outside, the internet or the LAN of another NAT. It translates IPv4 and
 * filters it (RFC 4787, 5382), and passes IPv6 through a stateful firewall (RFC 6092). Programs can run on it.
 *
 *     host ── LAN ── lan0 [ mappings, filter ] wan0 ── internet ── host
 *                         └ IP stack, programs
 */

import { type IpAddress, isLinkLocalIpv6, isMulticast, parseIpAddress, sharePrefix } from './ip-address.ts'
import { Ipv6Firewall, type Pinhole } from './ipv6-firewall.ts'
import { checkNatBehaviour, type NatBehaviour } from './nat-behaviour.ts'
import { type NatMapping, NatTable, type OutboundFlow, type Protocol } from './nat-table.ts'
import type { Packet } from './packet.ts'
import type { Endpoint } from './permissions.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { Router, SimulatedHost } from './simulated-host.ts'
import type { SimulatedInterface } from './simulated-interface.ts'
import type { SimulatedLan } from './simulated-lan.ts'
import { refusal } from './tcp-segment.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface PortMappingRequest {
  readonly protocol: 'udp' | 'tcp'
  /** The host behind the NAT: an IPv4 address, or for a pinhole in the firewall an IPv6 address. */
  readonly internalAddress: string
  readonly internalPort: number
  /** @default the internal port if it is free, otherwise any */
  readonly externalPort?: number
  /** @default Infinity */
  readonly lifetimeMs?: number
}

/** One mapping as somebody who looks into the router sees it. */
export interface DescribedMapping {
  readonly protocol: 'udp' | 'tcp'
  readonly internalAddress: string
  readonly internalPort: number
  readonly externalAddress: string
  readonly externalPort: number
  /** Made by `map`, not by a packet. */
  readonly isExplicit: boolean
  /** Virtual time, in milliseconds. */
  readonly expiresAt: number
}

export interface ExplicitPortMapping extends DescribedMapping {
  remove(): void
}

export interface RestartOptions {
  /** Comes back with another external address, as after a new dial-in. @default false */
  readonly newAddress?: boolean
}

export interface SimulatedNatParts {
  readonly name: string
  readonly behaviour: NatBehaviour
  readonly inside: SimulatedLan
  readonly outside: SimulatedLan
  readonly externalAddress: string | undefined
  readonly time: VirtualTime
  readonly random: SeededRandom
  readonly makeHost: (router: Router) => SimulatedHost
}

export class SimulatedNat implements Router {
  readonly name: string
  /** The LAN behind it. */
  readonly lan: SimulatedLan
  /** The machine that it is, with `network` for programs on it, `stop()` and `start()`. */
  readonly router: SimulatedHost
  readonly #outside: SimulatedLan
  readonly #time: VirtualTime
  readonly #table: NatTable
  readonly #firewall: Ipv6Firewall
  readonly #lan0: SimulatedInterface
  readonly #wan0: SimulatedInterface
  #behaviour: NatBehaviour

  constructor({ name, behaviour, inside, outside, externalAddress, time, random, makeHost }: SimulatedNatParts) {
    this.name = name
    this.lan = inside
    this.#outside = outside
    this.#time = time
    this.#behaviour = behaviour
    const now = () => time.now
    this.#table = new NatTable({ now, random, isReserved: (protocol, port) => this.router.usesPort(protocol, port) })
    this.#firewall = new Ipv6Firewall(now)
    this.router = makeHost(this)
    const given =
      externalAddress === undefined ? {} : { addresses: [externalAddress, ...ipv6Of(outside.assignAddresses())] }
    this.#wan0 = this.router.attach(outside, { name: 'wan0', ...given })
    this.#lan0 = this.router.attach(inside, { name: 'lan0', addresses: inside.routerAddresses })
    this.#connect()
  }

  /** The IPv4 address that hosts outside see. */
  get externalAddress(): string {
    return this.#external?.text ?? ''
  }

  get behaviour(): NatBehaviour {
    return this.#behaviour
  }

  /** The mappings that live now, of both protocols, pinholes too. */
  get mappings(): readonly DescribedMapping[] {
    return [
      ...this.#table.mappings.map(mapping => this.#describe(mapping)),
      ...this.#firewall.pinholes.map(describePinhole),
    ]
  }

  /** Behaves differently from now on; mappings stay. */
  change(behaviour: Partial<Omit<NatBehaviour, 'translates' | 'ipv6'>>): void {
    this.#behaviour = checkNatBehaviour({ ...this.#behaviour, ...behaviour })
  }

  /** Forgets its mappings and starts its system again; programs on it are gone. */
  restart({ newAddress = false }: RestartOptions = {}): void {
    this.router.stop()
    this.#table.clear()
    this.#firewall.clear()
    if (newAddress) this.#wan0.setAddresses(this.#outside.assignAddresses())
    this.router.start()
  }

  /**
   * Maps a port to a host behind it, for everybody, as port forwarding by hand and port mapping protocols do.
   *
   * @throws RangeError where the port belongs to another host
   */
  map({
    protocol,
    internalAddress,
    internalPort,
    externalPort,
    lifetimeMs = Infinity,
  }: PortMappingRequest): ExplicitPortMapping {
    const address = parseIpAddress(internalAddress)
    if (address === undefined) throw new RangeError(`internalAddress must be an IP address, not '${internalAddress}'`)
    const internal = { address, port: internalPort }
    if (address.family === 'ipv6') {
      const pinhole = this.#firewall.open(protocol, internal, lifetimeMs)
      return { ...describePinhole(pinhole), remove: () => this.#firewall.close(pinhole) }
    }
    const wanted =
      externalPort ?? (this.#table.isFree(protocol, internalPort) ? internalPort : this.#table.freePort(protocol))
    const mapping = wanted && this.#table.map({ protocol, internal, externalPort: wanted, lifetimeMs })
    if (!mapping) throw new RangeError(`external ${protocol} port ${wanted} of '${this.name}' is taken`)
    return { ...this.#describe(mapping), remove: () => this.#table.remove(mapping) }
  }

  takes(packet: Packet, through: SimulatedInterface): boolean {
    const { destination } = packet
    if (isMulticast(destination) || through.isBroadcast(destination) || isLinkLocalIpv6(destination)) return false
    if (this.#lan0.has(destination)) return through === this.#wan0
    if (through === this.#lan0) return this.#takesFromInside(packet)
    return through === this.#wan0 && this.#takesFromOutside(packet)
  }

  /** Networks outside learn what is behind it, on every level. */
  #connect(): void {
    const { translates, ipv6 } = this.#behaviour
    this.lan.setRouter(this.#lan0, ipv6 === 'none' ? ['ipv4'] : ['ipv4', 'ipv6'])
    for (const subnet of this.#lan0.assigned) {
      const isRouted = subnet.family === 'ipv4' ? !translates : ipv6 !== 'none' && !isLinkLocalIpv6(subnet)
      if (isRouted) this.#outside.announce(subnet, this.#wan0)
    }
    this.lan.onAnnounced = subnet => this.#outside.announce(subnet, this.#wan0)
  }

  get #external(): IpAddress | undefined {
    return this.#wan0.assigned.find(({ family }) => family === 'ipv4')
  }

  #takesFromInside(packet: Packet): boolean {
    const { destination, destinationPort, protocol } = packet
    if (this.#wan0.has(destination)) {
      if (this.router.usesPort(protocol, destinationPort)) return false
      if (this.#behaviour.hairpinning && !this.#isBlocked(packet)) this.#hairpin(packet)
      return true
    }
    const isForHere = this.#lan0.addressTowards(destination) !== undefined
    if (isForHere || this.#isBlocked(packet)) return true
    if (destination.family === 'ipv6') this.#routeOut(packet)
    else if (!this.#behaviour.translates) this.router.forward(packet, this.#wan0)
    else this.#translateOut(packet, translated => this.router.forward(translated, this.#wan0))
    return true
  }

  #routeOut(packet: Packet): void {
    if (this.#behaviour.ipv6 === 'none') return
    this.#firewall.outbound(this.#flowOf(packet))
    this.router.forward(packet, this.#wan0)
  }

  #translateOut(packet: Packet, send: (translated: Packet) => void): void {
    const mapping = this.#table.outbound(this.#flowOf(packet), this.#behaviour)
    const source = this.#external
    if (mapping !== undefined && source !== undefined) send({ ...packet, source, sourcePort: mapping.externalPort })
  }

  /** RFC 4787 REQ-9: what goes to the external address from inside looks as if it had come from outside. */
  #hairpin(packet: Packet): void {
    this.#translateOut(packet, translated => this.#translateIn(translated))
  }

  #takesFromOutside(packet: Packet): boolean {
    const { destination, destinationPort, protocol } = packet
    if (!this.#wan0.has(destination)) {
      if (!this.#isBlockedInbound(packet) && this.#isRoutedIn(packet)) this.router.forward(packet, this.#lan0)
      return true
    }
    if (destination.family === 'ipv6' || this.router.usesPort(protocol, destinationPort)) return false
    if (this.#behaviour.translates && !this.#isBlockedInbound(packet)) this.#translateIn(packet)
    return true
  }

  #isRoutedIn({ protocol, source, sourcePort, destination, destinationPort }: Packet): boolean {
    const { translates, ipv6, ipv6Filtering } = this.#behaviour
    if (destination.family === 'ipv4') return !translates && this.#isBehind(destination)
    if (ipv6 !== 'firewall') return ipv6 === 'open'
    const internal = { address: destination, port: destinationPort }
    return this.#firewall.passes(protocol, internal, { address: source, port: sourcePort }, ipv6Filtering)
  }

  #isBehind(destination: IpAddress): boolean {
    return this.#lan0.assigned.some(subnet => sharePrefix(subnet, destination, subnet.prefixLength))
  }

  #translateIn(packet: Packet): void {
    const { protocol, source, sourcePort, destinationPort } = packet
    const mapping = this.#table.inbound(protocol, destinationPort)
    if (mapping === undefined || !this.#table.passes(mapping, { address: source, port: sourcePort }, this.#behaviour)) {
      this.#refuse(packet)
      return
    }
    const { address: destination, port } = mapping.internal
    this.router.forward({ ...packet, destination, destinationPort: port }, this.#lan0)
  }

  /** RFC 5382 REQ-4: a NAT that answers a SYN at once spoils simultaneous open. Some do. */
  #refuse(packet: Packet): void {
    if (packet.protocol !== 'tcp' || packet.segment.kind !== 'syn' || this.#behaviour.unsolicitedSyn === 'drop') return
    const {
      source: destination,
      sourcePort: destinationPort,
      destination: source,
      destinationPort: sourcePort,
    } = packet
    const ends = { source, sourcePort, destination, destinationPort }
    this.router.forward({ protocol: 'tcp', ...ends, segment: refusal(packet.segment, this.#time.now) }, this.#wan0)
  }

  #isBlocked({ protocol, destinationPort }: Packet): boolean {
    const { blocksUdp, allowedTcpPorts } = this.#behaviour
    return protocol === 'udp' ? blocksUdp : allowedTcpPorts !== undefined && !allowedTcpPorts.includes(destinationPort)
  }

  #isBlockedInbound({ protocol }: Packet): boolean {
    return protocol === 'udp' && this.#behaviour.blocksUdp
  }

  #flowOf(packet: Packet): OutboundFlow {
    const { protocol, source, sourcePort, destination, destinationPort } = packet
    return {
      protocol,
      internal: { address: source, port: sourcePort },
      remote: { address: destination, port: destinationPort },
      lifetimeMs: this.#lifetimeOf(packet),
    }
  }

  #lifetimeOf(packet: Packet): number {
    if (packet.protocol === 'udp') return this.#behaviour.udpMappingLifetimeMs
    const { kind, isLast } = packet.segment
    const isEstablished = kind === 'ack' && !isLast
    return isEstablished ? this.#behaviour.tcpMappingLifetimeMs : this.#behaviour.tcpTransitoryLifetimeMs
  }

  #describe({ protocol, internal, externalPort, isExplicit, expiresAt }: NatMapping): DescribedMapping {
    return describe({
      protocol,
      internal,
      external: { address: this.#external!, port: externalPort },
      isExplicit,
      expiresAt,
    })
  }
}

function describePinhole({ protocol, internal, expiresAt }: Pinhole): DescribedMapping {
  return describe({ protocol, internal, external: internal, isExplicit: true, expiresAt })
}

interface MappingFacts {
  readonly protocol: Protocol
  readonly internal: Endpoint
  readonly external: Endpoint
  readonly isExplicit: boolean
  readonly expiresAt: number
}

function describe({ protocol, internal, external, isExplicit, expiresAt }: MappingFacts): DescribedMapping {
  return {
    protocol,
    internalAddress: internal.address.text,
    internalPort: internal.port,
    externalAddress: external.address.text,
    externalPort: external.port,
    isExplicit,
    expiresAt,
  }
}

function ipv6Of(addresses: readonly string[]): readonly string[] {
  return addresses.filter(address => address.includes(':'))
}
