/**
 * The readable half of a stream. What arrives waits here, as views of the records it came in, until the application
 * reads; only then is it given back as credit.
 */

import { protocolViolation } from '../errors.ts'
import { Fifo } from '../wire/fifo.ts'
import { StreamWindow, type WindowBudget } from './stream-window.ts'

/**
 * A view of less than this part of its buffer is copied: a few bytes must not keep a whole record alive, and of one record
 * no two chunks may be views, since an application may hand on the buffer of one to another thread.
 */
const SMALLEST_PART = 1 / 2
/** Waiting chunks shorter than this are put together, up to that length: each costs an object, and more than its bytes. */
const SHORT_BYTES = 4_096
const MERGED_BYTES = 16_384

export interface ReceiverHandlers {
  now(): number
  rttMs(): number | undefined
  /** Credit is due: `grant` says how much. */
  onCreditDue(): void
  /** The application does not want to read on. */
  onCancel(reason: unknown): void
}

export class StreamReceiver {
  readonly readable: ReadableStream<Uint8Array>
  readonly #handlers: ReceiverHandlers
  readonly #window: StreamWindow
  readonly #chunks = new Fifo<Uint8Array>()
  /** Small chunks put together, behind all others: the first `#tailLength` bytes of `#tail`. */
  #tail: Uint8Array | undefined
  #tailLength = 0
  #controller!: ReadableStreamDefaultController<Uint8Array>
  /** The application waits for the next chunk. */
  #isWanted = false
  /** The sender has said that nothing will follow. */
  #hasEnded = false
  /** How it goes on for the reader behind the chunks that wait. */
  #end: { readonly error: unknown } | 'closed' | undefined

  constructor(budget: WindowBudget, handlers: ReceiverHandlers) {
    this.#handlers = handlers
    this.#window = new StreamWindow(budget, handlers.now())
    // Bytes are handed over when they are asked for, so that credit is given for what was read.
    this.readable = new ReadableStream<Uint8Array>(this, { highWaterMark: 0 })
  }

  /** Nothing of this half will arrive any more. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  // What the other side tells -----------------------------------------------------------------------------------------

  onData(body: Uint8Array): void {
    if (this.#hasEnded) throw protocolViolation('bytes of a stream that has ended')
    if (body.length === 0) throw protocolViolation('a frame of a stream without bytes')
    this.#window.received(body.length)
    // What was under way to somebody who has cancelled.
    if (this.#end) return
    const isSmall = body.length < body.buffer.byteLength * SMALLEST_PART
    if (this.#isWanted) this.#hand(isSmall ? body.slice() : body)
    else if (isSmall || body.length < SHORT_BYTES) this.#merge(body)
    else this.#push(body)
  }

  onEnd(): void {
    this.#finish()
    this.#endWith('closed')
  }

  /** The sender gave up: what has not been read is void. */
  onReset(error: unknown): void {
    this.#finish()
    this.fail(error)
  }

  // What this side does -----------------------------------------------------------------------------------------------

  /** Credit to give now, or 0. */
  grant(): number {
    return this.#hasEnded || this.#end ? 0 : this.#window.grant()
  }

  /** The reader gets the error at once, whatever waits. */
  fail(error: unknown): void {
    this.#drop()
    this.#end = { error }
    // Nothing happens where it is closed already.
    this.#controller.error(error)
  }

  /** The session is over: the reader gets what has arrived, then the error. */
  lose(error: unknown): void {
    if (this.#hasEnded) return
    this.#finish()
    this.#endWith({ error })
  }

  // What the application does -----------------------------------------------------------------------------------------

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller
  }

  pull(): void {
    const chunk = this.#shift()
    if (!chunk) {
      this.#isWanted = true
      return
    }
    this.#hand(chunk)
    if (this.#end && !this.#hasWaiting) this.#close()
  }

  cancel(reason: unknown): void {
    this.#drop()
    this.#end = { error: reason }
    if (!this.#hasEnded) this.#handlers.onCancel(reason)
  }

  #hand(chunk: Uint8Array): void {
    this.#isWanted = false
    const { length } = chunk
    this.#controller.enqueue(chunk)
    this.#window.read(length, this.#handlers.now(), this.#handlers.rttMs())
    this.#handlers.onCreditDue()
  }

  #endWith(end: { readonly error: unknown } | 'closed'): void {
    if (this.#end) return
    this.#end = end
    if (!this.#hasWaiting) this.#close()
  }

  #close(): void {
    if (this.#end === 'closed') this.#controller.close()
    else this.#controller.error(this.#end?.error)
  }

  /** The window is for what may still come. */
  #finish(): void {
    if (this.#hasEnded) throw protocolViolation('a second end of a stream')
    this.#hasEnded = true
    this.#window.close()
  }

  // Chunks that wait --------------------------------------------------------------------------------------------------

  get #hasWaiting(): boolean {
    return this.#chunks.length > 0 || this.#tail !== undefined
  }

  #push(chunk: Uint8Array): void {
    this.#closeTail()
    this.#chunks.push(chunk)
  }

  #merge(small: Uint8Array): void {
    if (this.#tailLength + small.length > MERGED_BYTES) this.#closeTail()
    if (!this.#tail) {
      this.#tail = small.slice()
      this.#tailLength = small.length
      return
    }
    const length = this.#tailLength + small.length
    if (length > this.#tail.length) {
      const grown = new Uint8Array(Math.min(MERGED_BYTES, length * 2))
      grown.set(this.#tail.subarray(0, this.#tailLength))
      this.#tail = grown
    }
    this.#tail.set(small, this.#tailLength)
    this.#tailLength = length
  }

  #closeTail(): void {
    if (this.#tail) this.#chunks.push(this.#tail.subarray(0, this.#tailLength))
    this.#tail = undefined
    this.#tailLength = 0
  }

  #shift(): Uint8Array | undefined {
    if (this.#chunks.length === 0) this.#closeTail()
    return this.#chunks.shift()
  }

  #drop(): void {
    this.#chunks.drain()
    this.#tail = undefined
    this.#tailLength = 0
  }
}
