import { describe, expect, test } from 'vitest'
import { besieged, messengers, type RecordingMessenger, rejection } from '../../test/messaging/messengers.ts'
import type { RawPeer } from '../../test/session/stage.ts'
import { EarshotError } from '../errors.ts'
import { ANSWER_ITEM_WINDOW, MAX_MESSAGE_BYTES, MAX_OPEN_QUESTIONS } from '../limits.ts'
import { encodeLabel, Frame, Payload } from '../session/frame.ts'
import { AnswerErrorCode } from './answer-error.ts'
import { AnsweringBudget } from './answering-budget.ts'

const QUESTION = Payload.question | 2
const TEXT_QUESTION = Payload.question | 1

const settled = () => Promise.resolve()

describe('an answer', () => {
  test.each<[string, (question: unknown) => unknown]>([
    ['at once', question => question],
    ['promised', async question => question],
    [
      'of any thenable',
      question => ({
        // biome-ignore lint/suspicious/noThenProperty: it is what is tested
        then: (resolve: (value: unknown) => void) => resolve(question),
      }),
    ],
  ])('%s reaches the asker', async (_, answer) => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('echo', answer)
    expect(await net.until(alice.ask('echo', { a: 1n }))).toEqual({ a: 1n })
  })

  test('may be nothing', async () => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('nothing', () => undefined)
    expect(await net.until(alice.ask('nothing', 0))).toBeUndefined()
  })

  test('knows from whom the question is, and its signal is not aborted', async () => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('who', (_, { from, signal }) => [from, signal.aborted])
    expect(await net.until(alice.ask('who', 0))).toEqual(['alice', false])
  })

  test('to a name that nobody answers is no-answer', async () => {
    const { net, alice } = await messengers()
    expect(await net.until(rejection(alice.ask('what', 0)))).toMatchObject({ code: 'no-answer' })
  })
})

describe('an answering function that fails tells the asker', () => {
  test.each<[string, unknown, string]>([
    ['the code of its error', Object.assign(new Error('x'), { code: 'ENOENT' }), 'ENOENT'],
    ['the message of an error without code', new Error('no such thing'), 'no such thing'],
    ['a text that was thrown', 'just so', 'just so'],
    ['nothing that was thrown', undefined, 'undefined'],
    ['a code that is a number by its message', Object.assign(new Error('x'), { code: 5 }), 'x'],
    ['a message that is no text', Object.assign(new Error(), { message: 404 }), '404'],
    ['as much of a long message as there is room for', new Error('ä'.repeat(600)), 'ä'.repeat(256)],
  ])('%s', async (_, thrown, reason) => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('throws', () => {
      throw thrown
    })
    bert.answers.set('rejects', () => Promise.reject(thrown))
    bert.answers.set('breaks', async function* () {
      yield 1
      throw thrown
    })
    for (const name of ['throws', 'rejects']) {
      expect(await net.until(rejection(alice.ask(name, 0)))).toMatchObject({ code: 'answer-failed', reason })
    }
    const items = alice.askStream('breaks', 0)
    await net.until(items.next())
    expect(await net.until(rejection(items.next()))).toMatchObject({ code: 'answer-failed', reason })
  })

  test.each<[string, () => unknown]>([
    ['an answer', () => () => {}],
    ['a promised answer', async () => () => {}],
    [
      'an item',
      async function* () {
        yield () => {}
      },
    ],
  ])('that %s cannot be sent', async (_, answer) => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('odd', answer)
    expect(await net.until(rejection(alice.askStream('odd', 0).next()))).toMatchObject({
      code: 'answer-failed',
      reason: 'data is a function, which cannot be sent',
    })
  })

  test('that an answer or an item is too large', async () => {
    const { net, alice, bert } = await messengers()
    bert.answers.set('huge', () => new Uint8Array(17_000_000))
    bert.answers.set('huge items', async function* () {
      yield new Uint8Array(17_000_000)
    })
    for (const name of ['huge', 'huge items']) {
      expect(await net.until(rejection(alice.askStream(name, 0).next()))).toMatchObject({
        code: 'answer-failed',
        reason: 'too-large',
      })
    }
  })
})

test('open questions are limited in bytes, and there is room again for each that is answered', async () => {
  const { net, alice, bert } = await messengers()
  const answers: ((value: unknown) => void)[] = []
  bert.answers.set('slow', () => new Promise(resolve => answers.push(resolve)))
  bert.answers.set('fast', () => 'done')
  const question = new Uint8Array(MAX_MESSAGE_BYTES)
  const first = alice.ask('slow', question)
  rejection(alice.ask('slow', question))
  expect(await net.until(rejection(alice.ask('fast', question)))).toMatchObject({ code: 'limit-reached' })
  expect(answers).toHaveLength(2)

  answers[0]!('answered')
  expect(await net.until(first)).toBe('answered')
  expect(await net.until(alice.ask('fast', question))).toBe('done')
  expect(await net.until(alice.ask('fast', question))).toBe('done')
})

describe('an asker that gives up', () => {
  test('aborts the signal of the answering function, and its late answer is not sent', async () => {
    const { net, alice, raw } = await besieged()
    let signal: AbortSignal | undefined
    let answer: (value: unknown) => void = () => {}
    alice.answers.set('slow', (_, context) => {
      signal = context.signal
      return new Promise(resolve => {
        answer = resolve
      })
    })
    raw.send(encodeLabel(1, 'slow'), [QUESTION, 7, 1, 1, 0x30])
    await net.advance(10)
    expect(signal?.aborted).toBe(false)
    raw.send([Frame.cancel, 7], [Frame.cancel, 7])
    await net.advance(10)
    expect(signal?.reason).toMatchObject({ code: 'closed' })
    answer(1)
    await net.advance(10)
    expect(raw.frames).toEqual([])
  })

  test('is seen by a function that looks at its signal only later', async () => {
    const { net, alice, raw } = await besieged()
    let lateReason: unknown
    let goOn: () => void = () => {}
    alice.answers.set('slow', async (_, context) => {
      await new Promise<void>(resolve => {
        goOn = resolve
      })
      lateReason = context.signal.reason
    })
    raw.send(encodeLabel(1, 'slow'), [QUESTION, 7, 1, 1, 0x30])
    await net.advance(10)
    raw.send([Frame.cancel, 7])
    await net.advance(10)
    goOn()
    await settled()
    expect(lateReason).toMatchObject({ code: 'closed' })
  })

  test('ends a stream that waits for it, and runs its cleaning up', async () => {
    const { net, alice, raw } = await besieged()
    let cleaned = 0
    alice.answers.set('endless', async function* () {
      try {
        for (;;) yield 0
      } finally {
        cleaned++
      }
    })
    raw.send(encodeLabel(1, 'endless'), [QUESTION, 7, 1, 1, 0x30])
    await net.advance(10)
    expect(raw.of('payload')).toHaveLength(ANSWER_ITEM_WINDOW)
    raw.send([Frame.pull, 7, 3])
    await net.advance(10)
    expect(raw.of('payload')).toHaveLength(ANSWER_ITEM_WINDOW + 3)
    raw.send([Frame.cancel, 7])
    await net.advance(10)
    expect([cleaned, raw.of('payload').length]).toEqual([1, ANSWER_ITEM_WINDOW + 3])
  })

  test('by leaving does all that, too', async () => {
    const { net, alice, bert } = await messengers()
    let signal: AbortSignal | undefined
    let cleaned = 0
    bert.answers.set('slow', (_, context) => {
      signal = context.signal
      return new Promise(() => {})
    })
    bert.answers.set('endless', async function* () {
      try {
        for (;;) yield 0
      } finally {
        cleaned++
      }
    })
    alice.ask('slow', 0).catch(() => {})
    alice.askStream('endless', 0)
    await net.advance(10)
    void alice.session.close('closed')
    await net.advance(100)
    expect([signal?.aborted, cleaned]).toEqual([true, 1])
  })
})

describe('questions that were given up', () => {
  test('count for as long as their functions go on', async () => {
    const { net, alice, raw } = await besieged()
    const ends: (() => void)[] = []
    alice.answers.set('deaf', () => new Promise<void>(resolve => ends.push(resolve)))
    raw.send(encodeLabel(1, 'deaf'))
    const ask = (id: number) => raw.send([QUESTION, 0x80, 0, id >> 8, id & 0xff, 1, 1, 0x30])
    const first = 0x4000
    for (let i = 0; i < MAX_OPEN_QUESTIONS; i++) {
      ask(first + i)
      raw.send([Frame.cancel, 0x80, 0, (first + i) >> 8, (first + i) & 0xff])
    }
    ask(first)
    await net.advance(100)
    expect(ends).toHaveLength(MAX_OPEN_QUESTIONS)
    expect(raw.of('payload')).toMatchObject([{ type: Payload.answerError, a: first, b: AnswerErrorCode.limitReached }])
    ends[0]!()
    await net.advance(10)
    ask(first + 1)
    await net.advance(10)
    expect(ends).toHaveLength(MAX_OPEN_QUESTIONS + 1)
  })

  test('count in bytes, streamed answers too, until what they wait for has come', async () => {
    const { net, alice, bert } = await messengers()
    const ends: (() => void)[] = []
    bert.answers.set('deaf', () => new Promise<void>(resolve => ends.push(resolve)))
    bert.answers.set('deaf stream', async function* () {
      await new Promise<void>(resolve => ends.push(resolve))
      yield 1
    })
    bert.answers.set('fast', () => 'done')
    const large = new Uint8Array(MAX_MESSAGE_BYTES)
    const controller = new AbortController()
    const given = [
      rejection(alice.ask('deaf', large, { timeoutMs: 10_000, signal: controller.signal })),
      rejection(alice.askStream('deaf stream', large, { timeoutMs: 10_000, signal: controller.signal }).next()),
    ]
    await net.advance(2_000)
    expect(ends).toHaveLength(2)
    controller.abort(new Error('enough'))
    await net.until(Promise.all(given))
    await net.advance(100)
    expect(await net.until(rejection(alice.ask('fast', large)))).toMatchObject({ code: 'limit-reached' })
    for (const end of ends) {
      end()
      await net.advance(10)
      expect(await net.until(alice.ask('fast', large))).toBe('done')
    }
  })

  test('count when their asker has left and comes back', async () => {
    const budget = new AnsweringBudget()
    const first = await besieged(budget)
    const ends: (() => void)[] = []
    const enter = ({ alice, raw }: { alice: RecordingMessenger; raw: RawPeer }) => {
      alice.answers.set('deaf', () => new Promise<void>(resolve => ends.push(resolve)))
      raw.send(encodeLabel(1, 'deaf'))
    }
    const fill = ({ raw }: { raw: RawPeer }) => {
      for (let id = 0; id < MAX_OPEN_QUESTIONS; id++) {
        raw.send([QUESTION, 0x80, 0, 0x40 | (id >> 8), id & 0xff, 1, 1, 0x30])
      }
    }
    enter(first)
    fill(first)
    await first.net.advance(100)
    expect(ends).toHaveLength(MAX_OPEN_QUESTIONS)
    first.alice.session.abort(new EarshotError('lost', 'a broken path'))
    const second = await besieged(budget)
    enter(second)
    fill(second)
    await second.net.advance(100)
    expect(ends).toHaveLength(MAX_OPEN_QUESTIONS)
    for (const end of ends) end()
    await settled()
    fill(second)
    await second.net.advance(100)
    expect(ends).toHaveLength(2 * MAX_OPEN_QUESTIONS)
  })
})

describe('a peer that asks too much', () => {
  test('is told so beyond a number of open questions, and may ask again when some are answered', async () => {
    const { net, alice, raw } = await besieged()
    const answers: ((value: unknown) => void)[] = []
    alice.answers.set('slow', () => new Promise(resolve => answers.push(resolve)))
    raw.send(encodeLabel(1, 'slow'))
    const ask = (id: number) => raw.send([QUESTION, 0x80, 0, id >> 8, id & 0xff, 1, 1, 0x30])
    const first = 0x4000
    for (let i = 0; i <= MAX_OPEN_QUESTIONS; i++) ask(first + i)
    await net.advance(100)
    expect(raw.of('payload')).toMatchObject([
      { type: Payload.answerError, a: first + MAX_OPEN_QUESTIONS, b: AnswerErrorCode.limitReached },
    ])
    answers[0]!(1)
    await net.advance(10)
    ask(first + MAX_OPEN_QUESTIONS + 1)
    await net.advance(10)
    expect(answers).toHaveLength(MAX_OPEN_QUESTIONS + 1)
  })

  test('under a number that is open already breaks the rules', async () => {
    const { net, alice, raw } = await besieged()
    alice.answers.set('slow', () => new Promise(() => {}))
    raw.send(encodeLabel(1, 'slow'), [QUESTION, 7, 1, 1, 0x30], [QUESTION, 7, 1, 1, 0x30])
    await net.advance(10)
    expect(alice.ends).toMatchObject([{ code: 'protocol-violation' }])
  })

  test('and takes none of the answers is cut off before they fill memory', async () => {
    const { net, alice, raw } = await besieged()
    alice.answers.set('large', () => new Uint8Array(1_000_000))
    raw.send(encodeLabel(1, 'large'))
    for (let id = 0; id < 63 && alice.ends.length === 0; id++) {
      for (let i = 0; i < 5; i++) raw.send([QUESTION, id, 1, 1, 0x30])
      await net.advance(1)
      expect(alice.session.queuedBytes).toBeLessThanOrEqual(67_108_864)
    }
    // The small refusals still fit, until they do not.
    raw.send(encodeLabel(2, 'nothing'))
    for (let i = 0; i < 3_000 && alice.ends.length === 0; i++) {
      raw.send(new Uint8Array(4_000).map((_, at) => [TEXT_QUESTION, 1, 2, 0][at % 4]!))
      await net.advance(1)
    }
    expect(alice.ends).toMatchObject([{ code: 'limit-reached' }])
  })
})
