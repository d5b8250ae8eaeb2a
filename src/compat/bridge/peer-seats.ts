/** The peers of the room among the devices: a seat for each, from when any of the bridge's members meets it. */

import type { Peer } from '../../endpoint/peer.ts'
import type { Room } from '../../endpoint/room.ts'
import { asError, EarshotError } from '../../errors.ts'
import type { DeviceMember } from './device-member.ts'
import type { BridgedPeer } from './events.ts'
import type { Device, NetworkKind, Seat, SeatHandlers } from './foreign-network.ts'

export interface PeerSeatsOptions {
  readonly kind: NetworkKind
  openSeat(peer: Peer, handlers: SeatHandlers): Promise<Seat>
  member(deviceId: string): DeviceMember | undefined
  members(): Iterable<DeviceMember>
  /** The name of the question that carries those of devices. */
  readonly question: string
  onOpen(peer: BridgedPeer): void
  onClose(peer: BridgedPeer): void
  onWarning(error: EarshotError): void
}

interface TakenSeat {
  readonly seat: Promise<Seat | undefined>
  /** How many rooms of this bridge have the peer. */
  rooms: number
  told: BridgedPeer | undefined
}

export class PeerSeats {
  readonly #options: PeerSeatsOptions
  readonly #seats = new Map<string, TakenSeat>()
  #isClosed = false

  constructor(options: PeerSeatsOptions) {
    this.#options = options
  }

  get told(): BridgedPeer[] {
    return [...this.#seats.values()].flatMap(({ told }) => told ?? [])
  }

  /** Gives a seat to every peer of this room that has none. */
  watch(room: Room): void {
    const counted = new Set<string>()
    room.on('peer', peer => {
      if (!this.#isGuest(peer) || this.#isClosed) return
      counted.add(peer.id)
      this.#take(peer).rooms++
    })
    room.on('peer-gone', ({ peer }) => {
      if (counted.delete(peer.id)) this.#release(peer)
    })
    void room.closed.then(() => {
      for (const id of counted) this.#release({ id })
    })
  }

  /** Undefined for those who get none: bridges, and who is a device of such a network itself. */
  async seatOf(peer: Peer): Promise<Seat | undefined> {
    return this.#isGuest(peer) && !this.#isClosed ? this.#take(peer).seat : undefined
  }

  meet(device: Device): void {
    for (const { seat } of this.#seats.values()) void seat.then(each => each?.meet(device))
  }

  forget(deviceId: string): void {
    for (const { seat } of this.#seats.values()) void seat.then(each => each?.forget(deviceId))
  }

  /** The seats themselves are closed with their network. */
  close(): void {
    this.#isClosed = true
  }

  /** What a bridge to a network of this kind has brought in would come back to where it is from. */
  #isGuest({ info }: Peer): boolean {
    const { bridge, bridged } = (info ?? {}) as { bridge?: unknown; bridged?: unknown }
    return bridge === undefined && bridged !== this.#options.kind
  }

  #take(peer: Peer): TakenSeat {
    const known = this.#seats.get(peer.id)
    if (known) return known
    const taken: TakenSeat = { seat: this.#open(peer), rooms: 0, told: undefined }
    this.#seats.set(peer.id, taken)
    return taken
  }

  async #open(peer: Peer): Promise<Seat | undefined> {
    const { openSeat, members, onOpen, onWarning } = this.#options
    try {
      const seat = await openSeat(peer, {
        onMessage: (deviceId, data) => void this.#onMessage(peer, deviceId, data),
        onQuestion: (deviceId, question, signal) => this.#onQuestion(peer, deviceId, question, signal),
      })
      for (const { device, told } of members()) if (told) seat.meet(device)
      const taken = this.#seats.get(peer.id)
      if (taken && !this.#isClosed) {
        taken.told = { id: peer.id, name: peer.name, as: seat.id }
        onOpen(taken.told)
      }
      return seat
    } catch (error) {
      this.#seats.delete(peer.id)
      onWarning(problem(error, `'${peer.name}' gets no place among the devices`))
      return undefined
    }
  }

  #release({ id }: Pick<Peer, 'id'>): void {
    const taken = this.#seats.get(id)
    if (!taken || --taken.rooms > 0) return
    this.#seats.delete(id)
    if (taken.told) this.#options.onClose(taken.told)
    void taken.seat.then(seat => seat?.close())
  }

  async #onMessage(peer: Peer, deviceId: string, data: unknown): Promise<void> {
    try {
      await this.#options.member(deviceId)?.say(peer.id, data)
    } catch (error) {
      this.#options.onWarning(problem(error, `a message of '${deviceId}' to '${peer.name}' was not delivered`))
    }
  }

  async #onQuestion(peer: Peer, deviceId: string, question: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      const answer = await this.#options.member(deviceId)?.ask(peer.id, this.#options.question, question, signal)
      return answer === undefined || typeof answer === 'string' ? answer : JSON.stringify(answer)
    } catch (error) {
      if (!signal.aborted) this.#options.onWarning(problem(error, `'${peer.name}' did not answer '${deviceId}'`))
      return undefined
    }
  }
}

function problem(thrown: unknown, what: string): EarshotError {
  const code = thrown instanceof EarshotError ? thrown.code : 'lost'
  return new EarshotError(code, `${what}: ${asError(thrown).message}`, { cause: thrown })
}
