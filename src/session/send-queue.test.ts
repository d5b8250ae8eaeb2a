import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PayloadFrame, payloadFrames, readFrames } from '../../test/session/read-frames.ts'
import { EarshotError } from '../errors.ts'
import {
  INITIAL_CREDIT_BYTES,
  MAX_CREDIT_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_SEND_QUEUE_BYTES,
  MAX_WHOLE_FRAME_BYTES,
} from '../limits.ts'
import { CALL_POOL, Frame, MESSAGE_POOL, Payload, type Pool, payloadLength, poolOf } from './frame.ts'
import { MAX_RECORD_PLAINTEXT_BYTES } from './record.ts'
import { NO_LANE, SendQueue } from './send-queue.ts'

const TYPES: readonly [number, number] = [Payload.message, Payload.question]

/** A path whose turns end, and which blocks and drains, when the test says so. */
class HandPath {
  readonly records: Uint8Array[] = []
  readonly queue: SendQueue = new SendQueue({
    sendRecord: plaintext => {
      this.records.push(plaintext.slice())
      return !this.isBlocked
    },
    afterTurn: fn => this.#turns.push(fn),
    onSpare: () => this.onSpare(),
  })
  isBlocked = false
  /** What is done when a record is about to be filled. */
  onSpare: () => void = ignore
  readonly #turns: (() => void)[] = []

  endTurn(): void {
    for (const fn of this.#turns.splice(0)) fn()
  }

  /** Sends frames with the number 0 until one has to wait for credit. */
  useUp(pool: Pool): void {
    let waiting: Promise<void> | undefined
    while (!waiting) waiting = this.send(pool, 0, 0, 16_000)
    waiting.catch(ignore)
  }

  drain(): void {
    this.isBlocked = false
    this.queue.drain()
  }

  /** Sends a frame whose number is `b`. */
  send(pool: Pool, lane: number, number: number, length: number): Promise<void> | undefined {
    return this.queue.payload(pool, lane, TYPES[pool], lane + 1, number, new Uint8Array(length).fill(number))
  }

  /** The numbers of the frames that have arrived whole. */
  get numbers(): number[] {
    return payloadFrames(this.records).map(({ b }) => b)
  }
}

/** Takes a rejection for granted, and returns what it was. */
async function rejection(promise: Promise<void> | undefined): Promise<EarshotError> {
  return (await promise?.catch(error => error)) as unknown as EarshotError
}

async function isSettled(promise: Promise<void> | undefined): Promise<boolean> {
  let settled = promise === undefined
  promise?.then(
    () => (settled = true),
    () => (settled = true),
  )
  for (let i = 0; i < 5; i++) await Promise.resolve()
  return settled
}

function ignore(): void {}

/** The body that makes a frame of exactly this length. */
function bodyFor(length: number): number {
  let body = length - 4
  while (payloadLength(1, 1, body) > length) body--
  return body
}

// Small frames --------------------------------------------------------------------------------------------------------

test('all that is written during one turn leaves as one record', () => {
  const path = new HandPath()
  for (let i = 0; i < 100; i++) expect(path.send(MESSAGE_POOL, i % 3, i, 100)).toBeUndefined()
  path.queue.control(Uint8Array.of(Frame.cancel, 1))
  expect(path.records).toHaveLength(0)

  path.endTurn()

  expect(path.records).toHaveLength(1)
  expect(path.numbers).toEqual(Array.from({ length: 100 }, (_, i) => i))
  expect(path.queue.isIdle).toBe(true)
})

test('a full record leaves before the turn ends, and none is longer than a record may be', () => {
  const path = new HandPath()
  for (let i = 0; i < 10; i++) path.send(MESSAGE_POOL, 0, i, 10_000)

  expect(path.records).toHaveLength(1)
  path.endTurn()
  expect(path.records.map(({ length }) => length)).toEqual([60_030, 40_020])
})

test('a control frame keeps its place among small ones', () => {
  const path = new HandPath()
  path.send(MESSAGE_POOL, 0, 1, 1)
  path.queue.control(Uint8Array.of(Frame.cancel, 7))
  path.send(MESSAGE_POOL, 0, 2, 1)
  path.endTurn()

  expect(readFrames(path.records[0]!).map(frame => (frame.kind === 'payload' ? frame.b : frame.kind))).toEqual([
    1,
    'number',
    2,
  ])
})

// Credit --------------------------------------------------------------------------------------------------------------

describe('credit', () => {
  test('is used to the last byte, and not exceeded by one', async () => {
    const path = new HandPath()
    const frames = INITIAL_CREDIT_BYTES / 8_192
    for (let i = 0; i < frames; i++) expect(path.send(MESSAGE_POOL, 0, 1, bodyFor(8_192))).toBeUndefined()

    const waiting = path.send(MESSAGE_POOL, 0, 2, 0)
    path.endTurn()
    expect(await isSettled(waiting)).toBe(false)
    expect(path.queue.queuedBytes).toBe(4)
    path.queue.addCredit(MESSAGE_POOL, 3)
    path.endTurn()
    expect(await isSettled(waiting)).toBe(false)

    path.queue.addCredit(MESSAGE_POOL, 1)
    path.endTurn()
    await waiting
    expect(path.numbers.at(-1)).toBe(2)
    expect(path.queue.queuedBytes).toBe(0)
  })

  test('of messages does not hold up questions, nor the other way round', () => {
    for (const [flooded, other] of [
      [MESSAGE_POOL, CALL_POOL],
      [CALL_POOL, MESSAGE_POOL],
    ] as const) {
      const path = new HandPath()
      for (let i = 0; i < 200; i++) path.send(flooded, 0, 1, 10_000)?.catch(ignore)
      expect(path.send(other, 1, 2, 100)).toBeUndefined()
      path.endTurn()
      expect(path.numbers).toContain(2)
    }
  })

  test('that waits for nothing is not overtaken by later frames that would fit', async () => {
    const path = new HandPath()
    for (let i = 0; i < 104; i++) path.send(MESSAGE_POOL, 0, 0, 10_000)
    const first = path.send(MESSAGE_POOL, 1, 1, 16_000)
    const second = path.send(MESSAGE_POOL, 2, 2, 10)
    path.endTurn()
    expect([await isSettled(first), await isSettled(second)]).toEqual([false, false])

    path.queue.addCredit(MESSAGE_POOL, 20_000)
    path.endTurn()
    expect(path.numbers.slice(-2)).toEqual([1, 2])
  })

  test('given to a path that takes no more counts when it does, so memory stays bounded', async () => {
    const path = new HandPath()
    path.isBlocked = true
    path.send(MESSAGE_POOL, 0, 0, 0)
    path.endTurn()
    const sends: (Promise<void> | undefined)[] = []
    for (let i = 0; i < 3_000; i++) {
      sends.push(path.send(MESSAGE_POOL, 0, i, 10_000))
      path.queue.addCredit(MESSAGE_POOL, Number.MAX_SAFE_INTEGER)
      path.endTurn()
    }
    const sent = () => path.records.reduce((bytes, { length }) => bytes + length, 0)
    expect(sent()).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES)

    path.drain()
    path.endTurn()
    expect(sent()).toBeGreaterThan(INITIAL_CREDIT_BYTES)
    expect(sent()).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES + MAX_CREDIT_BYTES)
    expect(await isSettled(sends.at(-1))).toBe(false)
    path.queue.abort(new Error('over'))
    await Promise.allSettled(sends)
  })
})

// Large frames --------------------------------------------------------------------------------------------------------

describe('a large frame', () => {
  test('goes in fragments that fill records, and is whole at the end', async () => {
    const path = new HandPath()
    const sent = path.send(MESSAGE_POOL, 0, 1, 500_000)
    path.endTurn()
    await sent

    const fragments = path.records.flatMap(readFrames).filter(frame => frame.kind === 'fragment')
    expect(fragments.map(({ total }) => total)).toEqual([500_007, ...Array(7).fill(undefined)])
    expect(path.records.slice(0, -1).every(({ length }) => length === MAX_RECORD_PLAINTEXT_BYTES)).toBe(true)
    expect(payloadFrames(path.records)[0]?.body).toEqual(new Uint8Array(500_000).fill(1))
  })

  test('lets small ones pass, each delayed by no more than one record', () => {
    const path = new HandPath()
    path.isBlocked = true
    path.send(MESSAGE_POOL, 0, 0, 900_000)
    path.endTurn()
    for (let number = 1; number <= 10; number++) {
      path.send(number % 2 === 0 ? MESSAGE_POOL : CALL_POOL, 1, number, 50)
      path.queue.drain()
      expect(path.records).toHaveLength(number + 1)
      expect(readFrames(path.records.at(-1)!)[0]).toMatchObject({ kind: 'payload', b: number })
    }
    path.drain()
    expect(path.numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0])
  })

  test('is not overtaken by small ones of its lane, which then share records', () => {
    const path = new HandPath()
    path.send(MESSAGE_POOL, 5, 0, 200_000)
    for (let number = 1; number <= 50; number++) path.send(MESSAGE_POOL, 5, number, 100)
    expect(path.send(MESSAGE_POOL, 6, 99, 100)).toBeUndefined()
    path.endTurn()

    expect(path.numbers).toEqual([99, ...Array.from({ length: 51 }, (_, i) => i)])
    expect(path.records).toHaveLength(4)
  })

  test('does not overtake a small one of its lane that waits for credit', () => {
    const path = new HandPath()
    for (let i = 0; i < 104; i++) path.send(MESSAGE_POOL, 0, 0, 10_000)
    path.send(MESSAGE_POOL, 0, 1, 16_000)
    path.send(MESSAGE_POOL, 0, 2, 20_000)
    path.endTurn()
    path.queue.addCredit(MESSAGE_POOL, 50_000)
    path.endTurn()

    expect(path.numbers.slice(-2)).toEqual([1, 2])
  })

  test('of no lane is overtaken by all that are small', () => {
    const path = new HandPath()
    path.send(CALL_POOL, NO_LANE, 0, 20_000)
    path.send(CALL_POOL, NO_LANE, 1, 10)
    path.endTurn()

    expect(path.numbers).toEqual([1, 0])
  })

  test('ends as soon as there is credit for its end', () => {
    const path = new HandPath()
    path.send(MESSAGE_POOL, 0, 1, INITIAL_CREDIT_BYTES + 1_000)
    path.endTurn()
    expect(path.numbers).toEqual([])

    path.queue.addCredit(MESSAGE_POOL, 1_007)
    path.endTurn()
    expect(path.numbers).toEqual([1])
    expect(path.queue.isIdle).toBe(true)

    path.queue.addCredit(MESSAGE_POOL, 75_000)
    path.endTurn()
    path.send(MESSAGE_POOL, 0, 2, 70_000)
    path.endTurn()
    expect(path.numbers).toEqual([1, 2])
  })

  test('as large as allowed is sent; one byte more is too-large', async () => {
    const path = new HandPath()
    path.queue.addCredit(MESSAGE_POOL, MAX_CREDIT_BYTES)
    const largest = path.send(MESSAGE_POOL, 0, 1, MAX_MESSAGE_BYTES)
    path.queue.addCredit(MESSAGE_POOL, MAX_CREDIT_BYTES)
    path.endTurn()
    path.queue.addCredit(MESSAGE_POOL, 1_000)
    path.endTurn()
    await largest
    expect(path.numbers).toEqual([1])

    expect(await rejection(path.send(MESSAGE_POOL, 0, 2, MAX_MESSAGE_BYTES + 1))).toMatchObject({ code: 'too-large' })
    expect(path.queue.isIdle).toBe(true)
  })

  test.each([
    [MESSAGE_POOL, CALL_POOL],
    [CALL_POOL, MESSAGE_POOL],
  ] as const)('of pool %i does not hold up one of pool %i for ever', (flooding, other) => {
    const path = new HandPath()
    path.isBlocked = true
    for (let i = 0; i < 20; i++) path.send(flooding, i, 0, 1_000_000)?.catch(ignore)
    path.send(other, 0, 1, 200_000)
    for (let records = 0; records < 12; records++) {
      path.queue.addCredit(flooding, MAX_RECORD_PLAINTEXT_BYTES)
      path.queue.drain()
    }
    expect(path.numbers).toEqual([1])
  })

  test('and waiting small ones of the other pool take turns', () => {
    const path = new HandPath()
    for (const pool of [MESSAGE_POOL, CALL_POOL] as const) {
      path.useUp(pool)
      for (let i = 0; i < 40; i++) path.send(pool, 0, pool + 1, 8_000)?.catch(ignore)
    }
    path.isBlocked = true
    path.endTurn()
    const before = path.records.length
    for (const pool of [MESSAGE_POOL, CALL_POOL] as const) path.queue.addCredit(pool, 400_000)
    for (let i = 0; i < 4; i++) path.queue.drain()

    const firsts = path.records.slice(before).map(record => readFrames(record)[0] as PayloadFrame)
    expect(new Set(firsts.map(({ pool }) => pool))).toEqual(new Set([MESSAGE_POOL, CALL_POOL]))
  })
})

// Bounds and ends -----------------------------------------------------------------------------------------------------

describe('the queue', () => {
  test('refuses with limit-reached what would exceed its bound, and takes frames again afterwards', async () => {
    const path = new HandPath()
    path.isBlocked = true
    const accepted: (Promise<void> | undefined)[] = []
    for (let i = 0; i < 4; i++) accepted.push(path.send(MESSAGE_POOL, i, i, 16_000_000))
    const refused = path.send(MESSAGE_POOL, 9, 9, 16_000_000)
    expect(await rejection(refused)).toMatchObject({ code: 'limit-reached', hint: expect.any(String) })

    for (let i = 0; i < 80; i++) {
      path.queue.addCredit(MESSAGE_POOL, 1_000_000)
      path.drain()
    }
    await Promise.all(accepted)
    path.queue.addCredit(MESSAGE_POOL, 16_777_216)
    const again = path.send(MESSAGE_POOL, 9, 9, 16_000_000)
    path.endTurn()
    await again
    expect(path.numbers).toEqual([0, 1, 2, 3, 9])
  })

  test('counts what a waiting frame costs beside its bytes: many small ones fill it too', async () => {
    const path = new HandPath()
    path.useUp(CALL_POOL)
    const refusals: EarshotError[] = []
    for (let i = 0; i < MAX_SEND_QUEUE_BYTES / 256; i++) {
      path.send(CALL_POOL, NO_LANE, 1, 0)!.catch(error => refusals.push(error))
    }
    await isSettled(undefined)
    expect(refusals[0]).toMatchObject({ code: 'limit-reached' })
  })

  test('rejects everything that waits when the session ends, small and large', async () => {
    const path = new HandPath()
    path.useUp(MESSAGE_POOL)
    const waiting = [path.send(MESSAGE_POOL, 0, 1, 10), path.send(CALL_POOL, 0, 2, 2_000_000)]
    path.endTurn()
    const reason = new EarshotError('lost', 'gone')
    path.queue.abort(reason)

    for (const sent of waiting) expect(await rejection(sent)).toBe(reason)
    expect(path.queue.queuedBytes).toBe(0)
    path.endTurn()
    path.drain()
  })

  test('tells once when it is idle: all is handed over, and the path has sent it', () => {
    const path = new HandPath()
    let idle = 0
    path.queue.whenIdle(() => idle++)
    expect(idle).toBe(1)

    path.isBlocked = true
    path.send(MESSAGE_POOL, 0, 1, 10)
    path.queue.whenIdle(() => idle++)
    path.endTurn()
    expect(idle).toBe(1)
    path.drain()
    expect(idle).toBe(2)
    path.send(MESSAGE_POOL, 0, 1, 10)
    path.endTurn()
    expect(idle).toBe(2)
  })

  test('that is aborted is never idle for those who waited for it', () => {
    const path = new HandPath()
    path.send(MESSAGE_POOL, 0, 1, 10)
    path.queue.whenIdle(() => {
      throw new Error('told after the end')
    })
    path.queue.abort(new Error('over'))
    path.endTurn()
    path.drain()
  })
})

// The model -----------------------------------------------------------------------------------------------------------

type Step =
  | { readonly kind: 'send'; readonly pool: Pool; readonly lane: number; readonly length: number }
  | { readonly kind: 'credit'; readonly pool: Pool; readonly bytes: number }
  | { readonly kind: 'turn' | 'block' | 'drain' | 'control' }

const anyPool = fc.constantFrom<Pool>(MESSAGE_POOL, CALL_POOL)
const anyLength = fc.oneof(
  fc.nat(300),
  fc.integer({ min: MAX_WHOLE_FRAME_BYTES - 20, max: MAX_WHOLE_FRAME_BYTES + 20 }),
  fc.integer({ min: 60_000, max: 70_000 }),
  fc.integer({ min: 300_000, max: 700_000 }),
)
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      pool: anyPool,
      lane: fc.integer({ min: NO_LANE, max: 2 }),
      length: anyLength,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('credit' as const),
      pool: anyPool,
      bytes: fc.oneof(fc.nat(100), fc.nat(200_000)),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('turn' as const, 'block' as const, 'drain' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('control' as const) }) },
)

test('whatever is sent, granted, blocked and drained, all arrives once, in lane order, within the credit', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 60 }), async steps => {
      const path = new HandPath()
      const given = [INITIAL_CREDIT_BYTES, INITIAL_CREDIT_BYTES]
      const sent: { pool: Pool; lane: number; number: number; length: number }[] = []
      const promises: (Promise<void> | undefined)[] = []
      let controls = 0
      const checkCredit = () => {
        const used = [0, 0]
        for (const frame of path.records.flatMap(readFrames)) {
          if (frame.kind === 'payload') used[frame.pool]! += frame.length
          if (frame.kind === 'fragment') used[frame.pool]! += frame.bytes.length
        }
        expect(used[0]).toBeLessThanOrEqual(given[0]!)
        expect(used[1]).toBeLessThanOrEqual(given[1]!)
      }
      const grant = (pool: Pool, bytes: number) => {
        given[pool]! += bytes
        path.queue.addCredit(pool, bytes)
      }
      for (const step of steps) {
        if (step.kind === 'send') {
          const number = sent.length
          promises.push(path.send(step.pool, step.lane, number, step.length))
          sent.push({ ...step, number })
        } else if (step.kind === 'credit') grant(step.pool, step.bytes)
        else if (step.kind === 'turn') path.endTurn()
        else if (step.kind === 'block') path.isBlocked = true
        else if (step.kind === 'drain') path.drain()
        else {
          controls++
          path.queue.control(Uint8Array.of(Frame.cancel, 1))
        }
      }
      checkCredit()

      for (let i = 0; i < 100 && !path.queue.isIdle; i++) {
        grant(MESSAGE_POOL, 1_000_000)
        grant(CALL_POOL, 1_000_000)
        path.endTurn()
        path.drain()
      }
      path.endTurn()
      checkCredit()
      await Promise.all(promises)
      expect(path.queue.isIdle).toBe(true)
      expect(path.records.every(({ length }) => length > 0 && length <= MAX_RECORD_PLAINTEXT_BYTES)).toBe(true)
      expect(path.records.flatMap(readFrames).filter(({ kind }) => kind === 'number')).toHaveLength(controls)

      const arrived = payloadFrames(path.records)
      expect(arrived.map(({ b }) => b).sort((x, y) => x - y)).toEqual(sent.map(({ number }) => number))
      for (const { type, a, b, body } of arrived) {
        expect([poolOf(type), a - 1, body.length]).toEqual([sent[b]!.pool, sent[b]!.lane, sent[b]!.length])
        expect(body.every(byte => byte === (b & 0xff))).toBe(true)
      }
      for (const pool of [MESSAGE_POOL, CALL_POOL]) {
        for (let lane = 0; lane <= 2; lane++) {
          const numbers = arrived.filter(({ type, a }) => poolOf(type) === pool && a === lane + 1).map(({ b }) => b)
          expect(numbers).toEqual([...numbers].sort((x, y) => x - y))
        }
      }
    }),
    { numRuns: 60 },
  )
})

describe('a frame that is better lost than late', () => {
  const now = (path: HandPath, number: number, length = 10) =>
    path.queue.payloadNow(MESSAGE_POOL, Payload.unreliable, 0, number, new Uint8Array(length))

  test('leaves with the next record, or is not taken', () => {
    const path = new HandPath()
    expect(now(path, 1)).toBe(true)
    path.isBlocked = true
    path.endTurn()
    expect(now(path, 2)).toBe(false)
    path.drain()
    expect(now(path, 3)).toBe(true)
    path.endTurn()
    expect(path.numbers).toEqual([1, 3])
  })

  test('is not taken where others wait for credit, nor beyond the credit there is', () => {
    const path = new HandPath()
    path.useUp(MESSAGE_POOL)
    expect(now(path, 1)).toBe(false)
    path.queue.addCredit(MESSAGE_POOL, INITIAL_CREDIT_BYTES)
    path.endTurn()
    expect(now(path, 2)).toBe(true)
    expect(now(path, 3, MAX_MESSAGE_BYTES)).toBe(false)
  })

  test('finds a place in every record while large ones are under way', () => {
    const path = new HandPath()
    path.isBlocked = true
    path.send(MESSAGE_POOL, 0, 0, 500_000)?.catch(ignore)
    path.endTurn()
    let number = 0
    path.onSpare = () => now(path, ++number)
    expect(now(path, 99, MAX_WHOLE_FRAME_BYTES + 1)).toBe(false)
    for (let i = 0; i < 3; i++) {
      path.isBlocked = true
      path.queue.drain()
      expect(readFrames(path.records.at(-1)!).map(({ kind }) => kind)).toEqual(['payload', 'fragment'])
    }
    expect(number).toBe(3)
    path.onSpare = ignore
    path.drain()
    expect(path.numbers).toEqual([1, 2, 3, 0])
  })
})
