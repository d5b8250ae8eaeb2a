/**
 * Whether a gateway has lost its mappings. Each answer carries for how many seconds it has kept them; a clock that went back,
 * or ran differently from ours, has been started again.
 */

/** An answer: the gateway's epoch, in seconds, and when it came by our monotonic clock, in milliseconds. */
export interface EpochReading {
  readonly epochSeconds: number
  readonly at: number
}

const MS_PER_SECOND = 1_000
/** RFC 6887 section 8.5: how far clocks may run apart, and how many seconds of rounding there are. */
const PCP_DRIFT = 1 / 16
const PCP_SLACK_SECONDS = 2
/** RFC 6886 section 3.6. */
const NAT_PMP_RATE = 7 / 8
const NAT_PMP_SLACK_SECONDS = 2

/** RFC 6887 section 8.5. */
export function pcpStateLost(previous: EpochReading, present: EpochReading): boolean {
  if (present.epochSeconds + 1 < previous.epochSeconds) return true
  const clientDelta = (present.at - previous.at) / MS_PER_SECOND
  const serverDelta = present.epochSeconds - previous.epochSeconds
  return (
    clientDelta + PCP_SLACK_SECONDS < serverDelta * (1 - PCP_DRIFT) ||
    serverDelta + PCP_SLACK_SECONDS < clientDelta * (1 - PCP_DRIFT)
  )
}

/** RFC 6886 section 3.6: it may only be later than we think, not earlier. */
export function natPmpStateLost(previous: EpochReading, present: EpochReading): boolean {
  const elapsedSeconds = (present.at - previous.at) / MS_PER_SECOND
  return present.epochSeconds < previous.epochSeconds + elapsedSeconds * NAT_PMP_RATE - NAT_PMP_SLACK_SECONDS
}
