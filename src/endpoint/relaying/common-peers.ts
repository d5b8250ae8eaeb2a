/** The peers that we and others have in common, as a rendezvous: they carry letters, and a relay tells everybody. */

import { EarshotError } from '../../errors.ts'
import { MAX_CARRIERS, MAX_PEERS, MAX_REMEMBERED_CARRIERS, MAX_RENDEZVOUS_PACKETS_PER_SECOND } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { RendezvousHealth } from '../../rendezvous/rendezvous.ts'
import type { RendezvousPool } from '../../rendezvous/rendezvous-pool.ts'
import { TokenBuckets } from '../../rendezvous/token-bucket.ts'
import type { LetterTopics } from './letter-topics.ts'
import type { Letter } from './words.ts'

export interface CommonPeersRoom {
  /** Those who are here. */
  peerIds(): readonly string[]
  /** Asks a peer to carry a letter. */
  askToCarry(id: string, letter: Letter): Promise<unknown>
  /** Hands a letter to the peer that it concerns. */
  hand(id: string, letter: Letter): Promise<unknown>
}

/** How letters on a topic find somebody who carries them. */
interface Search {
  /** Who has carried the last one. */
  carrier: string | undefined
  /** Whose turn it is of the others. */
  next: number
}

type OnLetter = (packet: Uint8Array) => void

export class CommonPeers implements Pick<RendezvousPool, 'publish' | 'subscribe' | 'watchHealth' | 'isUp'> {
  readonly #clock: Clock
  readonly #topics: LetterTopics
  readonly #room: CommonPeersRoom
  /** Peers that relay. */
  readonly #volunteers = new Set<string>()
  /** By topic, the one used last at the end. */
  readonly #searches = new Map<string, Search>()
  /** How many letters each of our peers hands to us. */
  readonly #carriers: TokenBuckets
  readonly #subscribers = new Map<string, Set<OnLetter>>()
  readonly #watchers = new Set<(health: RendezvousHealth) => void>()

  #onDoubt: ((id: string) => void) | undefined

  constructor(clock: Clock, topics: LetterTopics, room: CommonPeersRoom) {
    this.#clock = clock
    this.#topics = topics
    this.#room = room
    const perSecond = MAX_RENDEZVOUS_PACKETS_PER_SECOND
    this.#carriers = new TokenBuckets({ clock, perSecond, burst: 2 * perSecond, maxKeys: MAX_PEERS })
  }

  get isUp(): boolean {
    return this.#room.peerIds().length > 0
  }

  /** Those of our peers that relay. */
  get volunteers(): readonly string[] {
    return this.#room.peerIds().filter(id => this.#volunteers.has(id))
  }

  onVolunteer(id: string): void {
    if (this.#volunteers.has(id)) return
    this.#volunteers.add(id)
    const health: RendezvousHealth = { url: id, state: 'up', since: this.#clock.wallTime(), lastError: undefined }
    for (const watcher of [...this.#watchers]) watcher(health)
  }

  onPeerGone(id: string): void {
    this.#volunteers.delete(id)
  }

  /** Calls `onDoubt` for a peer who is gone, says one that relays. */
  watchDoubts(onDoubt: (id: string) => void): void {
    this.#onDoubt = onDoubt
  }

  onGone(id: string, byId: string): void {
    if (this.#volunteers.has(byId)) this.#onDoubt?.(id)
  }

  /** A peer handed us a letter. Throws `limit-reached` where these are too many: opening one costs a key agreement. */
  onLetter({ topic, packet }: Letter, carrierId: string): void {
    if (!this.#carriers.of(carrierId).take()) throw new EarshotError('limit-reached', 'more letters come than are read')
    for (const subscriber of this.#subscribers.get(topic) ?? []) subscriber(new Uint8Array(packet))
  }

  async publish(topic: string, packet: Uint8Array): Promise<void> {
    const letter = { topic, packet }
    const ids = this.#room.peerIds()
    const isForAll = this.#topics.isGroup(topic)
    const receiver = isForAll ? undefined : this.#topics.ownerOf(topic, ids)
    const volunteers = this.volunteers.filter(id => id !== receiver)
    const others = isForAll ? [] : ids.filter(id => id !== receiver && !volunteers.includes(id))
    const search = this.#search(topic)
    const carriers = nextOf([...volunteers, ...others], search)
    const ways: Promise<unknown>[] = carriers.map(id => this.#askToCarry(id, letter, search))
    // Its connection may be broken without our knowing: the others are asked as well.
    if (receiver !== undefined) ways.unshift(this.#room.hand(receiver, letter))
    try {
      await Promise.any(ways)
    } catch (error) {
      throw new EarshotError('unreachable', 'no common peer has carried the message', { cause: error })
    }
  }

  subscribe(topic: string, onMessage: OnLetter): () => void {
    const own: OnLetter = packet => onMessage(packet)
    const subscribers = this.#subscribers.get(topic) ?? new Set()
    this.#subscribers.set(topic, subscribers.add(own))
    return () => {
      if (subscribers.delete(own) && subscribers.size === 0) this.#subscribers.delete(topic)
    }
  }

  watchHealth(onChange: (health: RendezvousHealth) => void): () => void {
    const own = (health: RendezvousHealth): void => onChange(health)
    this.#watchers.add(own)
    return () => void this.#watchers.delete(own)
  }

  /** Who has found the receiver is asked again; otherwise, from letter to letter, everybody gets a turn. */
  async #askToCarry(id: string, letter: Letter, search: Search): Promise<void> {
    try {
      await this.#room.askToCarry(id, letter)
      // What is for everybody each of them tells to others.
      if (!this.#topics.isGroup(letter.topic)) search.carrier = id
    } catch (error) {
      if (search.carrier === id) search.carrier = undefined
      throw error
    }
  }

  #search(topic: string): Search {
    const search = this.#searches.get(topic) ?? { carrier: undefined, next: 0 }
    this.#searches.delete(topic)
    this.#searches.set(topic, search)
    if (this.#searches.size > MAX_REMEMBERED_CARRIERS) {
      const [oldest] = this.#searches.keys()
      this.#searches.delete(oldest!)
    }
    return search
  }
}

function nextOf(ids: readonly string[], search: Search): string[] {
  const known = ids.filter(id => id === search.carrier)
  const inTurn = [...ids.slice(search.next), ...ids.slice(0, search.next)]
  const next = inTurn.filter(id => id !== search.carrier).slice(0, MAX_CARRIERS - known.length)
  search.next = ids.length === 0 ? 0 : (search.next + next.length) % ids.length
  return [...known, ...next]
}
