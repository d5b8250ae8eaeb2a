/**
 * The stream that a transfer travels on, as frames. It reads a little ahead, so that a stop of the other side is heard
 * whatever this side is doing; it watches that something moves; and it ends, for both sides, in one place and with one
 * reason.
 */

import { EarshotError, protocolViolation } from '../../errors.ts'
import { TRANSFER_IDLE_MS, TRANSFER_WORKING_MS } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { ItemQueue } from '../item-queue.ts'
import type { ByteStream } from '../open-stream.ts'
import { FrameParser } from './frame-parser.ts'
import { isReset, stopErrorFrom, stopReason } from './stop-error.ts'
import { encodeWorking, type TransferFrame } from './transfer-frame.ts'

export interface LinkOptions {
  readonly clock: Clock
  /** For messages: "transfer 'film.mkv'". */
  readonly subject: string
}

/** Frames read ahead of the program. One chunk of content is 64 KiB at most, as the stream hands it over. */
const READ_AHEAD = 8
/** How long the end of the other side is waited for. */
const LINGER_MS = 5_000

export class TransferLink {
  readonly #clock: Clock
  readonly #subject: string
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #frames = new ItemQueue<TransferFrame>({ onTaken: () => this.#readOn?.() })
  readonly #failure = new AbortController()
  /** Set while reading waits for the program to take what was read. */
  #readOn: (() => void) | undefined
  #writing = 0
  #isWaiting = false
  #movedAt: number
  #watch: Timer | undefined
  #isOver = false
  #wasReset = false
  readonly #pumped: Promise<boolean>

  constructor({ readable, writable }: ByteStream, { clock, subject }: LinkOptions) {
    this.#clock = clock
    this.#subject = subject
    this.#reader = readable.getReader()
    this.#writer = writable.getWriter()
    this.#movedAt = clock.now()
    // The other side has stopped it. Where the session is over, what has arrived is read first: it may be the last word.
    this.#writer.closed.catch(error => isReset(error) && this.stop(stopErrorFrom(error, subject)))
    this.#watchOn()
    this.#pumped = this.#pump()
  }

  /** Aborts when the transfer has failed, with the reason. */
  get signal(): AbortSignal {
    return this.#failure.signal
  }

  /** The next frame. Rejects with the reason when the transfer has failed. */
  async next(): Promise<TransferFrame> {
    this.#isWaiting = true
    try {
      const { done, value } = await this.#frames.next()
      this.signal.throwIfAborted()
      if (done) throw new EarshotError('closed', `${this.#subject}: the other side ended it in the middle`)
      return value
    } finally {
      this.#isWaiting = false
    }
  }

  /** The next frame, which must be of this type: anything else is a violation. */
  async expect<T extends TransferFrame['type']>(type: T): Promise<Extract<TransferFrame, { type: T }>> {
    const frame = await this.next()
    if (frame.type === type) return frame as Extract<TransferFrame, { type: T }>
    throw protocolViolation(`${this.#subject}: a frame of type '${frame.type}' where '${type}' should be`)
  }

  /** Sends bytes. Resolves when the stream has taken them all; they must not be changed before that. */
  async write(bytes: Uint8Array): Promise<void> {
    this.signal.throwIfAborted()
    this.#writing += 1
    try {
      await this.#writer.write(bytes)
      this.#movedAt = this.#clock.now()
    } catch (error) {
      // What failed first is the reason.
      throw this.signal.reason ?? error
    } finally {
      this.#writing -= 1
    }
  }

  /**
   * Waits for something that takes its time, and tells the other side meanwhile that it is at it. It is waited for also
   * when the transfer has failed: nothing may be at work behind its back. What may take for ever looks at the signal.
   */
  async busyWith<Value>(work: Promise<Value>): Promise<Value> {
    const tell = (): void => {
      this.#movedAt = this.#clock.now()
      if ((this.#writer.desiredSize ?? 0) > 0) this.#writer.write(encodeWorking()).catch(ignore)
      timer = this.#clock.setTimer(TRANSFER_WORKING_MS, tell)
    }
    let timer = this.#clock.setTimer(TRANSFER_WORKING_MS, tell)
    try {
      return await work
    } finally {
      timer.cancel()
    }
  }

  /** All is said: what was written still arrives. Resolves when this side's end was told. */
  async finish(): Promise<void> {
    this.#close()
    const timer = this.#clock.setTimer(LINGER_MS, () => this.#reset(silent(this.#subject)))
    const closed = this.#writer.close().catch(ignore)
    void Promise.all([closed, this.#pumped]).finally(() => timer.cancel())
    await closed
  }

  /** Resolves when the other side's direction is over: true where it ended it in order, behind its last frame. */
  get otherSideEnded(): Promise<boolean> {
    return this.#pumped
  }

  /** Ends the transfer for both sides, at once, whatever is under way; the other one is told why. Idempotent. */
  stop(error: unknown): void {
    if (this.#isOver) return
    this.#fail(error)
    this.#reset(error)
  }

  /** Both directions: one of them may be held up by a side that does not read. */
  #reset(error: unknown): void {
    this.#wasReset = true
    const reason = stopReason(error)
    this.#reader.cancel(reason).catch(ignore)
    this.#writer.abort(reason).catch(ignore)
  }

  async #pump(): Promise<boolean> {
    const parser = new FrameParser()
    try {
      for (;;) {
        const { done, value } = await this.#reader.read()
        if (done) break
        this.#movedAt = this.#clock.now()
        // Behind the last frame nothing is looked at.
        if (this.#isOver) continue
        for (const frame of parser.push(value)) if (frame.type !== 'working') this.#frames.push(frame)
        while (this.#frames.length >= READ_AHEAD && !this.#isOver) await this.#untilTaken()
      }
      if (!this.#isOver && !parser.isBetweenFrames) {
        throw protocolViolation(`${this.#subject}: the stream ended within a frame`)
      }
      this.#frames.end()
      // Reading ends, too, when this side has given it up.
      return !this.#wasReset
    } catch (error) {
      this.stop(stopErrorFrom(error, this.#subject))
      return false
    }
  }

  #untilTaken(): Promise<void> {
    return new Promise(resolve => {
      this.#readOn = resolve
    })
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    this.#close()
    this.#failure.abort(error)
    this.#frames.end(error)
  }

  #close(): void {
    this.#isOver = true
    this.#watch?.cancel()
    this.#readOn?.()
  }

  /** A side that waits for the other one, to say something or to take something, does not wait for ever. */
  #watchOn(): void {
    this.#watch = this.#clock.setTimer(TRANSFER_IDLE_MS / 4, () => {
      const idleMs = this.#clock.now() - this.#movedAt
      const isWaiting = this.#isWaiting || this.#writing > 0
      if (!isWaiting) this.#movedAt = this.#clock.now()
      if (isWaiting && idleMs >= TRANSFER_IDLE_MS) this.stop(silent(this.#subject))
      else this.#watchOn()
    })
  }
}

/** Settles as `promise` does, or rejects when the signal aborts. */
export function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function silent(subject: string): EarshotError {
  return new EarshotError('timeout', `${subject}: nothing has moved for ${TRANSFER_IDLE_MS / 1_000} s`, {
    hint: 'Send it again: what has arrived is not sent twice.',
  })
}

function ignore(): void {}
