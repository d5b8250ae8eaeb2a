/**
 * The sending half of a simulated TCP connection (RFC 9293 section 3.8): what is written waits here until the other side
 * has acknowledged it. Positions count bytes from the beginning of the stream; FIN takes the one behind the last.
 */

import { NO_BYTES } from './tcp-segment.ts'

/** `write` returns false above this, and the buffer counts as drained at half of it. */
const SEND_BUFFER_BYTES = 65_536
/** A segment is as long as what a real system gathers before it calls the program. */
const MAX_SEGMENT_BYTES = 65_536

export type TransmitSegment = (sequence: number, bytes: Uint8Array, isLast: boolean) => void

export class TcpSender {
  readonly #transmit: TransmitSegment
  /** From `#acknowledged` to `#end`. */
  #chunks: Uint8Array[] = []
  #acknowledged = 0
  #next = 0
  #end = 0
  /** The right edge of the window. */
  #allowed = 0
  #isFinishing = false
  #isFull = false

  constructor(transmit: TransmitSegment) {
    this.#transmit = transmit
  }

  /** Where the next segment begins. */
  get position(): number {
    return this.#next
  }

  /** Nothing more will be written. */
  get isFinishing(): boolean {
    return this.#isFinishing
  }

  /** FIN has left. */
  get isFinished(): boolean {
    return this.#isFinishing && this.#next > this.#end
  }

  /** Everything, FIN too, has arrived. */
  get isAcknowledged(): boolean {
    return this.#isFinishing && this.#acknowledged > this.#end
  }

  get hasUnacknowledged(): boolean {
    return this.#next > this.#acknowledged
  }

  /** There is something to send, but the other side's window is closed. */
  get isBlocked(): boolean {
    return !this.hasUnacknowledged && this.#next < this.#end
  }

  /** Whether there is room for more. */
  write(bytes: Uint8Array): boolean {
    if (bytes.length > 0) this.#chunks.push(bytes)
    this.#end += bytes.length
    this.#isFull ||= this.#end - this.#acknowledged > SEND_BUFFER_BYTES
    return !this.#isFull
  }

  finish(): void {
    this.#isFinishing = true
  }

  /**
   * Takes note of an acknowledgement. `progressed`: something has arrived, or more may be sent; `drained`: there is room
   * again after `write` returned false.
   */
  acknowledge(position: number, window: number): { progressed: boolean; drained: boolean } {
    const progressed = position > this.#acknowledged || position + window > this.#allowed
    this.#allowed = Math.max(this.#allowed, position + window)
    if (position > this.#acknowledged) {
      this.#drop(Math.min(position, this.#end) - this.#acknowledged)
      this.#acknowledged = position
      this.#next = Math.max(this.#next, position)
    }
    const drained = this.#isFull && this.#end - this.#acknowledged <= SEND_BUFFER_BYTES / 2
    if (drained) this.#isFull = false
    return { progressed, drained }
  }

  /** Sends what the window allows. */
  transmit(): void {
    while (this.#next < this.#end && this.#next < this.#allowed) {
      const length = Math.min(this.#end - this.#next, this.#allowed - this.#next, MAX_SEGMENT_BYTES)
      this.#sendSegment(this.#peek(this.#next - this.#acknowledged, length))
    }
    if (this.#isFinishing && this.#next === this.#end) this.#sendSegment(NO_BYTES)
  }

  /** Goes back to the first byte that is not acknowledged; the other side ignores what it has already. */
  retransmit(): void {
    this.#next = this.#acknowledged
    this.transmit()
  }

  #sendSegment(bytes: Uint8Array): void {
    const sequence = this.#next
    const isLast = this.#isFinishing && sequence + bytes.length === this.#end
    this.#next += bytes.length + (isLast ? 1 : 0)
    this.#transmit(sequence, bytes, isLast)
  }

  #peek(offset: number, length: number): Uint8Array {
    const parts: Uint8Array[] = []
    let skip = offset
    let missing = length
    for (const chunk of this.#chunks) {
      if (missing === 0) break
      const part = chunk.subarray(skip, skip + missing)
      skip = Math.max(0, skip - chunk.length)
      missing -= part.length
      if (part.length > 0) parts.push(part)
    }
    return concatenate(parts)
  }

  #drop(length: number): void {
    let dropped = 0
    let missing = length
    for (const chunk of this.#chunks) {
      if (chunk.length > missing) break
      missing -= chunk.length
      dropped++
    }
    this.#chunks.splice(0, dropped)
    if (missing > 0) this.#chunks[0] = this.#chunks[0]!.subarray(missing)
  }
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}
