import { describe, expect, test } from 'vitest'
import { RawPeer, type Stage, stage } from '../../test/session/stage.ts'
import { EarshotError } from '../errors.ts'
import { encodeGoodbye, Frame, type Goodbye } from './frame.ts'
import { type GreetingOptions, greet, type Verdict } from './greeting.ts'
import { encodeHello, type Hello } from './hello.ts'

const FULL: Goodbye = { code: 'refused', reason: 'full', retryAfterMs: 5_000 }

function hello(name: string): Hello {
  const instance = new Uint8Array(8).fill(name.charCodeAt(0))
  return { instance, session: undefined, port: 4_112, name, info: '', hello: '{"level":3}', udpPort: 0, network: 0 }
}

interface Greeter {
  /** What was heard, in order. */
  readonly news: string[]
  /** What came behind the greeting. */
  readonly records: Uint8Array[]
  readonly failures: unknown[]
  readonly hellos: Hello[]
}

interface GreeterOptions {
  readonly isEager?: boolean
  judge?(remote: Hello | undefined): Verdict | Promise<Verdict>
  /** Sent as soon as it is greeted. */
  readonly first?: readonly number[]
}

function greeter(
  { ada, bob }: Stage,
  role: GreetingOptions['role'],
  { isEager = false, judge = () => undefined, first }: GreeterOptions = {},
): Greeter {
  const { connection } = role === 'initiator' ? ada : bob
  const greeter: Greeter = { news: [], records: [], failures: [], hellos: [] }
  greet(connection, {
    role,
    isEager,
    hello: () => hello(role),
    judge: remote => {
      greeter.news.push(`judges ${remote?.name ?? 'whoever answers'}`)
      return judge(remote)
    },
    onHello: remote => greeter.news.push(`hears ${remote.name}`),
    onGreeted: remote => {
      greeter.news.push('greeted')
      greeter.hellos.push(remote)
      const onRecord = (plaintext: Uint8Array) => greeter.records.push(plaintext)
      connection.receive({ onRecord, onWritable: ignore, onClosed: ignore })
      if (first) connection.sendRecord(Uint8Array.from(first))
    },
    onFailed: error => {
      greeter.news.push('failed')
      greeter.failures.push(error)
    },
  })
  return greeter
}

function ignore(): void {}

function later(verdict: Verdict): () => Promise<Verdict> {
  return async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve()
    return verdict
  }
}

describe('two peers greet each other', () => {
  test.each<[string, GreeterOptions, GreeterOptions]>([
    ['at once', {}, {}],
    ['with an eager initiator', { isEager: true }, {}],
    ['with an initiator that takes its time', { judge: later(undefined) }, {}],
    ['with a responder that takes its time', { isEager: true }, { judge: later(undefined) }],
    ['when both take their time', { judge: later(undefined) }, { judge: later(undefined) }],
  ])('%s, and what they send at once arrives', async (_, initiator, responder) => {
    for (const segmentation of ['as-written', 'random'] as const) {
      const set = await stage({ segmentation })
      const ada = greeter(set, 'initiator', { ...initiator, first: [Frame.ping, 1] })
      const bob = greeter(set, 'responder', { ...responder, first: [Frame.ping, 2] })
      await set.net.advance(100)

      expect(ada.hellos).toEqual([hello('responder')])
      expect(bob.hellos).toEqual([hello('initiator')])
      expect([ada.failures, bob.failures]).toEqual([[], []])
      expect(ada.records).toEqual([Uint8Array.of(Frame.ping, 2)])
      expect(bob.records).toEqual([Uint8Array.of(Frame.ping, 1)])
      expect(bob.news).toEqual(['hears initiator', 'judges initiator', 'greeted'])
      expect(ada.news).toEqual(
        initiator.isEager
          ? ['judges whoever answers', 'hears responder', 'greeted']
          : ['hears responder', 'judges responder', 'greeted'],
      )
    }
  })
})

describe('a refusal', () => {
  test('by the responder tells the initiator its reason, and nothing else of the responder', async () => {
    const set = await stage({ segmentation: 'as-written' })
    const bob = greeter(set, 'responder', { judge: () => FULL })
    const raw = new RawPeer(set.ada)
    raw.send(encodeHello(hello('initiator')), [Frame.admit])
    await set.net.advance(100)

    expect(raw.frames).toEqual([{ kind: 'goodbye', code: 2, reason: 'full', retryAfterMs: 5_000 }])
    expect(raw.closes).toHaveLength(1)
    expect(bob.failures).toMatchObject([{ code: 'refused', reason: 'full', retryAfterMs: 5_000 }])
  })

  test.each([
    ['the responder', 'initiator'],
    ['the initiator', 'responder'],
  ] as const)('by %s fails on both sides with the same reason, and both hang up', async (_, refused) => {
    const set = await stage()
    const refuse = { judge: later(FULL) }
    const ada = greeter(set, 'initiator', refused === 'responder' ? refuse : {})
    const bob = greeter(set, 'responder', refused === 'initiator' ? refuse : {})
    await set.net.advance(100)

    for (const { failures, hellos } of [ada, bob]) {
      expect(failures).toMatchObject([{ code: 'refused', reason: 'full', retryAfterMs: 5_000 }])
      expect(hellos).toEqual([])
    }
    await set.net.advance(1_100)
    expect([...set.open(set.ada), ...set.open(set.bob)]).toEqual([])
  })

  test('of an eager initiator before anybody answered is one, too', async () => {
    const set = await stage()
    const ada = greeter(set, 'initiator', { isEager: true, judge: () => FULL })
    const bob = greeter(set, 'responder')
    await set.net.advance(100)

    expect(ada.failures).toMatchObject([{ code: 'refused', reason: 'full' }])
    expect(bob.failures).toMatchObject([{ code: 'refused', reason: 'full' }])
  })

  test('without words is told by its code', async () => {
    const set = await stage()
    const ada = greeter(set, 'initiator')
    greeter(set, 'responder', { judge: () => ({ code: 'duplicate', reason: '', retryAfterMs: 0 }) })
    await set.net.advance(100)

    expect(ada.failures).toMatchObject([{ code: 'refused', reason: 'duplicate' }])
  })
})

describe('an application that throws while it judges', () => {
  const thrown = new TypeError('a mistake')

  test.each<[string, () => Verdict | Promise<Verdict>]>([
    [
      'at once',
      () => {
        throw thrown
      },
    ],
    ['later', () => Promise.reject(thrown)],
  ])('%s refuses the peer, gets its own error back, and brings nothing down', async (_, judge) => {
    for (const role of ['initiator', 'responder'] as const) {
      const set = await stage()
      const other = role === 'initiator' ? 'responder' : 'initiator'
      const careless = greeter(set, role, { judge, isEager: role === 'initiator' })
      const careful = greeter(set, other)
      await set.net.advance(2_000)

      expect(careless.failures).toEqual([thrown])
      expect(careful.failures).toMatchObject([{ code: 'refused', reason: 'error' }])
      expect([...set.open(set.ada), ...set.open(set.bob)]).toEqual([])
    }
  })
})

describe('what is not a greeting ends it:', () => {
  const initiatorHello = encodeHello(hello('initiator'))

  test.each<[string, readonly (Uint8Array | readonly number[])[]]>([
    ['a message before the hello', [[0x10, 0, 0, 0]]],
    ['a message between hello and admission', [initiatorHello, [0x10, 0, 0, 0]]],
    ['an admission before the hello', [[Frame.admit], initiatorHello]],
    ['two hellos', [initiatorHello, initiatorHello]],
    ['two admissions', [initiatorHello, [Frame.admit], [Frame.admit]]],
    ['half a hello', [initiatorHello.subarray(0, -1)]],
    ['an unknown frame', [[0xff]]],
  ])('%s', async (_, parts) => {
    const set = await stage()
    const bob = greeter(set, 'responder', { judge: () => new Promise(ignore) })
    const raw = new RawPeer(set.ada)
    raw.send(...parts)
    await set.net.advance(2_000)

    expect(bob.failures).toMatchObject([{ code: 'protocol-violation' }])
    expect(raw.of('goodbye')).toMatchObject([{ code: 4 }])
    expect(set.open(set.bob)).toEqual([])
  })

  test('an answer that admits before it says hello', async () => {
    const set = await stage()
    const ada = greeter(set, 'initiator')
    new RawPeer(set.bob).send([Frame.admit], encodeHello(hello('responder')), [Frame.ping, 1])
    await set.net.advance(100)

    expect(ada.failures).toMatchObject([{ code: 'protocol-violation' }])
  })
})

test('records behind the admission reach the next receiver, in order', async () => {
  const set = await stage()
  const ada = greeter(set, 'initiator')
  const raw = new RawPeer(set.bob)
  raw.send(encodeHello(hello('responder')), [Frame.admit])
  raw.send([Frame.cancel, 1], [Frame.cancel, 2])
  raw.send([Frame.cancel, 3])
  await set.net.advance(100)

  expect(ada.hellos).toHaveLength(1)
  expect(ada.records).toEqual([Uint8Array.of(Frame.cancel, 1, Frame.cancel, 2), Uint8Array.of(Frame.cancel, 3)])
})

test('frames that share a record with the admission break the rules', async () => {
  const set = await stage()
  const ada = greeter(set, 'initiator')
  const raw = new RawPeer(set.bob)
  raw.send(encodeHello(hello('responder')), [Frame.admit], [Frame.cancel, 1])
  await set.net.advance(2_000)

  expect(ada.failures).toMatchObject([{ code: 'protocol-violation' }])
  expect(raw.of('goodbye')).toHaveLength(1)
})

test('a peer that hangs up during the greeting fails it, and a verdict that comes later changes nothing', async () => {
  const set = await stage()
  let decide: (verdict: Verdict) => void = ignore
  const bob = greeter(set, 'responder', {
    judge: () =>
      new Promise(resolve => {
        decide = resolve
      }),
  })
  const raw = new RawPeer(set.ada)
  raw.send(encodeHello(hello('initiator')), [Frame.admit])
  await set.net.advance(10)
  set.ada.tcp.end()
  await set.net.advance(2_000)
  decide(undefined)
  await set.net.advance(2_000)

  expect(bob.news).toEqual(['hears initiator', 'judges initiator', 'failed'])
  expect(bob.failures[0]).toBeInstanceOf(EarshotError)
  expect([...set.open(set.ada), ...set.open(set.bob)]).toEqual([])
})

test('a goodbye before anything else is a refusal', async () => {
  const set = await stage()
  const bob = greeter(set, 'responder')
  new RawPeer(set.ada).send(encodeGoodbye({ code: 'closed', reason: '', retryAfterMs: 0 }))
  await set.net.advance(100)

  expect(bob.failures).toMatchObject([{ code: 'refused', reason: 'closed' }])
})

test('hello and admission share a record: a connection costs no packet that it need not', async () => {
  const set = await stage({ segmentation: 'as-written' })
  let records = 0
  const untrace = set.net.trace(({ bytes }) => {
    if (bytes.length > 0) records++
  })
  greeter(set, 'initiator', { isEager: true })
  greeter(set, 'responder')
  await set.net.advance(100)
  untrace()

  expect(records).toBe(2)
})
