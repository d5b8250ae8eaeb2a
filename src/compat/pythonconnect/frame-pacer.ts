/**
 * Lets the frames of one connection out so that the real program reads each of them. It throws away what follows a frame
 * in what it has read, and reads nothing while its program handles a message or a question. So one frame may lie unread
 * there, and the next one waits:
 *
 * - behind a question until its answer is here, or nobody waits for it any more. Only an answer may pass, for the other
 *   side may ask in return before it answers;
 * - behind anything else for a moment (`paceMs`), or until the other side asks something: then it has read what we sent.
 *
 * A handler of messages there that takes longer than the pace is beyond our knowledge, for nothing tells when it is done.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_PYTHONCONNECT_QUEUED_FRAMES } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'

export interface OutgoingFrame {
  readonly bytes: Uint8Array
  /** Of a question. */
  readonly questionId?: number
  /** The other side waits for it. @default false */
  readonly isAnswer?: boolean
  /** It was handed to the system. */
  onWritten?(): void
  /** It will not be. */
  onDropped?(error: unknown): void
}

export interface FramePacerOptions {
  readonly clock: Clock
  /** 0: nothing waits at all, for those who read frame by frame. */
  readonly paceMs: number
  /** False: the buffer of the system is full. */
  write(bytes: Uint8Array): boolean
}

interface Unread {
  readonly questionId: number | undefined
  /** Since when the other side can be busy with it. */
  since: number
}

export class FramePacer {
  readonly #options: FramePacerOptions
  #waiting: OutgoingFrame[] = []
  /** Written, and perhaps not read: one, or a question and an answer that passed it. */
  #unread: Unread[] = []
  #timer: Timer | undefined
  #isBlocked = false
  #onEmpty: (() => void) | undefined

  constructor(options: FramePacerOptions) {
    this.#options = options
  }

  /** Throws `limit-reached` where too many wait already. */
  send(frame: OutgoingFrame): void {
    if (this.#waiting.length >= MAX_PYTHONCONNECT_QUEUED_FRAMES) {
      throw new EarshotError('limit-reached', `${MAX_PYTHONCONNECT_QUEUED_FRAMES} frames wait for one device already`, {
        hint: 'pythonConnect takes one at a time: await send.',
      })
    }
    this.#waiting.push(frame)
    this.#pump()
  }

  /** Takes back what has not left; the frame is told nothing. */
  takeBack(frame: OutgoingFrame): void {
    this.#waiting = this.#waiting.filter(other => other !== frame)
  }

  /** Something was written past this queue. */
  onWritten(): void {
    this.#noteWritten(undefined)
  }

  /** The answer has come. */
  onAnswered(questionId: number): void {
    if (this.#unread[0]?.questionId === questionId) this.#forgetFirst()
  }

  /** Nobody waits for the answer any more. */
  onGivenUp(questionId: number): void {
    this.#waiting = this.#waiting.filter(frame => frame.questionId !== questionId)
    this.onAnswered(questionId)
    this.#tellEmpty()
  }

  /**
   * The other side asks: it has read what we sent before. While it is busy with a question of ours the real program reads
   * nothing, and asks all the same where several of its threads do; `asksOneByOne` says that this one never did.
   */
  onAsked(asksOneByOne: boolean): void {
    const isBusy = this.#unread[0]?.questionId !== undefined
    if (isBusy && !asksOneByOne) return
    this.#unread = this.#unread.filter(({ questionId }) => questionId !== undefined)
    this.#pump()
  }

  /** The buffer of the system is empty again. */
  onDrain(): void {
    this.#isBlocked = false
    this.#pump()
  }

  /** Calls `fn` once nothing waits any more, now or later. */
  whenEmpty(fn: () => void): void {
    this.#onEmpty = fn
    this.#tellEmpty()
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  close(error: unknown): void {
    this.#timer?.cancel()
    for (const frame of this.#waiting.splice(0)) frame.onDropped?.(error)
  }

  #tellEmpty(): void {
    if (!this.isEmpty) return
    const fn = this.#onEmpty
    this.#onEmpty = undefined
    fn?.()
  }

  #forgetFirst(): void {
    this.#unread.shift()
    const [next] = this.#unread
    if (next) next.since = this.#options.clock.now()
    this.#pump()
  }

  #pump(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    while (this.#waiting.length > 0 && !this.#isBlocked) {
      this.#forgetRead()
      const [first] = this.#unread
      const frame = first?.questionId === undefined ? this.#waiting[0] : this.#answerThatMayPass()
      if (!frame) return
      const waitMs = first ? first.since + this.#options.paceMs - this.#options.clock.now() : 0
      if (waitMs > 0) {
        this.#timer = this.#options.clock.setTimer(waitMs, () => this.#pump())
        return
      }
      this.takeBack(frame)
      this.#write(frame)
    }
  }

  /** What was written long enough ago, but for a question. */
  #forgetRead(): void {
    const [first] = this.#unread
    if (!first || first.questionId !== undefined) return
    if (first.since + this.#options.paceMs <= this.#options.clock.now()) this.#unread = []
  }

  #answerThatMayPass(): OutgoingFrame | undefined {
    return this.#unread.length === 1 ? this.#waiting.find(({ isAnswer }) => isAnswer) : undefined
  }

  #write(frame: OutgoingFrame): void {
    this.#isBlocked = !this.#options.write(frame.bytes)
    this.#noteWritten(frame.questionId)
    frame.onWritten?.()
    this.#tellEmpty()
  }

  #noteWritten(questionId: number | undefined): void {
    if (this.#options.paceMs > 0) this.#unread.push({ questionId, since: this.#options.clock.now() })
  }
}
