/** Errors of port mapping: what a gateway said, in words that a user can act on. */

import { EarshotError } from '../../errors.ts'
import { MAX_REASON_BYTES } from '../../limits.ts'

export interface RefusalDetails {
  readonly hint?: string | undefined
  /** What the gateway says when asking again may help; 0 where it does not. */
  readonly retryAfterMs?: number
}

const DEFAULT_HINT = 'Allow UPnP, NAT-PMP or PCP in the router, or forward the port there by hand.'

/** A gateway's refusal; `reason` is its own word, bounded. */
export function refusedBy(
  gateway: string,
  protocol: string,
  reason: string,
  { hint = DEFAULT_HINT, retryAfterMs = 0 }: RefusalDetails = {},
): EarshotError {
  const bounded = printable(reason)
  return new EarshotError('refused', `${gateway} refused a ${protocol} mapping: ${bounded}`, {
    hint,
    reason: bounded,
    ...(retryAfterMs > 0 ? { retryAfterMs } : {}),
  })
}

/** Text of a gateway, for a message: one line, bounded, without control characters. */
export function printable(text: string): string {
  // A character has at most three bytes a UTF-16 unit.
  return text
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_REASON_BYTES / 4)
}
