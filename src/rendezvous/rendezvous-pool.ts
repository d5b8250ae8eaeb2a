/**
 * Several brokers at once: what is published goes to all that are up, and what several of them deliver arrives once. A
 * broker that floods us uses up its own share and nobody else's.
 */

import { bytesToBase64Url } from '../crypto/base64url.ts'
import { sha256 } from '../crypto/sha256.ts'
import { asError, EarshotError } from '../errors.ts'
import {
  MAX_BROKERS,
  MAX_REMEMBERED_PACKETS,
  MAX_RENDEZVOUS_PACKET_BYTES,
  MAX_RENDEZVOUS_PACKETS_PER_SECOND,
} from '../limits.ts'
import type { Clock } from '../platform/clock.ts'
import { Notices } from './notices.ts'
import type { Rendezvous, RendezvousHealth } from './rendezvous.ts'
import { TokenBucket } from './token-bucket.ts'

export interface RendezvousPoolOptions {
  /** 1 to MAX_BROKERS; the pool closes them with itself. */
  readonly rendezvous: readonly Rendezvous[]
  readonly clock: Clock
  /** A broker delivers more than is looked at, or what is no packet of ours. */
  onWarning(error: EarshotError): void
}

interface Member {
  readonly rendezvous: Rendezvous
  readonly share: TokenBucket
}

export class RendezvousPool {
  readonly #members: readonly Member[]
  readonly #onWarning: (error: EarshotError) => void
  readonly #notices: Notices

  constructor({ rendezvous, clock, onWarning }: RendezvousPoolOptions) {
    if (rendezvous.length < 1 || rendezvous.length > MAX_BROKERS)
      throw new RangeError(`a pool has 1 to ${MAX_BROKERS} brokers, not ${rendezvous.length}`)
    const perSecond = MAX_RENDEZVOUS_PACKETS_PER_SECOND
    this.#members = rendezvous.map(each => ({
      rendezvous: each,
      share: new TokenBucket({ clock, perSecond, burst: 2 * perSecond }),
    }))
    this.#onWarning = onWarning
    this.#notices = new Notices(clock)
  }

  /** Of each broker, in the order in which they were given. */
  get health(): readonly RendezvousHealth[] {
    return this.#members.map(({ rendezvous }) => rendezvous.health)
  }

  /** Whether what is published now can reach anybody. */
  get isUp(): boolean {
    return this.health.some(({ state }) => state === 'up')
  }

  /** Calls `onChange` whenever the health of one of them has changed. The returned function ends it. */
  watchHealth(onChange: (health: RendezvousHealth) => void): () => void {
    return allOf(this.#members.map(({ rendezvous }) => rendezvous.watchHealth(onChange)))
  }

  /** Resolves when the first broker has taken it. Rejects with `unreachable` where none of them does; `cause` has why. */
  async publish(topic: string, bytes: Uint8Array): Promise<void> {
    const attempts = this.#members.map(({ rendezvous }) => rendezvous.publish(topic, bytes))
    try {
      await Promise.any(attempts)
    } catch (error) {
      const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error]
      const wrongArgument = errors.find(each => each instanceof RangeError)
      if (wrongArgument) throw wrongArgument
      throw noneTookIt(errors)
    }
  }

  /** Calls `onMessage` once for each message on `topic`, however many brokers deliver it. The returned function ends it. */
  subscribe(topic: string, onMessage: (bytes: Uint8Array) => void): () => void {
    const seen = new RecentPackets()
    return allOf(
      this.#members.map(member =>
        member.rendezvous.subscribe(topic, bytes => {
          if (this.#isToRead(member, bytes) && seen.add(bytes)) onMessage(bytes)
        }),
      ),
    )
  }

  /** The network has changed. */
  reconnect(): void {
    for (const { rendezvous } of this.#members) rendezvous.reconnect()
  }

  /** Closes all of them. Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.#members.map(({ rendezvous }) => rendezvous.close()))
  }

  #isToRead({ rendezvous: { url }, share }: Member, bytes: Uint8Array): boolean {
    if (!share.take()) {
      this.#warn(`flood ${url}`, 'limit-reached', times => `${url} delivers too much: ${times} packets dropped unread`)
      return false
    }
    if (bytes.length <= MAX_RENDEZVOUS_PACKET_BYTES) return true
    const text = (times: number): string => `${url} delivers what is no packet of ours: ${times} dropped unread`
    this.#warn(`size ${url}`, 'protocol-violation', text)
    return false
  }

  #warn(kind: string, code: 'limit-reached' | 'protocol-violation', text: (times: number) => string): void {
    this.#notices.report(kind, times => this.#onWarning(new EarshotError(code, text(times))))
  }
}

/** Hashes of what came on one topic, the oldest forgotten first. */
class RecentPackets {
  readonly #hashes = new Set<string>()

  /** False for what is there already. */
  add(bytes: Uint8Array): boolean {
    const hash = bytesToBase64Url(sha256(bytes))
    if (this.#hashes.has(hash)) return false
    this.#hashes.add(hash)
    const [oldest] = this.#hashes
    if (this.#hashes.size > MAX_REMEMBERED_PACKETS) this.#hashes.delete(oldest!)
    return true
  }
}

function allOf(disposers: readonly (() => void)[]): () => void {
  return () => {
    for (const dispose of disposers) dispose()
  }
}

function noneTookIt(errors: readonly unknown[]): EarshotError {
  const texts = errors.map(error => asError(error).message)
  const hint = errors.find(error => error instanceof EarshotError && error.hint !== undefined) as
    | EarshotError
    | undefined
  return new EarshotError('unreachable', `no broker took the message: ${texts.join('; ')}`, {
    hint: hint?.hint ?? 'Brokers are tried again by themselves; try again in a moment.',
    cause: new AggregateError(errors),
  })
}
