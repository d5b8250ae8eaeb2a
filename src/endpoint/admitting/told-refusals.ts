/**
 * Dials that nobody waits for fail in silence, mostly rightly: the peer is off, or has left. Where somebody is there and
 * does not let us in, a person should learn it: once for each peer and cause, however often it is tried.
 */

import { type ConnectAttempt, EarshotError, type ErrorCode } from '../../errors.ts'
import { MAX_TOLD_REFUSALS } from '../../limits.ts'

/** Causes that do not go away by themselves. */
const WORTH_TELLING: readonly ErrorCode[] = ['refused', 'version-mismatch', 'wrong-secret', 'wrong-service']
/** Refusals that are nobody's mistake: the other connection is the one, we met ourselves, the door is crowded. */
const NOT_WORTH_TELLING: readonly (string | undefined)[] = ['duplicate', 'self', 'busy']

export class ToldRefusals {
  readonly #warn: (warning: EarshotError) => void
  readonly #told = new Set<{ readonly keys: readonly string[]; readonly cause: string }>()

  constructor(warn: (warning: EarshotError) => void) {
    this.#warn = warn
  }

  /** A dial of `key`, an id or an address, failed. `label` is what people know it by. */
  onFailed(key: string, label: string, error: unknown): void {
    if (!(error instanceof EarshotError) || !WORTH_TELLING.includes(error.code)) return
    if (error.code === 'refused' && NOT_WORTH_TELLING.includes(error.reason)) return
    const cause = `${error.code} ${error.reason ?? ''}`
    // A peer may be known by its id and by an address that somebody gave.
    const attempt = error.attempts.find(({ code }) => code === error.code)
    const keys = attempt ? [key, attempt.address] : [key]
    const isTold = [...this.#told].some(told => told.cause === cause && told.keys.some(one => keys.includes(one)))
    if (isTold || this.#told.size >= MAX_TOLD_REFUSALS) return
    this.#told.add({ keys, cause })
    this.#warn(warningOf(label, error, attempt))
    if (this.#told.size >= MAX_TOLD_REFUSALS) this.#warn(noMore())
  }

  /** It has become a peer: what happens after that is news. `keys` are its id and its address. */
  onConnected(...keys: readonly string[]): void {
    for (const told of this.#told) if (told.keys.some(key => keys.includes(key))) this.#told.delete(told)
  }
}

function warningOf(label: string, error: EarshotError, attempt: ConnectAttempt | undefined): EarshotError {
  const { code, message, hint, reason, retryAfterMs, attempts } = error
  const where = attempt && attempt.address !== label ? `'${label}' at ${attempt.address}` : `'${label}'`
  return new EarshotError(code, `no connection to ${where}: ${message}`, {
    cause: error,
    attempts,
    ...(hint !== undefined && { hint }),
    ...(reason !== undefined && { reason }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

function noMore(): EarshotError {
  return new EarshotError('limit-reached', 'many peers do not let us in; from now on that is told no more', {
    hint: 'connect to one of them to learn why it does not work.',
  })
}
