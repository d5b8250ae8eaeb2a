/**
 * Typed events. A listener is removed by calling or disposing what `on` returns. A listener that throws hurts nobody
 * else: the others are called all the same, and the error surfaces as an uncaught exception of the program, where
 * programming errors belong.
 */

import { EarshotError } from './errors.ts'
import type { Clock } from './platform/clock.ts'

/** Removes a listener: call it, or let `using` do so. */
export interface Disposer extends Disposable {
  (): void
}

export interface OnceOptions {
  /** Rejects with the code `timeout` after this long. @default Infinity */
  readonly timeoutMs?: number
  /** Rejects with `signal.reason`. */
  readonly signal?: AbortSignal
}

type Listener<T> = (event: T) => void

interface Entry {
  readonly call: Listener<never>
  /** The event that was being told when it was added, or the last one before. */
  readonly since: number
}

export class Emitter<Events extends object> {
  readonly #clock: Clock
  readonly #listeners = new Map<keyof Events, Set<Entry>>()
  /** Counts events: a listener added while one is told has had it as replay, or came too late for it. */
  #round = 0
  /** What a late listener would have missed, given to it in the same turn. */
  readonly #replay: <K extends keyof Events>(type: K) => Iterable<Events[K]>
  /** Those who wait in `once`. */
  readonly #waiting = new Set<(reason: unknown) => void>()
  #closed: { readonly reason: unknown } | undefined

  constructor(clock: Clock, replay: <K extends keyof Events>(type: K) => Iterable<Events[K]>) {
    this.#clock = clock
    this.#replay = replay
  }

  has(type: keyof Events): boolean {
    return this.#listeners.has(type)
  }

  on<K extends keyof Events>(type: K, listener: Listener<Events[K]>): Disposer {
    const present = [...this.#replay(type)]
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners)
    // A listener added twice is called twice, and each disposer removes its own.
    const own: Entry = { call: listener as Listener<never>, since: this.#round }
    listeners.add(own)
    const off = () => {
      listeners.delete(own)
      if (listeners.size === 0 && this.#listeners.get(type) === listeners) this.#listeners.delete(type)
    }
    for (const event of present) this.#call(listener, event)
    return Object.assign(off, { [Symbol.dispose]: off })
  }

  once<K extends keyof Events>(
    type: K,
    { timeoutMs, signal }: OnceOptions,
    accepts: (event: Events[K]) => boolean = () => true,
  ): Promise<Events[K]> {
    return new Promise((resolve, reject) => {
      const ended = this.#closed ?? (signal?.aborted ? signal : undefined)
      if (ended) {
        reject(ended.reason)
        return
      }
      let off: (() => void) | undefined
      let isDone = false
      const stop = () => {
        isDone = true
        off?.()
        timer?.cancel()
        signal?.removeEventListener('abort', onAbort)
        this.#waiting.delete(fail)
      }
      const fail = (reason: unknown) => {
        stop()
        reject(reason)
      }
      const onAbort = () => fail(signal?.reason)
      const timer =
        timeoutMs === undefined || timeoutMs === Number.POSITIVE_INFINITY
          ? undefined
          : this.#clock.setTimer(timeoutMs, () => fail(noEvent(String(type), timeoutMs)))
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(fail)
      off = this.on(type, event => {
        if (isDone || !accepts(event)) return
        stop()
        resolve(event)
      })
      if (isDone) off()
    })
  }

  /** True where somebody listens. */
  emit<K extends keyof Events>(type: K, event: Events[K]): boolean {
    const listeners = this.#listeners.get(type)
    if (!listeners) return false
    const round = ++this.#round
    for (const { call, since } of listeners) if (since < round) this.#call(call as Listener<Events[K]>, event)
    return true
  }

  /** Nothing will happen any more: listeners are forgotten, and who waits in `once` gets the reason. */
  close(reason: unknown): void {
    this.#closed = { reason }
    this.#listeners.clear()
    for (const fail of [...this.#waiting]) fail(reason)
  }

  #call<T>(listener: Listener<T>, event: T): void {
    try {
      listener(event)
    } catch (error) {
      this.#clock.afterTurn(() => {
        throw error
      })
    }
  }
}

function noEvent(type: string, timeoutMs: number): EarshotError {
  return new EarshotError('timeout', `no '${type}' event within ${timeoutMs} ms`)
}
