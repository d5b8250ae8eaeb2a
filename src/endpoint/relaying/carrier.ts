/**
 * Carries letters between two peers of ours: every room does so for single peers, since it costs next to nothing, and who
 * volunteers as a relay for all of them. What is in a letter it cannot read.
 */

import { EarshotError } from '../../errors.ts'
import {
  MAX_CARRIED_LETTERS_PER_SECOND,
  MAX_GROUP_LETTERS_PER_SECOND,
  MAX_LETTERS_PER_SECOND,
  MAX_PEERS,
} from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { TokenBucket, TokenBuckets } from '../../rendezvous/token-bucket.ts'
import type { LetterTopics } from './letter-topics.ts'
import { type Letter, readLetter } from './words.ts'

export interface CarrierRoom {
  /** Those who are here. */
  peerIds(): readonly string[]
  /** Hands a letter to a peer. Rejects where that does not take it. */
  hand(id: string, letter: Letter): Promise<unknown>
}

export class Carrier {
  readonly #room: CarrierRoom
  readonly #topics: LetterTopics
  readonly #senders: TokenBuckets
  readonly #toAll: TokenBuckets
  /** Of everybody, in copies: one letter to all is one to each. */
  readonly #copies: TokenBucket
  /** Who wants to be told of others; undefined where we do not volunteer. */
  readonly #audience: ReadonlySet<string> | undefined

  constructor(clock: Clock, topics: LetterTopics, audience: ReadonlySet<string> | undefined, room: CarrierRoom) {
    this.#room = room
    this.#topics = topics
    this.#audience = audience
    const buckets = (perSecond: number) =>
      new TokenBuckets({ clock, perSecond, burst: 4 * perSecond, maxKeys: MAX_PEERS })
    this.#senders = buckets(MAX_LETTERS_PER_SECOND)
    this.#toAll = buckets(MAX_GROUP_LETTERS_PER_SECOND)
    const perSecond = MAX_CARRIED_LETTERS_PER_SECOND
    this.#copies = new TokenBucket({ clock, perSecond, burst: perSecond })
  }

  /** The answer to `CARRY`. */
  async carry(question: unknown, fromId: string): Promise<void> {
    const letter = readLetter(question)
    if (!this.#senders.of(fromId).take()) throw tooMany()
    if (this.#topics.isGroup(letter.topic)) this.#tellAll(letter, fromId)
    else await this.#carryToOne(letter, fromId)
  }

  /** Those to whom we tell of others. */
  takeCopies(): readonly string[] {
    return this.#room.peerIds().filter(id => this.#audience?.has(id) && this.#copies.take())
  }

  async #carryToOne(letter: Letter, fromId: string): Promise<void> {
    const id = this.#topics.ownerOf(letter.topic, this.#room.peerIds())
    if (id === undefined || id === fromId) throw new EarshotError('unknown-peer', 'no peer of ours is meant')
    if (!this.#copies.take()) throw tooMany()
    await this.#room.hand(id, letter)
  }

  #tellAll(letter: Letter, fromId: string): void {
    if (!this.#audience) throw new EarshotError('refused', 'only a relay tells everybody')
    if (!this.#toAll.of(fromId).take()) throw tooMany()
    for (const id of this.#room.peerIds()) {
      if (id === fromId || !this.#audience.has(id)) continue
      if (!this.#copies.take()) throw tooMany()
      // Who is on the way out does not hear it.
      this.#room.hand(id, letter).catch(ignore)
    }
  }
}

function tooMany(): EarshotError {
  return new EarshotError('limit-reached', 'more letters come than are carried')
}

function ignore(): void {}
