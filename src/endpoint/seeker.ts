/**
 * Looks after everybody who could be a peer and is not connected: dials peers that were sighted and addresses that are
 * known, and tries again with patience. Whoever was connected and is sighted again is dialled again.
 */

import type { Sighting } from '../discovery/discovery.ts'
import { EarshotError } from '../errors.ts'
import { MAX_PARALLEL_DIALS, MAX_SIGHTINGS } from '../limits.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { RetrySchedule } from './retry-schedule.ts'

/**
 * Of two peers who see each other the newcomer dials at once, and the one with the smaller id. The other waits this
 * long: mostly the connection is there by then.
 */
const COURTESY_MS = 100
/** What is seen of a peer may change as often as somebody likes, but leads to one dial in this time at most. */
const SHORTEST_REDIAL_MS = 1_000
/** Who joined this recently is the newcomer. */
const NEWCOMER_MS = 500

export interface SeekerRoom {
  readonly selfId: string
  isConnected(id: string): boolean
  /** Whether the room would let this peer in at all. */
  mayJoin(id: string): boolean
  dialSighting(sighting: SightedPeer): Promise<unknown>
  /** Resolves with the id of the peer who was there. */
  dialAddress(address: string): Promise<string>
}

export interface SightedPeer extends Sighting {
  /** By which ways it was seen. */
  readonly via: string
}

/** One who could be dialled: a sighted peer or a known address. */
interface Prospect {
  readonly dial: () => Promise<unknown>
  readonly isWanted: () => boolean
  readonly schedule: RetrySchedule
  timer: Timer | undefined
  isDialling: boolean
  dialledAt: number
}

export class Seeker {
  readonly #clock: Clock
  readonly #random: Random
  readonly #room: SeekerRoom
  readonly #startedAt: number
  readonly #sightings = new Map<string, SightedPeer>()
  readonly #prospects = new Map<string, Prospect>()
  readonly #waiting: Prospect[] = []
  #dialling = 0
  #isClosed = false

  constructor(clock: Clock, random: Random, room: SeekerRoom) {
    this.#clock = clock
    this.#random = random
    this.#room = room
    this.#startedAt = clock.now()
  }

  get sightings(): Iterable<SightedPeer> {
    return this.#sightings.values()
  }

  sighting(id: string): SightedPeer | undefined {
    return this.#sightings.get(id)
  }

  /** True where the peer was not known before. */
  onSighting(sighting: SightedPeer): boolean {
    if (sighting.id === this.#room.selfId || this.#isClosed) return false
    const known = this.#sightings.get(sighting.id)
    if (!known && this.#sightings.size >= MAX_SIGHTINGS) return false
    this.#sightings.set(sighting.id, sighting)
    const prospect = this.#prospectFor(sighting.id)
    // What changed may be just what kept us from connecting.
    prospect.schedule.reset()
    const sinceMs = this.#clock.now() - prospect.dialledAt
    this.#schedule(prospect, Math.max(this.#courtesyMs(sighting.id), SHORTEST_REDIAL_MS - sinceMs))
    return known === undefined
  }

  /** True where the peer was known. */
  onLost(id: string): boolean {
    const prospect = this.#prospects.get(id)
    prospect?.timer?.cancel()
    this.#prospects.delete(id)
    return this.#sightings.delete(id)
  }

  /** An address to be tried for as long as the room lives. */
  addAddress(address: string): void {
    let peerId: string | undefined
    const prospect: Prospect = {
      dial: async () => {
        peerId = await this.#room.dialAddress(address)
      },
      isWanted: () => peerId === undefined || !this.#room.isConnected(peerId),
      schedule: new RetrySchedule(this.#random),
      timer: undefined,
      isDialling: false,
      dialledAt: Number.NEGATIVE_INFINITY,
    }
    this.#prospects.set(address, prospect)
    this.#schedule(prospect, 0)
  }

  /**
   * A peer is gone. Where the path broke it is dialled again at once; where it was kicked, after `pauseMs`; where it
   * left by its own will, when it is sighted anew (`Infinity`). Known addresses are tried again in any case.
   */
  onPeerGone(id: string, pauseMs: number): void {
    for (const [key, prospect] of this.#prospects) {
      if (key === id) this.#schedule(prospect, pauseMs)
      else if (!this.#sightings.has(key)) this.#schedule(prospect, prospect.schedule.nextMs())
    }
  }

  /** The rules changed (unlock, a place became free): everybody who is waiting is tried again. */
  retryAll(): void {
    for (const prospect of this.#prospects.values()) this.#schedule(prospect, 0)
  }

  close(): void {
    this.#isClosed = true
    for (const { timer } of this.#prospects.values()) timer?.cancel()
    this.#prospects.clear()
    this.#waiting.length = 0
  }

  #prospectFor(id: string): Prospect {
    let prospect = this.#prospects.get(id)
    if (!prospect) {
      prospect = {
        dial: () => this.#room.dialSighting(this.#sightings.get(id)!),
        isWanted: () => this.#sightings.has(id) && !this.#room.isConnected(id) && this.#room.mayJoin(id),
        schedule: new RetrySchedule(this.#random),
        timer: undefined,
        isDialling: false,
        dialledAt: Number.NEGATIVE_INFINITY,
      }
      this.#prospects.set(id, prospect)
    }
    return prospect
  }

  #courtesyMs(id: string): number {
    const isNewcomer = this.#clock.now() - this.#startedAt < NEWCOMER_MS
    return isNewcomer || this.#room.selfId < id ? 0 : COURTESY_MS
  }

  #schedule(prospect: Prospect, delayMs: number): void {
    prospect.timer?.cancel()
    prospect.timer = undefined
    if (this.#isClosed || prospect.isDialling || !prospect.isWanted() || delayMs === Number.POSITIVE_INFINITY) return
    if (delayMs <= 0) this.#start(prospect)
    else prospect.timer = this.#clock.setTimer(delayMs, () => this.#start(prospect))
  }

  #start(prospect: Prospect): void {
    prospect.timer = undefined
    if (this.#isClosed || prospect.isDialling || !prospect.isWanted()) return
    if (this.#dialling >= MAX_PARALLEL_DIALS) {
      if (!this.#waiting.includes(prospect)) this.#waiting.push(prospect)
      return
    }
    this.#dialling++
    prospect.isDialling = true
    prospect.dialledAt = this.#clock.now()
    prospect
      .dial()
      .then(() => prospect.schedule.reset())
      .then(
        () => undefined,
        error => this.#pauseAfter(prospect, error),
      )
      .then(pauseMs => {
        this.#dialling--
        prospect.isDialling = false
        if (pauseMs !== undefined) this.#schedule(prospect, pauseMs)
        const next = this.#waiting.shift()
        if (next) this.#start(next)
      })
  }

  /** A refusal says itself when to come back. */
  #pauseAfter({ schedule }: Prospect, error: unknown): number {
    const backOffMs = schedule.nextMs()
    return error instanceof EarshotError ? Math.max(backOffMs, error.retryAfterMs ?? 0) : backOffMs
  }
}
