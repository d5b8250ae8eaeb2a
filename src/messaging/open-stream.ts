/**
 * One stream that is open: its two halves, and what they tell the other side. It is over when either direction has been
 * ended or given up by the frame that says so; until then the number stands for it.
 */

import type { StreamCode, StreamFrame } from '../session/frame.ts'
import type { Session } from '../session/session.ts'
import { reasonText, streamError } from './stream-error.ts'
import { type ReceiverHandlers, StreamReceiver } from './stream-receiver.ts'
import { type SenderHandlers, StreamSender } from './stream-sender.ts'
import type { WindowBudget } from './stream-window.ts'

/** Bytes in both directions. Either half ends on its own. */
export interface ByteStream {
  /** What the other side writes. */
  readonly readable: ReadableStream<Uint8Array>
  /** What the other side reads. */
  readonly writable: WritableStream<Uint8Array>
}

/** What `Streams` needs to know of a stream under a number. */
export interface NumberedStream {
  onData(body: Uint8Array): void
  onFrame(frame: StreamFrame): void
  /** The session is over. */
  lose(error: unknown): void
}

export interface OpenStreamOptions {
  /** As it is written in frames of this side. */
  readonly written: number
  readonly name: string
  /** Pending while the frame that opens it waits. */
  readonly opened: Promise<void> | undefined
  readonly signal: AbortSignal | undefined
}

export interface OpenStreamHandlers {
  now(): number
  /** The stream has read credit to give. */
  onCreditDue(stream: OpenStream): void
  /** Both directions are over, and nothing but stray credit will come for it. */
  onOver(): void
}

export class OpenStream implements NumberedStream, ByteStream, ReceiverHandlers, SenderHandlers {
  readonly name: string
  readonly opened: Promise<void> | undefined
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
  readonly #written: number
  readonly #session: Session
  readonly #handlers: OpenStreamHandlers
  readonly #receiver: StreamReceiver
  readonly #sender: StreamSender
  readonly #signal: AbortSignal | undefined
  readonly #onSignal = (): void => this.abort(this.#signal?.reason)
  /** What is to be told once the stream is opened. */
  #held: StreamFrame[] | undefined
  #hasStopped = false

  constructor(
    session: Session,
    budget: WindowBudget,
    { written, name, opened, signal }: OpenStreamOptions,
    handlers: OpenStreamHandlers,
  ) {
    this.#session = session
    this.#handlers = handlers
    this.#written = written
    this.name = name
    this.opened = opened
    this.#receiver = new StreamReceiver(budget, this)
    this.#sender = new StreamSender(written, session.bulk, this)
    this.readable = this.#receiver.readable
    this.writable = this.#sender.writable
    this.#signal = signal
    signal?.addEventListener('abort', this.#onSignal, { once: true })
    if (!opened) return
    this.#held = []
    opened.then(
      () => this.#tellHeld(),
      error => this.lose(error),
    )
  }

  /** Gives up both directions. */
  abort(reason: unknown): void {
    if (!this.#sender.hasEnded) {
      this.#sender.fail(reason)
      this.onAbort(reason)
    }
    if (!this.#receiver.hasEnded) this.onCancel(reason)
    this.#receiver.fail(reason)
  }

  /** Gives back what the application has read. */
  giveCredit(): void {
    const bytes = this.#receiver.grant()
    if (bytes > 0) this.#tell({ kind: 'credit', stream: this.#written, bytes })
  }

  // What the session tells --------------------------------------------------------------------------------------------

  onData(body: Uint8Array): void {
    this.#receiver.onData(body)
  }

  onFrame(frame: StreamFrame): void {
    switch (frame.kind) {
      case 'credit':
        this.#sender.addCredit(frame.bytes)
        return
      case 'end':
        this.#receiver.onEnd()
        break
      case 'reset':
        this.#receiver.onReset(streamError(frame.code, frame.reason, this.name))
        break
      case 'stop':
        this.#onStop(frame.code, frame.reason)
    }
    this.#settle()
  }

  lose(error: unknown): void {
    this.#sender.lose(error)
    this.#receiver.lose(error)
    this.#settle()
  }

  // What the halves tell ----------------------------------------------------------------------------------------------

  now(): number {
    return this.#handlers.now()
  }

  rttMs(): number | undefined {
    return this.#session.rttMs
  }

  onCreditDue(): void {
    this.#handlers.onCreditDue(this)
  }

  onCancel(reason: unknown): void {
    if (this.#hasStopped) return
    this.#hasStopped = true
    this.#tell({ kind: 'stop', stream: this.#written, code: 'reset', reason: reasonText(reason) })
  }

  onEnd(): void {
    this.#tell({ kind: 'end', stream: this.#written })
    this.#settle()
  }

  onAbort(reason: unknown): void {
    this.#tell({ kind: 'reset', stream: this.#written, code: 'reset', reason: reasonText(reason) })
    this.#settle()
  }

  /** Nobody reads there any more. The answer tells that nothing else is under way. */
  #onStop(code: StreamCode, reason: string): void {
    if (this.#sender.hasEnded) return
    this.#sender.fail(streamError(code, reason, this.name))
    this.#tell({ kind: 'reset', stream: this.#written, code: 'reset', reason: '' })
  }

  #tell(frame: StreamFrame): void {
    if (this.#held) this.#held.push(frame)
    else this.#session.streamFrame(frame)
  }

  #tellHeld(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const frame of held) this.#session.streamFrame(frame)
  }

  #settle(): void {
    if (!this.#sender.hasEnded || !this.#receiver.hasEnded) return
    this.#signal?.removeEventListener('abort', this.#onSignal)
    this.#handlers.onOver()
  }
}
