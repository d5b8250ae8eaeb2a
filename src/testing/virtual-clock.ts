/** The clock port of one program on a simulated host. */

import type { Clock, Timer } from '../platform/clock.ts'
import type { EventOwner, ScheduledEvent, VirtualTime } from './virtual-time.ts'

/** 2026-01-01T00:00:00Z: when every simulation begins. */
const EPOCH_MS = 1_767_225_600_000

export class VirtualClock implements Clock {
  readonly #time: VirtualTime
  readonly #owner: EventOwner
  readonly #wallOffsetMs: () => number
  readonly #timers = new Set<ScheduledEvent>()

  /** `wallOffsetMs` says by how much the host's wall clock is wrong. */
  constructor(time: VirtualTime, owner: EventOwner, wallOffsetMs: () => number) {
    this.#time = time
    this.#owner = owner
    this.#wallOffsetMs = wallOffsetMs
  }

  now(): number {
    return this.#time.now
  }

  wallTime(): number {
    return EPOCH_MS + Math.floor(this.#time.now) + this.#wallOffsetMs()
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    if (Number.isNaN(delayMs)) throw new RangeError('delayMs must be a number, not NaN')
    const event = this.#time.schedule(delayMs, this.#owner, () => {
      this.#timers.delete(event)
      fn()
    })
    this.#timers.add(event)
    return { cancel: () => this.#cancel(event) }
  }

  afterTurn(fn: () => void): void {
    this.#time.afterTurn(this.#owner, fn)
  }

  /** The instants at which the timers that are set will fire. */
  get pending(): readonly number[] {
    return [...this.#timers].map(event => event.at)
  }

  /** Timers of a program that has ended must not keep its objects alive. */
  cancelAll(): void {
    for (const event of [...this.#timers]) this.#cancel(event)
  }

  #cancel(event: ScheduledEvent): void {
    this.#timers.delete(event)
    this.#time.cancel(event)
  }
}
