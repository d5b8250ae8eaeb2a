import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { outcome, RawPeer, RecordingSession, type Stage, stage } from '../../test/session/stage.ts'
import { EarshotError } from '../errors.ts'
import {
  CLOSE_TIMEOUT_MS,
  INITIAL_CREDIT_BYTES,
  LOST_AFTER_MS,
  MAX_CREDIT_BYTES,
  MAX_INFO_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_SEND_QUEUE_BYTES,
  MAX_WHOLE_FRAME_BYTES,
} from '../limits.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import {
  CALL_POOL,
  encodeGoodbye,
  encodeLabel,
  Frame,
  GOODBYE_CODES,
  MESSAGE_POOL,
  Payload,
  payloadLength,
  putPayload,
} from './frame.ts'
import { ReassemblyBudget } from './reassembly.ts'

interface Pair extends Stage {
  readonly sessions: readonly [RecordingSession, RecordingSession]
}

async function pair(options?: Parameters<typeof stage>[0]): Promise<Pair> {
  const set = await stage(options)
  return Object.assign(set, { sessions: [new RecordingSession(set.ada), new RecordingSession(set.bob)] as const })
}

/** A session at one end, and at the other a peer that keeps no rules. */
async function besieged(options?: Parameters<typeof stage>[0]) {
  const set = await stage({ segmentation: 'as-written', ...options })
  const target = new RecordingSession(set.ada)
  return { set, target, raw: new RawPeer(set.bob) }
}

function payload(type: number, a: number, b: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(payloadLength(a, b, body.length))
  putPayload(frame, 0, type, a, b, body)
  return frame
}

const varint = (value: number) => new ByteWriter().varint(value).finish()

// What is sent arrives ------------------------------------------------------------------------------------------------

test('whatever both sides send at once arrives once, in the order of its lane, however TCP cuts it', async () => {
  const anyLength = fc.oneof(
    { weight: 8, arbitrary: fc.nat(400) },
    { weight: 2, arbitrary: fc.integer({ min: 15_000, max: 70_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 200_000, max: 1_500_000 }) },
  )
  const anySend = fc.record({ side: fc.nat(1), lane: fc.nat(2), pool: fc.nat(1), length: anyLength })
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.array(anySend, { maxLength: 60 }), async (seed, sends) => {
      const { net, sessions } = await pair({ seed })
      const accepted = sends.map(({ side, lane, pool, length }, number) => {
        const type = pool === MESSAGE_POOL ? Payload.message : Payload.question
        return sessions[side as 0 | 1].session.send(lane, type, lane, number, new Uint8Array(length).fill(number))
      })
      await net.until(Promise.all(accepted))
      await net.advance(100)

      for (const side of [0, 1] as const) {
        const { payloads } = sessions[side]
        const expected = sends.map((sent, number) => ({ ...sent, number })).filter(sent => sent.side !== side)
        expect(payloads.map(({ b }) => b).sort((x, y) => x - y)).toEqual(expected.map(({ number }) => number))
        for (const { a, b, body } of payloads) {
          expect([a, body.length]).toEqual([sends[b]!.lane, sends[b]!.length])
          expect(body.every(byte => byte === (b & 0xff))).toBe(true)
        }
        for (const type of [Payload.message, Payload.question]) {
          for (let lane = 0; lane <= 2; lane++) {
            const numbers = payloads.filter(one => one.a === lane && one.type === type).map(({ b }) => b)
            expect(numbers).toEqual([...numbers].sort((x, y) => x - y))
          }
        }
        expect(sessions[side].ends).toEqual([])
      }
    }),
    { numRuns: 15 },
  )
})

test('labels, receipts, cancels, pulls and info arrive as they were sent', async () => {
  const { net, sessions } = await pair()
  const [ada, bob] = sessions
  const number = ada.session.label('scores')
  expect(ada.session.label('scores')).toBe(number)
  ada.session.receipt(300, 1)
  ada.session.cancel(70_000)
  ada.session.pull(5, 16)
  ada.session.info('{"team":"blue"}')
  await net.advance(10)

  expect(bob.session.labelName(number)).toBe('scores')
  expect(bob.session.labelName(0)).toBe('')
  expect([bob.receipts, bob.cancels, bob.pulls, bob.infos]).toEqual([
    [[300, 1]],
    [70_000],
    [[5, 16]],
    ['{"team":"blue"}'],
  ])
})

// Flow control --------------------------------------------------------------------------------------------------------

describe('flow control', () => {
  test('lets a fast sender wait for an application that does not read, and go on when it has', async () => {
    const { net, sessions } = await pair()
    const [ada, bob] = sessions
    bob.holds = { pool: MESSAGE_POOL }
    const sends: (Promise<void> | undefined)[] = []
    for (let i = 0; i < 300; i++) sends.push(ada.session.send(0, Payload.message, 0, i, new Uint8Array(10_000)))
    await net.advance(1_000)

    const unread = () => bob.payloads.reduce((bytes, { length }) => bytes + length, 0)
    expect(unread()).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES)
    expect(unread()).toBeGreaterThan(INITIAL_CREDIT_BYTES - 11_000)
    expect(await outcome(sends.at(-1))).toBeUndefined()
    expect(ada.session.queuedBytes).toBeGreaterThan(1_000_000)

    bob.holds = undefined
    bob.session.release(MESSAGE_POOL, unread())
    await net.until(Promise.all(sends))
    await net.advance(10)
    expect(bob.payloads).toHaveLength(300)
    expect(ada.session.queuedBytes).toBe(0)
  })

  test('of unread messages leaves questions and answers alone', async () => {
    const { net, sessions } = await pair()
    const [ada, bob] = sessions
    bob.holds = { pool: MESSAGE_POOL }
    for (let i = 0; i < 200; i++) ada.session.send(0, Payload.message, 0, 0, new Uint8Array(10_000))?.catch(ignore)
    await net.advance(100)
    bob.holds = undefined
    const questions: (Promise<void> | undefined)[] = []
    for (let i = 0; i < 200; i++) questions.push(ada.session.send(0, Payload.question, 1, 0, new Uint8Array(10_000)))
    await net.until(Promise.all(questions))
    await net.advance(10)

    expect(bob.payloads.filter(({ type }) => type === Payload.question)).toHaveLength(200)
  })

  test('ends a session that sends more than its credit', async () => {
    const { set, target, raw } = await besieged()
    target.holds = { pool: MESSAGE_POOL }
    const message = payload(Payload.message, 0, 0, new Uint8Array(16_000))
    for (let i = 0; i <= INITIAL_CREDIT_BYTES / message.length; i++) raw.send(message)
    await set.net.advance(2_000)

    expect(target.payloads).toHaveLength(Math.floor(INITIAL_CREDIT_BYTES / message.length))
    expect(target.end).toMatchObject({ code: 'protocol-violation', byPeer: false })
    expect(raw.of('goodbye')).toMatchObject([{ code: GOODBYE_CODES.indexOf('protocol-violation') }])
  })
})

// What a hostile peer may try -----------------------------------------------------------------------------------------

describe('a peer that breaks the rules is told so and cut off, and nothing is left of it:', () => {
  const large = [Frame.firstFragment, MESSAGE_POOL, ...varint(MAX_WHOLE_FRAME_BYTES + 1)]
  const inFragments = (frame: Uint8Array, pool = MESSAGE_POOL) => [
    [Frame.firstFragment, pool, ...varint(frame.length), ...varint(frame.length), ...frame],
  ]
  const body = new Uint8Array(MAX_WHOLE_FRAME_BYTES)

  test.each<[string, readonly (readonly number[] | Uint8Array)[]]>([
    ['a frame of type 0', [[0]]],
    ['a control frame of unknown type', [[0x0e, 0]]],
    ['a frame behind the last type', [[0x38, 0, 0, 0]]],
    ['a frame of the highest type', [[0xff]]],
    ['a second hello', [[Frame.hello, 0]]],
    ['a second admission', [[Frame.admit]]],
    ['half a frame', [[Frame.receipt, 1]]],
    ['a message that is longer than its record', [[Payload.message, 0, 0, 5, 1]]],
    ['a number in more bytes than it needs', [[Frame.ping, 0x40, 0x01]]],
    ['a number above 2^53', [[Frame.ping, 0xc0, 0x20, 0, 0, 0, 0, 0, 0]]],
    ['credit for a pool that does not exist', [[Frame.credit, 2, 1]]],
    ['fragments of a pool that does not exist', [[Frame.firstFragment, 7, ...varint(20_000), 1, 1]]],
    ['a fragment without a beginning', [[Frame.fragment, MESSAGE_POOL, 1, 1]]],
    [
      'a fragment of the other pool',
      [
        [...large, 1, 1],
        [Frame.fragment, CALL_POOL, 1, 1],
      ],
    ],
    [
      'a beginning before the end',
      [
        [...large, 1, 1],
        [...large, 1, 1],
      ],
    ],
    ['a fragment of no bytes', [[...large, 0]]],
    ['a frame in fragments that needed none', [[Frame.firstFragment, MESSAGE_POOL, 10, 1, 1]]],
    ['a frame in fragments that is too large', [[Frame.firstFragment, 0, ...varint(MAX_MESSAGE_BYTES + 26), 1, 1]]],
    ['a control frame in fragments', inFragments(new Uint8Array(MAX_WHOLE_FRAME_BYTES + 1).fill(Frame.ping))],
    ['a question in fragments of messages', inFragments(payload(Payload.question, 1, 0, body))],
    ['bytes behind a frame in fragments', inFragments(Uint8Array.of(...payload(Payload.message, 0, 0, body), 0))],
    ['a label for the room', [encodeLabel(0, 'x')]],
    ['a label out of turn', [encodeLabel(2, 'x')]],
    ['a label twice', [encodeLabel(1, 'x'), encodeLabel(1, 'x')]],
    ['a label without a name', [encodeLabel(1, '')]],
    ['info that is too long', [[Frame.info, ...varint(MAX_INFO_BYTES + 1), ...body.subarray(0, MAX_INFO_BYTES + 1)]]],
    ['info that is not UTF-8', [[Frame.info, 1, 0xff]]],
    ['a goodbye with an unknown code', [[Frame.goodbye, GOODBYE_CODES.length, 0, 0]]],
  ])('%s', async (_, parts) => {
    const { set, target, raw } = await besieged()
    raw.send(...parts)
    await set.net.advance(3_000)

    expect(target.ends).toMatchObject([
      { code: 'protocol-violation', byPeer: false, error: { code: 'protocol-violation' } },
    ])
    expect(raw.of('goodbye')).toMatchObject([{ code: GOODBYE_CODES.indexOf('protocol-violation'), reason: '' }])
    expect(set.open(set.ada)).toEqual([])
  })

  test('bytes that are no record', async () => {
    const { set, target, raw } = await besieged()
    set.bob.tcp.write(new Uint8Array(1_000).fill(0x17))
    set.bob.tcp.write(new Uint8Array(10_000).fill(0x17))
    await set.net.advance(3_000)

    // Whoever can write into a connection could cut it as well: that must not cost the session.
    expect(target.ends).toEqual([])
    expect(target.session.presence).toBe('away')
    expect(raw.of('goodbye')).toEqual([])
    expect(set.open(set.ada).filter(({ kind }) => kind !== 'timer')).toEqual([])
  })

  test('any bytes at all in a record', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 5 }), async records => {
        const { set, target, raw } = await besieged()
        for (const record of records) raw.send(record)
        await set.net.advance(50)
        for (const { code } of target.ends) expect(GOODBYE_CODES).toContain(code)
        expect(target.ends.length).toBeLessThanOrEqual(1)
        set.ada.connection.abort()
      }),
      { numRuns: 40 },
    )
  })

  test('more unfinished large messages than the room has memory for', async () => {
    const budget = new ReassemblyBudget()
    const others = Array.from({ length: 20_000 }, (_, i) => budget.share(`10.0.${i >> 8}.${i & 255}`, () => {}))
    for (const share of others) share.take(13_421)
    const set = await stage()
    const target = new RecordingSession(set.ada, budget)
    const raw = new RawPeer(set.bob)
    raw.send([Frame.firstFragment, MESSAGE_POOL], varint(1_000_000), varint(30_000), new Uint8Array(30_000))
    await set.net.advance(2_000)

    expect(target.end).toMatchObject({ code: 'limit-reached', error: { code: 'limit-reached' } })
    expect(raw.of('goodbye')).toMatchObject([{ code: GOODBYE_CODES.indexOf('limit-reached') }])
    expect(budget.left).toBe(268_435_456 - 20_000 * 13_421)
  })

  test('the most of all, when another session needs more than is left for them', async () => {
    const budget = new ReassemblyBudget()
    const set = await stage()
    const target = new RecordingSession(set.ada, budget)
    const raw = new RawPeer(set.bob)
    raw.send([Frame.firstFragment, MESSAGE_POOL], varint(1_000_000), varint(30_000), new Uint8Array(30_000))
    await set.net.advance(100)
    const others = Array.from({ length: 20_000 }, (_, i) => budget.share(`10.0.${i >> 8}.${i & 255}`, () => {}))
    for (const share of others) share.take(13_421)
    await set.net.advance(2_000)

    expect(target.end).toMatchObject({ code: 'limit-reached', error: { code: 'limit-reached' } })
    expect(raw.of('goodbye')).toMatchObject([{ code: GOODBYE_CODES.indexOf('limit-reached') }])
    expect(budget.left).toBe(268_435_456 - 20_000 * 13_421)
  })
})

test('what came before a broken rule has arrived, what comes after it has not', async () => {
  const { set, target, raw } = await besieged()
  raw.send(payload(Payload.message, 0, 1, Uint8Array.of(1)), [0xff], payload(Payload.message, 0, 2, Uint8Array.of(2)))
  raw.send(payload(Payload.message, 0, 3, Uint8Array.of(3)))
  await set.net.advance(100)

  expect(target.payloads.map(({ b }) => b)).toEqual([1])
})

test('a flood of pings from somebody who reads none of the answers costs one answer', async () => {
  const { set, target, raw } = await besieged()
  // The path towards the flooder is full: it does not read, and much was sent to it.
  set.bob.tcp.pause()
  for (let i = 0; i < 60; i++) target.session.send(0, Payload.message, 0, 0, new Uint8Array(16_000))
  await set.net.advance(10)
  for (let i = 0; i < 2_000; i++) raw.send([0, Frame.ping], varint(2 * i), [Frame.ping], varint(2 * i + 1))
  await set.net.advance(1_000)
  expect(raw.frames).toEqual([])

  set.bob.tcp.resume()
  await set.net.advance(1_000)
  const pongs = raw.of('number').filter(({ type }) => type === Frame.pong)
  expect(pongs.at(-1)).toMatchObject({ value: 3_999 })
  expect(pongs.length).toBeLessThan(10)
})

test('a peer that takes nothing and gives endless credit fills no memory', async () => {
  const { set, target, raw } = await besieged()
  set.bob.tcp.pause()
  const write = vi.spyOn(set.ada.tcp, 'write')
  const sends: (Promise<void> | undefined)[] = []
  for (let i = 0; i < 10_000; i++) {
    raw.send([Frame.credit, MESSAGE_POOL], varint(Number.MAX_SAFE_INTEGER))
    const sent = target.session.send(0, Payload.message, 0, 0, new Uint8Array(10_000))
    sent?.catch(ignore)
    sends.push(sent)
    if (i % 50 === 0) await set.net.advance(1)
  }
  const written = write.mock.calls.reduce((bytes, [{ length }]) => bytes + length, 0)

  expect(written).toBeLessThan(INITIAL_CREDIT_BYTES + MAX_CREDIT_BYTES)
  expect(target.session.queuedBytes).toBeLessThanOrEqual(MAX_SEND_QUEUE_BYTES)
  expect(target.session.unacknowledgedBytes).toBeLessThan(INITIAL_CREDIT_BYTES + MAX_CREDIT_BYTES)
  expect(await outcome(sends.at(-1))).toMatchObject({ code: 'limit-reached' })
  target.session.abort(new EarshotError('closed', 'over'))
})

// Signs of life -------------------------------------------------------------------------------------------------------

describe('a peer that falls silent', () => {
  test.each<[string, (set: Stage) => void]>([
    ['because its power was cut', ({ bob }) => bob.host.stop()],
    ['because the network was', ({ net }) => net.lan('home').partition(['ada'], ['bob'])],
    ['because it sleeps', ({ bob }) => bob.host.sleep()],
  ])('%s is quiet within 5 s and away within 15 s, and what is sent to it waits', async (_, silence) => {
    const set = await pair()
    const [ada] = set.sessions
    await set.net.advance(10_000)
    expect(ada.presences).toEqual([])
    const waiting = ada.session.send(0, Payload.message, 0, 0, new Uint8Array(2_000_000))
    silence(set)
    const silentSince = set.ada.clock.now()
    await set.net.advance(15_000)

    expect(ada.presences.map(([presence]) => presence)).toEqual(['quiet', 'away'])
    expect(ada.presences[0]![1] - silentSince).toBeLessThanOrEqual(5_000)
    expect(ada.session.awayMs(set.ada.clock.now())).toBeGreaterThan(0)
    expect(ada.ends).toEqual([])
    expect(await outcome(waiting)).toBeUndefined()
    ada.session.abort(new EarshotError('lost', 'given up'))
    expect(ada.ends).toMatchObject([{ code: 'lost', byPeer: false, error: { code: 'lost' } }])
    expect(await outcome(waiting)).toMatchObject({ code: 'lost' })
    expect(set.open(set.ada).filter(({ kind }) => kind === 'tcp connection')).toEqual([])
  })

  test('and speaks again is here again', async () => {
    const { net, sessions } = await pair()
    net.lan('home').partition(['ada'], ['bob'])
    await net.advance(6_000)
    net.lan('home').heal()
    await net.advance(20_000)

    for (const { presences, ends } of sessions) {
      expect(presences.map(([presence]) => presence)).toEqual(['quiet', 'here'])
      expect(ends).toEqual([])
    }
  })

  test('but has nothing to say is asked, and answers: idle sessions live on', async () => {
    const { net, sessions } = await pair()
    await net.advance(600_000)
    for (const { presences, ends } of sessions) expect([presences, ends]).toEqual([[], []])
  })

  test('and does not even answer pings is away, though it holds the connection open', async () => {
    const { set, target, raw } = await besieged()
    await set.net.advance(LOST_AFTER_MS + 1_000)
    expect(target.session.presence).toBe('away')
    expect(raw.of('number').length).toBeGreaterThan(3)
    await set.net.advance(2_000)
    expect(raw.closes).toHaveLength(1)
  })

  test('and reads nothing is away, what waits for it waits, and memory stays bounded meanwhile', async () => {
    const { set, target } = await besieged()
    set.bob.tcp.pause()
    const sends: Promise<void>[] = []
    for (let i = 0; i < 100; i++) {
      const sent = target.session.send(0, Payload.message, 0, 0, new Uint8Array(1_000_000))
      sent?.catch(ignore)
      if (sent) sends.push(sent)
    }
    const codes = async () => (await Promise.all(sends.map(outcome))).map(error => (error as EarshotError)?.code)
    expect(new Set(await codes())).toEqual(new Set([undefined, 'limit-reached']))
    expect(target.session.queuedBytes).toBeLessThanOrEqual(MAX_SEND_QUEUE_BYTES)

    await set.net.advance(LOST_AFTER_MS + 1_000)
    expect(target.session.presence).toBe('away')
    expect(new Set(await codes())).toEqual(new Set([undefined, 'limit-reached']))
    target.session.abort(new EarshotError('lost', 'given up'))
    expect(new Set(await codes())).toEqual(new Set(['lost', 'limit-reached']))
    expect(target.session.queuedBytes).toBe(0)
  })
})

describe('a round trip', () => {
  test('is measured by ping, and smoothed', async () => {
    const { net, sessions } = await pair({ delayMs: 25, segmentation: 'as-written' })
    const [ada] = sessions
    expect(ada.session.rttMs).toBeUndefined()
    expect(await net.until(ada.session.ping())).toBeCloseTo(50, 0)
    expect(ada.session.rttMs).toBeCloseTo(50, 0)
    net.lan('home').delayMs = 125
    expect(await net.until(ada.session.ping())).toBeCloseTo(250, 0)
    expect(ada.session.rttMs).toBeCloseTo(50 * 0.875 + 250 * 0.125, 0)
  })

  test('is known soon after the beginning, without a ping of the application', async () => {
    const { net, sessions } = await pair({ delayMs: 5 })
    await net.advance(2_000)
    for (const { session } of sessions) expect(session.rttMs).toBeCloseTo(10, -1)
  })

  test('that a newer one overtook ends with it', async () => {
    const { set, target, raw } = await besieged()
    const pings = [target.session.ping(), target.session.ping()]
    await set.net.advance(10)
    raw.send([0, Frame.pong, 2])
    const [first, second] = await set.net.until(Promise.all(pings))
    expect(first).toBe(second)
  })

  test('is not ended by an answer that nobody asked for', async () => {
    const { set, target, raw } = await besieged()
    raw.send([0, Frame.pong, 1], [Frame.pong], varint(1_000))
    await set.net.advance(10)
    expect(target.session.rttMs).toBeUndefined()
    expect(target.ends).toEqual([])
  })

  test('rejects when the session ends, and after it', async () => {
    const { set, target } = await besieged()
    const ping = target.session.ping()
    const rejected = expect(ping).rejects.toMatchObject({ code: 'lost' })
    target.session.abort(new EarshotError('lost', 'gone'))
    await rejected
    await expect(target.session.ping()).rejects.toMatchObject({ code: 'closed' })
    await set.net.advance(0)
  })
})

// The end -------------------------------------------------------------------------------------------------------------

describe('close', () => {
  test('sends all that is queued, then a goodbye with its reason, and leaves nothing open', async () => {
    const set = await pair()
    const [ada, bob] = set.sessions
    const sends = [0, 1, 2, 3, 4].map(i => ada.session.send(0, Payload.message, 0, i, new Uint8Array(1_000_000)))
    const closed = ada.session.close('kicked', 'too loud', 60_000)
    expect(ada.session.isOpen).toBe(false)
    await set.net.until(closed, { withinMs: CLOSE_TIMEOUT_MS })
    await set.net.advance(1_000)

    await Promise.all(sends)
    expect(bob.payloads.map(({ b }) => b)).toEqual([0, 1, 2, 3, 4])
    expect(bob.ends).toEqual([
      { code: 'kicked', reason: 'too loud', byPeer: true, retryAfterMs: expect.any(Number), error: undefined },
    ])
    expect(ada.ends).toEqual([
      { code: 'kicked', reason: 'too loud', byPeer: false, retryAfterMs: expect.any(Number), error: undefined },
    ])
    expect([...set.open(set.ada), ...set.open(set.bob)]).toEqual([])
  })

  test('of both sides at once is the end of both', async () => {
    const set = await pair()
    const [ada, bob] = set.sessions
    await set.net.until(Promise.all([ada.session.close('closed'), bob.session.close('closed')]))
    await set.net.advance(1_000)

    for (const { ends } of set.sessions) expect(ends).toMatchObject([{ code: 'closed', error: undefined }])
    expect([...set.open(set.ada), ...set.open(set.bob)]).toEqual([])
  })

  test('is idempotent: the first code wins', async () => {
    const { net, sessions } = await pair()
    const [ada, bob] = sessions
    await net.until(Promise.all([ada.session.close('closed', 'first'), ada.session.close('kicked', 'second')]))
    await net.until(ada.session.close('refused'))
    expect([ada.end?.reason, (await net.until(bob.closed)).reason]).toEqual(['first', 'first'])
  })

  test('takes a second with a peer that does not hang up', async () => {
    const { set, target, raw } = await besieged()
    const startedAt = set.ada.clock.now()
    await set.net.until(target.session.close('closed'))

    expect(set.ada.clock.now() - startedAt).toBeLessThanOrEqual(CLOSE_TIMEOUT_MS)
    expect(raw.of('goodbye')).toMatchObject([{ code: 0 }])
    await set.net.advance(1_000)
    expect(set.open(set.ada)).toEqual([])
  })

  test('takes a second with a peer that reads nothing, and rejects what it did not take', async () => {
    const { set, target } = await besieged()
    set.bob.tcp.pause()
    const large = target.session.send(0, Payload.message, 0, 0, new Uint8Array(10_000_000))
    const rejected = outcome(large)
    const startedAt = set.ada.clock.now()
    await set.net.until(target.session.close('closed'))

    expect(set.ada.clock.now() - startedAt).toBeLessThanOrEqual(CLOSE_TIMEOUT_MS)
    await rejected
    expect(await outcome(large)).toMatchObject({ code: 'closed' })
    await set.net.advance(1_000)
    expect(set.open(set.ada)).toEqual([])
  })

  test('tells why even where the other application takes no more messages', async () => {
    const set = await pair()
    const [ada, bob] = set.sessions
    bob.holds = { pool: MESSAGE_POOL }
    const sends = Array.from({ length: 300 }, () => ada.session.send(0, Payload.message, 0, 0, new Uint8Array(10_000)))
    const outcomes = sends.map(outcome)
    await set.net.advance(100)
    const startedAt = set.ada.clock.now()
    await set.net.until(ada.session.close('closed', 'good night'))

    expect(set.ada.clock.now() - startedAt).toBeLessThanOrEqual(CLOSE_TIMEOUT_MS)
    expect(bob.ends).toMatchObject([{ code: 'closed', reason: 'good night', byPeer: true }])
    await Promise.all(outcomes)
    expect(await outcome(sends.at(-1))).toMatchObject({ code: 'closed' })
  })

  test('while the other side floods is clean', async () => {
    const set = await pair()
    const [ada, bob] = set.sessions
    for (let i = 0; i < 3_000; i++) bob.session.send(0, Payload.message, 0, 0, new Uint8Array(1_000))?.catch(ignore)
    await set.net.advance(0.5)
    await set.net.until(ada.session.close('closed'))
    await set.net.advance(1_000)

    expect(ada.ends).toMatchObject([{ code: 'closed', byPeer: false, error: undefined }])
    expect(bob.ends).toMatchObject([{ code: 'closed', byPeer: true, error: undefined }])
    expect([...set.open(set.ada), ...set.open(set.bob)]).toEqual([])
  })

  test('bounds a reason that is too long', async () => {
    const { net, sessions } = await pair()
    const [ada, bob] = sessions
    await net.until(ada.session.close('kicked', 'ä'.repeat(400)))
    expect((await net.until(bob.closed)).reason).toBe('ä'.repeat(256))
  })
})

describe('after the end', () => {
  test('nothing is accepted, nothing is told, and nothing is heard', async () => {
    const { set, target, raw } = await besieged()
    const closed = target.session.close('closed')
    expect(await outcome(target.session.send(0, Payload.message, 0, 0, new Uint8Array(1)))).toMatchObject({
      code: 'closed',
    })
    target.session.receipt(1, 0)
    target.session.cancel(1)
    target.session.pull(1, 1)
    target.session.info('{}')
    await set.net.until(closed)
    raw.send([0, Frame.ping, 1])
    raw.send(payload(Payload.message, 0, 0, Uint8Array.of(1)))
    target.session.tick(set.ada.clock.now() + 100_000)
    target.session.release(MESSAGE_POOL, 0)
    expect(await outcome(target.session.send(0, Payload.message, 0, 0, new Uint8Array(1)))).toMatchObject({
      code: 'closed',
    })
    await set.net.advance(2_000)

    expect(raw.frames).toEqual([{ kind: 'goodbye', code: 0, retryAfterMs: 0, reason: '' }])
    expect([target.payloads, target.presences]).toEqual([[], []])
    expect(target.ends).toHaveLength(1)
    expect(set.open(set.ada)).toEqual([])
  })

  test('by a goodbye, what comes behind it is not heard', async () => {
    const { set, target, raw } = await besieged()
    raw.send([0], encodeGoodbye({ code: 'closed', reason: '', retryAfterMs: 0 }))
    raw.send(payload(Payload.message, 0, 2, Uint8Array.of(2)))
    await set.net.advance(2_000)

    expect(target.payloads).toEqual([])
    expect(target.ends).toEqual([{ code: 'closed', reason: '', byPeer: true, retryAfterMs: 0, error: undefined }])
    expect(set.open(set.ada)).toEqual([])
  })
})

describe('a connection that ends without a goodbye', () => {
  test.each<[string, (set: Stage) => void]>([
    ['in an orderly way', ({ bob }) => bob.tcp.end()],
    ['with a reset', ({ bob }) => bob.tcp.destroy()],
    ['because the process was killed', ({ bob }) => bob.host.kill()],
  ])('%s leaves the peer away at once, and what is sent to it waits', async (_, end) => {
    const { set, target } = await besieged()
    const waiting = target.session.send(0, Payload.message, 0, 0, new Uint8Array(3_000_000))
    const ping = target.session.ping()
    const pingFailed = expect(ping).rejects.toMatchObject({ code: 'lost' })
    end(set)
    await set.net.advance(2_000)

    expect(target.presences.map(([presence]) => presence)).toEqual(['away'])
    await pingFailed
    await expect(target.session.ping()).rejects.toMatchObject({ code: 'lost' })
    expect(target.ends).toEqual([])
    expect(await outcome(waiting)).toBeUndefined()
    await set.net.until(target.session.close('closed'))
    expect(await outcome(waiting)).toMatchObject({ code: 'closed' })
    await set.net.advance(1_100)
    expect(set.open(set.ada)).toEqual([])
  })
})

function ignore(): void {}
