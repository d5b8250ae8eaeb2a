/**
 * Who is answered. Somebody may ask in the name of others, or in many names: what is sent to one address is bounded, and
 * a crowd that asks at once is answered by one announcement that all of them hear.
 */

import { MAX_BEACON_ANSWERS_PER_ADDRESS, MAX_BEACON_ANSWERS_PER_SECOND } from '../../limits.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'

const WINDOW_MS = 1_000

/** 'announce' stands for everybody who is told 'nothing' in the same second. */
export type AnswerVerdict = 'answer' | 'announce' | 'nothing'

export class AnswerLimits {
  #windowFrom = Number.NEGATIVE_INFINITY
  readonly #answered = new Set<string>()
  readonly #answersByAddress = new Map<string, number>()
  #hasAnnounced = false

  /** One question comes several times: by multicast, and by broadcast. It gets one answer. */
  take(asker: SocketAddress, now: number): AnswerVerdict {
    if (now - this.#windowFrom >= WINDOW_MS) this.#openWindow(now)
    const key = formatSocketAddress(asker)
    if (this.#answered.has(key)) return 'nothing'
    const answers = this.#answersByAddress.get(asker.address) ?? 0
    if (answers < MAX_BEACON_ANSWERS_PER_ADDRESS && this.#answered.size < MAX_BEACON_ANSWERS_PER_SECOND) {
      this.#answered.add(key)
      this.#answersByAddress.set(asker.address, answers + 1)
      return 'answer'
    }
    if (this.#hasAnnounced) return 'nothing'
    this.#hasAnnounced = true
    return 'announce'
  }

  #openWindow(now: number): void {
    this.#windowFrom = now
    this.#answered.clear()
    this.#answersByAddress.clear()
    this.#hasAnnounced = false
  }
}
