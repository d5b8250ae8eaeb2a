/**
 * Decides from silence how a peer is doing. Any record counts as a sign of life; after two seconds without one the peer
 * is asked for it. Pure: time goes in, what to do comes out.
 */

import { HEARTBEAT_MS, LOST_AFTER_MS, QUIET_AFTER_MS } from '../limits.ts'

export type Liveness = 'here' | 'quiet' | 'lost'

export interface KeepaliveStep {
  readonly liveness: Liveness
  /** A ping is due. */
  readonly ping: boolean
}

/** A step that is this late was not late: the machine slept, and silence in that time says nothing about the peer. */
const SLEEP_GAP_MS = 5_000

export class Keepalive {
  #heardAt: number
  #steppedAt: number
  #pingedAt = Number.NEGATIVE_INFINITY

  constructor(now: number) {
    this.#heardAt = now
    this.#steppedAt = now
  }

  /** Something authentic arrived. */
  heard(now: number): void {
    this.#heardAt = now
  }

  silenceMs(now: number): number {
    return now - this.#heardAt
  }

  /** To be called about once a second. */
  step(now: number): KeepaliveStep {
    // After sleep the peer gets as long to answer as one that has just become quiet.
    if (now - this.#steppedAt > SLEEP_GAP_MS) this.#heardAt = Math.max(this.#heardAt, now - QUIET_AFTER_MS)
    this.#steppedAt = now
    const silenceMs = now - this.#heardAt
    if (silenceMs >= LOST_AFTER_MS) return { liveness: 'lost', ping: false }
    const ping = silenceMs >= HEARTBEAT_MS && now - this.#pingedAt >= HEARTBEAT_MS
    if (ping) this.#pingedAt = now
    return { liveness: silenceMs >= QUIET_AFTER_MS ? 'quiet' : 'here', ping }
  }
}
