/** The links that a beacon uses, opened and closed as the interfaces come, change and go. */

import { asError, EarshotError } from '../../errors.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { Network, NetworkInterface, SocketAddress } from '../../platform/network.ts'
import { BeaconLink, type LinkPlace } from './beacon-link.ts'
import type { BeaconPacket } from './beacon-packet.ts'

/** An interface or port that could not be used is tried again after this time, and whenever the interfaces change. */
const RETRY_MS = 5_000
/** How often to look whether the computer has slept, and what counts as sleep. */
const SLEEP_CHECK_MS = 5_000
const SLEPT_MS = 10_000

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
  readonly #warned = new Set<string>()
  #unwatch: (() => void) | undefined
  #retry: Timer | undefined
  #sleepWatch: Timer | undefined
  #reconciling: Promise<void> | undefined
  #isChangePending = false
  #isClosed = false

  constructor(options: BeaconLinksOptions) {
    this.#options = options
  }

  /** Resolves when every link that can be used is open. */
  async start(): Promise<void> {
    this.#unwatch = this.#options.network.watchInterfaces(() => void this.#reconcile())
    this.#watchForSleep()
    await this.#reconcile()
  }

  get count(): number {
    return this.#links.size
  }

  sendToAll(bytes: Uint8Array): void {
    for (const link of this.#links.values()) link.sendToAll(bytes)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unwatch?.()
    this.#retry?.cancel()
    this.#sleepWatch?.cancel()
    await this.#reconciling
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
  }

  /** Makes the links what the interfaces are now. One run at a time; a change during it leads to another. */
  #reconcile(): Promise<void> {
    this.#isChangePending = true
    this.#reconciling ??= this.#reconcileWhilePending().finally(() => {
      this.#reconciling = undefined
    })
    return this.#reconciling
  }

  async #reconcileWhilePending(): Promise<void> {
    while (this.#isChangePending && !this.#isClosed) {
      this.#isChangePending = false
      const { chooseInterfaces, network, onChanged } = this.#options
      const wanted = placesOn(chooseInterfaces(network.interfaces()))
      const closed = this.#closeUnwanted(wanted)
      const opened = await Promise.all([...wanted].map(([key, place]) => this.#open(key, place)))
      if (!this.#isClosed && (closed.length > 0 || opened.includes(true))) onChanged(closed)
    }
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
    const onWarning = (error: EarshotError) => this.#warn(place, error)
    const link = known ?? new BeaconLink({ place, clock, network, onPacket, onWarning })
    try {
      await link.open()
    } catch (error) {
      this.#warn(place, error)
      this.#retryLater()
    }
    if (this.#isClosed || !link.isOpen) {
      link.close()
      return false
    }
    this.#links.set(key, link)
    return link.isWhole || known === undefined
  }

  #retryLater(): void {
    if (this.#isClosed) return
    this.#retry?.cancel()
    this.#retry = this.#options.clock.setTimer(RETRY_MS, () => void this.#reconcile())
  }

  /** A computer that slept has missed what was said, and may be somewhere else. Only the wall clock tells everywhere. */
  #watchForSleep(): void {
    const asleepFrom = this.#options.clock.wallTime()
    this.#sleepWatch = this.#options.clock.setTimer(SLEEP_CHECK_MS, () => {
      if (this.#options.clock.wallTime() - asleepFrom > SLEEP_CHECK_MS + SLEPT_MS) this.#options.onSlept()
      this.#watchForSleep()
    })
  }

  #warn({ interface: { name } }: LinkPlace, thrown: unknown): void {
    const error =
      thrown instanceof EarshotError
        ? thrown
        : new EarshotError('no-network', `the beacon fails on ${name}: ${asError(thrown).message}`, { cause: thrown })
    const key = `${name} ${error.code}`
    if (this.#isClosed || this.#warned.has(key)) return
    this.#warned.add(key)
    this.#options.onWarning(error)
  }
}

/**
 * By what tells them apart. An IPv4 socket belongs to an address, so one that changes is another link; of IPv6 the
 * system chooses the address. The loopback interface of Linux has no route for IPv6 multicast.
 */
function placesOn(interfaces: readonly NetworkInterface[]): Map<string, LinkPlace> {
  const places = new Map<string, LinkPlace>()
  for (const link of interfaces.filter(({ isUp }) => isUp)) {
    const key = `${link.name} ${link.index}`
    const ipv4 = link.addresses.filter(({ family }) => family === 'ipv4')
    for (const own of ipv4) places.set(`${key} ${own.address}/${own.prefixLength}`, { interface: link, ipv4: own })
    const hasIpv6 = link.supportsMulticast && ipv4.length < link.addresses.length
    if (hasIpv6 && !(link.kind === 'loopback' && ipv4.length > 0)) places.set(key, { interface: link, ipv4: undefined })
  }
  return places
}
