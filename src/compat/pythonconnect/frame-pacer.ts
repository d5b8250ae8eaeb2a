/**
 * Lets the frames of one connection out so that the real program reads each of them. It throws away what follows a frame
 * in what it has read, and reads nothing while its program handles a message or a question. So one frame may lie unread
 * there, and the next one waits:
 *
 * - behind a question until its answer is here, or nobody waits for it any more;
 * - behind anything else for a moment (`paceMs`), or until the other side asks something: then it has read what we sent.
 *
 * While a question is being handled one more frame may wait there, so that a question in return is not held up.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_PYTHONCONNECT_QUEUED_FRAMES } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'

export interface OutgoingFrame {
  readonly bytes: Uint8Array
  /** Of a question. */
  readonly questionId?: number
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
  questionId: number | undefined
  /** Since when the other side can be busy with it. */
  since: number
}

export class FramePacer {
  readonly #options: FramePacerOptions
  #waiting: OutgoingFrame[] = []
  /** Written, and perhaps not read: at most two, and then the first is a question. */
  #unread: Unread[] = []
  #timer: Timer | undefined
  #isBlocked = false

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

  /** The answer has come: the question, and what was written before it, was read. */
  onAnswered(questionId: number): void {
    const at = this.#unread.findIndex(unread => unread.questionId === questionId)
    if (at >= 0) this.#removeUnread(at + 1)
  }

  /** Nobody waits for the answer any more. */
  onGivenUp(questionId: number): void {
    this.#waiting = this.#waiting.filter(frame => frame.questionId !== questionId)
    const at = this.#unread.findIndex(unread => unread.questionId === questionId)
    if (at === 0) this.#removeUnread(1)
    else if (at > 0) this.#unread[at]!.questionId = undefined
  }

  /**
   * The other side asks: it has read what we sent before. Where it asks in return, while it is busy with a question of ours,
   * the real program has not; but then it waits for its answer in vain, and whatever else is sent still waits here.
   */
  onAsked(): void {
    this.#unread = this.#unread.filter(({ questionId }) => questionId !== undefined)
    this.#pump()
  }

  /** The buffer of the system is empty again. */
  onDrain(): void {
    this.#isBlocked = false
    this.#pump()
  }

  /** Everything at once, whatever becomes of it: the connection ends. */
  flush(): void {
    for (const frame of this.#waiting.splice(0)) {
      this.#options.write(frame.bytes)
      frame.onWritten?.()
    }
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  close(error: unknown): void {
    this.#timer?.cancel()
    for (const frame of this.#waiting.splice(0)) frame.onDropped?.(error)
  }

  #removeUnread(count: number): void {
    this.#unread.splice(0, count)
    const [next] = this.#unread
    if (next) next.since = this.#options.clock.now()
    this.#pump()
  }

  #pump(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    while (this.#waiting.length > 0 && !this.#isBlocked) {
      const waitMs = this.#waitMs()
      if (waitMs > 0) {
        if (waitMs < Number.POSITIVE_INFINITY) {
          this.#timer = this.#options.clock.setTimer(waitMs, () => this.#pump())
        }
        return
      }
      this.#write(this.#waiting.shift()!)
    }
  }

  #write(frame: OutgoingFrame): void {
    this.#isBlocked = !this.#options.write(frame.bytes)
    this.#noteWritten(frame.questionId)
    frame.onWritten?.()
  }

  #noteWritten(questionId: number | undefined): void {
    if (this.#options.paceMs > 0) this.#unread.push({ questionId, since: this.#options.clock.now() })
  }

  #waitMs(): number {
    const { clock, paceMs } = this.#options
    const now = clock.now()
    for (let first = this.#unread[0]; first; first = this.#unread[0]) {
      const leftMs = first.since + paceMs - now
      if (first.questionId !== undefined)
        return this.#unread.length > 1 ? Number.POSITIVE_INFINITY : Math.max(0, leftMs)
      if (leftMs > 0) return leftMs
      this.#unread.shift()
      if (this.#unread[0]) this.#unread[0].since = now
    }
    return 0
  }
}
