import { describe, expect, test } from 'vitest'
import { VirtualClock } from './virtual-clock.ts'
import { type EventOwner, VirtualTime } from './virtual-time.ts'

class Program implements EventOwner {
  readonly takesTurns = true
  condition: EventOwner['condition'] = 'awake'
}

function setUp() {
  const time = new VirtualTime()
  const program = new Program()
  const clock = new VirtualClock(time, program, () => 0)
  const log: string[] = []
  return { time, program, clock, log }
}

describe('virtual time', () => {
  test('moves only while somebody waits for it', async () => {
    const { time, clock, log } = setUp()
    clock.setTimer(10, () => log.push(`fired at ${clock.now()}`))
    await new Promise(setImmediate)
    expect(log).toEqual([])

    await time.advance(9.5)
    expect(log).toEqual([])
    await time.advance(0.5)

    expect(log).toEqual(['fired at 10'])
    expect(time.now).toBe(10)
  })

  test('runs timers in order of time, those of one instant in the order in which they were set', async () => {
    const { time, clock, log } = setUp()
    clock.setTimer(2, () => log.push('c'))
    clock.setTimer(1, () => log.push('a'))
    clock.setTimer(1, () => log.push('b'))

    await time.advance(2)

    expect(log).toEqual(['a', 'b', 'c'])
  })

  test('lets the promises of a callback run before the next callback of that program', async () => {
    const { time, clock, log } = setUp()
    clock.setTimer(1, async () => {
      for (let i = 0; i < 10; i++) await undefined
      log.push('promises of the first')
    })
    clock.setTimer(1, () => log.push('the second'))

    await time.advance(1)

    expect(log).toEqual(['promises of the first', 'the second'])
  })

  test('runs what waits for the end of the turn after the promises, before the next callback', async () => {
    const { time, clock, log } = setUp()
    clock.setTimer(1, async () => {
      clock.afterTurn(() => log.push('end of the turn'))
      await undefined
      log.push('promise')
    })
    clock.setTimer(1, () => log.push('next'))

    await time.advance(1)

    expect(log).toEqual(['promise', 'end of the turn', 'next'])
  })

  test('runs the end of a turn also while time stands still', async () => {
    const { clock } = setUp()

    await new Promise<void>(resolve => clock.afterTurn(resolve))
  })

  test('is exact: a timer never seems to fire early', async () => {
    const { time, clock } = setUp()
    const early: number[] = []
    for (let i = 1; i < 500; i++) {
      const dueAt = clock.now() + i * 0.1
      clock.setTimer(i * 0.1, () => clock.now() < dueAt && early.push(dueAt))
    }

    await time.advance(60)

    expect(early).toEqual([])
  })

  test('a cancelled timer does not fire, and cancelling twice or late is harmless', async () => {
    const { time, clock, log } = setUp()
    const cancelled = clock.setTimer(1, () => log.push('cancelled'))
    const fired = clock.setTimer(1, () => log.push('fired'))
    cancelled.cancel()
    cancelled.cancel()

    await time.advance(1)
    fired.cancel()

    expect(log).toEqual(['fired'])
    expect(clock.pending).toEqual([])
  })

  test('rejects advance with what a callback throws', async () => {
    const { time, clock } = setUp()
    clock.setTimer(1, () => {
      throw new Error('from a timer')
    })
    await expect(time.advance(5)).rejects.toThrow('from a timer')

    clock.afterTurn(() => {
      throw new Error('from the end of a turn')
    })
    await expect(time.advance(5)).rejects.toThrow('from the end of a turn')
    await time.advance(5)
  })

  test('until returns what the promise gives, at the instant at which it does', async () => {
    const { time, clock } = setUp()
    const promise = new Promise<string>(resolve => clock.setTimer(1_234, () => resolve('done')))

    expect(await time.until(promise)).toBe('done')
    expect(time.now).toBe(1_234)
    await expect(time.until(Promise.reject(new Error('no')))).rejects.toThrow('no')
  })

  test('until gives up after its time, without waiting in the real world', async () => {
    const { time } = setUp()

    await expect(time.until(new Promise(() => {}), { withinMs: 3_600_000 })).rejects.toMatchObject({
      code: 'timeout',
      message: 'the promise was not settled within 3600000 ms of virtual time, counted from 0 ms',
    })
    expect(time.now).toBe(3_600_000)
  })

  test('a scenario that advances inside until only waits', async () => {
    const { time, clock, log } = setUp()
    clock.setTimer(50, () => log.push('timer'))
    const scenario = async () => {
      await time.advance(20)
      log.push(`scenario at ${time.now}`)
      await time.advance(80)
      log.push(`scenario at ${time.now}`)
    }

    await time.until(scenario())

    expect(log).toEqual(['scenario at 20', 'timer', 'scenario at 100'])
  })

  test('stands still while work in the real world goes on', async () => {
    const { time, clock } = setUp()
    let firedAt = 0
    clock.setTimer(10, () => {
      firedAt = time.now
    })
    const work = async () => {
      await time.freeze(new Promise(resolve => setImmediate(() => setImmediate(() => setImmediate(resolve)))))
      return [time.now, firedAt]
    }

    expect(await time.until(work())).toEqual([0, 0])
  })

  test('notices events that follow each other without end', async () => {
    const { time } = setUp()
    const again = () => void time.schedule(0, undefined, again)
    again()

    await expect(time.advance(1)).rejects.toThrow('virtual time stands still at 0 ms')
  })

  test.each([-1, Number.NaN, Infinity])('refuses to advance by %s', durationMs => {
    const { time } = setUp()

    expect(() => time.advance(durationMs)).toThrow(RangeError)
  })
})

describe('a program that sleeps', () => {
  test('gets its late timers when it wakes, in their order, at the new time', async () => {
    const { time, clock, program, log } = setUp()
    clock.setTimer(20, () => log.push(`second at ${clock.now()}`))
    clock.setTimer(10, () => log.push(`first at ${clock.now()}`))
    clock.setTimer(2_000, () => log.push(`third at ${clock.now()}`))
    const cancelled = clock.setTimer(30, () => log.push('cancelled'))

    program.condition = 'asleep'
    await time.advance(1_000)
    cancelled.cancel()
    program.condition = 'awake'
    time.wake(program)
    await time.advance(1_000)

    expect(log).toEqual(['first at 1000', 'second at 1000', 'third at 2000'])
  })

  test('does nothing any more when it is dead', async () => {
    const { time, clock, program, log } = setUp()
    clock.setTimer(10, () => log.push('timer'))
    clock.afterTurn(() => log.push('end of the turn'))
    program.condition = 'dead'

    await time.advance(100)

    expect(log).toEqual([])
  })
})
