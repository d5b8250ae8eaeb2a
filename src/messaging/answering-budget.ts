/**
 * What the functions hold that answer questions in one room: a function has its question until it ends, and it may go
 * on when the asker has given up, is gone, or has come back under another id. Nothing can end it from outside, so this
 * is counted until it has ended by itself.
 */

import {
  MAX_ANSWERING_BYTES,
  MAX_ANSWERING_BYTES_PER_HOST,
  MAX_OPEN_QUESTION_BYTES,
  MAX_OPEN_QUESTIONS,
} from '../limits.ts'
import { hostOf } from '../platform/ip-address.ts'

/** What a question costs in the room besides its bytes: objects and promises of its function. */
const QUESTION_OVERHEAD_BYTES = 1_024

export class AnsweringBudget {
  readonly #questionsByPeer = new Tally()
  readonly #bytesByPeer = new Tally()
  readonly #costByHost = new Tally()
  #cost = 0

  /** The part of one peer, which is connected from `address`. */
  share(peerId: string, address: string): AnsweringShare {
    return new AnsweringShare(this, peerId, hostOf(address))
  }

  /** @internal */
  hasRoom({ peerId, host }: AnsweringShare, bytes: number): boolean {
    const cost = bytes + QUESTION_OVERHEAD_BYTES
    return (
      this.#questionsByPeer.of(peerId) < MAX_OPEN_QUESTIONS &&
      this.#bytesByPeer.of(peerId) + bytes <= MAX_OPEN_QUESTION_BYTES &&
      this.#costByHost.of(host) + cost <= MAX_ANSWERING_BYTES_PER_HOST &&
      this.#cost + cost <= MAX_ANSWERING_BYTES
    )
  }

  /** @internal One function more or less. */
  count({ peerId, host }: AnsweringShare, by: 1 | -1, bytes: number): void {
    const cost = by * (bytes + QUESTION_OVERHEAD_BYTES)
    this.#questionsByPeer.add(peerId, by)
    this.#bytesByPeer.add(peerId, by * bytes)
    this.#costByHost.add(host, cost)
    this.#cost += cost
  }
}

export class AnsweringShare {
  readonly peerId: string
  readonly host: string
  readonly #budget: AnsweringBudget

  constructor(budget: AnsweringBudget, peerId: string, host: string) {
    this.#budget = budget
    this.peerId = peerId
    this.host = host
  }

  /** Whether a question of so many bytes may be answered now. */
  hasRoom(bytes: number): boolean {
    return this.#budget.hasRoom(this, bytes)
  }

  /** A function has begun that does not answer at once. */
  begin(bytes: number): void {
    this.#budget.count(this, 1, bytes)
  }

  /** It has ended. */
  end(bytes: number): void {
    this.#budget.count(this, -1, bytes)
  }
}

/** Sums by name; those of nothing are forgotten. */
class Tally {
  readonly #sums = new Map<string, number>()

  of(name: string): number {
    return this.#sums.get(name) ?? 0
  }

  add(name: string, amount: number): void {
    const sum = this.of(name) + amount
    if (sum === 0) this.#sums.delete(name)
    else this.#sums.set(name, sum)
  }
}
