import { describe, expect, test } from 'vitest'
import { MAX_REMEMBERED_VERDICTS } from '../../limits.ts'
import type { Goodbye } from '../../session/frame.ts'
import { simulate } from '../../testing/index.ts'
import { RememberedVerdicts, type Verdict } from './remembered-verdicts.ts'

const DENIED: Goodbye = { code: 'refused', reason: 'no', retryAfterMs: 10_000 }

function setUp(): {
  ask: (verdict: Verdict | Promise<Verdict>, story?: string, id?: string) => Verdict | Promise<Verdict>
  verdicts: RememberedVerdicts
  asked: () => number
  advance: (ms: number) => Promise<void>
} {
  const net = simulate()
  const verdicts = new RememberedVerdicts(net.host('ada').network.clock)
  let count = 0
  return {
    verdicts,
    ask: (verdict, story = 'story', id = 'bob') =>
      verdicts.recall(id, story, () => {
        count++
        return verdict
      }),
    asked: () => count,
    advance: ms => net.advance(ms),
  }
}

describe('a caller who was accepted', () => {
  test('is accepted on the crossing connection without a question, and asked about later', async () => {
    const { ask, asked, advance } = setUp()
    expect(ask(undefined)).toBeUndefined()
    await advance(900)
    expect(ask(DENIED)).toBeUndefined()
    await advance(200)
    expect(ask(DENIED)).toEqual(DENIED)
    expect(asked()).toBe(2)
  })

  test('with another story is asked about', () => {
    const { ask } = setUp()
    ask(undefined, 'good')
    expect(ask(DENIED, 'evil')).toEqual(DENIED)
  })
})

describe('a caller who was denied', () => {
  test('is denied for the time that was named, whatever the story, and told what is left of it', async () => {
    const { ask, asked, advance } = setUp()
    ask(DENIED)
    await advance(4_000)
    expect(ask(undefined, 'another story')).toEqual({ ...DENIED, retryAfterMs: 6_000 })
    await advance(6_000)
    expect(ask(undefined)).toBeUndefined()
    expect(asked()).toBe(2)
  })

  test('for no time at all is denied on the crossing connection', async () => {
    const { ask, advance } = setUp()
    ask({ ...DENIED, retryAfterMs: 0 })
    expect(ask(undefined)).toEqual({ ...DENIED, retryAfterMs: 0 })
    await advance(1_000)
    expect(ask(undefined)).toBeUndefined()
  })

  test('is one of many: the others are asked about', () => {
    const { ask } = setUp()
    ask(DENIED, 'story', 'bob')
    expect(ask(undefined, 'story', 'eve')).toBeUndefined()
  })
})

describe('while the application is thinking', () => {
  test('all connections of the caller wait for the one answer', async () => {
    const { ask, asked } = setUp()
    let decide: (verdict: Verdict) => void = () => {}
    const first = ask(new Promise(resolve => (decide = resolve)))
    const second = ask(undefined)
    decide(DENIED)
    expect(await Promise.all([first, second])).toEqual([DENIED, DENIED])
    expect(asked()).toBe(1)
    expect(ask(undefined)).toMatchObject({ reason: 'no' })
  })

  test('another story is another question', () => {
    const { ask, asked } = setUp()
    void ask(new Promise(() => {}), 'good')
    expect(ask(DENIED, 'evil')).toEqual(DENIED)
    expect(asked()).toBe(2)
  })

  test('a wish of the program itself is the answer', async () => {
    const { ask, verdicts } = setUp()
    const waiting = ask(new Promise(() => {}))
    verdicts.accept('nobody')
    verdicts.accept('bob')
    expect(await waiting).toBeUndefined()
  })
})

test('the oldest callers are forgotten first', () => {
  const { ask, asked } = setUp()
  for (let i = 0; i <= MAX_REMEMBERED_VERDICTS; i++) ask(DENIED, 'story', `peer ${i}`)
  const before = asked()
  ask(DENIED, 'story', 'peer 1')
  expect(asked()).toBe(before)
  ask(DENIED, 'story', 'peer 0')
  expect(asked()).toBe(before + 1)
})
