/** The clock port on Node: `performance.now`, `Date.now`, timers that keep nobody awake. */

import type { Clock, Timer } from '../clock.ts'

/** Node fires timers with a longer delay at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** Its reactions are microtasks; `queueMicrotask` would make a resource for async hooks of each. */
const SETTLED = Promise.resolve()

export class NodeClock implements Clock {
  now(): number {
    return performance.now()
  }

  wallTime(): number {
    return Date.now()
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    return new NodeTimer(delayMs, fn)
  }

  /**
   * `process.nextTick`, from a microtask. A tick queued by an I/O callback runs *before* the promises which that callback
   * settles, one queued by a microtask runs after all of them, so that `write(a); await …; write(b)` is one record.
   * `setImmediate` would do that too, but waits until every other socket that is ready has been read. Measured between
   * two processes on loopback (Node 20, 100-byte messages, 1 to 64 in flight): no difference above the noise.
   */
  afterTurn(fn: () => void): void {
    SETTLED.then(() => process.nextTick(fn))
  }
}

/**
 * Node counts a delay from the start of the present turn and in whole milliseconds, so that its timers may fire early.
 * State machines compare with `now()`, hence this one never does.
 */
class NodeTimer implements Timer {
  readonly #dueAt: number
  readonly #fn: () => void
  #timeout: NodeJS.Timeout

  constructor(delayMs: number, fn: () => void) {
    this.#dueAt = performance.now() + delayMs
    this.#fn = fn
    this.#timeout = this.#arm(delayMs)
  }

  cancel(): void {
    clearTimeout(this.#timeout)
  }

  #arm(delayMs: number): NodeJS.Timeout {
    return setTimeout(fire, Math.min(delayMs, LONGEST_DELAY_MS), this).unref()
  }

  fire(): void {
    const remainingMs = this.#dueAt - performance.now()
    if (remainingMs > 0) this.#timeout = this.#arm(Math.ceil(remainingMs))
    else this.#fn()
  }
}

function fire(timer: NodeTimer): void {
  timer.fire()
}
