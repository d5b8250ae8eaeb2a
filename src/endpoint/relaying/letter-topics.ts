/**
 * Whom a letter concerns, by its topic: all members of the room can work out each other's topics, and nobody else can in a room
 * with a secret.
 */

import { hkdfSha256 } from '../../crypto/sha256.ts'
import { parsePeerId } from '../../identity/peer-id.ts'
import type { Clock } from '../../platform/clock.ts'
import { ROOM_KEY_BYTES } from '../../rendezvous/room-key.ts'
import { epochsAt, formatTopic, groupTopic, personalTopic } from '../../rendezvous/topic.ts'

const NO_SALT = new Uint8Array(0)

/** @param psk of the secret; undefined in a room without one, where everybody can work it out who knows the service */
export function letterKey(psk: Uint8Array | undefined, service: string): Uint8Array {
  const info = new TextEncoder().encode(`earshot-relaying-v1 key\0${service}`)
  return hkdfSha256(psk ?? new Uint8Array(ROOM_KEY_BYTES), NO_SALT, info, ROOM_KEY_BYTES)
}

export class LetterTopics {
  readonly #clock: Clock
  readonly #key: Uint8Array
  readonly #service: string
  #epochs = ''
  /** Of the present day, or around midnight of two: whose each topic is. */
  readonly #owners = new Map<string, string>()
  readonly #known = new Set<string>()
  #groups: readonly string[] = []

  constructor(clock: Clock, key: Uint8Array, service: string) {
    this.#clock = clock
    this.#key = key
    this.#service = service
  }

  isGroup(topic: string): boolean {
    this.#refresh()
    return this.#groups.includes(topic)
  }

  /** Whose of these ids the topic is. */
  ownerOf(topic: string, ids: Iterable<string>): string | undefined {
    const epochs = this.#refresh()
    const present = new Set(ids)
    for (const id of present) if (!this.#known.has(id)) this.#learn(id, epochs)
    const owner = this.#owners.get(topic)
    return owner !== undefined && present.has(owner) ? owner : undefined
  }

  /** The topics of a peer that is gone are worth nothing. */
  forget(id: string): void {
    if (!this.#known.delete(id)) return
    for (const [topic, owner] of this.#owners) if (owner === id) this.#owners.delete(topic)
  }

  #learn(id: string, epochs: readonly number[]): void {
    this.#known.add(id)
    for (const epoch of epochs) {
      const options = { roomKey: this.#key, service: this.#service, epoch }
      this.#owners.set(formatTopic(personalTopic(options, parsePeerId(id)!)), id)
    }
  }

  #refresh(): readonly number[] {
    const epochs = epochsAt(this.#clock.wallTime())
    if (this.#epochs === epochs.join()) return epochs
    this.#epochs = epochs.join()
    this.#owners.clear()
    this.#known.clear()
    const service = this.#service
    this.#groups = epochs.map(epoch => formatTopic(groupTopic({ roomKey: this.#key, service, epoch })))
    return epochs
  }
}
