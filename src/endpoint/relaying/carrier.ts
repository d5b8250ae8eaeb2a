/**
 * Carries letters between two peers of ours: every room does so for single peers, since it costs next to nothing, and who
 * volunteers as a relay for all of them. What is in a letter it cannot read.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_LETTERS_PER_SECOND, MAX_PEERS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { TokenBuckets } from '../../rendezvous/token-bucket.ts'
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
  /** Who wants to be told of others; undefined where we do not volunteer. */
  readonly #audience: ReadonlySet<string> | undefined

  constructor(clock: Clock, topics: LetterTopics, audience: ReadonlySet<string> | undefined, room: CarrierRoom) {
    this.#room = room
    this.#topics = topics
    this.#audience = audience
    const perSecond = MAX_LETTERS_PER_SECOND
    this.#senders = new TokenBuckets({ clock, perSecond, burst: 4 * perSecond, maxKeys: MAX_PEERS })
  }

  /** The answer to `CARRY`. */
  async carry(question: unknown, fromId: string): Promise<void> {
    const letter = readLetter(question)
    if (!this.#senders.of(fromId).take()) throw new EarshotError('limit-reached', 'too many letters at once')
    if (this.#topics.isGroup(letter.topic)) this.#tellAll(letter, fromId)
    else await this.#carryToOne(letter, fromId)
  }

  async #carryToOne(letter: Letter, fromId: string): Promise<void> {
    const id = this.#topics.ownerOf(letter.topic, this.#room.peerIds())
    if (id === undefined || id === fromId) throw new EarshotError('unknown-peer', 'no peer of ours is meant')
    await this.#room.hand(id, letter)
  }

  #tellAll(letter: Letter, fromId: string): void {
    if (!this.#audience) throw new EarshotError('refused', 'only a relay tells everybody')
    for (const id of this.#room.peerIds()) {
      if (id === fromId || !this.#audience.has(id)) continue
      // Who is on the way out does not hear it.
      this.#room.hand(id, letter).catch(ignore)
    }
  }
}

function ignore(): void {}
