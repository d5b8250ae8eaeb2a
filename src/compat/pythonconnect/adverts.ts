/**
 * The multicast side of a node: a socket for each IPv4 interface, opened and closed as the interfaces come and go. What
 * the real program says on one interface, we say on all of them.
 */

import { asError, EarshotError } from '../../errors.ts'
import { MAX_PYTHONCONNECT_ADVERTS_PER_SECOND } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { onLinkTest } from '../../platform/ip-address.ts'
import type { Network, NetworkInterface, SocketAddress, UdpSocket } from '../../platform/network.ts'
import { type AdvertKind, decodeAdvert, encodeAdvert } from './advert.ts'

/** The real program's time to live. */
const MULTICAST_TTL = 3
/** An interface or port that could not be used is tried again after this time, and whenever the interfaces change. */
const RETRY_MS = 5_000

export interface AdvertsOptions {
  readonly clock: Clock
  readonly network: Network
  readonly group: SocketAddress
  readonly ownName: string
  chooseInterfaces(all: readonly NetworkInterface[]): readonly NetworkInterface[]
  /** Somebody said a name, perhaps our own; we do not hear ourselves. */
  onAdvert(name: string, address: string): void
  /** Sockets were opened: those whom they reach do not know of us yet. */
  onOpened(): void
  /** Something does not work, but the rest goes on. Told once for each interface and code. */
  onWarning(error: EarshotError): void
}

export class Adverts {
  readonly #options: AdvertsOptions
  readonly #sockets = new Map<string, UdpSocket>()
  readonly #warned = new Set<string>()
  #unwatch: (() => void) | undefined
  #retry: Timer | undefined
  #opening: Promise<void> | undefined
  #isChangePending = false
  #isClosed = false
  #left = MAX_PYTHONCONNECT_ADVERTS_PER_SECOND
  #countedFrom = Number.NEGATIVE_INFINITY

  constructor(options: AdvertsOptions) {
    this.#options = options
  }

  /** Resolves when every interface that can be used is. */
  async start(): Promise<void> {
    this.#unwatch = this.#options.network.watchInterfaces(() => void this.#reconcile())
    await this.#reconcile()
  }

  send(kind: AdvertKind): void {
    const bytes = encodeAdvert(kind, this.#options.ownName)
    for (const socket of this.#sockets.values()) socket.send(bytes, this.#options.group)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unwatch?.()
    this.#retry?.cancel()
    await this.#opening
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
  }

  /** Makes the sockets what the interfaces are now. One run at a time; a change during it leads to another. */
  #reconcile(): Promise<void> {
    this.#isChangePending = true
    this.#opening ??= this.#reconcileWhilePending().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #reconcileWhilePending(): Promise<void> {
    while (this.#isChangePending && !this.#isClosed) {
      this.#isChangePending = false
      const wanted = this.#wanted()
      for (const [key, socket] of this.#sockets) {
        if (wanted.has(key)) continue
        socket.close()
        this.#sockets.delete(key)
      }
      const missing = [...wanted].filter(([key]) => !this.#sockets.has(key))
      const opened = await Promise.all(missing.map(([key, link]) => this.#open(key, link)))
      if (!this.#isClosed && opened.includes(true)) this.#options.onOpened()
    }
  }

  /** By what a socket belongs to: an IPv4 address, so that one that changes needs another. */
  #wanted(): Map<string, NetworkInterface> {
    const { chooseInterfaces, network } = this.#options
    const usable = chooseInterfaces(network.interfaces()).filter(link => link.isUp && link.supportsMulticast)
    return new Map(
      usable.flatMap(link => {
        const own = link.addresses.find(({ family }) => family === 'ipv4')
        return own ? [[`${link.name} ${link.index} ${own.address}/${own.prefixLength}`, link]] : []
      }),
    )
  }

  async #open(key: string, link: NetworkInterface): Promise<boolean> {
    const { network, group } = this.#options
    const isOnLink = onLinkTest(link)
    try {
      const socket = await network.openUdp(
        {
          address: '0.0.0.0',
          port: group.port,
          sharePort: true,
          multicastInterface: link.name,
          multicastTtl: MULTICAST_TTL,
        },
        {
          onDatagram: (bytes, remote) => isOnLink(remote.address) && this.#onDatagram(bytes, remote),
          onError: error => this.#warn(link, error),
        },
      )
      this.#sockets.set(key, socket)
      socket.joinGroup(group.address)
      return true
    } catch (error) {
      this.#sockets.get(key)?.close()
      this.#sockets.delete(key)
      this.#warn(link, error)
      this.#retryLater()
      return false
    }
  }

  #retryLater(): void {
    if (this.#isClosed) return
    this.#retry?.cancel()
    this.#retry = this.#options.clock.setTimer(RETRY_MS, () => void this.#reconcile())
  }

  /** What is no advert, or one of a flood, is ignored silently: anybody can send to this port. */
  #onDatagram(bytes: Uint8Array, { address }: SocketAddress): void {
    if (this.#isClosed || !this.#hasRoom()) return
    let name: string
    try {
      ;({ name } = decodeAdvert(bytes))
    } catch {
      return
    }
    if (name === this.#options.ownName && this.#isOwn(address)) return
    this.#options.onAdvert(name, address)
  }

  #isOwn(address: string): boolean {
    return this.#options.network.interfaces().some(({ addresses }) => addresses.some(own => own.address === address))
  }

  #hasRoom(): boolean {
    const now = this.#options.clock.now()
    if (now - this.#countedFrom >= 1_000) {
      this.#countedFrom = now
      this.#left = MAX_PYTHONCONNECT_ADVERTS_PER_SECOND
    }
    return this.#left-- > 0
  }

  #warn({ name }: NetworkInterface, thrown: unknown): void {
    const error =
      thrown instanceof EarshotError
        ? thrown
        : new EarshotError('no-network', `adverts fail on ${name}: ${asError(thrown).message}`, { cause: thrown })
    const key = `${name} ${error.code}`
    if (this.#isClosed || this.#warned.has(key)) return
    this.#warned.add(key)
    this.#options.onWarning(error)
  }
}
