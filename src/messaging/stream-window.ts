/**
 * The receiver's side of flow control for one direction of a stream: the sender may have so many bytes under way that
 * the application has not read. The window begins small and doubles while it is what holds up a fast reader, as far as
 * the session's budget goes.
 */

import { protocolViolation } from '../errors.ts'
import { MAX_STREAM_WINDOW_BYTES, MAX_STREAM_WINDOW_GROWTH_BYTES, STREAM_WINDOW_BYTES } from '../limits.ts'

/** Round trips in which a whole window is read where the window is what limits: one, and some for queues on the way. */
const FAST_ROUND_TRIPS = 4
/** A path that is busy takes so long at least, however short its round trip was when nobody else used it. */
const SHORTEST_FAST_MS = 50
/** Before the first round trip was measured. */
const DEFAULT_ROUND_TRIP_MS = 50

export class WindowBudget {
  #left: number = MAX_STREAM_WINDOW_GROWTH_BYTES

  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#left += bytes
  }
}

export class StreamWindow {
  readonly #budget: WindowBudget
  #size: number = STREAM_WINDOW_BYTES
  /** What the sender may still send. */
  #credit: number = STREAM_WINDOW_BYTES
  /** What the application has read and was not given back yet. */
  #owed = 0
  /** When the reading of the present window began, and how much of it has been read. */
  #startedAt: number
  #readBytes = 0
  #isClosed = false

  constructor(budget: WindowBudget, now: number) {
    this.#budget = budget
    this.#startedAt = now
  }

  get size(): number {
    return this.#size
  }

  /** `bytes` arrived. More than there was credit for is an attack, not an accident. */
  received(bytes: number): void {
    if (bytes > this.#credit) {
      throw protocolViolation(`${bytes} bytes of a stream arrived where there was credit for ${this.#credit}`)
    }
    this.#credit -= bytes
  }

  /** The application has read `bytes`. */
  read(bytes: number, now: number, rttMs: number | undefined): void {
    this.#owed += bytes
    this.#readBytes += bytes
    // What is read behind the end needs no window: what it took of the budget would never be given back.
    if (this.#readBytes < this.#size || this.#isClosed) return
    const fastMs = Math.max(FAST_ROUND_TRIPS * (rttMs ?? DEFAULT_ROUND_TRIP_MS), SHORTEST_FAST_MS)
    if (now - this.#startedAt <= fastMs) this.#grow()
    this.#startedAt = now
    this.#readBytes = 0
  }

  /** Credit to give now, or 0 while it is not worth a frame. */
  grant(): number {
    if (this.#owed < this.#size / 4) return 0
    const bytes = this.#owed
    this.#owed = 0
    this.#credit += bytes
    return bytes
  }

  /** Nothing will be sent any more. */
  close(): void {
    this.#isClosed = true
    this.#budget.giveBack(this.#size - STREAM_WINDOW_BYTES)
    this.#size = STREAM_WINDOW_BYTES
  }

  #grow(): void {
    if (this.#size >= MAX_STREAM_WINDOW_BYTES || !this.#budget.take(this.#size)) return
    this.#owed += this.#size
    this.#size *= 2
  }
}
