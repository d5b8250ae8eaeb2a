import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { besieged, messengers, rejection } from '../../test/messaging/messengers.ts'
import { ANSWER_ITEM_WINDOW } from '../limits.ts'
import { Frame, Payload } from '../session/frame.ts'
import { AnswerErrorCode } from './answer-error.ts'

const JSON_ANSWER = Payload.answer | 2
const JSON_ITEM = Payload.answerItem | 2

async function collect(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const seen: unknown[] = []
  for await (const item of items) seen.push(item)
  return seen
}

describe('ask', () => {
  test('resolves with the answer, whatever order answers come in', async () => {
    const { net, alice, raw } = await besieged()
    const answers = [1, 2, 3].map(number => alice.ask('double', number))
    await net.advance(10)
    const ids = raw.of('payload').map(({ a }) => a)
    for (const id of ids.toReversed()) raw.send([JSON_ANSWER, id, 0, 1, 0x30 + id])
    expect(await net.until(Promise.all(answers))).toEqual(ids)
  })

  test('goes both ways at once, however many', async () => {
    const { net, alice, bert } = await messengers()
    for (const one of [alice, bert]) one.answers.set('double', question => 2 * (question as number))
    const numbers = Array.from({ length: 500 }, (_, i) => i)
    const answers = await net.until(
      Promise.all([alice, bert].map(one => Promise.all(numbers.map(number => one.ask('double', number))))),
    )
    for (const answer of answers) expect(answer).toEqual(numbers.map(number => 2 * number))
  })

  test('that gets no answer in time is a timeout, and the other side is told to stop', async () => {
    const { net, alice, raw, ada, open } = await besieged()
    const error = await net.until(rejection(alice.ask('slow', 0, { timeoutMs: 300 })))
    expect(error).toMatchObject({ code: 'timeout', hint: expect.any(String) })
    expect(error.message).toContain("'slow' within 300 ms")
    await net.advance(10)
    expect(raw.of('number')).toEqual([{ kind: 'number', type: Frame.cancel, value: 1 }])
    expect(open.call(undefined, ada).filter(({ kind }) => kind === 'timer')).toEqual([])
  })

  test('that is aborted rejects with the reason, and the other side is told to stop', async () => {
    const { net, alice, raw } = await besieged()
    const controller = new AbortController()
    const answer = rejection(alice.ask('slow', 0, { signal: controller.signal }))
    await net.advance(10)
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await answer).toBe(reason)
    await net.advance(10)
    expect(raw.of('number')).toEqual([{ kind: 'number', type: Frame.cancel, value: 1 }])
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  test('that was aborted before is not sent', async () => {
    const { net, alice, raw } = await besieged()
    const reason = new Error('enough')
    expect(await rejection(alice.ask('never', 0, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    await net.advance(10)
    expect(raw.frames).toEqual([])
  })

  test('is settled once: a second answer, or one that is late, is dropped', async () => {
    const { net, alice, raw } = await besieged()
    const answer = alice.ask('q', 0, { timeoutMs: 100 })
    await net.advance(10)
    raw.send([JSON_ANSWER, 1, 0, 1, 0x31], [JSON_ANSWER, 1, 0, 1, 0x32], [Payload.answerError, 1, 0, 0])
    expect(await net.until(answer)).toBe(1)

    expect(await net.until(rejection(alice.ask('q', 0, { timeoutMs: 100 })))).toMatchObject({ code: 'timeout' })
    raw.send([JSON_ANSWER, 2, 0, 1, 0x31])
    await net.advance(10)
    expect(alice.ends).toEqual([])
  })

  test('takes its listeners along when it is answered', async () => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('q', () => 1)
    const { signal } = new AbortController()
    await net.until(alice.ask('q', 0, { signal }))
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test.each([
    [AnswerErrorCode.failed, 'answer-failed', 'E_FULL'],
    [AnswerErrorCode.noAnswer, 'no-answer', undefined],
    [AnswerErrorCode.limitReached, 'limit-reached', undefined],
  ])('rejects with what the other side says: %i is %s', async (code, expected, reason) => {
    const { net, alice, raw } = await besieged()
    const error = rejection(alice.ask('q', 0))
    await net.advance(10)
    raw.send([Payload.answerError, 1, code, 6], new TextEncoder().encode('E_FULL'))
    expect(await net.until(error)).toMatchObject({ code: expected, reason, hint: expect.any(String) })
  })

  test('ends the session of one who says what nobody knows, and rejects', async () => {
    const { net, alice, raw } = await besieged()
    const error = rejection(alice.ask('q', 0))
    await net.advance(10)
    raw.send([Payload.answerError, 1, 99, 0])
    expect(await net.until(error)).toMatchObject({ code: 'protocol-violation' })
    expect(alice.ends).toMatchObject([{ code: 'protocol-violation' }])
  })

  test.each([
    ['of some items', [5, 6]],
    ['of none', []],
  ])('rejects a stream %s as invalid-data, and the session goes on', async (_, items) => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('list', async function* () {
      yield* items
    })
    bert.answers.set('one', () => 1)
    expect(await net.until(rejection(alice.ask('list', 0)))).toMatchObject({ code: 'invalid-data' })
    expect(await net.until(alice.ask('one', 0))).toBe(1)
  })

  test('rejects when the session is over', async () => {
    const { alice } = await besieged()
    alice.session.abort({ code: 'lost' } as never)
    expect(await rejection(alice.ask('q', 0))).toMatchObject({ code: 'closed' })
  })
})

describe('askStream', () => {
  test('yields the items in order, and ends', async () => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('count', async function* (to) {
      for (let i = 0; i < (to as number); i++) yield i
    })
    const [none, few, many] = await net.until(
      Promise.all([0, 3, 500].map(count => collect(alice.askStream('count', count)))),
    )
    expect(none).toEqual([])
    expect(few).toEqual([0, 1, 2])
    expect(many).toEqual(Array.from({ length: 500 }, (_, i) => i))
  })

  test('yields a single answer as a sequence of one', async () => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('one', () => 1)
    expect(await net.until(collect(alice.askStream('one', 0)))).toEqual([1])
  })

  test('yields what came, then fails as the answering side did', async () => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('breaks', async function* () {
      yield 1
      throw Object.assign(new Error('no more'), { code: 'E_DRY' })
    })
    const items = alice.askStream('breaks', 0)
    expect(await net.until(items.next())).toEqual({ done: false, value: 1 })
    expect(await net.until(rejection(items.next()))).toMatchObject({ code: 'answer-failed', reason: 'E_DRY' })
    expect(await items.next()).toEqual({ done: true, value: undefined })
  })

  test('slows the answering side down while nobody reads', async () => {
    const { net, alice, bert } = await messengers()
    let yielded = 0
    bert.answers.set('endless', async function* () {
      for (;;) yield yielded++
    })
    const items = alice.askStream('endless', 0)
    await net.advance(1_500)
    expect(yielded).toBe(ANSWER_ITEM_WINDOW + 1)
    for (let i = 0; i < 100; i++) expect((await net.until(items.next())).value).toBe(i)
    await net.advance(100)
    expect(yielded).toBeLessThanOrEqual(100 + ANSWER_ITEM_WINDOW + 1)
    await items.return?.()
    await net.advance(100)
    const after = yielded
    await net.advance(1_000)
    expect(yielded).toBe(after)
  })

  test('holds no more than two of the largest items unread', async () => {
    const { net, alice, bert } = await messengers({ segmentation: 'as-written' })
    let yielded = 0
    bert.answers.set('huge', async function* () {
      for (;;) {
        yielded++
        yield new Uint8Array(1_000_000)
      }
    })
    const items = alice.askStream('huge', 0)
    await net.advance(1_500)
    expect(yielded).toBe(3)
    for (let i = 0; i < 10; i++) expect((await net.until(items.next())).done).toBe(false)
    expect(yielded).toBeLessThanOrEqual(14)
    await items.return?.()
  })

  test('does not blame the peer for a reader that takes its time', async () => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('count', async function* () {
      for (let i = 0; i < 100; i++) yield i
    })
    const items = alice.askStream('count', 0, { timeoutMs: 1_000 })
    const seen: unknown[] = []
    for (;;) {
      const { done, value } = await net.until(items.next())
      if (done) break
      seen.push(value)
      await net.advance(900)
    }
    expect(seen).toHaveLength(100)

    const slow = alice.askStream('count', 0, { timeoutMs: 1_000 })
    await net.advance(30_000)
    expect(await net.until(collect(slow))).toHaveLength(100)
  })

  test('is a timeout when the next item takes too long', async () => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('stuck', async function* () {
      yield 1
      await new Promise(() => {})
    })
    const items = alice.askStream('stuck', 0, { timeoutMs: 500 })
    expect(await net.until(items.next())).toEqual({ done: false, value: 1 })
    const before = net.now
    expect(await net.until(rejection(items.next()))).toMatchObject({ code: 'timeout' })
    expect(net.now - before).toBeLessThanOrEqual(500)
  })

  test('left by its reader tells the other side to stop, and takes its listeners along', async () => {
    const { net, alice, bert } = await messengers()
    let aborted: unknown
    bert.answers.set('endless', async function* (_, { signal }) {
      signal.addEventListener('abort', () => {
        aborted = signal.reason
      })
      for (;;) yield 1
    })
    const { signal } = new AbortController()
    const read = (async () => {
      for await (const item of alice.askStream('endless', 0, { signal })) if (item === 1) break
    })()
    await net.until(read)
    await net.advance(10)
    expect(aborted).toMatchObject({ code: 'closed' })
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('that is aborted rejects with the reason behind what came', async () => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('slow', async function* () {
      yield 1
      await new Promise(() => {})
    })
    const controller = new AbortController()
    const items = alice.askStream('slow', 0, { signal: controller.signal })
    await net.advance(10)
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await items.next()).toEqual({ done: false, value: 1 })
    expect(await rejection(items.next())).toBe(reason)
    expect(await rejection(alice.askStream('slow', 0, { signal: controller.signal }).next())).toBe(reason)
  })

  test('ends the session of one who sends more items than were asked for', async () => {
    const { net, alice, raw } = await besieged()
    const items = alice.askStream('flood', 0)
    await net.advance(10)
    for (let i = 0; i < ANSWER_ITEM_WINDOW + 1; i++) raw.send([JSON_ITEM, 1, 0, 1, 0x30])
    await net.advance(10)
    expect(alice.ends).toMatchObject([{ code: 'protocol-violation' }])
    for (let i = 0; i < ANSWER_ITEM_WINDOW; i++) expect((await items.next()).done).toBe(false)
    expect(await rejection(items.next())).toMatchObject({ code: 'protocol-violation' })
  })

  test('asks for no more items of an answer that has ended', async () => {
    const { net, alice, raw } = await besieged()
    const items = alice.askStream('q', 0)
    await net.advance(10)
    for (let i = 0; i < 20; i++) raw.send([JSON_ITEM, 1, 0, 1, 0x30])
    raw.send([Payload.answerEnd, 1, 0, 0])
    await net.advance(10)
    expect(await collect(items)).toHaveLength(20)
    await net.advance(10)
    expect(raw.of('pull')).toEqual([])
  })
})
