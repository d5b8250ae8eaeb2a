/** One UDP socket of a program on a simulated host. */

import type { SocketAddress, UdpHandlers, UdpOptions, UdpSocket } from '../platform/network.ts'
import { formatSocketAddress } from '../platform/socket-address.ts'
import {
  formatIpAddress,
  type IpAddress,
  isLinkLocalIpv6,
  isMulticast,
  isUnspecified,
  parseIpAddress,
} from './ip-address.ts'
import type { IpStack, Route } from './ip-stack.ts'
import type { SimulatedInterface } from './simulated-interface.ts'
import { systemError } from './system-error.ts'
import type { EventOwner } from './virtual-time.ts'

/** What the 16-bit length of an IPv4 packet leaves (RFC 768, RFC 791). */
const MAX_DATAGRAM_BYTES = 65_507
const LIMITED_BROADCAST = 0xffff_ffffn

export interface UdpSocketParts {
  readonly ip: IpStack
  readonly program: EventOwner
  readonly options: UdpOptions
  readonly handlers: UdpHandlers
  readonly bound: IpAddress
  readonly port: number
  /** Of `multicastInterface`: the very one; another that gets its name later is another. */
  readonly through: SimulatedInterface | undefined
}

interface Membership {
  readonly group: string
  readonly through: SimulatedInterface
}

export class SimulatedUdpSocket implements UdpSocket {
  readonly local: SocketAddress
  readonly program: EventOwner
  readonly bound: IpAddress
  readonly #ip: IpStack
  readonly #options: UdpOptions
  readonly #handlers: UdpHandlers
  readonly #through: SimulatedInterface | undefined
  readonly #memberships: Membership[] = []
  #isClosed = false

  constructor({ ip, program, options, handlers, bound, port, through }: UdpSocketParts) {
    this.local = { address: formatIpAddress(bound), port }
    this.program = program
    this.bound = bound
    this.#ip = ip
    this.#options = options
    this.#handlers = handlers
    this.#through = through
  }

  get sharesPort(): boolean {
    return this.#options.sharePort
  }

  /** Its queue is never full: the simulated system takes everything at once. */
  send(bytes: Uint8Array, remote: SocketAddress): boolean {
    if (this.#isClosed) return true
    const destination = parseIpAddress(remote.address)
    const route = destination && this.#isValid(destination, remote.port) ? this.#route(destination) : 'EINVAL'
    if (bytes.length > MAX_DATAGRAM_BYTES) this.#reportSend('EMSGSIZE', remote)
    else if (typeof route === 'string') this.#reportSend(route, remote)
    else this.#transmit(bytes, destination!, remote.port, route)
    return true
  }

  joinGroup(group: string): void {
    const joined = parseIpAddress(group)
    const through = this.#through ?? this.#ip.multicastRoute(this.bound.family)?.through
    const attempt = `cannot join ${group} on ${through?.name ?? 'the default interface'}`
    if (joined === undefined || !isMulticast(joined)) throw systemError('EINVAL', attempt)
    if (through === undefined || !this.#ip.isAttached(through)) throw systemError('ENODEV', attempt)
    this.#memberships.push({ group: joined.text, through })
  }

  close(): void {
    if (this.#isClosed) return
    this.abandon()
    this.#ip.time.schedule(0, this.program, () => this.#handlers.onClose?.())
  }

  /** What the system does with it when its program ends. */
  abandon(): void {
    this.#isClosed = true
    this.#ip.udp.close(this)
  }

  hasJoined(group: string, through: SimulatedInterface): boolean {
    return this.#memberships.some(joined => joined.through === through && joined.group === group)
  }

  /** Whether a datagram to that address, and to its port, is for this socket. */
  hears(destination: IpAddress): boolean {
    if (destination.family !== this.bound.family) return false
    return isUnspecified(this.bound) || this.bound.text === destination.text
  }

  deliver(bytes: Uint8Array, remote: SocketAddress): void {
    this.#ip.time.schedule(0, this.program, () => {
      // Each receiver owns what it gets.
      if (!this.#isClosed) this.#handlers.onDatagram(new Uint8Array(bytes), remote)
    })
  }

  #isValid(destination: IpAddress, port: number): boolean {
    if (destination.family !== this.bound.family || !(port > 0 && port < 65_536)) return false
    return !isLinkLocalIpv6(destination) || destination.zone !== undefined
  }

  /** The route, or the system's name for the reason why there is none. */
  #route(destination: IpAddress): Route | string {
    if (this.#isBoundToAddress && !this.#ip.hasAddress(this.bound)) return 'ENETUNREACH'
    const isForSeveral = isMulticast(destination) || destination.bits === LIMITED_BROADCAST
    const route = isForSeveral
      ? this.#ip.multicastRoute(destination.family, this.#interfaceTowards(destination))
      : this.#ip.route(destination)
    if (route === undefined) return 'ENETUNREACH'
    return route.through.isBroadcast(destination) && !this.#options.broadcast ? 'EACCES' : route
  }

  #interfaceTowards({ zone }: IpAddress): SimulatedInterface | undefined {
    if (zone !== undefined) return this.#ip.interfaceNamed(zone)
    return this.#through ?? (this.#isBoundToAddress ? this.#ip.interfaceWith(this.bound) : undefined)
  }

  get #isBoundToAddress(): boolean {
    return !isUnspecified(this.bound) && !isMulticast(this.bound)
  }

  #transmit(bytes: Uint8Array, destination: IpAddress, destinationPort: number, route: Route): void {
    const source = this.#isBoundToAddress ? this.bound : route.source
    const ends = { source, sourcePort: this.local.port, destination, destinationPort }
    // A copy: the sender must not change its bytes, and here it could not even change what is on the way.
    this.#ip.send({ protocol: 'udp', ...ends, bytes: new Uint8Array(bytes) }, route)
  }

  #reportSend(systemCode: string, remote: SocketAddress): void {
    const from = formatSocketAddress(this.local)
    const error = systemError(systemCode, `cannot send on UDP ${from} to ${formatSocketAddress(remote)}`)
    this.#ip.time.schedule(0, this.program, () => {
      if (!this.#isClosed) this.#handlers.onError(error)
    })
  }
}
