import { expect, test } from 'vitest'
import { simulate } from '../../testing/index.ts'
import { Transfer } from './transfer.ts'
import { TransferRate } from './transfer-rate.ts'

interface Work {
  readonly transfer: Transfer<number, string>
  set(progress: number): void
  end(result: string): void
  fail(error: unknown): void
  readonly signal: AbortSignal
}

/** A transfer whose work the test does. */
function work(net: ReturnType<typeof simulate>): Work {
  let progress = 0
  let end!: (result: string) => void
  let fail!: (error: unknown) => void
  let given!: AbortSignal
  const transfer = new Transfer<number, string>(
    net.host('ada').network.clock,
    signal => {
      given = signal
      return new Promise((resolve, reject) => {
        end = resolve
        fail = reject
      })
    },
    () => progress,
  )
  const set = (to: number) => {
    progress = to
    transfer.onProgress()
  }
  return { transfer, set, end, fail, signal: given }
}

test('a loop gets where it is, news at most every 100 ms, and the end', async () => {
  const net = simulate()
  const { transfer, set, end } = work(net)
  await net.run(async () => {
    const seen: (readonly [at: number, progress: number])[] = []
    const looping = (async () => {
      for await (const progress of transfer) seen.push([net.now, progress])
    })()
    for (let step = 1; step <= 25; step++) {
      await net.advance(10)
      set(step)
    }
    await net.advance(500)
    set(99)
    end('done')
    await looping
    expect(seen).toEqual([
      [0, 0],
      [100, 9],
      [200, 19],
      [300, 25],
      [750, 99],
    ])
    expect(await transfer).toBe('done')
  })
  expect(net.open()).toEqual([])
})

test('several may loop, each at its own pace, and one that leaves leaves nothing behind', async () => {
  const net = simulate()
  const { transfer, set, end } = work(net)
  await net.run(async () => {
    const first = (async () => {
      for await (const progress of transfer) if (progress > 0) return progress
      return -1
    })()
    const slow: number[] = []
    const second = (async () => {
      for await (const progress of transfer) {
        slow.push(progress)
        await net.advance(1_000)
      }
    })()
    await net.advance(10)
    set(1)
    expect(await first).toBe(1)
    set(2)
    set(3)
    await net.advance(2_000)
    end('done')
    await second
    expect(slow.at(-1)).toBe(3)
    expect(slow).toEqual(slow.toSorted((a, b) => a - b))
  })
  expect(net.open()).toEqual([])
})

test('what it fails with is thrown by the loop, and by whoever awaits', async () => {
  const net = simulate()
  const { transfer, fail } = work(net)
  await net.run(async () => {
    const error = new Error('no')
    const looping = (async () => {
      for await (const _ of transfer);
    })()
    fail(error)
    await expect(looping).rejects.toBe(error)
    await expect(transfer).rejects.toBe(error)
    expect(await transfer.catch(caught => caught)).toBe(error)
  })
})

test('a loop over one that has ended gets the end, and no more', async () => {
  const net = simulate()
  const { transfer, set, end } = work(net)
  set(7)
  end('done')
  await transfer
  const seen: number[] = []
  for await (const progress of transfer) seen.push(progress)
  expect(seen).toEqual([7])
  let wasCalled = false
  await transfer.finally(() => {
    wasCalled = true
  })
  expect(wasCalled).toBe(true)
})

test('a failure that nobody looks at is an unhandled rejection, as of any promise', async () => {
  const unhandled: unknown[] = []
  const before = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', reason => unhandled.push(reason))
  try {
    const net = simulate()
    const { fail } = work(net)
    fail('nobody looked')
    await new Promise(resolve => setImmediate(resolve))
    await new Promise(resolve => setImmediate(resolve))
    expect(unhandled).toContain('nobody looked')
  } finally {
    process.removeAllListeners('unhandledRejection')
    for (const listener of before) process.on('unhandledRejection', listener)
  }
})

test('cancelling reaches the work with its reason', () => {
  const { transfer, signal } = work(simulate())
  transfer.cancel('enough')
  expect([signal.aborted, signal.reason]).toEqual([true, 'enough'])
})

test('a rate is that of the last five seconds', () => {
  const rate = new TransferRate()
  expect(rate.perSecond(0, 0)).toBe(0)
  for (let at = 0; at <= 10_000; at += 50) rate.note(at < 5_000 ? at : 5_000 + (at - 5_000) * 3, at)
  expect(rate.perSecond(20_000, 10_000)).toBe(3_000)
  // A pause is seen.
  expect(rate.perSecond(20_000, 12_500)).toBeLessThan(2_000)
  expect(rate.perSecond(20_000, 16_000)).toBe(0)
})

test('what was there before does not count', () => {
  const rate = new TransferRate()
  rate.note(1_000_000, 0)
  rate.note(1_001_000, 1_000)
  expect(rate.perSecond(1_001_000, 1_000)).toBe(1_000)
})
