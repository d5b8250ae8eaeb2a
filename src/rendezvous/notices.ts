/**
 * Warnings about what others send: the first of a kind at once, then one a minute that says how many there were, so that
 * whoever can provoke them cannot flood the application.
 */

import type { Clock } from '../platform/clock.ts'

const QUIET_MS = 60_000
/** Kinds remembered, the oldest forgotten first. */
const MAX_KINDS = 256

interface Notice {
  readonly quietUntil: number
  readonly unsaid: number
}

export class Notices {
  readonly #clock: Clock
  readonly #notices = new Map<string, Notice>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `tell` with the number of times since the last call, this one included; or not now. */
  report(kind: string, tell: (times: number) => void): void {
    const now = this.#clock.now()
    const { quietUntil = now, unsaid = 0 } = this.#notices.get(kind) ?? {}
    if (quietUntil > now) {
      this.#notices.set(kind, { quietUntil, unsaid: unsaid + 1 })
      return
    }
    this.#notices.delete(kind)
    this.#notices.set(kind, { quietUntil: now + QUIET_MS, unsaid: 0 })
    const [oldest] = this.#notices.keys()
    if (this.#notices.size > MAX_KINDS) this.#notices.delete(oldest!)
    tell(unsaid + 1)
  }
}
