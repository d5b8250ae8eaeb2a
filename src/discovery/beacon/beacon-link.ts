/**
 * One link of the beacon: an IPv4 address of an interface, or IPv6 on it. Two sockets, as for multicast DNS. The one on
 * the beacon's port is shared with the other programs of the machine, and hears what is sent to all. The other has a port
 * of its own: everything leaves through it, and what is sent back to it surely reaches this program.
 */

import type { EarshotError } from '../../errors.ts'
import { MAX_BEACON_PACKETS_PER_SECOND } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { onLinkTest, subnetBroadcast } from '../../platform/ip-address.ts'
import type { InterfaceAddress, Network, NetworkInterface, SocketAddress, UdpSocket } from '../../platform/network.ts'
import { type BeaconPacket, decodeBeacon } from './beacon-packet.ts'

/** A user port without an owner, outside of the ranges that systems take client ports from (docs/beacon.md). */
export const BEACON_PORT = 24_327
/** In the local scope of RFC 2365, behind what streaming ACN takes of it. */
const IPV4_GROUP = '239.255.252.95'
/** Link-local and not assigned by IANA (RFC 4291 section 2.7), with a group id for such (RFC 3307 section 4.3). */
const IPV6_GROUP = 'ff12::ea75:5f07'
const LIMITED_BROADCAST = '255.255.255.255'
/** A new IPv6 address cannot be used before its uniqueness has been checked (RFC 4862 section 5.4), a second or two. */
const SETTLING_MS = 4_000

export interface LinkPlace {
  readonly interface: NetworkInterface
  /** Undefined for IPv6, where every interface has an address of the link. */
  readonly ipv4: InterfaceAddress | undefined
}

export interface BeaconLinkOptions {
  readonly place: LinkPlace
  readonly clock: Clock
  readonly network: Network
  onPacket(packet: BeaconPacket, from: SocketAddress, link: BeaconLink): void
  /** What was sent to all has come back. @default nobody is told */
  onEcho?(): void
  onWarning(error: EarshotError): void
}

export class BeaconLink {
  readonly #options: BeaconLinkOptions
  readonly #isOnLink: (source: string) => boolean
  readonly #everybody: readonly SocketAddress[]
  #own: UdpSocket | undefined
  #shared: UdpSocket | undefined
  #openedAt = Number.NEGATIVE_INFINITY
  #packetsLeft = MAX_BEACON_PACKETS_PER_SECOND
  #packetsCountedFrom = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(options: BeaconLinkOptions) {
    const { interface: link, ipv4 } = options.place
    this.#options = options
    this.#isOnLink = onLinkTest(ipv4 ? { ...link, addresses: [ipv4] } : link)
    this.#everybody = everybodyOn(options.place).map(address => ({ address, port: BEACON_PORT }))
  }

  /** Opens what is not open. Rejects with an EarshotError; the socket of its own may be open then, and is of use alone. */
  async open(): Promise<void> {
    this.#openedAt = this.#options.clock.now()
    try {
      this.#own ??= await this.#openUdp(this.#options.place.ipv4?.address ?? '::', 0)
      this.#shared ??= await this.#openShared()
    } finally {
      if (this.#isClosed) this.close()
    }
  }

  /** Can send, at least. */
  get isOpen(): boolean {
    return this.#own !== undefined
  }

  /** Hears what is sent to all, too. */
  get isWhole(): boolean {
    return this.#shared !== undefined
  }

  sendToAll(bytes: Uint8Array): void {
    for (const address of this.#everybody) this.#own?.send(bytes, address)
  }

  send(bytes: Uint8Array, to: SocketAddress): void {
    this.#own?.send(bytes, to)
  }

  /** What is sent to all comes back to us. */
  isOwn({ address, port }: SocketAddress): boolean {
    const [withoutZone] = address.split('%')
    return (
      port === this.#own?.local.port && this.#options.place.interface.addresses.some(own => own.address === withoutZone)
    )
  }

  /** Idempotent. Says nothing. */
  close(): void {
    this.#isClosed = true
    this.#own?.close()
    this.#shared?.close()
    this.#own = undefined
    this.#shared = undefined
  }

  async #openShared(): Promise<UdpSocket> {
    const { ipv4, interface: link } = this.#options.place
    const socket = await this.#openUdp(ipv4 ? '0.0.0.0' : '::', BEACON_PORT)
    try {
      if (link.supportsMulticast) socket.joinGroup(ipv4 ? IPV4_GROUP : IPV6_GROUP)
    } catch (error) {
      socket.close()
      throw error
    }
    return socket
  }

  #openUdp(address: string, port: number): Promise<UdpSocket> {
    const { network, place } = this.#options
    return network.openUdp(
      {
        address,
        port,
        sharePort: port === BEACON_PORT,
        multicastInterface: place.interface.name,
        broadcast: place.ipv4 !== undefined,
      },
      {
        onDatagram: (bytes, remote) => this.#onDatagram(bytes, remote),
        onError: error => this.#onError(error),
      },
    )
  }

  /** What comes from elsewhere, from a flood or from ourselves, and what cannot be read, is ignored silently. */
  #onDatagram(bytes: Uint8Array, from: SocketAddress): void {
    if (this.#isClosed || !this.#hasRoom() || !this.#isOnLink(from.address)) return
    if (this.isOwn(from)) {
      this.#options.onEcho?.()
      return
    }
    let packet: BeaconPacket
    try {
      packet = decodeBeacon(bytes)
    } catch {
      return
    }
    this.#options.onPacket(packet, from, this)
  }

  #hasRoom(): boolean {
    const now = this.#options.clock.now()
    if (now - this.#packetsCountedFrom >= 1_000) {
      this.#packetsCountedFrom = now
      this.#packetsLeft = MAX_BEACON_PACKETS_PER_SECOND
    }
    return this.#packetsLeft-- > 0
  }

  #onError(error: EarshotError): void {
    if (this.#options.clock.now() - this.#openedAt >= SETTLING_MS) this.#options.onWarning(error)
  }
}

/**
 * Multicast, and beside it broadcast: some access points and drivers pass only one of the two. The subnet's address
 * finds its way on every system, the limited one reaches hosts whose netmask is wrong. On loopback multicast is enough.
 */
function everybodyOn({ interface: link, ipv4 }: LinkPlace): string[] {
  const groups = link.supportsMulticast ? [ipv4 ? IPV4_GROUP : IPV6_GROUP] : []
  if (ipv4 === undefined || link.kind === 'loopback') return groups
  const subnet = subnetBroadcast(ipv4)
  return [...groups, ...(subnet === undefined ? [] : [subnet]), LIMITED_BROADCAST]
}
