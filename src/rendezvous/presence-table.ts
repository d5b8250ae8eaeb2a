/** Who is there, as announced, and until when that is believed. */

import type { DiscoveryHandlers, Sighting } from '../discovery/discovery.ts'
import { MAX_GROUP_MEMBERS, MAX_REMEMBERED_GOODBYES, PRESENCE_TIMEOUT_MS } from '../limits.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Announcement } from './presence-body.ts'

/** A peer seen over brokers or common peers. It has no addresses: candidates are exchanged by messages. */
export interface PresentPeer extends Sighting {
  readonly via: PresenceWay
  /** 16 characters of hexadecimal; a peer that was started again has others. */
  readonly instance: string
}

/** 'peer': others whom we both are connected to have told. */
export type PresenceWay = 'rendezvous' | 'peer'

export interface PresenceTableOptions {
  readonly clock: Clock
  readonly service: string
  readonly via: PresenceWay
  readonly handlers: Pick<DiscoveryHandlers, 'onLost'> & { onSighting(peer: PresentPeer): void }
  /** No broker is up: silence means nothing. */
  isDeaf(): boolean
  /** Somebody was not taken into the table. */
  onFull(): void
}

interface Entry {
  readonly peer: PresentPeer
  /** Of the newest announcement, by the peer's clock. */
  readonly time: number
  readonly until: number
}

/** Whoever is there says so within this time after everybody was asked, and after having been asked alone. */
const PROOF_MS = 60_000
const SINGLE_PROOF_MS = 10_000

export class PresenceTable {
  readonly #options: PresenceTableOptions
  readonly #entries = new Map<string, Entry>()
  /** When those who left said so, by their clocks: announcements may be overtaken by it. */
  readonly #leftAt = new Map<string, number>()
  #timer: Timer | undefined

  constructor(options: PresenceTableOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  get peers(): readonly PresentPeer[] {
    return [...this.#entries.values()].map(({ peer }) => peer)
  }

  onAnnounce(id: string, time: number, { name, info, instance }: Announcement): void {
    const known = this.#entries.get(id)
    if (time <= Math.max(known?.time ?? 0, this.#leftAt.get(id) ?? 0)) return
    if (known === undefined && this.#entries.size >= MAX_GROUP_MEMBERS) {
      this.#options.onFull()
      return
    }
    const { service, clock, via, handlers } = this.#options
    const hex = Buffer.from(instance).toString('hex')
    const peer: PresentPeer = { service, id, name, info, addresses: [], via, instance: hex }
    this.#entries.set(id, { peer, time, until: clock.now() + PRESENCE_TIMEOUT_MS })
    this.#schedule()
    if (known === undefined || !isSame(known.peer, peer)) handlers.onSighting(peer)
  }

  onLeave(id: string, time: number, instance: Uint8Array): void {
    this.#leftAt.delete(id)
    this.#leftAt.set(id, time)
    const [oldest] = this.#leftAt.keys()
    if (this.#leftAt.size > MAX_REMEMBERED_GOODBYES) this.#leftAt.delete(oldest!)
    const known = this.#entries.get(id)
    if (known && time > known.time && known.peer.instance === Buffer.from(instance).toString('hex')) this.forget(id)
  }

  /** Everybody has been asked after a time of silence: who does not answer is gone. */
  onAsked(): void {
    const provenBy = this.#options.clock.now() + PROOF_MS
    for (const [id, entry] of this.#entries)
      if (entry.until < provenBy) this.#entries.set(id, { ...entry, until: provenBy })
    this.#schedule()
  }

  /** This one has been asked, and is gone if it does not answer. */
  onAskedAlone(id: string): void {
    const entry = this.#entries.get(id)
    if (!entry) return
    const until = Math.min(entry.until, this.#options.clock.now() + SINGLE_PROOF_MS)
    this.#entries.set(id, { ...entry, until })
    this.#timer?.cancel()
    this.#timer = undefined
    this.#schedule()
  }

  has(id: string): boolean {
    return this.#entries.has(id)
  }

  /** Tells that it is lost, where it was there. */
  forget(id: string): void {
    if (this.#entries.delete(id)) this.#options.handlers.onLost(id)
  }

  close(): void {
    this.#timer?.cancel()
    this.#entries.clear()
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#entries.size === 0) return
    let nextAt = Number.POSITIVE_INFINITY
    for (const { until } of this.#entries.values()) nextAt = Math.min(nextAt, until)
    const { clock } = this.#options
    this.#timer = clock.setTimer(Math.max(0, nextAt - clock.now()), () => this.#expire())
  }

  #expire(): void {
    this.#timer = undefined
    if (this.#options.isDeaf()) return // `onAsked` goes on when a broker is up.
    const now = this.#options.clock.now()
    for (const [id, { until }] of [...this.#entries]) if (until <= now) this.forget(id)
    this.#schedule()
  }
}

function isSame(a: PresentPeer, b: PresentPeer): boolean {
  return a.name === b.name && a.info === b.info && a.instance === b.instance
}
