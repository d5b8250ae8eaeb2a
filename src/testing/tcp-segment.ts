/** One TCP segment (RFC 9293 section 3.1), without what a simulation does not need. */

export interface TcpSegment {
  readonly kind: 'syn' | 'syn ack' | 'ack' | 'rst'
  /** Position of the first byte in the stream; both streams begin at 0, SYN is not counted, FIN counts one. */
  readonly sequence: number
  readonly bytes: Uint8Array
  readonly isLast: boolean
  /** The position expected next from the other side, and how many bytes from there on it may send. */
  readonly acknowledged: number
  readonly window: number
  /** The sender's clock, and the other side's which it saw last (RFC 7323 section 3). */
  readonly sentAt: number
  readonly echo: number
}

export const NO_BYTES: Uint8Array = new Uint8Array(0)

export function segmentEnd({ sequence, bytes, isLast }: TcpSegment): number {
  return sequence + bytes.length + (isLast ? 1 : 0)
}

export function segmentFlags({ kind, isLast }: TcpSegment): string {
  return isLast ? 'fin ack' : kind
}

/** What a segment gets where nobody knows its connection (RFC 9293 section 3.10.7.1). */
export function refusal(segment: TcpSegment, now: number): TcpSegment {
  const { acknowledged: sequence, sentAt: echo } = segment
  return {
    kind: 'rst',
    sequence,
    bytes: NO_BYTES,
    isLast: false,
    acknowledged: segmentEnd(segment),
    window: 0,
    sentAt: now,
    echo,
  }
}
