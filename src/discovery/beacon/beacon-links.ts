/** The links that a beacon uses, opened and closed as the interfaces come, change and go. */

import type { EarshotError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Network, NetworkInterface, SocketAddress } from '../../platform/network.ts'
import { InterfaceFollower } from '../interface-follower.ts'
import { BeaconLink, type LinkPlace } from './beacon-link.ts'
import type { BeaconPacket } from './beacon-packet.ts'

export interface BeaconLinksOptions {
  readonly clock: Clock
  readonly network: Network
  /** The interfaces to use, of those there are now. */
  chooseInterfaces(all: readonly NetworkInterface[]): readonly NetworkInterface[]
  onPacket(packet: BeaconPacket, from: SocketAddress, link: BeaconLink): void
  /** Links were opened, or can do more than before, and these were closed: others may be there now. */
  onChanged(closed: readonly BeaconLink[]): void
  /** The computer has slept: others may be there now, and it may be somewhere else. */
  onSlept(): void
  /** Something does not work, but the rest goes on. Each trouble of each interface is told once. */
  onWarning(error: EarshotError): void
}

export class BeaconLinks {
  readonly #options: BeaconLinksOptions
  readonly #links = new Map<string, BeaconLink>()
  readonly #follower: InterfaceFollower
  #isClosed = false

  constructor(options: BeaconLinksOptions) {
    this.#options = options
    const { clock, network, chooseInterfaces, onSlept, onWarning } = options
    this.#follower = new InterfaceFollower({
      clock,
      network,
      user: 'the beacon',
      chooseInterfaces,
      onInterfaces: interfaces => this.#openLinks(interfaces),
      onSlept,
      onWarning,
    })
  }

  /** Resolves when every link that can be used is open. */
  async start(): Promise<void> {
    await this.#follower.start()
  }

  get count(): number {
    return this.#links.size
  }

  sendToAll(bytes: Uint8Array): void {
    for (const link of this.#links.values()) link.sendToAll(bytes)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#follower.stop()
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
  }

  /** Makes the links what the interfaces are now. */
  async #openLinks(interfaces: readonly NetworkInterface[]): Promise<void> {
    const wanted = placesOn(interfaces)
    const closed = this.#closeUnwanted(wanted)
    const opened = await Promise.all([...wanted].map(([key, place]) => this.#open(key, place)))
    if (!this.#isClosed && (closed.length > 0 || opened.includes(true))) this.#options.onChanged(closed)
  }

  #closeUnwanted(wanted: ReadonlyMap<string, LinkPlace>): BeaconLink[] {
    const unwanted = [...this.#links].filter(([key]) => !wanted.has(key))
    for (const [key, link] of unwanted) {
      link.close()
      this.#links.delete(key)
    }
    return unwanted.map(([, link]) => link)
  }

  /** True where more can be sent or heard now. A port that another program does not share leaves the half that sends. */
  async #open(key: string, place: LinkPlace): Promise<boolean> {
    const known = this.#links.get(key)
    if (known?.isWhole) return false
    const { clock, network, onPacket } = this.#options
    const onWarning = (error: EarshotError) => this.#follower.warn(place.interface.name, error)
    const link = known ?? new BeaconLink({ place, clock, network, onPacket, onWarning })
    try {
      await link.open()
    } catch (error) {
      this.#follower.warn(place.interface.name, error)
      this.#follower.retryLater()
    }
    if (this.#isClosed || !link.isOpen) {
      link.close()
      return false
    }
    this.#links.set(key, link)
    return link.isWhole || known === undefined
  }
}

/**
 * By what tells them apart. An IPv4 socket belongs to an address, so one that changes is another link; of IPv6 the
 * system chooses the address. The loopback interface of Linux has no route for IPv6 multicast.
 */
export function placesOn(interfaces: readonly NetworkInterface[]): Map<string, LinkPlace> {
  const places = new Map<string, LinkPlace>()
  for (const link of interfaces) {
    const key = `${link.name} ${link.index}`
    const ipv4 = link.addresses.filter(({ family }) => family === 'ipv4')
    for (const own of ipv4) places.set(`${key} ${own.address}/${own.prefixLength}`, { interface: link, ipv4: own })
    const hasIpv6 = link.supportsMulticast && ipv4.length < link.addresses.length
    if (hasIpv6 && !(link.kind === 'loopback' && ipv4.length > 0)) places.set(key, { interface: link, ipv4: undefined })
  }
  return places
}
