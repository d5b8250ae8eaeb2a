/** UDP of one simulated host: who may bind which port, and which sockets hear a datagram, as on Linux. */

import type { SocketAddress, UdpHandlers, UdpOptions } from '../platform/network.ts'
import { formatSocketAddress } from '../platform/socket-address.ts'
import { formatIpAddress, type IpAddress, inZone, isMulticast, isUnspecified, parseIpAddress } from './ip-address.ts'
import type { IpStack } from './ip-stack.ts'
import type { UdpPacket } from './packet.ts'
import type { SimulatedInterface } from './simulated-interface.ts'
import { SimulatedUdpSocket } from './simulated-udp.ts'
import { systemError } from './system-error.ts'
import type { EventOwner } from './virtual-time.ts'

export class UdpStack {
  readonly #ip: IpStack
  /** In the order in which they were bound. */
  readonly #byPort = new Map<number, readonly SimulatedUdpSocket[]>()

  constructor(ip: IpStack) {
    this.#ip = ip
  }

  get sockets(): readonly SimulatedUdpSocket[] {
    return [...this.#byPort.values()].flat()
  }

  usesPort(port: number): boolean {
    return this.#byPort.has(port)
  }

  open(options: UdpOptions, handlers: UdpHandlers, program: EventOwner): SimulatedUdpSocket {
    const { address, port, multicastInterface } = options
    const attempt = `cannot open UDP ${formatSocketAddress({ address, port })}`
    const bound = parseIpAddress(address)
    if (bound === undefined) throw systemError('EINVAL', attempt)
    if (!isUnspecified(bound) && !isMulticast(bound) && !this.#ip.hasAddress(bound)) {
      throw systemError('EADDRNOTAVAIL', attempt)
    }
    const through = multicastInterface === undefined ? undefined : this.#ip.interfaceNamed(multicastInterface)
    if (multicastInterface !== undefined && through?.multicastSource(bound.family) === undefined) {
      throw systemError('ENODEV', `cannot send multicast through ${multicastInterface}`)
    }
    const boundPort = port === 0 ? this.#ip.ephemeralPort(candidate => !this.#byPort.has(candidate)) : port
    if (boundPort === undefined || !this.#mayBind(bound, boundPort, options.sharePort)) {
      throw systemError('EADDRINUSE', attempt)
    }
    const socket = new SimulatedUdpSocket({ ip: this.#ip, program, options, handlers, bound, port: boundPort, through })
    this.#byPort.set(boundPort, [...this.#onPort(boundPort), socket])
    return socket
  }

  close(socket: SimulatedUdpSocket): void {
    const { port } = socket.local
    const others = this.#onPort(port).filter(other => other !== socket)
    if (others.length > 0) this.#byPort.set(port, others)
    else this.#byPort.delete(port)
  }

  receive(packet: UdpPacket, through: SimulatedInterface): void {
    const { destination, destinationPort, source, sourcePort } = packet
    const listening = this.#onPort(destinationPort)
    if (listening.length === 0) return // RFC 1122 section 4.1.3.1: an ICMP error, which programs do not get to see.
    const remote: SocketAddress = { address: formatIpAddress(inZone(source, through.name)), port: sourcePort }
    for (const socket of this.#hearing(listening, destination, through)) socket.deliver(packet.bytes, remote)
  }

  #hearing(
    listening: readonly SimulatedUdpSocket[],
    destination: IpAddress,
    through: SimulatedInterface,
  ): readonly SimulatedUdpSocket[] {
    const bound = listening.filter(socket => socket.hears(destination))
    if (isMulticast(destination)) return this.#hasMember(destination.text, through) ? bound : []
    if (through.isBroadcast(destination)) return bound.filter(socket => isUnspecified(socket.bound))
    // Of sockets that share a port, unicast reaches one: the most specific, and of equals the one bound last.
    const specific = bound.filter(socket => !isUnspecified(socket.bound))
    return (specific.length > 0 ? specific : bound).slice(-1)
  }

  /**
   * On Linux a group joined by any socket of the host on an interface is heard there by all (IP_MULTICAST_ALL, which
   * is on by default): a socket has to look for itself where a datagram came from.
   */
  #hasMember(group: string, through: SimulatedInterface): boolean {
    for (const sockets of this.#byPort.values()) {
      if (sockets.some(socket => socket.hasJoined(group, through))) return true
    }
    return false
  }

  #mayBind(address: IpAddress, port: number, sharePort: boolean): boolean {
    return this.#onPort(port).every(({ bound, sharesPort }) => {
      if (bound.family !== address.family || (sharePort && sharesPort)) return true
      return !isUnspecified(bound) && !isUnspecified(address) && bound.text !== address.text
    })
  }

  #onPort(port: number): readonly SimulatedUdpSocket[] {
    return this.#byPort.get(port) ?? []
  }
}
