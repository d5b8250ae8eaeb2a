import { EarshotError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'

/** What `promise` resolves to, if that is in time. Rejects with `timeout`, or with `signal.reason`. */
export function within<Value>(
  clock: Clock,
  ms: number,
  signal: AbortSignal | undefined,
  promise: Promise<Value>,
  message: string = `nothing within ${ms} ms`,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal?.reason)
    const timer = clock.setTimer(ms, () => reject(new EarshotError('timeout', message)))
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    })
  })
}
