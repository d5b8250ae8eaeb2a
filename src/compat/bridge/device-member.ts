/** A device of the other network as a peer of the room: what is said to it goes through the seat of who said it. */

import type { Peer } from '../../endpoint/peer.ts'
import type { Room } from '../../endpoint/room.ts'
import { EarshotError } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Clock } from '../../platform/clock.ts'
import { deriveIdentity } from './derived-identity.ts'
import type { BridgedDevice } from './events.ts'
import type { Device, NetworkKind } from './foreign-network.ts'
import type { PeerSeats } from './peer-seats.ts'

/** The asker gives up sooner, mostly after 2 s, and its signal tells. */
const ANSWER_TIMEOUT_MS = 60_000
/** What a device says waits so long for the peer's connection with this member. */
const MEET_TIMEOUT_MS = 5_000

export interface DeviceMemberOptions {
  readonly clock: Clock
  readonly device: Device
  readonly kind: NetworkKind
  readonly bridgeIdentity: Identity
  readonly seats: PeerSeats
  /** The name under which it is asked; undefined where its network knows no questions. */
  readonly question: string | undefined
  join(identity: Identity): Promise<Room>
  onWarning(error: EarshotError): void
}

export class DeviceMember {
  readonly device: Device
  readonly identity: Identity
  readonly #options: DeviceMemberOptions
  #opening: Promise<BridgedDevice | undefined> | undefined
  #room: Room | undefined
  #isClosed = false

  constructor(options: DeviceMemberOptions) {
    this.#options = options
    this.device = options.device
    this.identity = deriveIdentity(options.bridgeIdentity, options.kind, options.device.id)
  }

  /** Once it is in the room. */
  get told(): BridgedDevice | undefined {
    if (!this.#room) return undefined
    return { name: this.device.name, address: this.device.address, peerId: this.identity.id }
  }

  get room(): Room | undefined {
    return this.#room
  }

  /** Resolves when it is in the room; with undefined where it was closed meanwhile. */
  open(): Promise<BridgedDevice | undefined> {
    this.#opening ??= this.#enter()
    return this.#opening
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#opening?.catch(() => {})
    await this.#room?.close()
  }

  /** What the device says to one peer of the room. Rejects with an EarshotError. */
  async say(peerId: string, data: unknown): Promise<void> {
    await (await this.#meet(peerId)).send(data)
  }

  async ask(peerId: string, name: string, question: string, signal: AbortSignal): Promise<unknown> {
    const peer = await this.#meet(peerId)
    return peer.ask(name, question, { timeoutMs: ANSWER_TIMEOUT_MS, signal })
  }

  async #meet(peerId: string): Promise<Peer> {
    await this.open()
    if (!this.#room) throw new EarshotError('closed', `'${this.device.name}' is gone`)
    return this.#room.peer(peerId) ?? this.#nextPeer(this.#room, peerId)
  }

  /** They find each other by themselves, whoever dials. */
  #nextPeer(room: Room, peerId: string): Promise<Peer> {
    return new Promise((resolve, reject) => {
      const end = () => {
        off()
        timer.cancel()
      }
      const timer = this.#options.clock.setTimer(MEET_TIMEOUT_MS, () => {
        end()
        reject(new EarshotError('unknown-peer', `the peer was not met within ${MEET_TIMEOUT_MS} ms`))
      })
      const off = room.on('peer', peer => {
        if (peer.id !== peerId) return
        end()
        resolve(peer)
      })
      void room.closed.then(() => {
        end()
        reject(new EarshotError('closed', `'${this.device.name}' is gone`))
      })
    })
  }

  async #enter(): Promise<BridgedDevice | undefined> {
    const { join, seats, question, onWarning } = this.#options
    const room = await join(this.identity)
    if (this.#isClosed) {
      await room.close()
      return undefined
    }
    this.#room = room
    seats.watch(room)
    seats.meet(this.device)
    room.on('message', ({ data, from, channel }) => {
      // Channels are for programs that know of each other; a device knows none.
      if (channel === '') void this.#forward(from, data)
    })
    room.on('warning', onWarning)
    if (question !== undefined) {
      room.answer(question, (content, { from, signal }) => this.#answer(from, content, signal))
    }
    return this.told
  }

  async #forward(from: Peer, data: unknown): Promise<void> {
    try {
      await (await this.#options.seats.seatOf(from))?.send(this.device.id, data)
    } catch (error) {
      if (this.#isClosed) return
      const { code, message } =
        error instanceof EarshotError ? error : { code: 'lost' as const, message: String(error) }
      const what = `a message of '${from.name}' to '${this.device.name}' was not delivered: ${message}`
      this.#options.onWarning(new EarshotError(code, what, { cause: error }))
    }
  }

  async #answer(from: Peer, content: unknown, signal: AbortSignal): Promise<unknown> {
    const seat = await this.#options.seats.seatOf(from)
    if (!seat) throw new EarshotError('refused', 'devices do not ask each other through a bridge')
    return seat.ask(this.device.id, content, { timeoutMs: ANSWER_TIMEOUT_MS, signal })
  }
}
