import { describe, expect, test } from 'vitest'
import { type PayloadFrame, readFrames } from '../../test/session/read-frames.ts'
import type { BulkSource } from './bulk-sources.ts'
import { BULK_HEADER_BYTES } from './bulk-sources.ts'
import { Frame, MESSAGE_POOL, Payload, putStreamData } from './frame.ts'
import { MAX_RECORD_PLAINTEXT_BYTES } from './record.ts'
import { SendQueue } from './send-queue.ts'

/** A path that blocks after each record, as a busy one does, and drains when the test says so. */
class BusyPath {
  readonly records: Uint8Array[] = []
  isBlocked = false
  readonly queue: SendQueue = new SendQueue({
    sendRecord: plaintext => {
      this.records.push(plaintext.slice())
      return !this.isBlocked
    },
    afterTurn: fn => this.#turns.push(fn),
  })
  readonly #turns: (() => void)[] = []

  endTurn(): void {
    for (const fn of this.#turns.splice(0)) fn()
  }

  drain(): void {
    this.queue.drain()
    this.endTurn()
  }

  /** Stream and length of each frame of a record; a message is -1. */
  frames(record: number): [stream: number, length: number][] {
    const frames = readFrames(this.records[record]!) as PayloadFrame[]
    return frames.map(({ type, a, body }) => [type === Payload.streamData ? a : -1, body.length])
  }
}

class Source implements BulkSource {
  isQueued = false
  pending = 0
  credit: number = Number.POSITIVE_INFINITY
  onFinished = (): void => {}
  readonly #stream: number
  readonly #queue: SendQueue

  constructor(path: BusyPath, stream: number) {
    this.#stream = stream
    this.#queue = path.queue
  }

  get sendable(): number {
    return Math.min(this.pending, this.credit)
  }

  offer(length: number): void {
    this.pending = length
    this.#queue.offer(this)
  }

  addCredit(bytes: number): void {
    this.credit += bytes
    this.#queue.resume(this)
  }

  withdraw(): void {
    this.#queue.withdraw(this)
    this.pending = 0
  }

  put(target: Uint8Array, offset: number, end: number, bodyLength: number): number {
    const length = Math.min(this.sendable, end - offset - bodyLength - BULK_HEADER_BYTES)
    this.pending -= length
    this.credit -= length
    if (this.pending === 0) this.onFinished()
    return putStreamData(target, offset, this.#stream, bodyLength, new Uint8Array(length))
  }
}

function busyPath(): BusyPath {
  const path = new BusyPath()
  path.isBlocked = true
  return path
}

/** What the whole records of a lone stream carry. */
const FULL = MAX_RECORD_PLAINTEXT_BYTES - BULK_HEADER_BYTES

describe('a stream', () => {
  test('fills records at once, and the rest when the path takes more', () => {
    const path = busyPath()
    const source = new Source(path, 0)
    source.offer(150_000)
    expect(path.records).toHaveLength(1)
    expect(path.frames(0)).toEqual([[0, FULL]])
    path.drain()
    path.drain()
    expect([path.frames(1), path.frames(2)]).toEqual([[[0, FULL]], [[0, 150_000 - 2 * FULL]]])
    expect(path.queue.queuedBytes).toBe(0)
  })

  test('puts the end of a chunk and the beginning of the next into one frame of one record', () => {
    const path = busyPath()
    const source = new Source(path, 0)
    let chunks = 4
    source.offer(65_536)
    source.onFinished = () => chunks--
    for (let turns = 0; turns < 20; turns++) {
      path.queue.drain()
      // The next chunk comes in the same turn.
      if (source.pending === 0 && chunks > 0) source.offer(65_536)
      path.endTurn()
    }
    expect(path.records.map((_, index) => path.frames(index).length)).toEqual([1, 1, 1, 1, 1])
    expect(path.records.slice(0, -1).every(({ length }) => length > MAX_RECORD_PLAINTEXT_BYTES - 1_024)).toBe(true)
    expect(path.records.reduce((sum, _, index) => sum + path.frames(index)[0]![1], 0)).toBe(4 * 65_536)
  })

  test('without a next chunk leaves at the end of the turn', () => {
    const path = busyPath()
    new Source(path, 0).offer(FULL + 10)
    path.drain()
    expect(path.frames(1)).toEqual([[0, 10]])
  })

  test('sends no more than its credit, and goes on with more', () => {
    const path = new BusyPath()
    const source = new Source(path, 0)
    source.credit = 1_000
    source.offer(3_000)
    path.endTurn()
    expect(path.frames(0)).toEqual([[0, 1_000]])
    expect([path.queue.queuedBytes, path.queue.isIdle]).toEqual([2_000, false])
    source.addCredit(500)
    path.endTurn()
    expect(path.frames(1)).toEqual([[0, 500]])
    source.addCredit(5_000)
    path.endTurn()
    path.endTurn()
    expect(path.frames(2)).toEqual([[0, 1_500]])
    expect(path.queue.isIdle).toBe(true)
  })

  test('that drops what it has pending is out of the way', () => {
    const path = busyPath()
    const [first, second] = [new Source(path, 0), new Source(path, 2)]
    first.offer(200_000)
    second.offer(100)
    first.withdraw()
    path.drain()
    expect(path.frames(1)).toEqual([[2, 100]])
    expect(path.queue.queuedBytes).toBe(0)
  })
})

describe('several streams', () => {
  test('share records, and each gets as much as the others', () => {
    const path = busyPath()
    const sources = [0, 2, 4, 6, 8].map(stream => new Source(path, stream))
    for (const source of sources) source.offer(1_000_000)
    for (let records = 0; records < 40; records++) path.drain()
    const left = sources.map(({ pending }) => pending)
    // The first one had the path for itself for a record.
    expect(Math.max(...left.slice(1)) - Math.min(...left)).toBeLessThan(100_000)
    expect(path.frames(5)).toHaveLength(4)
  })

  test('do not wait for one that has no credit', () => {
    const path = new BusyPath()
    const [stuck, other] = [new Source(path, 0), new Source(path, 2)]
    stuck.credit = 10
    stuck.offer(1_000)
    other.offer(1_000)
    path.endTurn()
    expect(path.frames(0)).toEqual([
      [0, 10],
      [2, 1_000],
    ])
  })
})

describe('beside messages', () => {
  test('small ones are delayed by no more than the record under way', () => {
    const path = busyPath()
    new Source(path, 0).offer(1_000_000)
    for (let turn = 1; turn <= 5; turn++) {
      path.queue.payload(MESSAGE_POOL, 0, Payload.message, 0, 0, new Uint8Array(50))
      path.queue.control(Uint8Array.of(Frame.cancel, 1))
      path.drain()
      expect(readFrames(path.records[turn]!).slice(0, 2)).toMatchObject([
        { kind: 'payload', type: Payload.message },
        {},
      ])
    }
  })

  test('large ones and streams take turns', () => {
    const path = busyPath()
    new Source(path, 0).offer(2_000_000)
    path.queue.payload(MESSAGE_POOL, 0, Payload.message, 0, 0, new Uint8Array(900_000))
    for (let records = 0; records < 8; records++) path.drain()
    const kinds = path.records.slice(1).map(record => readFrames(record)[0]!.kind)
    expect(kinds.filter(kind => kind === 'fragment')).toHaveLength(4)
  })

  test('the end of the session is the end of it', () => {
    const path = busyPath()
    new Source(path, 0).offer(1_000_000)
    path.queue.abort(new Error('over'))
    path.drain()
    expect(path.records).toHaveLength(1)
    expect(path.queue.queuedBytes).toBe(0)
  })
})
