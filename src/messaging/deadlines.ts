/**
 * Time-outs for very many calls with one timer. Calls that wait equally long end in the order in which they began, so
 * there is a list for each duration; the timer stands for the earliest head of these lists. Adding and removing cost
 * a few assignments and no allocation.
 */

import type { Clock, Timer } from '../platform/clock.ts'

/** Something that ends at a time. The fields belong to `Deadlines`. */
export abstract class Expiring {
  /** @internal */ deadline = 0
  /** @internal */ list: DeadlineList | undefined
  /** @internal */ previous: Expiring | undefined
  /** @internal */ next: Expiring | undefined

  /** The time is up. */
  abstract expire(): void
}

interface DeadlineList {
  first: Expiring | undefined
  last: Expiring | undefined
}

export class Deadlines {
  readonly #clock: Clock
  readonly #lists = new Map<number, DeadlineList>()
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Monotonic time in milliseconds. */
  now(): number {
    return this.#clock.now()
  }

  /** `expiring.expire()` runs `timeoutMs` from now unless `remove` comes first. */
  add(expiring: Expiring, timeoutMs: number): void {
    if (timeoutMs === Number.POSITIVE_INFINITY) return
    let list = this.#lists.get(timeoutMs)
    if (!list) {
      list = { first: undefined, last: undefined }
      this.#lists.set(timeoutMs, list)
    }
    expiring.deadline = this.#clock.now() + timeoutMs
    expiring.list = list
    expiring.previous = list.last
    if (list.last) list.last.next = expiring
    else list.first = expiring
    list.last = expiring
    if (expiring.deadline < this.#timerAt) this.#arm(expiring.deadline)
  }

  /** Idempotent. */
  remove(expiring: Expiring): void {
    const { list, previous, next } = expiring
    if (!list) return
    if (previous) previous.next = next
    else list.first = next
    if (next) next.previous = previous
    else list.last = previous
    expiring.list = undefined
    expiring.previous = undefined
    expiring.next = undefined
  }

  /** Forgets everything; nothing expires any more. */
  close(): void {
    this.#timer?.cancel()
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#lists.clear()
  }

  #arm(at: number): void {
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = this.#clock.setTimer(Math.max(0, at - this.#clock.now()), () => this.#fire())
  }

  #fire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = this.#clock.now()
    let earliest = Number.POSITIVE_INFINITY
    for (const [timeoutMs, list] of this.#lists) {
      for (let due = list.first; due && due.deadline <= now; due = list.first) {
        this.remove(due)
        due.expire()
      }
      if (list.first) earliest = Math.min(earliest, list.first.deadline)
      else this.#lists.delete(timeoutMs)
    }
    if (earliest < this.#timerAt) this.#arm(earliest)
  }
}
