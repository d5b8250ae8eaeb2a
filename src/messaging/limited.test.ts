import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { simulate } from '../testing/index.ts'
import { Deadlines } from './deadlines.ts'
import { withinLimits } from './limited.ts'

function limited<T>(promise: Promise<T>, limits: { timeoutMs?: number; signal?: AbortSignal } = {}) {
  const net = simulate()
  const host = net.host('ada')
  const deadlines = new Deadlines(host.network.clock)
  const result = withinLimits(promise, { timeoutMs: 1_000, signal: undefined, ...limits }, deadlines)
  return { net, host, result }
}

const never = () => new Promise<never>(() => {})

test('a promise that settles in time does so here, too', async () => {
  await expect(limited(Promise.resolve(1)).result).resolves.toBe(1)
  const error = new Error('no')
  await expect(limited(Promise.reject(error)).result).rejects.toBe(error)
})

test('one that takes longer is a timeout, after which nothing is left', async () => {
  const { signal } = new AbortController()
  const { net, host, result } = limited(never(), { signal })
  await expect(net.until(result)).rejects.toMatchObject({ code: 'timeout', message: 'no answer within 1000 ms' })
  expect(net.now).toBe(1_000)
  expect(host.open()).toEqual([])
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('an abort rejects with its reason, after which nothing is left', async () => {
  const controller = new AbortController()
  const { net, host, result } = limited(never(), { signal: controller.signal })
  const reason = new Error('enough')
  controller.abort(reason)
  await expect(result).rejects.toBe(reason)
  expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  await net.advance(1_000)
  expect(host.open()).toEqual([])
})

test('what was aborted before is not waited for, and its rejection is nobody’s', async () => {
  const reason = new Error('enough')
  const { result } = limited(Promise.reject(new Error('unheard')), { signal: AbortSignal.abort(reason) })
  await expect(result).rejects.toBe(reason)
})

test('settling takes the listener along', async () => {
  const { signal } = new AbortController()
  await limited(Promise.resolve(1), { signal }).result
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
