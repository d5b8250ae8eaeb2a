import { setImmediate as nextImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { NodeClock } from './node-clock.ts'

const clock = new NodeClock()

afterEach(() => {
  vi.useRealTimers()
})

test('the monotonic clock has fractions, the wall clock is that of the system', () => {
  expect(Number.isInteger(clock.now() + clock.now() + clock.now())).toBe(false)
  expect(Math.abs(clock.wallTime() - Date.now())).toBeLessThan(1_000)
})

describe('a timer', () => {
  test('never fires early, though Node counts from the start of the turn', async () => {
    // After a turn has begun, a busy one: Node's own timer would be due at once.
    await nextImmediate()
    const turnBegan = performance.now()
    while (performance.now() - turnBegan < 15);
    const setAt = clock.now()

    const firedAt = await new Promise<number>(resolve => clock.setTimer(10, () => resolve(clock.now())))

    expect(firedAt - setAt).toBeGreaterThanOrEqual(10)
  })

  test('fires once', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const fired = vi.fn()
    clock.setTimer(1_000.5, fired)

    vi.advanceTimersByTime(1_000)
    expect(fired).toHaveBeenCalledTimes(0)
    vi.advanceTimersByTime(10_000)
    expect(fired).toHaveBeenCalledTimes(1)
  })

  test('fires after a delay longer than Node can count', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const fired = vi.fn()
    const thirtyDays = 30 * 24 * 3_600_000
    clock.setTimer(thirtyDays, fired)

    vi.advanceTimersByTime(thirtyDays - 1)
    expect(fired).toHaveBeenCalledTimes(0)
    vi.advanceTimersByTime(1)
    expect(fired).toHaveBeenCalledTimes(1)
  })

  test('does not fire once it is cancelled, also after it has been armed again', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const fired = vi.fn()
    const timers = [clock.setTimer(1_000, fired), clock.setTimer(2 ** 31 + 1_000, fired)]

    for (const timer of timers.slice(0, 1)) timer.cancel()
    vi.advanceTimersByTime(2 ** 31)
    for (const timer of timers) timer.cancel()
    vi.advanceTimersByTime(10_000)

    expect(fired).not.toHaveBeenCalled()
  })

  test('does not keep the process alive', () => {
    const alive = () => process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length
    const before = alive()
    const timer = clock.setTimer(60_000, () => {})

    expect(alive()).toBe(before)
    timer.cancel()
  })
})

describe('afterTurn', () => {
  test('runs after the code and all promises of a turn, and before the next one', async () => {
    const order: string[] = []
    await nextImmediate()

    clock.afterTurn(() => order.push('after'))
    setImmediate(() => order.push('next turn'))
    for (let i = 0; i < 5; i++) {
      order.push(`code ${i}`)
      await undefined
    }
    await nextImmediate()

    expect(order).toEqual(['code 0', 'code 1', 'code 2', 'code 3', 'code 4', 'after', 'next turn'])
  })

  test('runs after the promises of an I/O callback', async () => {
    const order: string[] = []
    await new Promise<void>(resolve => {
      setImmediate(() => {
        clock.afterTurn(() => order.push('after'))
        void writeAgain(order).then(resolve)
      })
    })
    await nextImmediate()

    expect(order).toEqual(['first', 'second', 'after'])
  })
})

async function writeAgain(order: string[]): Promise<void> {
  order.push('first')
  await undefined
  order.push('second')
}
