/**
 * Whether datagrams get through to the other side (RFC 9000 section 8.2): asked with the first one that is to be sent,
 * and again and again while there are some. A path that was never asked about, or does not answer, carries none; then
 * messages ride the session. Pure: time goes in, the challenge to send comes out. Without traffic nothing is asked.
 *
 *     unknown ── challenge ──► asking ── response ──► valid ── 3 s without an answer ──► asking
 */

import {
  PATH_ANSWER_TIMEOUT_MS,
  PATH_CHALLENGE_MS,
  PATH_FIRST_RETRY_MS,
  PATH_LAST_RETRY_MS,
  PATH_RETRY_MS,
} from '../../limits.ts'

type State =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'asking'; readonly nextAt: number; readonly intervalMs: number }
  | { readonly kind: 'valid'; readonly nextAt: number; readonly unansweredSince: number | undefined }

export class PathValidation {
  #state: State = { kind: 'unknown' }
  #nextNumber = 0
  /** Answers to challenges before this one are about another path. */
  #firstNumber = 0

  /** The path is another one: nothing is known of it. */
  reset(): void {
    this.#state = { kind: 'unknown' }
    this.#firstNumber = this.#nextNumber
  }

  /** The number of the challenge that should leave now, with traffic there is; undefined where none is due. */
  challenge(now: number): number | undefined {
    const state = this.#state
    if (state.kind !== 'unknown' && now < state.nextAt) return undefined
    this.#state = asked(state, now)
    return this.#nextNumber++
  }

  /** Something has to be learned from the other side, which comes with its next answer. */
  hurry(now: number): void {
    const state = this.#state
    if (state.kind !== 'valid' || state.unansweredSince !== undefined) return
    this.#state = { ...state, nextAt: now }
  }

  /** There is reason to think that it works now: it is asked again as if for the first time. */
  retry(now: number): void {
    const state = this.#state
    if (state.kind !== 'asking') return
    const askedAt = state.nextAt - state.intervalMs
    const nextAt = Math.max(now, askedAt + PATH_FIRST_RETRY_MS)
    this.#state = { kind: 'asking', nextAt: Math.min(nextAt, state.nextAt), intervalMs: PATH_FIRST_RETRY_MS }
  }

  /** Returns whether this answers a challenge of the present path. */
  onResponse(number: number, now: number): boolean {
    if (number < this.#firstNumber || number >= this.#nextNumber) return false
    this.#state = { kind: 'valid', nextAt: now + PATH_CHALLENGE_MS, unansweredSince: undefined }
    return true
  }

  isValid(now: number): boolean {
    const state = this.#state
    if (state.kind !== 'valid') return false
    if (state.unansweredSince === undefined || now - state.unansweredSince < PATH_ANSWER_TIMEOUT_MS) return true
    this.#state = { kind: 'asking', nextAt: now, intervalMs: PATH_RETRY_MS }
    return false
  }
}

function asked(state: State, now: number): State {
  switch (state.kind) {
    case 'unknown':
      return { kind: 'asking', nextAt: now + PATH_FIRST_RETRY_MS, intervalMs: PATH_FIRST_RETRY_MS }
    case 'asking': {
      const intervalMs = Math.min(state.intervalMs * 2, PATH_LAST_RETRY_MS)
      return { kind: 'asking', nextAt: now + intervalMs, intervalMs }
    }
    case 'valid':
      return { kind: 'valid', nextAt: now + PATH_RETRY_MS, unansweredSince: state.unansweredSince ?? now }
  }
}
