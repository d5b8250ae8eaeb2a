import { describe, expect, test } from 'vitest'
import type { AskAllAnswer } from '../../src/index.ts'
import { EarshotError } from '../../src/index.ts'
import { failureOf, onStage, peerOf } from './stage.ts'

describe('ask', () => {
  test('brings the answer, from a value, a promise, or nothing', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      bob!.answer('double', (n: number) => n * 2)
      bob!.answer('slow', async (text: string, { from }) => {
        await stage.advance(500)
        return { text, for: from.name }
      })
      bob!.answer('nothing', () => undefined)
      bob!.answer('map', (question: Map<string, number>) => new Set(question.values()))
      await stage.met([ada!, bob!])
      expect(await ada!.ask('bob', 'double', 21)).toBe(42)
      expect(await peerOf(ada!, bob!).ask('slow', 'x')).toEqual({ text: 'x', for: 'ada' })
      expect(await ada!.ask(bob!.self.id, 'nothing')).toBeUndefined()
      expect(await ada!.ask('bob', 'map', new Map([['a', 1]]))).toEqual(new Set([1]))
    }))

  test('keeps a thousand questions apart', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      bob!.answer('echo', async (n: number) => {
        await stage.advance((n * 7) % 50)
        return n
      })
      await stage.met([ada!, bob!])
      const numbers = [...Array(1_000).keys()]
      const answers = await Promise.all(numbers.map(n => ada!.ask('bob', 'echo', n)))
      expect(answers).toEqual(numbers)
    }))

  test.each([
    [() => Promise.reject(new EarshotError('no-network', 'x')), 'no-network'],
    [() => Promise.reject(Object.assign(new Error('x'), { code: 'ENOENT' })), 'ENOENT'],
    [
      () => {
        throw new Error('the cat is asleep')
      },
      'the cat is asleep',
    ],
    [() => Promise.reject('just text'), 'just text'],
    [() => () => 'a function', expect.stringContaining('function')],
  ])('tells why the answering function failed (%#)', (answer, reason) =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      bob!.answer('fail', answer)
      await stage.met([ada!, bob!])
      expect(await failureOf(ada!.ask('bob', 'fail'))).toMatchObject({ code: 'answer-failed', reason })
    }),
  )

  test('a failing answer with a long and strange reason arrives cut, and whole characters', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      bob!.answer('fail', () => {
        throw new Error('\u{1f600}'.repeat(1_000))
      })
      await stage.met([ada!, bob!])
      const { reason } = await failureOf(ada!.ask('bob', 'fail'))
      expect(reason).toMatch(/^(\u{1f600})+/u)
      expect(new TextEncoder().encode(reason as string).length).toBeLessThanOrEqual(512)
    }))

  test('rejects with no-answer where nobody answers questions of this name', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      expect(await failureOf(ada!.ask('bob', 'what'))).toMatchObject({ code: 'no-answer' })
      const dispose = bob!.answer('what', () => 1)
      expect(await ada!.ask('bob', 'what')).toBe(1)
      expect(() => bob!.answer('what', () => 2)).toThrow(RangeError)
      dispose()
      expect(await failureOf(ada!.ask('bob', 'what'))).toMatchObject({ code: 'no-answer' })
      bob!.answer('what', () => 3)
      dispose()
      expect(await ada!.ask('bob', 'what')).toBe(3)
    }))

  test('gives up after two seconds, or when it is told to, and the answering function learns of it', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      const signals: AbortSignal[] = []
      bob!.answer('never', (_, { signal }) => {
        signals.push(signal)
        return new Promise(() => {})
      })
      await stage.met([ada!, bob!])
      const askedAt = stage.net.now
      expect(await failureOf(ada!.ask('bob', 'never'))).toMatchObject({ code: 'timeout', hint: expect.any(String) })
      expect(stage.net.now - askedAt).toBeCloseTo(2_000, -1)
      await failureOf(ada!.ask('bob', 'never', undefined, { timeoutMs: 100 }))
      expect(stage.net.now - askedAt).toBeCloseTo(2_100, -1)
      const stop = new AbortController()
      const reason = new Error('not needed any more')
      const asking = failureOf(ada!.ask('bob', 'never', undefined, { signal: stop.signal }))
      await stage.advance(100)
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, false])
      stop.abort(reason)
      expect(await asking).toBe(reason)
      await stage.advance(10)
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true])
      expect(await failureOf(ada!.ask('bob', 'never', 1, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    }))

  test('an answer that comes too late is dropped without harm', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      bob!.answer('late', async () => {
        await stage.advance(300)
        return 'late'
      })
      await stage.met([ada!, bob!])
      expect(await failureOf(ada!.ask('bob', 'late', 1, { timeoutMs: 100 }))).toMatchObject({ code: 'timeout' })
      await stage.advance(1_000)
      expect(await ada!.ask('bob', 'late')).toBe('late')
    }))

  test('ends with the peer: asker and answerer learn that the other is gone', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      const signals: AbortSignal[] = []
      for (const room of [ada!, bob!]) {
        room.answer('never', (_, { signal }) => {
          signals.push(signal)
          return new Promise(() => {})
        })
      }
      await stage.met([ada!, bob!])
      const asked = failureOf(ada!.ask('bob', 'never', 1, { timeoutMs: 60_000 }))
      const askedBack = failureOf(bob!.ask('ada', 'never', 1, { timeoutMs: 60_000 }))
      await stage.advance(100)
      await bob!.close()
      expect([await asked, await askedBack].map(({ code }) => code)).toEqual(['closed', 'closed'])
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
    }))
})

describe('askAll', () => {
  test('yields the answers as they come, one for each peer asked', () =>
    onStage(async stage => {
      const rooms = await stage.joinAll('ada', 'bob', 'eve', 'mia', 'zoe')
      const [ada, bob, eve, mia] = rooms
      bob!.answer('name', async () => {
        await stage.advance(300)
        return 'bob'
      })
      eve!.answer('name', () => 'eve')
      mia!.answer('name', () => {
        throw new Error('secret')
      })
      await stage.met(rooms)
      const answers: unknown[] = []
      for await (const answer of ada!.askAll('name')) answers.push(show(answer))
      expect(answers.slice(0, 3).sort()).toEqual(['eve eve', 'mia answer-failed', 'zoe no-answer'])
      expect(answers.slice(3)).toEqual(['bob bob'])
      const some: unknown[] = []
      for await (const answer of ada!.askAll('name', 1, { to: ['bob', 'zoe'], timeoutMs: 100 })) some.push(show(answer))
      expect(some).toEqual(['zoe no-answer', 'bob timeout'])
    }))

  test('of an empty room ends at once', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      for await (const answer of ada.askAll('name')) expect.fail(show(answer))
    }))

  test('left early gives up on the others', () =>
    onStage(async stage => {
      const rooms = await stage.joinAll('ada', 'bob', 'eve')
      const [ada, bob, eve] = rooms
      let signal: AbortSignal | undefined
      bob!.answer('name', () => 'bob')
      eve!.answer('name', (_, context) => {
        signal = context.signal
        return new Promise(() => {})
      })
      await stage.met(rooms)
      for await (const answer of ada!.askAll('name')) {
        expect(show(answer)).toBe('bob bob')
        break
      }
      await stage.advance(10)
      expect(signal?.aborted).toBe(true)
    }))
})

function show(answer: AskAllAnswer): string {
  return `${answer.peer.name} ${answer.ok ? answer.value : (answer.error as EarshotError).code}`
}

describe('askStream', () => {
  test('yields what an async iterable gives, and an answer that is one value as one item', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      bob!.answer('count', async function* (to: number) {
        for (let i = 1; i <= to; i++) yield i
      })
      bob!.answer('one', () => 'single')
      await stage.met([ada!, bob!])
      const numbers: unknown[] = []
      for await (const item of ada!.askStream('bob', 'count', 100)) numbers.push(item)
      expect(numbers).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
      const single: unknown[] = []
      for await (const item of peerOf(ada!, bob!).askStream('one')) single.push(item)
      expect(single).toEqual(['single'])
      expect(await failureOf(ada!.ask('bob', 'count', 3))).toMatchObject({ code: 'invalid-data' })
    }))

  test('does not run ahead of a slow reader, and stops when the reader does', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      let made = 0
      let hasEnded = false
      bob!.answer('numbers', async function* () {
        try {
          for (;;) yield made++
        } finally {
          hasEnded = true
        }
      })
      await stage.met([ada!, bob!])
      let taken = 0
      for await (const _ of ada!.askStream('bob', 'numbers')) {
        await stage.advance(100)
        if (++taken === 50) break
      }
      expect(made).toBeLessThan(50 + 100)
      await stage.advance(100)
      expect(hasEnded).toBe(true)
    }))

  test('throws, after the items that came, why the answer ended', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      bob!.answer('broken', async function* () {
        yield 1
        throw new Error('out of paper')
      })
      bob!.answer('stuck', async function* () {
        yield 1
        await new Promise(() => {})
      })
      await stage.met([ada!, bob!])
      const items: unknown[] = []
      const read = async (name: string) => {
        for await (const item of ada!.askStream('bob', name, 0, { timeoutMs: 1_000 })) items.push(item)
      }
      expect(await failureOf(read('broken'))).toMatchObject({ code: 'answer-failed', reason: 'out of paper' })
      expect(await failureOf(read('stuck'))).toMatchObject({ code: 'timeout' })
      expect(items).toEqual([1, 1])
    }))
})
