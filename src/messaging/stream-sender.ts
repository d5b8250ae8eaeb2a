/**
 * The writable half of a stream. A chunk is written from the application's own buffer into records; until all of it is
 * there, the next one waits, and with it the application.
 */

import { STREAM_WINDOW_BYTES } from '../limits.ts'
import { BULK_HEADER_BYTES, type BulkSource } from '../session/bulk-sources.ts'
import { putStreamData } from '../session/frame.ts'
import type { SendQueue } from '../session/send-queue.ts'

/** Chunks that the application may have written while one is under way: small ones go together. */
const BUFFER_BYTES = 65_536
/** Credit counts to here, exactly: a peer may give as much as it likes. */
const MAX_CREDIT = Number.MAX_SAFE_INTEGER

/** What the types of Node 20 leave out. */
type SinkController = WritableStreamDefaultController & { readonly signal: AbortSignal }

export interface SenderHandlers {
  /** Pending while the stream itself waits to be opened. */
  readonly opened: Promise<void> | undefined
  /** Nothing more will be written. */
  onEnd(): void
  /** The application gave up, or wrote what is no bytes. */
  onAbort(reason: unknown): void
}

export class StreamSender implements BulkSource {
  readonly writable: WritableStream<Uint8Array>
  isQueued = false
  readonly #stream: number
  readonly #queue: Pick<SendQueue, 'offer' | 'resume' | 'withdraw'>
  readonly #handlers: SenderHandlers
  #controller!: WritableStreamDefaultController
  #credit: number = STREAM_WINDOW_BYTES
  #chunk: Uint8Array | undefined
  #sent = 0
  #resolve: (() => void) | undefined
  #reject: ((error: unknown) => void) | undefined
  #hasEnded = false

  /** @param stream as it is written in frames of this side */
  constructor(stream: number, queue: Pick<SendQueue, 'offer' | 'resume' | 'withdraw'>, handlers: SenderHandlers) {
    this.#stream = stream
    this.#queue = queue
    this.#handlers = handlers
    const size = (chunk: Uint8Array) => chunk?.byteLength ?? 0
    this.writable = new WritableStream<Uint8Array>(this, { highWaterMark: BUFFER_BYTES, size })
  }

  /** The end was told, or the direction given up. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  // What the session asks and tells -----------------------------------------------------------------------------------

  get pending(): number {
    return this.#chunk ? this.#chunk.length - this.#sent : 0
  }

  get sendable(): number {
    return Math.min(this.pending, this.#credit)
  }

  put(target: Uint8Array, offset: number, end: number, bodyLength: number): number {
    const length = Math.min(this.sendable, end - offset - bodyLength - BULK_HEADER_BYTES)
    const bytes = this.#chunk!.subarray(this.#sent, this.#sent + length)
    this.#credit -= length
    this.#sent += length
    if (this.pending === 0) this.#settle()
    return putStreamData(target, offset, this.#stream, bodyLength, bytes)
  }

  addCredit(bytes: number): void {
    this.#credit = Math.min(this.#credit + bytes, MAX_CREDIT)
    this.#queue.resume(this)
  }

  /** This half is over before its end: the writer gets the error. */
  fail(error: unknown): void {
    this.#queue.withdraw(this)
    this.lose(error)
  }

  /** The same where the session is over, and its queue with it. */
  lose(error: unknown): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#controller.error(error)
    this.#reject?.(error)
    this.#forget()
  }

  // What the application does -----------------------------------------------------------------------------------------

  start(controller: WritableStreamDefaultController): Promise<void> | undefined {
    this.#controller = controller
    const { signal } = controller as SinkController
    // The stream itself would wait for the chunk under way first, which may wait for credit that never comes.
    signal.addEventListener('abort', () => this.abort(signal.reason), { once: true })
    return this.#handlers.opened
  }

  write(chunk: unknown): Promise<void> | undefined {
    const bytes = this.#bytesOf(chunk)
    if (bytes.length === 0) return undefined
    this.#chunk = bytes
    this.#sent = 0
    this.#queue.offer(this)
    if (this.pending === 0) return undefined
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  close(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#handlers.onEnd()
  }

  abort(reason: unknown): void {
    if (this.#hasEnded) return
    this.#queue.withdraw(this)
    this.#hasEnded = true
    this.#reject?.(reason)
    this.#forget()
    this.#handlers.onAbort(reason)
  }

  #bytesOf(chunk: unknown): Uint8Array {
    if (chunk instanceof Uint8Array) return chunk
    if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk)
    const error = new TypeError(`a stream takes bytes (Uint8Array), not ${typeof chunk}`)
    // A sink that throws is not told to abort.
    this.abort(error)
    throw error
  }

  #settle(): void {
    const resolve = this.#resolve
    this.#forget()
    resolve?.()
  }

  #forget(): void {
    this.#chunk = undefined
    this.#sent = 0
    this.#resolve = undefined
    this.#reject = undefined
  }
}
