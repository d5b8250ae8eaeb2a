/** The peers that we and others have in common, as a rendezvous: they carry letters, and a relay tells everybody. */

import { EarshotError } from '../../errors.ts'
import { MAX_CARRIERS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { RendezvousHealth } from '../../rendezvous/rendezvous.ts'
import type { RendezvousPool } from '../../rendezvous/rendezvous-pool.ts'
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

type OnLetter = (packet: Uint8Array) => void

export class CommonPeers implements Pick<RendezvousPool, 'publish' | 'subscribe' | 'watchHealth' | 'isUp'> {
  readonly #clock: Clock
  readonly #topics: LetterTopics
  readonly #room: CommonPeersRoom
  /** Peers that relay. */
  readonly #volunteers = new Set<string>()
  readonly #subscribers = new Map<string, Set<OnLetter>>()
  readonly #watchers = new Set<(health: RendezvousHealth) => void>()

  constructor(clock: Clock, topics: LetterTopics, room: CommonPeersRoom) {
    this.#clock = clock
    this.#topics = topics
    this.#room = room
  }

  get isUp(): boolean {
    return this.#room.peerIds().length > 0
  }

  /** Those of our peers that relay. */
  get volunteers(): readonly string[] {
    return this.#room.peerIds().filter(id => this.#volunteers.has(id))
  }

  onVolunteer(id: string): void {
    this.#volunteers.add(id)
    const health: RendezvousHealth = { url: id, state: 'up', since: this.#clock.wallTime(), lastError: undefined }
    for (const watcher of [...this.#watchers]) watcher(health)
  }

  onPeerGone(id: string): void {
    this.#volunteers.delete(id)
  }

  /** A peer handed us a letter. */
  onLetter({ topic, packet }: Letter): void {
    for (const subscriber of this.#subscribers.get(topic) ?? []) subscriber(new Uint8Array(packet))
  }

  async publish(topic: string, packet: Uint8Array): Promise<void> {
    const letter = { topic, packet }
    const ids = this.#room.peerIds()
    const volunteers = this.volunteers
    const isForAll = this.#topics.isGroup(topic)
    const receiver = isForAll ? undefined : this.#topics.ownerOf(topic, ids)
    const others = isForAll ? [] : ids.filter(id => !volunteers.includes(id))
    const carriers = [...volunteers, ...others].filter(id => id !== receiver).slice(0, MAX_CARRIERS)
    const ways = carriers.map(id => this.#room.askToCarry(id, letter))
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
}
