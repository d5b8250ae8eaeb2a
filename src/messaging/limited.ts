/** Waiting with an end: a time-out and a signal around a promise that has neither. */

import { EarshotError } from '../errors.ts'
import type { AskLimits } from './asked-questions.ts'
import { type Deadlines, Expiring } from './deadlines.ts'

/** Settles as `promise` does, or rejects with `timeout` or `signal.reason` before that. */
export function withinLimits<T>(
  promise: Promise<T>,
  { timeoutMs, signal }: AskLimits,
  deadlines: Deadlines,
): Promise<T> {
  if (signal?.aborted) {
    promise.catch(ignore)
    return Promise.reject(signal.reason)
  }
  return new Promise((resolve, reject) => {
    const settled = () => {
      deadlines.remove(wait)
      signal?.removeEventListener('abort', onAbort)
    }
    const fail = (error: unknown) => {
      settled()
      reject(error)
    }
    const onAbort = () => fail(signal?.reason)
    const wait = new Wait(() => fail(new EarshotError('timeout', `no answer within ${timeoutMs} ms`)))
    deadlines.add(wait, timeoutMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    promise.then(value => {
      settled()
      resolve(value)
    }, fail)
  })
}

class Wait extends Expiring {
  readonly #onExpire: () => void

  constructor(onExpire: () => void) {
    super()
    this.#onExpire = onExpire
  }

  override expire(): void {
    this.#onExpire()
  }
}

function ignore(): void {}
