/**
 * Whether a name is ours: probing (RFC 6762 section 8.1), simultaneous probes (8.2), announcing (8.3). State and time
 * go in, state and effects come out.
 *
 * ```
 *   probing ── 3 probes, 250 ms apart ──► announcing ── 2 announcements, 1 s apart ──► established
 *     ▲ │ another prober's records sort later: wait 1 s, probe again          │             │
 *     └─┘                                                                     ▼             ▼
 *        another's answer while probing: conflict ─► rename, probe again      update: announce again
 * ```
 */

/** Section 8.1: before the first probe 0 to 250 ms, so that devices switched on together do not probe together. */
const MAX_START_DELAY_MS = 250
const PROBE_INTERVAL_MS = 250
const PROBE_COUNT = 3
/** Section 8.2: the loser of a simultaneous probe waits a second. */
const DEFER_MS = 1_000
/** Section 8.3: at least two announcements, one second apart. */
const ANNOUNCE_INTERVAL_MS = 1_000
const ANNOUNCE_COUNT = 2
/** Section 8.1: after 15 conflicts in 10 s each further attempt waits 5 s. */
const MANY_CONFLICTS = 15
const MANY_CONFLICTS_WITHIN_MS = 10_000
const MANY_CONFLICTS_DELAY_MS = 5_000

export type ClaimState =
  | { readonly kind: 'probing'; readonly sent: number; readonly nextAt: number }
  | { readonly kind: 'announcing'; readonly sent: number; readonly nextAt: number }
  | { readonly kind: 'established' }

export type ClaimEffect = 'probe' | 'announce'

/** @param fraction a random number in [0, 1) */
export function startProbing(now: number, fraction: number): ClaimState {
  return { kind: 'probing', sent: 0, nextAt: now + fraction * MAX_START_DELAY_MS }
}

/** The names are known to be ours by other means (section 8.1): the first announcement is due. */
export function startAnnouncing(now: number): ClaimState {
  return { kind: 'announcing', sent: 0, nextAt: now }
}

/** Our records changed, or the link did: they are announced anew; a name that is ours needs no new probe (8.4). */
export function announceAgain(state: ClaimState, now: number): ClaimState {
  return state.kind === 'probing' ? state : startAnnouncing(now)
}

/** When `advanceClaim` has something to do; Infinity for never. */
export function claimNextAt(state: ClaimState): number {
  return state.kind === 'established' ? Number.POSITIVE_INFINITY : state.nextAt
}

/** Advances to the time `now`, in milliseconds. */
export function advanceClaim(state: ClaimState, now: number): { state: ClaimState; effect?: ClaimEffect } {
  if (state.kind === 'established' || now < state.nextAt) return { state }
  if (state.kind === 'probing' && state.sent < PROBE_COUNT) {
    return { state: { kind: 'probing', sent: state.sent + 1, nextAt: now + PROBE_INTERVAL_MS }, effect: 'probe' }
  }
  const sent = state.kind === 'announcing' ? state.sent + 1 : 1
  if (sent === ANNOUNCE_COUNT) return { state: { kind: 'established' }, effect: 'announce' }
  return { state: { kind: 'announcing', sent, nextAt: now + ANNOUNCE_INTERVAL_MS }, effect: 'announce' }
}

/** Another host probes for the same name with records that sort later: it wins this round (section 8.2). */
export function deferProbing(now: number): ClaimState {
  return { kind: 'probing', sent: 0, nextAt: now + DEFER_MS }
}

/**
 * Compares what two probers want to own, as section 8.2.1 says: record by record, each as class, type and data bytes;
 * the list that runs out first is the lesser. Positive where `ours` wins, 0 where both are the same.
 */
export function compareProbes(ours: readonly ProbeRecord[], theirs: readonly ProbeRecord[]): number {
  const [a, b] = [sorted(ours), sorted(theirs)]
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareRecords(a[i]!, b[i]!)
    if (order !== 0) return order
  }
  return a.length - b.length
}

/** The class is always IN. */
export interface ProbeRecord {
  readonly typeCode: number
  readonly data: Uint8Array
}

/**
 * How long to wait before probing under a new name (section 8.1): not at all, unless names have been lost in a row.
 *
 * @param conflicts when each conflict happened, in milliseconds
 */
export function renameDelayMs(conflicts: readonly number[], now: number): number {
  const recent = conflicts.filter(at => now - at < MANY_CONFLICTS_WITHIN_MS).length
  return recent >= MANY_CONFLICTS ? MANY_CONFLICTS_DELAY_MS : 0
}

function sorted(records: readonly ProbeRecord[]): ProbeRecord[] {
  return [...records].sort(compareRecords)
}

function compareRecords(a: ProbeRecord, b: ProbeRecord): number {
  return a.typeCode - b.typeCode || Buffer.compare(a.data, b.data)
}
