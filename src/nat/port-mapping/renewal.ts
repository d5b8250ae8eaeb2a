/** When a mapping is renewed, and when a lost one is tried again. */

import { MAX_MAPPING_LIFETIME_MS, MIN_RENEWAL_INTERVAL_MS } from '../../limits.ts'

const FIRST_RETRY_MS = 10_000
const LONGEST_RETRY_MS = 600_000

/**
 * How long after it was granted a mapping is renewed for the first, second, … time: after a half, three quarters, seven
 * eighths of its lifetime, and by chance up to a quarter of the rest later (RFC 6887 section 11.2.1). `fraction` is that chance,
 * from 0 to 1. `undefined` where the next time would come too late.
 */
export function renewalDelayMs(attempt: number, lifetimeMs: number, fraction: number): number | undefined {
  const lifetime = Math.min(lifetimeMs, MAX_MAPPING_LIFETIME_MS)
  const left = 2 ** -attempt
  const delayMs = Math.max(lifetime * (1 - left + (left / 4) * fraction), MIN_RENEWAL_INTERVAL_MS * attempt)
  // A lifetime shorter than the shortest interval is renewed once, late.
  return delayMs < lifetime || attempt === 1 ? delayMs : undefined
}

/** How long after its loss, or the last try, a mapping is tried again: longer each time. */
export function retryDelayMs(tries: number, fraction: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** tries) * (0.75 + fraction / 2)
}
