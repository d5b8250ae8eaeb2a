/**
 * The receiving half of a simulated TCP connection: puts segments in order and keeps their bytes until the program reads
 * them. What it has no room for, it does not let the other side send.
 */

import { segmentEnd, type TcpSegment } from './tcp-segment.ts'
import { concatenate } from './tcp-sender.ts'

const RECEIVE_BUFFER_BYTES = 65_536

export class TcpReceiver {
  #unread: Uint8Array[] = []
  #unreadBytes = 0
  /** Came before what precedes them. */
  #early: TcpSegment[] = []
  #expected = 0
  #hasEnd = false
  #announcedEdge = RECEIVE_BUFFER_BYTES

  /** The position of the next byte; that is what gets acknowledged. */
  get expected(): number {
    return this.#expected
  }

  get unreadBytes(): number {
    return this.#unreadBytes
  }

  /** FIN has come, and everything before it. */
  get hasEnd(): boolean {
    return this.#hasEnd
  }

  /** The window to announce now. */
  announce(): number {
    this.#announcedEdge = this.#expected + this.#room
    return this.#room
  }

  /** Enough was read since that the sender should hear of it (RFC 9293 section 3.8.6.2.2). */
  get shouldAnnounce(): boolean {
    return this.#expected + this.#room - this.#announcedEdge >= RECEIVE_BUFFER_BYTES / 2
  }

  /** Whether the segment brought something new. */
  accept(segment: TcpSegment): boolean {
    if (segmentEnd(segment) <= this.#expected) return false
    if (segment.sequence > this.#expected) {
      this.#early.push(segment)
      return true
    }
    this.#append(segment)
    this.#appendEarly()
    return true
  }

  /** Takes up to `maxBytes` out, for the program. */
  read(maxBytes: number): Uint8Array {
    const parts: Uint8Array[] = []
    let missing = Math.min(maxBytes, this.#unreadBytes)
    this.#unreadBytes -= missing
    while (missing > 0) {
      const part = this.#unread[0]!.subarray(0, missing)
      parts.push(part)
      missing -= part.length
      if (part.length === this.#unread[0]!.length) this.#unread.shift()
      else this.#unread[0] = this.#unread[0]!.subarray(part.length)
    }
    return concatenate(parts)
  }

  get #room(): number {
    return Math.max(0, RECEIVE_BUFFER_BYTES - this.#unreadBytes)
  }

  #append(segment: TcpSegment): void {
    const bytes = segment.bytes.subarray(this.#expected - segment.sequence)
    if (bytes.length > 0) this.#unread.push(bytes)
    this.#unreadBytes += bytes.length
    this.#expected = segmentEnd(segment)
    this.#hasEnd ||= segment.isLast
  }

  #appendEarly(): void {
    this.#early.sort((a, b) => a.sequence - b.sequence)
    for (const segment of this.#early) {
      if (segment.sequence <= this.#expected && segmentEnd(segment) > this.#expected) this.#append(segment)
    }
    this.#early = this.#early.filter(segment => segment.sequence > this.#expected)
  }
}
