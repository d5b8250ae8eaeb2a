/**
 * Looks after everybody who could be a peer and is not here: dials peers that were sighted, addresses that are known,
 * and peers whose connection broke, and tries again with patience. Whoever was connected and is sighted again is dialled
 * again.
 */

import type { Sighting } from '../../discovery/discovery.ts'
import { EarshotError } from '../../errors.ts'
import { MAX_PARALLEL_DIALS, MAX_SIGHTINGS } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import { RetrySchedule } from '../../platform/retry-schedule.ts'

/**
 * Of two peers who see each other the one with the smaller id dials at once. The other waits this long: mostly the
 * connection is there by then.
 */
const COURTESY_MS = 100
/** Ways that see peers beyond the local networks. */
const FAR_WAYS: readonly string[] = ['rendezvous', 'peer']
/** What is seen of a peer may change as often as somebody likes, but leads to one dial in this time at most. */
const SHORTEST_REDIAL_MS = 1_000
/** A peer whose connection broke is dialled again sooner. */
const SHORTEST_RECONNECT_MS = 250
/**
 * Who refuses at a known address need not be who lives there tomorrow: whatever it said, the address is tried again
 * after an hour.
 */
const LONGEST_PAUSE_AT_ADDRESS_MS = 3_600_000
/** Whose connection broke is not kept waiting for longer than this: there is a session to go on with. */
const LONGEST_PAUSE_AWAY_MS = 5_000
/** A dial that is still under way after this long waits for a person, and others need not wait for that. */
const DIAL_SLOT_MS = 6_000

export interface SeekerRoom {
  readonly selfId: string
  isVisible(): boolean
  /** `here` needs no dial, and who is `quiet` or `away` does. */
  presence(id: string): 'here' | 'quiet' | 'away' | undefined
  /** Whether the room would let this peer in at all; undefined for one it does not know. */
  mayJoin(id: string | undefined): boolean
  /** `sighting` is what is seen of the peer at present, where it is seen. Resolves with its id. */
  dialPeer(id: string, sighting: Sighting | undefined): Promise<string>
  /** Resolves with the id of the peer who was there. */
  dialAddress(address: string): Promise<string>
  /** The dial of `key`, a peer or an address, failed; `id` is whose it is, where that is known. */
  onDialFailed(key: string, id: string | undefined, error: unknown): void
}

/** One who could be dialled: a sighted peer or a known address. */
interface Prospect {
  /** The peer's id, or the address. */
  readonly key: string
  /** Resolves with the id of the peer who was there. */
  readonly dial: () => Promise<string>
  readonly schedule: RetrySchedule
  /** Who it is; undefined for an address where nobody has been met yet. */
  id: string | undefined
  timer: Timer | undefined
  isDialling: boolean
  dialledAt: number
}

export class Seeker {
  readonly #clock: Clock
  readonly #random: Random
  readonly #room: SeekerRoom
  readonly #sightings = new Map<string, Sighting>()
  readonly #prospects = new Map<string, Prospect>()
  readonly #waiting: Prospect[] = []
  /** By peers and addresses: who was kicked, or does not want to be dialled before, as it said. */
  readonly #notBefore = new Map<string, number>()
  #dialling = 0
  #isClosed = false

  constructor(clock: Clock, random: Random, room: SeekerRoom) {
    this.#clock = clock
    this.#random = random
    this.#room = room
  }

  get sightings(): Iterable<Sighting> {
    return this.#sightings.values()
  }

  sighting(id: string): Sighting | undefined {
    return this.#sightings.get(id)
  }

  /** True where the peer was not known before. */
  onSighting(sighting: Sighting): boolean {
    if (sighting.id === this.#room.selfId || this.#isClosed) return false
    const known = this.#sightings.get(sighting.id)
    if (!known && this.#sightings.size >= MAX_SIGHTINGS) return false
    this.#sightings.set(sighting.id, sighting)
    const prospect = this.#prospectFor(sighting.id)
    // What changed may be just what kept us from connecting.
    prospect.schedule.reset()
    // Over the Internet two who begin at the same time find each other's paths sooner.
    this.#schedule(prospect, FAR_WAYS.includes(sighting.via) ? 0 : this.#courtesyMs(sighting.id))
    return known === undefined
  }

  /** True where the peer was known. */
  onLost(id: string): boolean {
    const wasKnown = this.#sightings.delete(id)
    if (this.#room.presence(id) === undefined) this.#forget(id)
    return wasKnown
  }

  /** An address to be tried for as long as the room lives. */
  addAddress(address: string): void {
    const prospect = this.#newProspect(address, undefined, () => this.#room.dialAddress(address))
    this.#prospects.set(address, prospect)
    this.#schedule(prospect, 0)
  }

  /** A peer is silent, or its connection broke: it is looked for at every address that is known, with its session kept. */
  onPeerMissed(id: string): void {
    const prospect = this.#prospectFor(id)
    prospect.schedule.reset()
    this.#schedule(prospect, this.#courtesyMs(id))
  }

  /** The network has changed, or the machine has slept: whoever is missed is looked for at once. */
  onNetworkChange(): void {
    for (const prospect of this.#prospects.values()) {
      prospect.schedule.reset()
      this.#schedule(prospect, 0)
    }
  }

  /**
   * A peer is gone. Where the path broke it is dialled again at once; where there is reason to keep away from it, after
   * `pauseMs`; where it left by its own will, when it is sighted anew (`Infinity`), or with patience at an address that
   * is known.
   */
  onPeerGone(id: string, pauseMs: number): void {
    if (pauseMs !== Number.POSITIVE_INFINITY) this.#keepAway(id, pauseMs)
    if (!this.#sightings.has(id)) this.#forget(id)
    for (const [key, prospect] of this.#prospects) {
      if (prospect.id !== id) continue
      this.#schedule(prospect, pauseMs === 0 || key === id ? pauseMs : prospect.schedule.nextMs())
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
      prospect = this.#newProspect(id, id, () => this.#room.dialPeer(id, this.#sightings.get(id)))
      this.#prospects.set(id, prospect)
    }
    return prospect
  }

  /** Nothing is known of this peer any more. */
  #forget(id: string): void {
    this.#prospects.get(id)?.timer?.cancel()
    this.#prospects.delete(id)
  }

  #newProspect(key: string, id: string | undefined, dial: () => Promise<string>): Prospect {
    return {
      key,
      dial,
      id,
      schedule: new RetrySchedule(this.#random),
      timer: undefined,
      isDialling: false,
      dialledAt: Number.NEGATIVE_INFINITY,
    }
  }

  #isWanted(prospect: Prospect): boolean {
    const { key, id } = prospect
    // It may have been lost while it was dialled.
    if (this.#prospects.get(key) !== prospect) return false
    return this.#room.mayJoin(id) && (id === undefined || this.#room.presence(id) !== 'here')
  }

  #courtesyMs(id: string): number {
    // Nobody sees an invisible room: it must dial.
    return this.#room.isVisible() && this.#room.selfId > id ? COURTESY_MS : 0
  }

  #schedule(prospect: Prospect, delayMs: number): void {
    prospect.timer?.cancel()
    prospect.timer = undefined
    if (this.#isClosed || prospect.isDialling || !this.#isWanted(prospect) || delayMs === Number.POSITIVE_INFINITY)
      return
    const now = this.#clock.now()
    const { key, id = key, dialledAt } = prospect
    const notBefore = Math.max(this.#notBefore.get(key) ?? 0, this.#notBefore.get(id) ?? 0)
    const shortestMs = this.#room.presence(id) ? SHORTEST_RECONNECT_MS : SHORTEST_REDIAL_MS
    const dueAt = Math.max(now + delayMs, notBefore, dialledAt + shortestMs)
    if (dueAt <= now) this.#start(prospect)
    else prospect.timer = this.#clock.setTimer(dueAt - now, () => this.#start(prospect))
  }

  #start(prospect: Prospect): void {
    prospect.timer = undefined
    if (this.#isClosed || prospect.isDialling || !this.#isWanted(prospect)) return
    if (this.#dialling < MAX_PARALLEL_DIALS) void this.#dial(prospect)
    else if (!this.#waiting.includes(prospect)) this.#waiting.push(prospect)
  }

  async #dial(prospect: Prospect): Promise<void> {
    const release = this.#takeSlot()
    prospect.isDialling = true
    prospect.dialledAt = this.#clock.now()
    let pauseMs = 0
    try {
      prospect.id = await prospect.dial()
      prospect.schedule.reset()
    } catch (error) {
      pauseMs = prospect.schedule.nextMs()
      if (prospect.id && this.#room.presence(prospect.id)) pauseMs = Math.min(pauseMs, LONGEST_PAUSE_AWAY_MS)
      // A refusal says itself when to come back.
      if (error instanceof EarshotError) this.#keepAway(prospect.key, pauseAsked(prospect, error))
      this.#room.onDialFailed(prospect.key, prospect.id, error)
    }
    prospect.isDialling = false
    this.#schedule(prospect, pauseMs)
    release()
  }

  #keepAway(key: string, pauseMs: number): void {
    if (pauseMs <= 0) return
    this.#notBefore.delete(key)
    this.#notBefore.set(key, this.#clock.now() + pauseMs)
    const [oldest] = this.#notBefore.keys()
    if (this.#notBefore.size > MAX_SIGHTINGS) this.#notBefore.delete(oldest!)
  }

  /** Takes one of the places for dials; the returned function gives it back. */
  #takeSlot(): () => void {
    this.#dialling++
    let isTaken = true
    const release = () => {
      timer.cancel()
      if (isTaken) this.#dialling--
      isTaken = false
      while (this.#dialling < MAX_PARALLEL_DIALS && this.#waiting.length > 0) this.#start(this.#waiting.shift()!)
    }
    const timer = this.#clock.setTimer(DIAL_SLOT_MS, release)
    return release
  }
}

/** How long a refusal asks us to keep away, as far as it counts. */
function pauseAsked({ key, id }: Prospect, { retryAfterMs = 0 }: EarshotError): number {
  return key === id ? retryAfterMs : Math.min(retryAfterMs, LONGEST_PAUSE_AT_ADDRESS_MS)
}
