/**
 * Sessions that this side has ended while the other side may not have heard of it: it was away, or the link had died under
 * the goodbye. Who offers such a session is told then.
 */

import { MAX_PARTED_SESSIONS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Goodbye } from '../../session/frame.ts'
import type { SessionOffer } from '../../session/hello.ts'

interface Parted {
  readonly peer: string
  readonly goodbye: Goodbye
  /** When what the goodbye says of a return counts from. */
  readonly at: number
}

export class PartedSessions {
  readonly #clock: Clock
  /** By the names of the sessions, the oldest first. */
  readonly #byName = new Map<string, Parted>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(peer: string, { id }: SessionOffer, goodbye: Goodbye): void {
    this.#byName.set(nameOf(id), { peer, goodbye, at: this.#clock.now() })
    const [oldest] = this.#byName.keys()
    if (this.#byName.size > MAX_PARTED_SESSIONS) this.#byName.delete(oldest!)
  }

  /** Whether this peer may think that it has a session with us. */
  concerns(peer: string): boolean {
    return [...this.#byName.values()].some(parted => parted.peer === peer)
  }

  /** The peer has begun a new session: it knows. */
  forget(peer: string): void {
    for (const [name, parted] of this.#byName) if (parted.peer === peer) this.#byName.delete(name)
  }

  /** What to say to a peer that offers this session; undefined where that was not ended so. */
  goodbyeFor(peer: string, offer: SessionOffer | undefined): Goodbye | undefined {
    const parted = offer && this.#byName.get(nameOf(offer.id))
    if (!parted || parted.peer !== peer) return undefined
    const { goodbye, at } = parted
    const elapsedMs = Math.floor(this.#clock.now() - at)
    return { ...goodbye, retryAfterMs: Math.max(0, goodbye.retryAfterMs - elapsedMs) }
  }
}

function nameOf(id: Uint8Array): string {
  return String.fromCharCode(...id)
}
