/**
 * When a request is sent again (RFC 8489 section 6.2.1): after RTO, then after twice as long each time, Rc requests in all;
 * after the last one Rm times RTO is waited for an answer. Over a reliable transport it is sent once (section 6.2.2).
 */

export interface RetransmissionTimers {
  /** Initial retransmission time-out, RTO. @default 500 */
  readonly rtoMs?: number
  /** Requests in all, Rc. @default 7 */
  readonly requests?: number
  /** How long to wait after the last request, in RTOs: Rm. @default 16 */
  readonly lastWait?: number
}

/** Ti: as long as retransmission would have taken. */
export const RELIABLE_TIMEOUT_MS = 39_500

/** How long to wait after each request; 500, 1000, … 16000, and 8000 ms by default. */
export function retransmissionDelays({
  rtoMs = 500,
  requests = 7,
  lastWait = 16,
}: RetransmissionTimers = {}): readonly number[] {
  return Array.from({ length: requests }, (_, sent) => (sent === requests - 1 ? lastWait * rtoMs : rtoMs * 2 ** sent))
}

/** The same delays, cut so that all is over after `totalMs`. */
export function retransmissionDelaysWithin(totalMs: number, rtoMs = 500): readonly number[] {
  const delays: number[] = []
  for (let [delay, left] = [rtoMs, totalMs]; left > 0; delay *= 2) {
    // A request whose answer would hardly be waited for is not sent.
    const waited = left < 1.5 * delay ? left : delay
    delays.push(waited)
    left -= waited
  }
  return delays
}
