/**
 * The streams of one session, by number. Each side numbers those that it opens; a number is not used again. Frames that
 * may still be under way for a stream which is over are ignored, all others are violations.
 */

import { EarshotError, protocolViolation } from '../errors.ts'
import { MAX_OPEN_STREAMS, MAX_STREAM_HEADER_BYTES, STREAM_WINDOW_BYTES } from '../limits.ts'
import { Payload, type StreamFrame } from '../session/frame.ts'
import { NO_LANE } from '../session/send-queue.ts'
import type { Session } from '../session/session.ts'
import { type ByteStream, type NumberedStream, OpenStream, type OpenStreamOptions } from './open-stream.ts'
import { tooManyStreams } from './stream-error.ts'
import { WindowBudget } from './stream-window.ts'
import { decodeValue, type EncodedValue } from './value.ts'

/** A stream that a peer has opened. */
export interface AcceptedStream<From, Header = unknown> extends ByteStream {
  readonly from: From
  /** What the peer gave to `open`. */
  readonly header: Header
}

/** Takes a stream. What it throws, or its promise rejects with, resets the stream. */
export type AcceptFunction<From> = (stream: AcceptedStream<From>) => unknown

export class Streams<From> {
  readonly #session: Session
  readonly #from: From
  readonly #now: () => number
  readonly #budget = new WindowBudget()
  /** Opened by this side, and by the other. */
  readonly #own = new Map<number, NumberedStream>()
  readonly #theirs = new Map<number, NumberedStream>()
  #nextOwn = 0
  #lastTheirs = -1
  /** Those which have credit to give, and wait for the path to take more. */
  readonly #creditDue = new Set<OpenStream>()

  constructor(session: Session, from: From, now: () => number) {
    this.#session = session
    this.#from = from
    this.#now = now
  }

  open(name: string, { kind, bytes }: EncodedValue, signal: AbortSignal | undefined): ByteStream {
    signal?.throwIfAborted()
    if (!this.#session.isOpen) throw new EarshotError('closed', 'the session has ended')
    if (this.#own.size >= MAX_OPEN_STREAMS) throw tooManyStreams()
    const label = this.#session.label(name)
    const number = this.#nextOwn++
    const written = number * 2
    const opened = this.#session.send(NO_LANE, Payload.streamOpen | kind, written, label, bytes)
    return this.#add(this.#own, number, { written, name, opened, signal })
  }

  // What the session tells --------------------------------------------------------------------------------------------

  onOpen(written: number, kind: number, header: Uint8Array, name: string, accept?: AcceptFunction<From>): void {
    const number = written / 2
    if (!Number.isInteger(number)) throw protocolViolation(`stream ${written} is opened by the wrong side`)
    if (number <= this.#lastTheirs) throw protocolViolation(`stream ${written} was opened before`)
    if (header.length > MAX_STREAM_HEADER_BYTES) throw protocolViolation(`a stream's header of ${header.length} bytes`)
    if (this.#theirs.size >= MAX_OPEN_STREAMS) {
      throw new EarshotError('limit-reached', `the peer has opened more than ${MAX_OPEN_STREAMS} streams`)
    }
    this.#lastTheirs = number
    if (accept) this.#accept(number, name, decodeHeader(kind, header), accept)
    else this.#refuse(number)
  }

  onData(written: number, body: Uint8Array): void {
    this.#find(written).onData(body)
  }

  onFrame(frame: StreamFrame): void {
    if ((frame.kind === 'credit' || frame.kind === 'stop') && this.#wasOpen(frame.stream)) return
    this.#find(frame.stream).onFrame(frame)
  }

  /** The path takes more. */
  onWritable(): void {
    for (const stream of this.#creditDue) stream.giveCredit()
    this.#creditDue.clear()
  }

  /** The session has ended: streams which have not end with `error`. */
  close(error: unknown): void {
    for (const stream of [...this.#own.values(), ...this.#theirs.values()]) stream.lose(error)
  }

  #add(table: Map<number, NumberedStream>, number: number, options: OpenStreamOptions): OpenStream {
    const stream = new OpenStream(this.#session, this.#budget, options, {
      now: this.#now,
      onCreditDue: due => {
        if (this.#session.isWritable) due.giveCredit()
        else this.#creditDue.add(due)
      },
      onOver: () => {
        table.delete(number)
        this.#creditDue.delete(stream)
      },
    })
    table.set(number, stream)
    return stream
  }

  #accept(number: number, name: string, header: unknown, accept: AcceptFunction<From>): void {
    const options = { written: number * 2 + 1, name, opened: undefined, signal: undefined }
    const stream = this.#add(this.#theirs, number, options)
    const { readable, writable } = stream
    const fail = (error: unknown): void => stream.abort(error)
    try {
      const result = accept({ readable, writable, from: this.#from, header })
      if (isPromise(result)) result.then(undefined, fail)
    } catch (error) {
      fail(error)
    }
  }

  #refuse(number: number): void {
    const stream = number * 2 + 1
    this.#theirs.set(number, new RefusedStream(() => this.#theirs.delete(number)))
    this.#session.streamFrame({ kind: 'reset', stream, code: 'no-answer', reason: '' })
    this.#session.streamFrame({ kind: 'stop', stream, code: 'no-answer', reason: '' })
  }

  /** The stream that the other side writes like this. */
  #find(written: number): NumberedStream {
    const stream = this.#lookUp(written)
    if (!stream) throw protocolViolation(`a frame for stream ${written}, which is not open`)
    return stream
  }

  #lookUp(written: number): NumberedStream | undefined {
    return written % 2 === 0 ? this.#theirs.get(written / 2) : this.#own.get((written - 1) / 2)
  }

  /** The other side may not have heard yet that it is over. */
  #wasOpen(written: number): boolean {
    if (this.#lookUp(written)) return false
    return written % 2 === 0 ? written / 2 <= this.#lastTheirs : (written - 1) / 2 < this.#nextOwn
  }
}

/** A stream that nobody accepted, until its opener has heard of it. */
class RefusedStream implements NumberedStream {
  readonly #onOver: () => void
  #credit: number = STREAM_WINDOW_BYTES

  constructor(onOver: () => void) {
    this.#onOver = onOver
  }

  onData({ length }: Uint8Array): void {
    if (length === 0 || length > this.#credit) throw protocolViolation('bytes of a stream beyond its credit')
    this.#credit -= length
  }

  onFrame({ kind }: StreamFrame): void {
    if (kind === 'end' || kind === 'reset') this.#onOver()
  }

  lose(): void {}
}

function decodeHeader(kind: number, bytes: Uint8Array): unknown {
  const header = decodeValue(kind, bytes)
  // A few bytes must not keep the whole record alive that they came in.
  return header instanceof Uint8Array ? header.slice() : header
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
