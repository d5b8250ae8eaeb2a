/** Which of its paths a session sends on, and which it needs no more. Pure: conditions go in, the choice comes out. */

import type { Liveness } from './keepalive.ts'

export interface PathCondition {
  /** Lower is better: a wire before a radio. */
  readonly rank: number
  /** While little was sent: a path that is busy is not slow. */
  readonly idleRttMs: number | undefined
  readonly liveness: Liveness
  /** How long a question for a sign of life has been waiting for its answer. */
  readonly unansweredMs: number
  /** This side has hung up. */
  readonly isEnding: boolean
  /** Something has come on it. */
  readonly hasBegun: boolean
  /** The networks of both sides that it connects; undefined where that is not known, or does not matter. */
  readonly networks: string | undefined
}

/** A path that does not answer for this long is left for one that does. */
export const PATIENCE_MS = 1_000
/** Of two paths of one rank the other one must be this much faster: a change costs records that are sent twice. */
const FASTER_BY_MS = 5
const FASTER_BY_FACTOR = 2

/** The path to send on; `present`, where nothing is clearly better. `undefined` where there is none. */
export function choosePath<P extends PathCondition>(paths: readonly P[], present: P | undefined): P | undefined {
  let best = present !== undefined && paths.includes(present) ? present : paths[0]
  for (const path of paths) if (best && path !== best && isBetter(path, best)) best = path
  return best
}

/**
 * The paths beside which a better one connects the same networks, and has shown that it lives: what breaks one of them
 * mostly breaks the other. Never the one that is sent on while it answers, and never the last one.
 */
export function redundantPaths<P extends PathCondition>(paths: readonly P[], present: P | undefined): P[] {
  return paths.filter(path => {
    if (path.networks === undefined || path.isEnding) return false
    const like = paths.filter(other => other.networks === path.networks && !other.isEnding)
    const best = choosePath(like, present)
    return best !== undefined && best !== path && best.hasBegun && isResponsive(best)
  })
}

function isBetter(path: PathCondition, present: PathCondition): boolean {
  const [responds, presentResponds] = [isResponsive(path), isResponsive(present)]
  if (responds !== presentResponds) return responds
  if (path.rank !== present.rank) return path.rank < present.rank
  if (path.idleRttMs === undefined || present.idleRttMs === undefined) return false
  return path.idleRttMs * FASTER_BY_FACTOR < present.idleRttMs && path.idleRttMs + FASTER_BY_MS < present.idleRttMs
}

function isResponsive({ liveness, unansweredMs, isEnding }: PathCondition): boolean {
  return liveness === 'here' && unansweredMs < PATIENCE_MS && !isEnding
}
