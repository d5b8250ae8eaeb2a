/**
 * Sends frames, a header and its payload each, as the program can read them: in one write and so in one burst, never a
 * header alone; and the next one not before a moment has passed or something was heard, or the system would put them
 * together and cut them where a segment is full. The program reads a header with one call, and takes half of one for the
 * whole.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_PEERPY_QUEUED_BYTES } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { Fifo } from '../../wire/fifo.ts'

interface Frame {
  readonly bytes: Uint8Array
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

export interface FrameSenderOptions {
  readonly clock: Clock
  /** Between two frames. */
  readonly paceMs: number
  /** False: full. */
  readonly write: (bytes: Uint8Array) => boolean
}

export class FrameSender {
  readonly #options: FrameSenderOptions
  readonly #frames = new Fifo<Frame>()
  #queuedBytes = 0
  #isFull = false
  #lastWriteAt = Number.NEGATIVE_INFINITY
  /** By the clock: the next frame comes no sooner. */
  #pausedUntil = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #onIdle: (() => void) | undefined

  constructor(options: FrameSenderOptions) {
    this.#options = options
  }

  get isIdle(): boolean {
    return this.#frames.length === 0
  }

  /** When something was written last, by the clock. */
  get lastWriteAt(): number {
    return this.#lastWriteAt
  }

  /** Resolves when the system has taken the frame. Rejects with `limit-reached` where too much waits already. */
  send(bytes: Uint8Array): Promise<void> {
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes.length > MAX_PEERPY_QUEUED_BYTES)
      return Promise.reject(tooMuchWaits())
    return new Promise((resolve, reject) => {
      this.#frames.push({ bytes, resolve, reject })
      this.#queuedBytes += bytes.length
      this.#flush()
    })
  }

  /** Whoever answers has read: a dialogue is not slowed down. */
  onHeard(): void {
    this.#pausedUntil = Number.NEGATIVE_INFINITY
    this.#flush()
  }

  onDrain(): void {
    this.#isFull = false
    this.#flush()
  }

  /** Calls `fn` when nothing waits any more; at once where that is so. */
  whenIdle(fn: () => void): void {
    this.#onIdle = fn
    if (this.isIdle) fn()
  }

  /** What waits is not sent. */
  close(reason: EarshotError): void {
    this.#timer?.cancel()
    this.#onIdle = undefined
    for (const { reject } of this.#frames.drain()) reject(reason)
  }

  #flush(): void {
    const { clock, paceMs, write } = this.#options
    while (!this.#isFull && !this.isIdle) {
      const waitMs = this.#pausedUntil - clock.now()
      if (waitMs > 0) {
        this.#flushLater(waitMs)
        return
      }
      const { bytes, resolve } = this.#frames.shift()!
      this.#queuedBytes -= bytes.length
      this.#lastWriteAt = clock.now()
      this.#pausedUntil = this.#lastWriteAt + paceMs
      this.#isFull = !write(bytes)
      resolve()
    }
    if (this.isIdle) this.#onIdle?.()
  }

  #flushLater(waitMs: number): void {
    this.#timer ??= this.#options.clock.setTimer(waitMs, () => {
      this.#timer = undefined
      this.#flush()
    })
  }
}

function tooMuchWaits(): EarshotError {
  return new EarshotError('limit-reached', `more than ${MAX_PEERPY_QUEUED_BYTES} bytes wait to be sent already`, {
    hint: 'Await what send returns before sending more.',
  })
}
