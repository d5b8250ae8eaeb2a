import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Clock } from '../platform/clock.ts'
import { Deadlines, Expiring } from './deadlines.ts'

/** A clock with at most a few timers, moved by hand. */
function handClock() {
  let now = 0
  let timers: { at: number; fn: () => void }[] = []
  let armed = 0
  const clock: Clock = {
    now: () => now,
    wallTime: () => now,
    afterTurn: fn => queueMicrotask(fn),
    setTimer(delayMs, fn) {
      armed++
      const timer = { at: now + delayMs, fn }
      timers.push(timer)
      const cancel = () => {
        timers = timers.filter(other => other !== timer)
      }
      return { cancel }
    },
  }
  const advance = (to: number) => {
    for (;;) {
      const due = timers.filter(timer => timer.at <= to).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      timers = timers.filter(timer => timer !== due)
      now = Math.max(now, due.at)
      due.fn()
    }
    now = to
  }
  return { clock, advance, pending: () => timers.length, armed: () => armed }
}

class Call extends Expiring {
  readonly onExpire: () => void
  constructor(onExpire: () => void) {
    super()
    this.onExpire = onExpire
  }
  override expire(): void {
    this.onExpire()
  }
}

test('a thousand calls with one duration need one timer', () => {
  const { clock, advance, pending, armed } = handClock()
  const deadlines = new Deadlines(clock)
  const calls = Array.from({ length: 1_000 }, () => new Call(() => {}))
  for (const call of calls) deadlines.add(call, 2_000)
  for (const call of calls) deadlines.remove(call)
  expect(armed()).toBe(1)
  advance(2_000)
  expect(pending()).toBe(0)
})

test('whatever is added and removed, exactly the rest expires, each at its time', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ at: fc.nat(100), timeoutMs: fc.constantFrom(0, 5, 20, 50), removeAfter: fc.option(fc.nat(60)) }),
      ),
      plans => {
        const { clock, advance, pending } = handClock()
        const deadlines = new Deadlines(clock)
        const expired: string[] = []
        const expected: string[] = []
        const steps: { at: number; run: () => void }[] = []
        plans.forEach(({ at, timeoutMs, removeAfter }, index) => {
          const call = new Call(() => expired.push(`${index}@${clock.now()}`))
          steps.push({ at, run: () => deadlines.add(call, timeoutMs) })
          if (removeAfter !== null && removeAfter < timeoutMs) {
            steps.push({ at: at + removeAfter, run: () => deadlines.remove(call) })
          } else {
            expected.push(`${index}@${at + timeoutMs}`)
          }
        })
        for (const { at, run } of steps.sort((a, b) => a.at - b.at)) {
          advance(at)
          run()
        }
        advance(1_000)
        expect(expired.sort()).toEqual(expected.sort())
        expect(pending()).toBe(0)
      },
    ),
  )
})
