/**
 * Who was heard, from which addresses, and until when that is believed. One peer has an entry for each address that it
 * was heard from, since it can be dialled at all of them.
 */

import { MAX_BEACON_ENTRIES, MAX_BEACON_ENTRIES_PER_PEER, MAX_BEACON_ENTRIES_PER_SOURCE } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { SocketAddress } from '../../platform/network.ts'
import type { DiscoveryHandlers, Sighting } from '../discovery.ts'
import { Farewells } from '../farewells.ts'
import { isSameSighting, SightingsById } from '../sightings-by-id.ts'
import type { BeaconLink } from './beacon-link.ts'
import type { Bye, Here } from './beacon-packet.ts'

/** Three announcements, each a second late at most, and some time on the way. */
const BELIEVED_MS = 95_000

/** Who is asked whether it is still there has so long to say so. */
const PROOF_MS = 3_000

export interface HeardPeer {
  readonly here: Here
  /** Where it sends from, and hears. */
  readonly from: SocketAddress
  readonly link: BeaconLink
  readonly until: number
}

export interface HeardPeersOptions {
  readonly clock: Clock
  readonly handlers: Pick<DiscoveryHandlers, 'onSighting' | 'onLost'>
  /** Somebody was not taken into the table. */
  onFull(): void
}

export class HeardPeers {
  readonly #options: HeardPeersOptions
  /** By id, service and address. */
  readonly #entries = new Map<string, HeardPeer>()
  readonly #entriesBySource = new Map<string, number>()
  readonly #sightings = new SightingsById()
  readonly #told = new Map<string, Sighting>()
  readonly #farewells = new Farewells()
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #isClosed = false

  constructor(options: HeardPeersOptions) {
    this.#options = options
  }

  /** Returns who has to be asked: one who has just said goodbye, so that this may have been sent before. */
  onHere(here: Here, from: SocketAddress, link: BeaconLink): HeardPeer | undefined {
    const label = labelOf(here, from)
    const known = this.#entries.get(label)
    if (known === undefined && !this.#hasRoomFor(here, from)) return undefined
    if (known === undefined) this.#count(from, 1)
    const now = this.#options.clock.now()
    const isDoubted = this.#farewells.has(farewellKey(here, from), now)
    const until = isDoubted ? Math.max(known?.until ?? 0, now + PROOF_MS) : now + BELIEVED_MS
    const entry = { here, from, link, until }
    this.#entries.set(label, entry)
    this.#schedule(until)
    if (known === undefined || !isSameAdvert(known.here, here)) this.#learn(label, entry)
    return isDoubted && known === undefined ? entry : undefined
  }

  #learn(label: string, { here, from }: HeardPeer): void {
    const { service, id, name, info, port } = here
    this.#sightings.set(label, { service, id, name, info, addresses: [{ address: from.address, port }], via: 'beacon' })
    this.#tell(id)
  }

  /** Forgets where the very sender said `here`. Returns where else the peer was heard: it may be there still. */
  onBye(bye: Bye, from: SocketAddress): HeardPeer[] {
    this.#farewells.add(farewellKey(bye, from), this.#options.clock.now())
    const known = this.#sightings.labelsOf(bye.id).map(label => this.#entries.get(label)!)
    const meant = known.filter(({ here }) => here.service === bye.service && here.port === bye.port)
    const isSender = (entry: HeardPeer) => entry.from.address === from.address && entry.from.port === from.port
    for (const entry of meant.filter(isSender)) this.#forget(entry)
    return meant.filter(entry => !isSender(entry))
  }

  /** Unless they are heard again within 3 s, these are gone. Returns those of whom that was not so already. */
  doubt(suspects: Iterable<HeardPeer>): HeardPeer[] {
    const until = this.#options.clock.now() + PROOF_MS
    const doubted = [...suspects].filter(suspect => suspect.until > until)
    for (const suspect of doubted) this.#entries.set(labelOf(suspect.here, suspect.from), { ...suspect, until })
    if (doubted.length > 0) this.#schedule(until)
    return doubted
  }

  /** Everybody, once for each address. */
  entries(): Iterable<HeardPeer> {
    return this.#entries.values()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #hasRoomFor({ id }: Here, { address }: SocketAddress): boolean {
    // More addresses of one peer, or peers of one address, than there are in life: not worth a warning.
    if (this.#sightings.labelsOf(id).length >= MAX_BEACON_ENTRIES_PER_PEER) return false
    if ((this.#entriesBySource.get(address) ?? 0) >= MAX_BEACON_ENTRIES_PER_SOURCE) return false
    const hasRoom = this.#entries.size < MAX_BEACON_ENTRIES
    if (!hasRoom) this.#options.onFull()
    return hasRoom
  }

  #count({ address }: SocketAddress, change: 1 | -1): void {
    const count = (this.#entriesBySource.get(address) ?? 0) + change
    if (count === 0) this.#entriesBySource.delete(address)
    else this.#entriesBySource.set(address, count)
  }

  /**
   * An address less is no news for as long as there are others: mostly the peer is leaving, and who is told of it would
   * dial it.
   */
  #forget({ here, from }: HeardPeer): void {
    const label = labelOf(here, from)
    this.#entries.delete(label)
    this.#count(from, -1)
    const lostId = this.#sightings.delete(label)
    if (lostId === undefined) return
    this.#told.delete(lostId)
    this.#options.handlers.onLost(lostId)
  }

  /** What several addresses say of one change is told once. */
  #tell(id: string): void {
    const merged = this.#sightings.merged(id)!
    const sighting = { ...merged, addresses: [...merged.addresses].sort((a, b) => preference(a) - preference(b)) }
    const told = this.#told.get(id)
    if (told !== undefined && isSameSighting(told, sighting)) return
    this.#told.set(id, sighting)
    this.#options.handlers.onSighting(sighting)
  }

  #schedule(at: number): void {
    if (at >= this.#timerAt || this.#isClosed) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = this.#options.clock.setTimer(at - this.#options.clock.now(), () => this.#expire())
  }

  #expire(): void {
    const now = this.#options.clock.now()
    this.#timerAt = Number.POSITIVE_INFINITY
    let nextAt = Number.POSITIVE_INFINITY
    for (const entry of this.#entries.values()) {
      if (entry.until <= now) this.#forget(entry)
      else nextAt = Math.min(nextAt, entry.until)
    }
    this.#schedule(nextAt)
  }
}

function labelOf({ id, service }: Here, { address }: SocketAddress): string {
  return `${id} ${service} ${address}`
}

/** Whoever comes back as a new program has another port. */
function farewellKey({ id, service, port }: Here | Bye, { address }: SocketAddress): string {
  return `${id} ${service} ${port} ${address}`
}

function isSameAdvert(a: Here, b: Here): boolean {
  return a.port === b.port && a.name === b.name && a.info === b.info
}

/** IPv4 first, as it fails faster where it is blocked. */
function preference({ address }: SocketAddress): number {
  return address.includes(':') ? 1 : 0
}
