import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { formatPeerId } from '../../identity/peer-id.ts'
import { MAX_RELAYED_STREAMS, MAX_RELAYED_STREAMS_PER_PEER } from '../../limits.ts'
import type { ByteStream } from '../../messaging/open-stream.ts'
import { RelayBudget } from '../internet/relay-budget.ts'
import { RelayDesk } from './relay-desk.ts'

const id = (number: number) => formatPeerId(new Uint8Array(32).fill(number))
const [ADA, BOB, CID] = [id(1), id(2), id(3)] as const

interface Line {
  readonly near: ByteStream
  readonly far: ByteStream
}

/** What one side of a stream does is seen by the other. */
function line(): Line {
  const [there, back] = [new TransformStream<Uint8Array, Uint8Array>(), new TransformStream<Uint8Array, Uint8Array>()]
  return {
    near: { readable: back.readable, writable: there.writable },
    far: { readable: there.readable, writable: back.writable },
  }
}

function stage({
  budgetBytes = Number.POSITIVE_INFINITY,
  isDirect = () => true,
}: {
  budgetBytes?: number
  isDirect?: (id: string) => boolean
} = {}) {
  const told: string[] = []
  const opened: Line[] = []
  const budget: RelayBudget = new RelayBudget(budgetBytes, {
    onWarning: ({ code }) => told.push(`warning ${code}`),
    onSpent: error => {
      told.push(`spent ${error.code}`)
      desk.endAll(error)
    },
  })
  const desk = new RelayDesk(budget, {
    isDirect,
    onRelay: (state, { bytes }) => told.push(`${state} ${bytes}`),
    openRelayed: () => {
      const beyond = line()
      opened.push(beyond)
      return beyond.near
    },
  })
  /** Ada asks for a stream to Bob, unless said otherwise. */
  const relay = (fromId: string = ADA, to: unknown = BOB) => {
    const asked = line()
    const failed = desk.relay(asked.far, fromId, { to }).then(
      () => undefined,
      (error: EarshotError) => {
        // As the session does for whoever accepts a stream.
        void asked.far.readable.cancel(error).catch(() => {})
        void asked.far.writable.abort(error).catch(() => {})
        return error
      },
    )
    return { ada: asked.near, failed, bob: opened.at(-1)?.far as ByteStream }
  }
  return { desk, budget, told, opened, relay }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

describe('a stream', () => {
  test('goes through in both directions, is counted, and ends in order', async () => {
    const { desk, budget, told, relay } = stage()
    const { ada, bob, failed } = relay()
    const [toBob, toAda] = [ada.writable.getWriter(), bob.writable.getWriter()]
    const [atAda, atBob] = [ada.readable.getReader(), bob.readable.getReader()]
    void toBob.write(new Uint8Array(10))
    expect((await atBob.read()).value).toHaveLength(10)
    void toAda.write(new Uint8Array(5))
    expect((await atAda.read()).value).toHaveLength(5)
    expect(desk.pairs).toEqual([{ fromId: ADA, toId: BOB, bytes: 15 }])
    expect(budget.usedBytes).toBe(15)
    void toBob.close()
    expect((await atBob.read()).done).toBe(true)
    void toAda.write(new Uint8Array(1))
    expect((await atAda.read()).value).toHaveLength(1)
    void toAda.close()
    expect((await atAda.read()).done).toBe(true)
    expect(await failed).toBeUndefined()
    expect(desk.pairs).toEqual([])
    expect(told).toEqual(['begun 0', 'ended 16'])
  })

  test('that nobody reads is not read on: a few pieces are under way, whatever is sent', async () => {
    const { relay, budget } = stage()
    const { ada } = relay()
    const writer = ada.writable.getWriter()
    for (let i = 0; i < 100; i++) void writer.write(new Uint8Array(1_000)).catch(() => {})
    await settle()
    expect(budget.usedBytes).toBeLessThanOrEqual(4_000)
  })

  test.each(['ada', 'bob'] as const)('given up by %s is given up for the other one, with the code', async who => {
    const { desk, relay } = stage()
    const { failed, ...sides } = relay()
    const other = sides[who === 'ada' ? 'bob' : 'ada']
    const [reader, writer] = [other.readable.getReader(), other.writable.getWriter()]
    await sides[who].writable.abort(new EarshotError('reset', 'had enough'))
    await expect(reader.read()).rejects.toMatchObject({ code: 'reset' })
    expect(await failed).toMatchObject({ code: 'reset' })
    await expect(writer.write(new Uint8Array(1))).rejects.toBeDefined()
    expect(desk.pairs).toEqual([])
  })
})

describe('is refused', () => {
  test.each([
    ['to nobody', ADA, null, 'invalid-data'],
    ['to what is no id', ADA, 'bob', 'invalid-data'],
    ['to oneself', ADA, ADA, 'refused'],
    ['to somebody who is not reached directly', ADA, CID, 'unknown-peer'],
    ['from somebody who is not', CID, ADA, 'refused'],
  ])('a stream %s', async (_, fromId, to, code) => {
    const { opened, relay } = stage({ isDirect: each => each !== CID })
    expect(await relay(fromId, to).failed).toMatchObject({ code })
    expect(opened).toEqual([])
  })

  test('one too many of a peer, whichever side it is on', async () => {
    const { desk, relay } = stage()
    for (let i = 0; i < MAX_RELAYED_STREAMS_PER_PEER; i++) relay(i % 2 ? ADA : id(100 + i), i % 2 ? id(100 + i) : ADA)
    expect(await relay(ADA, BOB).failed).toMatchObject({ code: 'limit-reached' })
    expect(await relay(BOB, ADA).failed).toMatchObject({ code: 'limit-reached' })
    relay(BOB, CID)
    expect(desk.pairs).toHaveLength(MAX_RELAYED_STREAMS_PER_PEER + 1)
  })

  test('one too many of all together', async () => {
    const { desk, relay } = stage()
    const pairs = Math.ceil(MAX_RELAYED_STREAMS / MAX_RELAYED_STREAMS_PER_PEER)
    for (let i = 0; i < MAX_RELAYED_STREAMS; i++) relay(id(10 + (i % pairs)), id(60 + (i % pairs)))
    expect(desk.pairs).toHaveLength(MAX_RELAYED_STREAMS)
    expect(await relay(ADA, BOB).failed).toMatchObject({ code: 'limit-reached' })
    desk.endAll(new EarshotError('closed', 'the end'))
    await settle()
    expect(desk.pairs).toEqual([])
  })
})

test('at the end of the budget everything ends, both sides learn the code, and nothing more is taken', async () => {
  const { told, relay, desk } = stage({ budgetBytes: 1_000 })
  const { ada, bob, failed } = relay()
  const [reader, answers] = [bob.readable.getReader(), ada.readable.getReader()]
  const writer = ada.writable.getWriter()
  for (let i = 0; i < 8; i++) {
    void writer.write(new Uint8Array(100))
    await reader.read()
  }
  expect(told).toEqual(['begun 0', 'warning limit-reached'])
  for (let i = 0; i < 3; i++) void writer.write(new Uint8Array(100)).catch(() => {})
  const reading = async (): Promise<void> => {
    while (!(await reader.read()).done);
  }
  await expect(reading()).rejects.toMatchObject({ code: 'limit-reached' })
  await expect(answers.read()).rejects.toMatchObject({ code: 'limit-reached' })
  expect(await failed).toMatchObject({ code: 'limit-reached' })
  expect(told).toEqual(['begun 0', 'warning limit-reached', 'spent limit-reached', 'ended 1000'])
  expect(await relay().failed).toMatchObject({ code: 'limit-reached' })
  expect(desk.pairs).toEqual([])
})

test('who is not reached directly any more is not relayed any more, on either side', async () => {
  const { desk, relay } = stage()
  const [one, two, other] = [relay(ADA, BOB), relay(CID, ADA), relay(BOB, CID)]
  desk.endOf(ADA)
  expect(await one.failed).toMatchObject({ code: 'unreachable' })
  expect(await two.failed).toMatchObject({ code: 'unreachable' })
  expect(desk.pairs).toEqual([{ fromId: BOB, toId: CID, bytes: 0 }])
  void other
})
