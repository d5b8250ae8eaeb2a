/**
 * The operating system's part of a simulated host, from its start to its end: it knows the routes, hands packets to the
 * interfaces, and what arrives to UDP and TCP. Its events happen also while no program runs.
 */

import { addressScope, type IpAddress, inZone, isLinkLocalIpv6, isMulticast } from './ip-address.ts'
import type { Packet } from './packet.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedInterface } from './simulated-interface.ts'
import { TcpStack } from './tcp-stack.ts'
import { UdpStack } from './udp-stack.ts'
import type { EventOwner, VirtualTime } from './virtual-time.ts'

/** A packet to the own machine takes this long. */
export const LOOPBACK_DELAY_MS = 0.02

const FIRST_EPHEMERAL_PORT = 32_768
const LAST_EPHEMERAL_PORT = 60_999

/** How packets to a destination leave. */
export interface Route {
  readonly through: SimulatedInterface
  readonly source: IpAddress
}

export interface IpStackParts {
  readonly time: VirtualTime
  readonly random: SeededRandom
  /** Loopback first. */
  readonly interfaces: () => readonly SimulatedInterface[]
  readonly onSent: (packet: Packet, through: SimulatedInterface) => void
  /** TCP data arrives in pieces of random size. */
  readonly splitsRandomly: () => boolean
}

export class IpStack implements EventOwner {
  readonly takesTurns = false
  condition: 'awake' | 'asleep' | 'dead' = 'awake'
  readonly time: VirtualTime
  readonly random: SeededRandom
  readonly splitsRandomly: () => boolean
  readonly udp: UdpStack = new UdpStack(this)
  readonly tcp: TcpStack = new TcpStack(this)
  readonly #interfaces: () => readonly SimulatedInterface[]
  readonly #onSent: (packet: Packet, through: SimulatedInterface) => void
  readonly #routes = new Map<string, Route | undefined>()
  #ephemeralPort: number

  constructor({ time, random, interfaces, onSent, splitsRandomly }: IpStackParts) {
    this.time = time
    this.random = random
    this.splitsRandomly = splitsRandomly
    this.#interfaces = interfaces
    this.#onSent = onSent
    this.#ephemeralPort = random.integer(FIRST_EPHEMERAL_PORT, LAST_EPHEMERAL_PORT)
  }

  /** Routes are looked up once per destination, until an interface changes. */
  forgetRoutes(): void {
    this.#routes.clear()
  }

  /** The route to one address; `undefined` where no interface leads there. */
  route(destination: IpAddress): Route | undefined {
    const key = destination.zone === undefined ? destination.text : `${destination.text}%${destination.zone}`
    if (this.#routes.has(key)) return this.#routes.get(key)
    const route = this.#findRoute(destination)
    this.#routes.set(key, route)
    return route
  }

  /** The route of multicast and of broadcast to 255.255.255.255: by a chosen interface or the first that can. */
  multicastRoute(family: IpAddress['family'], chosen?: SimulatedInterface): Route | undefined {
    const [loopback, ...others] = this.#interfaces()
    const candidates = [...others, loopback!].filter(({ isUp }) => isUp)
    for (const through of chosen === undefined ? candidates : candidates.filter(candidate => candidate === chosen)) {
      // Linux has no route for IPv6 multicast on its loopback interface.
      const source = through === loopback && family === 'ipv6' ? undefined : through.multicastSource(family)
      if (source !== undefined) return { through, source }
    }
    return undefined
  }

  /** The interface of that name or index, up or down. */
  interfaceNamed(name: string): SimulatedInterface | undefined {
    return this.#interfaces().find(candidate => candidate.name === name || String(candidate.index) === name)
  }

  isAttached(candidate: SimulatedInterface): boolean {
    return this.#interfaces().includes(candidate)
  }

  /** The interface that has this address and is up. */
  interfaceWith(address: IpAddress): SimulatedInterface | undefined {
    return this.#upInterfaces().find(candidate => isInZone(address, candidate) && candidate.has(address))
  }

  /** Whether programs may use the address as their own. */
  hasAddress(address: IpAddress): boolean {
    return this.route(address)?.through.kind === 'loopback'
  }

  send(packet: Packet, { through }: Route): void {
    if (this.condition !== 'awake' || !through.isUp) return
    this.#onSent(packet, through)
    through.link.transmit(packet, through)
    // Programs on the own machine hear multicast and broadcast too, as if it had come in where it went out.
    if (isForSeveral(packet, through)) {
      this.time.schedule(LOOPBACK_DELAY_MS, this, () => this.receive(packet, through))
    }
  }

  receive(packet: Packet, through: SimulatedInterface): void {
    if (!isForSeveral(packet, through) && !this.hasAddress(inZone(packet.destination, through.name))) return
    if (packet.protocol === 'udp') this.udp.receive(packet, through)
    else this.tcp.receive(packet, through)
  }

  /** The next port from the range for clients that `isFree`. */
  ephemeralPort(isFree: (port: number) => boolean): number | undefined {
    for (let tries = FIRST_EPHEMERAL_PORT; tries <= LAST_EPHEMERAL_PORT; tries++) {
      this.#ephemeralPort = this.#ephemeralPort === LAST_EPHEMERAL_PORT ? FIRST_EPHEMERAL_PORT : this.#ephemeralPort + 1
      if (isFree(this.#ephemeralPort)) return this.#ephemeralPort
    }
    return undefined
  }

  #findRoute(destination: IpAddress): Route | undefined {
    const loopback = this.#interfaces()[0]!
    // Every address in 127.0.0.0/8 is this machine (RFC 1122 section 3.2.1.3).
    const isOwn = addressScope(destination) === 'loopback' || this.interfaceWith(destination) !== undefined
    if (isOwn) return { through: loopback, source: destination }
    for (const through of this.#upInterfaces()) {
      if (!isInZone(destination, through)) continue
      const source = through.addressTowards(destination)
      if (source !== undefined) return { through, source }
    }
    return addressScope(destination) === 'link-local' ? undefined : this.#defaultRoute(destination.family)
  }

  #defaultRoute(family: IpAddress['family']): Route | undefined {
    for (const through of this.#upInterfaces()) {
      const route = through.defaultRoute(family)
      if (route !== undefined) return { through, source: route.source }
    }
    return undefined
  }

  #upInterfaces(): readonly SimulatedInterface[] {
    return this.#interfaces().filter(({ isUp }) => isUp)
  }
}

function isForSeveral({ destination }: Packet, through: SimulatedInterface): boolean {
  return isMulticast(destination) || through.isBroadcast(destination)
}

/** A link-local IPv6 address means nothing without the interface it is meant on (RFC 4007 section 6). */
function isInZone(address: IpAddress, { name, index }: SimulatedInterface): boolean {
  return !isLinkLocalIpv6(address) || address.zone === name || address.zone === String(index)
}
