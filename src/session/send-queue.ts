/**
 * What one session sends, in which order and when (docs/protocol.md, "Sending").
 *
 *     control frame ────────────────────────────────┐
 *     payload frame ── credit? ─ yes ───────────────┼─► batch ── end of turn, or full ──► one record
 *                          └─ no ──► waiting ── credit ─┤
 *     large frame ──────────────────► bulk ── fragment ─┤   (only while the path takes more)
 *     bytes of streams ── credit ───► ring ── frame ────┘   (only while the path takes more)
 *
 * All that is written during one turn of the event loop leaves as one record. Frames of one lane (one channel) keep
 * their order; otherwise small frames overtake large ones. A small frame that finds credit costs a copy into the
 * batch and nothing else: no object, no promise.
 */

import { EarshotError } from '../errors.ts'
import {
  INITIAL_CREDIT_BYTES,
  MAX_CREDIT_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_SEND_QUEUE_BYTES,
  MAX_WHOLE_FRAME_BYTES,
} from '../limits.ts'
import { Fifo } from '../wire/fifo.ts'
import { putVarint, varintLength } from '../wire/varint.ts'
import { type BulkSource, BulkSources } from './bulk-sources.ts'
import { CALL_POOL, Frame, MESSAGE_POOL, type Pool, payloadLength, putPayload } from './frame.ts'
import { MAX_RECORD_PLAINTEXT_BYTES } from './record.ts'
import { giveBackRecordBuffer, takeRecordBuffer } from './record-buffers.ts'

export type { BulkSource } from './bulk-sources.ts'

export interface RecordOutput {
  /**
   * Seals and sends one record. False: the path has enough for now; `SendQueue.drain` is called when it takes more. The
   * buffer of `plaintext` comes from `takeRecordBuffer` and is given away with it.
   */
  sendRecord(plaintext: Uint8Array): boolean
  /** Runs `fn` when the present turn is over. */
  afterTurn(fn: () => void): void
  /** A record is about to be filled: `payloadNow` may add to it. */
  onSpare?(): void
}

interface WaitingFrame {
  readonly bytes: Uint8Array
  /** Frames of one lane keep their order. */
  readonly lane: number
  /** How much of `bytes` has left, for a frame that goes in fragments. */
  sent: number
  resolve(): void
  reject(error: unknown): void
}

interface SendPool {
  credit: number
  /** Credit that came while the path took no more. */
  deferredCredit: number
  readonly waiting: Fifo<WaitingFrame>
  readonly bulk: Fifo<WaitingFrame>
  /** How many frames of each lane are in `bulk`. */
  readonly bulkLanes: Map<number, number>
}

/** Frames which keep no order with others, such as questions. */
export const NO_LANE = -1

/** What a waiting frame costs beside its bytes: its objects and its promise. */
const WAITING_FRAME_BYTES = 256

/** A record with less room than this is full: what is left is not worth waiting for. */
const FULL_MARGIN_BYTES = 1_024

export class SendQueue {
  readonly #output: RecordOutput
  readonly #pools: readonly [SendPool, SendPool] = [newPool(), newPool()]
  readonly #streams = new BulkSources()
  readonly #onTurnEnd = (): void => this.#endTurn()
  #batch: Uint8Array | undefined
  #length = 0
  #flushScheduled = false
  #writable = true
  /** The pool that comes first in the next record. */
  #firstPool: Pool = MESSAGE_POOL
  /** Streams and large frames take turns, too. */
  #streamsFirst = false
  #queuedBytes = 0
  #onIdle: (() => void) | undefined

  constructor(output: RecordOutput) {
    this.#output = output
  }

  /** True where everything queued has been handed to the path, and the path has sent it. */
  get isIdle(): boolean {
    return this.#length === 0 && this.queuedBytes === 0 && this.#writable
  }

  /** Bytes that wait for credit or for the path. */
  get queuedBytes(): number {
    return this.#queuedBytes + this.#streams.pendingBytes
  }

  /** Queues a control frame: it needs no credit. */
  control(frame: Uint8Array): void {
    this.#room(frame.length)
    this.#batch!.set(frame, this.#length)
    this.#length += frame.length
    this.#schedule()
  }

  /**
   * Queues a payload frame. Returns undefined where it was accepted at once, otherwise a promise that resolves when
   * flow control has accepted it, or rejects with `too-large`, with `limit-reached` where too much waits already, or
   * with the reason for which the session ended.
   */
  payload(pool: Pool, lane: number, type: number, a: number, b: number, body: Uint8Array): Promise<void> | undefined {
    const { credit, waiting, bulkLanes } = this.#pools[pool]
    const length = payloadLength(a, b, body.length)
    if (length <= MAX_WHOLE_FRAME_BYTES && length <= credit && waiting.length === 0 && !bulkLanes.has(lane)) {
      this.#pools[pool].credit = credit - length
      this.#room(length)
      this.#length = putPayload(this.#batch!, this.#length, type, a, b, body)
      this.#schedule()
      return undefined
    }
    if (body.length > MAX_MESSAGE_BYTES) return Promise.reject(tooLarge(body.length))
    const bytes = new Uint8Array(length)
    putPayload(bytes, 0, type, a, b, body)
    return this.#enqueue(pool, lane, bytes)
  }

  /** Whether a payload frame with a body of this length would have to wait for credit, or behind others that do. */
  wouldWait(pool: Pool, bodyLength: number): boolean {
    const { credit, waiting, bulk } = this.#pools[pool]
    return waiting.length > 0 || bulk.length > 0 || credit < Math.min(bodyLength, MAX_WHOLE_FRAME_BYTES)
  }

  /** Queues a payload frame only if it leaves with the next record: for what is better lost than late. */
  payloadNow(pool: Pool, type: number, a: number, b: number, body: Uint8Array): boolean {
    const { credit, waiting, bulk } = this.#pools[pool]
    const length = payloadLength(a, b, body.length)
    const isLate = !this.#writable || waiting.length > 0 || (length > MAX_WHOLE_FRAME_BYTES && bulk.length > 0)
    if (isLate || length > credit) return false
    this.payload(pool, NO_LANE, type, a, b, body)?.catch(ignore)
    return true
  }

  /**
   * The other side gave credit. It counts when the path takes more: who gives credit and does not read must not fill
   * our memory.
   */
  addCredit(index: Pool, bytes: number): void {
    const pool = this.#pools[index]
    pool.deferredCredit = Math.min(pool.deferredCredit + bytes, MAX_CREDIT_BYTES)
    if (!this.#writable) return
    takeCredit(pool)
    this.#schedule()
  }

  /**
   * A stream has a new chunk of bytes. They are copied into the record at once where nothing else waits, and the path
   * takes them; the rest when its turn comes.
   */
  offer(source: BulkSource): void {
    const isAlone = !this.#streams.hasSendable && this.#pools.every(({ bulk }) => bulk.length === 0)
    this.#streams.offer(source)
    if (isAlone) this.#sendStream()
    this.#streams.takeFinished()
    this.#schedule()
  }

  /** A stream whose chunk waits was given credit. */
  resume(source: BulkSource): void {
    this.#streams.resume(source)
    if (this.#writable) this.#schedule()
  }

  /** A stream is about to drop what it has pending. */
  withdraw(source: BulkSource): void {
    this.#streams.withdraw(source)
  }

  /** The path takes more again. */
  drain(): void {
    this.#writable = true
    for (const pool of this.#pools) takeCredit(pool)
    this.#endTurn()
  }

  /** Sends what the batch holds now, without waiting for the end of the turn. */
  flush(): void {
    this.#seal()
  }

  /** Calls `fn` once, when `isIdle` has become true. */
  whenIdle(fn: () => void): void {
    if (this.isIdle) fn()
    else this.#onIdle = fn
  }

  /** The session is over: everything that still waits is rejected with `reason`. */
  abort(reason: unknown): void {
    this.#length = 0
    this.#releaseBatch()
    this.#queuedBytes = 0
    this.#streams.clear()
    this.#onIdle = undefined
    for (const pool of this.#pools) {
      pool.bulkLanes.clear()
      for (const frame of [...pool.waiting.drain(), ...pool.bulk.drain()]) frame.reject(reason)
    }
  }

  #enqueue(pool: Pool, lane: number, bytes: Uint8Array): Promise<void> {
    if (this.#queuedMemory() + bytes.length > MAX_SEND_QUEUE_BYTES) {
      return Promise.reject(
        new EarshotError('limit-reached', `${this.#queuedBytes} bytes wait for this peer already`, {
          hint: 'Await each send: it resolves when the peer can take more.',
        }),
      )
    }
    this.#queuedBytes += bytes.length
    return new Promise((resolve, reject) => {
      const frame: WaitingFrame = { bytes, lane, sent: 0, resolve, reject }
      const { waiting, bulk, bulkLanes } = this.#pools[pool]
      if (bytes.length > MAX_WHOLE_FRAME_BYTES || bulkLanes.has(lane)) {
        bulk.push(frame)
        if (lane !== NO_LANE) bulkLanes.set(lane, (bulkLanes.get(lane) ?? 0) + 1)
      } else {
        waiting.push(frame)
      }
      this.#schedule()
    })
  }

  #queuedMemory(): number {
    const frames = this.#pools.reduce((count, { waiting, bulk }) => count + waiting.length + bulk.length, 0)
    return this.#queuedBytes + frames * WAITING_FRAME_BYTES
  }

  #schedule(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    this.#output.afterTurn(this.#onTurnEnd)
  }

  #endTurn(): void {
    if (this.#writable) this.#output.onSpare?.()
    this.#flushScheduled = false
    do {
      if (this.#writable) this.#fillRecord()
      // The chunk of a stream has left whole: the next one comes before this turn is over, and has room in this record.
      if (this.#streams.takeFinished()) {
        this.#schedule()
        if (!this.#isFull) return
      }
      this.#seal()
    } while (this.#writable && this.#hasSendable())
    if (this.#onIdle && !this.#flushScheduled && this.isIdle) {
      const onIdle = this.#onIdle
      this.#onIdle = undefined
      onIdle()
    }
  }

  /**
   * Small frames first, then at most one record of bulk: a large message or a stream delays a small one by no more than
   * that. The pools take turns, and so do large frames and streams, so that none holds up another.
   */
  #fillRecord(): void {
    const first = this.#firstPool
    const second = first === MESSAGE_POOL ? CALL_POOL : MESSAGE_POOL
    this.#firstPool = second
    this.#takeWaiting(this.#pools[first])
    this.#takeWaiting(this.#pools[second])
    this.#streamsFirst = !this.#streamsFirst
    if (this.#streamsFirst) this.#takeStreams()
    this.#takeBulk(first)
    this.#takeBulk(second)
    this.#takeStreams()
  }

  #hasSendable(): boolean {
    if (this.#streams.hasSendable) return true
    return this.#pools.some(pool => {
      const first = pool.waiting.peek()
      if (first) return first.bytes.length <= pool.credit
      const large = pool.bulk.peek()
      return large !== undefined && pool.credit >= Math.min(large.bytes.length - large.sent, MAX_WHOLE_FRAME_BYTES)
    })
  }

  #takeWaiting(pool: SendPool): void {
    for (let frame = pool.waiting.peek(); frame && frame.bytes.length <= pool.credit; frame = pool.waiting.peek()) {
      if (this.#length + frame.bytes.length > MAX_RECORD_PLAINTEXT_BYTES) return
      pool.waiting.shift()
      this.#sendWhole(pool, frame)
    }
  }

  #sendWhole(pool: SendPool, frame: WaitingFrame): void {
    const { bytes } = frame
    pool.credit -= bytes.length
    this.#queuedBytes -= bytes.length
    this.#room(bytes.length)
    this.#batch!.set(bytes, this.#length)
    this.#length += bytes.length
    frame.resolve()
  }

  /** Fills the record with large frames of this pool, and small ones that wait behind them in their lane. */
  #takeBulk(index: Pool): void {
    const pool = this.#pools[index]
    // A small frame of the same lane may be waiting for credit: it was there first.
    if (pool.waiting.length > 0) return
    for (let frame = pool.bulk.peek(); frame; frame = pool.bulk.peek()) {
      if (frame.bytes.length > MAX_WHOLE_FRAME_BYTES) {
        if (!this.#sendFragment(index, pool, frame)) return
      } else {
        if (frame.bytes.length > Math.min(pool.credit, MAX_RECORD_PLAINTEXT_BYTES - this.#length)) return
        this.#sendWhole(pool, frame)
        this.#leaveBulk(pool)
      }
    }
  }

  /** Sends as much as credit and the record allow. False: neither allows any. */
  #sendFragment(index: Pool, pool: SendPool, frame: WaitingFrame): boolean {
    const { bytes, sent } = frame
    const header = 2 + (sent === 0 ? varintLength(bytes.length) : 0) + 4
    const space = MAX_RECORD_PLAINTEXT_BYTES - this.#length - header
    const length = Math.min(space, pool.credit, bytes.length - sent)
    if (length <= 0) return false
    this.#room(header + length)
    const batch = this.#batch!
    batch[this.#length++] = sent === 0 ? Frame.firstFragment : Frame.fragment
    batch[this.#length++] = index
    if (sent === 0) this.#length = putVarint(batch, this.#length, bytes.length)
    this.#length = putVarint(batch, this.#length, length)
    batch.set(bytes.subarray(sent, sent + length), this.#length)
    this.#length += length
    pool.credit -= length
    this.#queuedBytes -= length
    frame.sent += length
    if (frame.sent === bytes.length) {
      this.#leaveBulk(pool)
      frame.resolve()
    }
    return true
  }

  #leaveBulk(pool: SendPool): void {
    const { lane } = pool.bulk.shift()!
    const left = (pool.bulkLanes.get(lane) ?? 0) - 1
    if (left > 0) pool.bulkLanes.set(lane, left)
    else pool.bulkLanes.delete(lane)
  }

  /** Fills the record with bytes of streams. */
  #takeStreams(): void {
    const length = this.#streams.fillable(MAX_RECORD_PLAINTEXT_BYTES - this.#length)
    if (length === 0) return
    this.#room(length)
    this.#length = this.#streams.fill(this.#batch!, this.#length, this.#length + length)
  }

  /** Sends whole records of a stream; what does not fill one stays for the end of the turn. */
  #sendStream(): void {
    while (this.#writable && this.#streams.hasSendable) {
      if (this.#isFull) this.#seal()
      else this.#takeStreams()
    }
    if (this.#isFull) this.#seal()
  }

  get #isFull(): boolean {
    return this.#length > MAX_RECORD_PLAINTEXT_BYTES - FULL_MARGIN_BYTES
  }

  /** Makes room for `length` bytes in the batch; a full batch leaves as a record of its own. */
  #room(length: number): void {
    if (this.#length + length > MAX_RECORD_PLAINTEXT_BYTES) this.#seal()
    const needed = this.#length + length
    if (this.#batch && needed <= this.#batch.length) return
    const batch = takeRecordBuffer(needed)
    if (this.#batch) batch.set(this.#batch.subarray(0, this.#length))
    this.#batch = batch
  }

  #seal(): void {
    if (this.#length === 0) return
    const plaintext = this.#batch!.subarray(0, this.#length)
    this.#length = 0
    this.#streams.onSealed()
    this.#batch = undefined
    this.#writable = this.#output.sendRecord(plaintext) && this.#writable
  }

  #releaseBatch(): void {
    if (this.#batch) giveBackRecordBuffer(this.#batch)
    this.#batch = undefined
  }
}

function newPool(): SendPool {
  return {
    credit: INITIAL_CREDIT_BYTES,
    deferredCredit: 0,
    waiting: new Fifo(),
    bulk: new Fifo(),
    bulkLanes: new Map(),
  }
}

function takeCredit(pool: SendPool): void {
  pool.credit = Math.min(pool.credit + pool.deferredCredit, MAX_CREDIT_BYTES)
  pool.deferredCredit = 0
}

function tooLarge(length: number): EarshotError {
  return new EarshotError('too-large', `a message of ${length} bytes, where ${MAX_MESSAGE_BYTES} are allowed`, {
    hint: 'Send it in parts.',
  })
}

/** It is lost with the session, as it would have been with a datagram. */
function ignore(): void {}
