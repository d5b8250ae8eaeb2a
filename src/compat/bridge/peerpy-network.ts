/**
 * The peers of peerpy for a bridge. Each seat is a peer of its own with its own port, which others discover and connect to;
 * a seat connects to a device when it has something to say.
 */

import { EarshotError } from '../../errors.ts'
import type { InterfaceChoice } from '../../platform/interface-choice.ts'
import type { Platform } from '../../platform/platform.ts'
import { checkPeerOptions, type PeerpyPeerOptions } from '../peerpy/options.ts'
import type { PeerpyConnection } from '../peerpy/peerpy-connection.ts'
import { PeerpyPeer } from '../peerpy/peerpy-peer.ts'
import type { Device, ForeignNetwork, NetworkHandlers, Seat, SeatHandlers } from './foreign-network.ts'
import { pause } from './pause.ts'

/** Between the end of one look around and the beginning of the next. */
const LOOK_EVERY_MS = 5_000
/** Three times unheard: gone, unless it is connected. */
const GONE_AFTER_MS = 18_000

export interface PeerpyNetworkOptions {
  readonly platform: Platform
  readonly interfaces: InterfaceChoice | undefined
  readonly handlers: NetworkHandlers
}

/** On any platform; the public one begins on this machine. */
class LocalPeer extends PeerpyPeer {
  static async open(platform: Platform, options: PeerpyPeerOptions): Promise<LocalPeer> {
    const peer = new LocalPeer(platform, checkPeerOptions(options))
    await peer.start()
    return peer
  }
}

export class PeerpyNetwork implements ForeignNetwork {
  readonly kind = 'peerpy'
  readonly #options: PeerpyNetworkOptions
  readonly #looker: LocalPeer
  readonly #seats = new Set<PeerpySeat>()
  /** When each was heard last, by its address. */
  readonly #devices = new Map<string, number>()
  readonly #ending = new AbortController()
  readonly #looking: Promise<void>

  static async open(options: PeerpyNetworkOptions): Promise<PeerpyNetwork> {
    const { platform, interfaces } = options
    const looker = await LocalPeer.open(platform, {
      invisible: true,
      admit: () => false,
      ...(interfaces && { interfaces }),
    })
    return new PeerpyNetwork(looker, options)
  }

  private constructor(looker: LocalPeer, options: PeerpyNetworkOptions) {
    this.#looker = looker
    this.#options = options
    looker.on('warning', error => options.handlers.onWarning(error))
    this.#looking = this.#lookAround()
  }

  ownIds(): string[] {
    const { network } = this.#options.platform
    const addresses = network.interfaces().flatMap(link => link.addresses.map(({ address }) => address))
    return [...this.#seats].flatMap(({ port }) => addresses.map(address => `${address}:${port}`))
  }

  async openSeat(_name: string, _shortId: string, handlers: SeatHandlers): Promise<Seat> {
    const { platform, interfaces, handlers: own } = this.#options
    const peer = await LocalPeer.open(platform, interfaces ? { interfaces } : {})
    const seat = new PeerpySeat(peer, {
      ...handlers,
      onHeard: id => this.#onHeard(id),
      onWarning: error => own.onWarning(error),
      onClosed: () => {
        this.#seats.delete(seat)
        own.onOwnIds()
      },
    })
    this.#seats.add(seat)
    own.onOwnIds()
    return seat
  }

  async close(): Promise<void> {
    this.#ending.abort()
    await Promise.all([...this.#seats].map(seat => seat.close()))
    await this.#looker.close()
    await this.#looking
  }

  async #lookAround(): Promise<void> {
    const { platform, handlers } = this.#options
    const { signal } = this.#ending
    while (!signal.aborted) {
      try {
        for await (const id of this.#looker.discover({ signal })) this.#onHeard(id)
      } catch (error) {
        if (error instanceof EarshotError && !signal.aborted) handlers.onWarning(error)
      }
      this.#forgetSilent()
      await pause(platform.clock, LOOK_EVERY_MS, signal)
    }
  }

  #onHeard(id: string): void {
    if (this.#ending.signal.aborted || this.ownIds().includes(id)) return
    const isNews = !this.#devices.has(id)
    this.#devices.set(id, this.#options.platform.clock.now())
    if (isNews) this.#options.handlers.onDevice({ id, name: id, address: id })
  }

  #forgetSilent(): void {
    const now = this.#options.platform.clock.now()
    for (const [id, heardAt] of this.#devices) {
      const isConnected = [...this.#seats].some(seat => seat.isConnected(id))
      if (isConnected || now - heardAt < GONE_AFTER_MS) continue
      this.#devices.delete(id)
      this.#options.handlers.onDeviceGone(id)
    }
  }
}

interface PeerpySeatHandlers extends SeatHandlers {
  onHeard(deviceId: string): void
  onWarning(error: EarshotError): void
  onClosed(): void
}

class PeerpySeat implements Seat {
  readonly #peer: LocalPeer
  readonly #handlers: PeerpySeatHandlers

  constructor(peer: LocalPeer, handlers: PeerpySeatHandlers) {
    this.#peer = peer
    this.#handlers = handlers
    peer.on('warning', error => handlers.onWarning(error))
    // Who connects is a device, also where it does not answer those who look for peers.
    peer.on('connection', ({ id }) => handlers.onHeard(id))
    peer.on('data', ({ data, from }) => handlers.onMessage(from.id, data))
  }

  get id(): string {
    return this.#peer.address
  }

  get port(): string {
    return this.id.slice(this.id.lastIndexOf(':') + 1)
  }

  isConnected(deviceId: string): boolean {
    return this.#peer.connection(deviceId) !== undefined
  }

  /** It is discovered. */
  meet(_device: Device): void {}

  forget(deviceId: string): void {
    void this.#peer.connection(deviceId)?.close()
  }

  async send(deviceId: string, data: unknown): Promise<void> {
    const connection = this.#peer.connection(deviceId) ?? (await this.#connect(deviceId, data))
    // A device that asked for bytes gets texts as what they are made of.
    const isText = connection.dataType === 'bytes' && typeof data === 'string'
    await connection.send(isText ? new TextEncoder().encode(data) : data)
  }

  async ask(): Promise<never> {
    throw new EarshotError('no-answer', 'peerpy knows no questions')
  }

  async close(): Promise<void> {
    await this.#peer.close()
    this.#handlers.onClosed()
  }

  #connect(deviceId: string, data: unknown): Promise<PeerpyConnection> {
    return this.#peer.connect(deviceId, { dataType: data instanceof Uint8Array ? 'bytes' : 'json' })
  }
}
