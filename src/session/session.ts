/**
 * One peer, once it is admitted: frames in both directions over an encrypted connection, flow control, signs of life,
 * and an end with a reason. What payload frames mean is the business of `messaging/`; the session only moves them.
 *
 * States: open → closing (goodbye sent, queues empty themselves) → closed. `onClosed` comes exactly once.
 */

import { EarshotError, protocolViolation } from '../errors.ts'
import { CLOSE_FLUSH_MS, CLOSE_TIMEOUT_MS, MAX_INFO_BYTES, MAX_REASON_BYTES } from '../limits.ts'
import type { Clock } from '../platform/clock.ts'
import { boundText } from '../wire/bound-text.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import {
  boundedUtf8,
  CALL_POOL,
  decodeGoodbye,
  decodeLabel,
  encodeGoodbye,
  encodeLabel,
  FIRST_PAYLOAD_TYPE,
  Frame,
  type Goodbye,
  type GoodbyeCode,
  LAST_PAYLOAD_TYPE,
  MESSAGE_POOL,
  type Pool,
  poolOf,
} from './frame.ts'
import { Keepalive, type Liveness } from './keepalive.ts'
import { ReceivedLabels, SentLabels } from './label-table.ts'
import { Reassembly, type ReassemblyBudget } from './reassembly.ts'
import { ReceiveCredit } from './receive-credit.ts'
import type { RecordReceiver, SecureConnection } from './secure-connection.ts'
import { SendQueue } from './send-queue.ts'

/** How a session ended: by whose goodbye, or because the connection broke. */
export interface SessionEnd {
  readonly code: GoodbyeCode
  readonly reason: string
  readonly byPeer: boolean
  /** How long the peer wants to be left alone, where it said goodbye; otherwise 0. */
  readonly retryAfterMs: number
  readonly error: EarshotError | undefined
}

export interface SessionHandlers {
  /** A payload frame; `length` is what it costs of the pool's credit, for `hold`. */
  onPayload(type: number, a: number, b: number, body: Uint8Array, length: number): void
  onReceipt(number: number, outcome: number): void
  onCancel(question: number): void
  /** The asker of a streamed answer takes `count` more items. */
  onPull(question: number, count: number): void
  onLiveness(liveness: Exclude<Liveness, 'lost'>): void
  /** The peer changed its public data: JSON text, empty for none. */
  onInfo(info: string): void
  onClosed(end: SessionEnd): void
}

export class Session implements RecordReceiver {
  readonly #connection: SecureConnection
  readonly #clock: Clock
  readonly #handlers: SessionHandlers
  readonly #queue: SendQueue
  readonly #keepalive: Keepalive
  readonly #sentLabels = new SentLabels()
  readonly #receivedLabels = new ReceivedLabels()
  readonly #credits: readonly [ReceiveCredit, ReceiveCredit] = [new ReceiveCredit(), new ReceiveCredit()]
  readonly #reassemblies: readonly [Reassembly, Reassembly]
  readonly #pings = new Map<
    number,
    { sentAt: number; resolve: (rttMs: number) => void; reject: (e: unknown) => void }
  >()
  readonly #grantCredit = (): void => this.#grant()
  #grantScheduled = false
  #nextPing = 1
  /** Only the newest question is answered while the path is full: a flood of pings must not fill memory. */
  #pongDue: number | undefined
  #writable = true
  #liveness: Exclude<Liveness, 'lost'> = 'here'
  #rttMs: number | undefined
  #closing: { readonly end: SessionEnd; readonly done: Promise<void>; readonly finish: () => void } | undefined
  #isClosed = false

  constructor(connection: SecureConnection, clock: Clock, budget: ReassemblyBudget, handlers: SessionHandlers) {
    this.#connection = connection
    this.#clock = clock
    this.#handlers = handlers
    this.#keepalive = new Keepalive(clock.now())
    this.#reassemblies = [new Reassembly(budget), new Reassembly(budget)]
    this.#queue = new SendQueue({
      sendRecord: plaintext => {
        this.#writable = connection.sendRecord(plaintext)
        return this.#writable
      },
      afterTurn: fn => clock.afterTurn(fn),
    })
  }

  get connection(): SecureConnection {
    return this.#connection
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.#closing === undefined
  }

  /** Smoothed round trip (RFC 6298 section 2); undefined before the first was measured. */
  get rttMs(): number | undefined {
    return this.#rttMs
  }

  get queuedBytes(): number {
    return this.#queue.queuedBytes
  }

  /** Sends a payload frame; the result is that of `SendQueue.payload`, or rejects with `closed` after the end. */
  send(lane: number, type: number, a: number, b: number, body: Uint8Array): Promise<void> | undefined {
    if (this.#isClosed || this.#closing) return Promise.reject(new EarshotError('closed', 'the session has ended'))
    return this.#queue.payload(poolOf(type), lane, type, a, b, body)
  }

  /** The number that stands for a channel's or question's name; the other side learns it first. */
  label(name: string): number {
    const known = this.#sentLabels.number(name)
    if (known !== undefined) return known
    const id = this.#sentLabels.add(name)
    this.#queue.control(encodeLabel(id, name))
    return id
  }

  labelName(id: number): string {
    return this.#receivedLabels.name(id)
  }

  receipt(number: number, outcome: number): void {
    if (this.isOpen) this.#queue.control(new ByteWriter(10).uint8(Frame.receipt).varint(number).uint8(outcome).finish())
  }

  cancel(question: number): void {
    if (this.isOpen) this.#queue.control(new ByteWriter(9).uint8(Frame.cancel).varint(question).finish())
  }

  pull(question: number, count: number): void {
    if (!this.isOpen) return
    this.#queue.control(new ByteWriter(17).uint8(Frame.pull).varint(question).varint(count).finish())
  }

  /** Tells the peer our public data, which has changed. */
  info(json: string): void {
    if (this.isOpen) this.#queue.control(new ByteWriter().uint8(Frame.info).prefixedUtf8(json).finish())
  }

  /** The application has not read `bytes` of messages yet: the peer gets no new credit for them. */
  hold(pool: Pool, bytes: number): void {
    this.#credits[pool].hold(bytes)
  }

  release(pool: Pool, bytes: number): void {
    this.#credits[pool].release(bytes)
    if (this.#grantScheduled || this.#isClosed) return
    this.#grantScheduled = true
    this.#clock.afterTurn(this.#grantCredit)
  }

  /** Measures one round trip, in milliseconds. */
  ping(): Promise<number> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) reject(new EarshotError('closed', 'the session has ended'))
      else this.#sendPing({ sentAt: this.#clock.now(), resolve, reject })
    })
  }

  /** To be called about once a second: heartbeats, and the end of a session whose peer is silent. */
  tick(now: number): void {
    if (this.#isClosed) return
    const { liveness, ping } = this.#keepalive.step(now)
    if (liveness === 'lost') {
      this.abort(new EarshotError('lost', 'the peer has been silent for too long'))
      return
    }
    // The first one, soon after the beginning, is for the round trip.
    if ((ping || this.#nextPing === 1) && this.#writable)
      this.#sendPing({ sentAt: now, resolve: ignore, reject: ignore })
    this.#setLiveness(liveness)
  }

  /**
   * Ends the session politely: what is queued leaves first, then the goodbye. Takes CLOSE_TIMEOUT_MS at most.
   * Idempotent: the first code wins.
   */
  close(code: GoodbyeCode, reason = '', retryAfterMs = 0): Promise<void> {
    if (this.#closing) return this.#closing.done
    if (this.#isClosed) return Promise.resolve()
    const end: SessionEnd = { code, reason, byPeer: false, retryAfterMs: 0, error: undefined }
    let finish = (): void => {}
    const done = new Promise<void>(resolve => {
      finish = resolve
    })
    this.#closing = { end, done, finish }
    let isSaid = false
    const sayGoodbye = () => {
      if (isSaid) return
      isSaid = true
      this.#queue.control(encodeGoodbye({ code, reason: boundText(reason, MAX_REASON_BYTES), retryAfterMs }))
      this.#queue.flush()
      this.#connection.end()
    }
    // What a peer does not take in time is lost to it, but it still learns why.
    const timers = [
      this.#clock.setTimer(CLOSE_FLUSH_MS, sayGoodbye),
      this.#clock.setTimer(CLOSE_TIMEOUT_MS, () => this.#connection.abort()),
    ]
    this.#queue.whenIdle(sayGoodbye)
    return done.finally(() => {
      for (const timer of timers) timer.cancel()
    })
  }

  /** Ends the session at once; `error` says why. */
  abort(error: EarshotError): void {
    this.#connection.abort(error)
  }

  // What the connection tells -----------------------------------------------------------------------------------------

  onRecord(plaintext: Uint8Array): void {
    if (this.#isClosed) return
    this.#keepalive.heard(this.#clock.now())
    if (this.#liveness !== 'here') this.#setLiveness('here')
    const reader = new ByteReader(plaintext)
    while (reader.offset < reader.end && !this.#isClosed) this.#frame(reader)
    this.#grant()
  }

  onWritable(): void {
    this.#writable = true
    if (this.#pongDue !== undefined) this.#pong(this.#pongDue)
    this.#grant()
    this.#queue.drain()
  }

  onClosed(error: EarshotError | undefined): void {
    this.#finish(this.#closing?.end ?? { code: lostCode(error), reason: '', byPeer: false, retryAfterMs: 0, error })
  }

  #frame(reader: ByteReader): void {
    const type = reader.uint8('frame type')
    if (type >= FIRST_PAYLOAD_TYPE && type <= LAST_PAYLOAD_TYPE) {
      const start = reader.offset - 1
      const a = reader.varint('frame field a')
      const b = reader.varint('frame field b')
      const body = reader.view(reader.varint('body length'), 'body')
      const length = reader.offset - start
      this.#credits[poolOf(type)].received(length)
      this.#handlers.onPayload(type, a, b, body, length)
      return
    }
    this.#controlFrame(type, reader)
  }

  #controlFrame(type: number, reader: ByteReader): void {
    switch (type) {
      case Frame.credit:
        this.#queue.addCredit(readPool(reader), reader.varint('credit'))
        return
      case Frame.ping:
        this.#pong(reader.varint('ping token'))
        return
      case Frame.pong:
        this.#onPong(reader.varint('pong token'))
        return
      case Frame.label: {
        const { id, name } = decodeLabel(reader)
        this.#receivedLabels.add(id, name)
        return
      }
      case Frame.receipt:
        this.#handlers.onReceipt(reader.varint('receipt number'), reader.uint8('receipt outcome'))
        return
      case Frame.cancel:
        this.#handlers.onCancel(reader.varint('question id'))
        return
      case Frame.pull:
        this.#handlers.onPull(reader.varint('question id'), reader.varint('item count'))
        return
      case Frame.info:
        this.#handlers.onInfo(boundedUtf8(reader, MAX_INFO_BYTES, 'info'))
        return
      case Frame.firstFragment: {
        const pool = readPool(reader)
        this.#reassemblies[pool].begin(reader.varint('frame length'))
        this.#fragment(pool, reader)
        return
      }
      case Frame.fragment:
        this.#fragment(readPool(reader), reader)
        return
      case Frame.goodbye:
        this.#onGoodbye(decodeGoodbye(reader))
        return
      default:
        throw protocolViolation(`a frame of unknown type ${type}`)
    }
  }

  #fragment(pool: Pool, reader: ByteReader): void {
    const fragment = reader.view(reader.varint('fragment length'), 'fragment')
    this.#credits[pool].received(fragment.length)
    const frame = this.#reassemblies[pool].add(fragment)
    if (!frame) return
    const inner = new ByteReader(frame)
    const type = inner.uint8('frame type')
    if (type < FIRST_PAYLOAD_TYPE || type > LAST_PAYLOAD_TYPE || poolOf(type) !== pool) {
      throw protocolViolation(`a frame of type ${type} in fragments of pool ${pool}`)
    }
    const a = inner.varint('frame field a')
    const b = inner.varint('frame field b')
    const body = inner.view(inner.varint('body length'), 'body')
    inner.finish('a fragmented frame')
    this.#handlers.onPayload(type, a, b, body, frame.length)
  }

  #pong(token: number): void {
    this.#pongDue = this.#writable ? undefined : token
    if (this.#writable) this.#queue.control(new ByteWriter(9).uint8(Frame.pong).varint(token).finish())
  }

  #sendPing(ping: { sentAt: number; resolve: (rttMs: number) => void; reject: (e: unknown) => void }): void {
    const token = this.#nextPing++
    this.#pings.set(token, ping)
    this.#queue.control(new ByteWriter(9).uint8(Frame.ping).varint(token).finish())
  }

  #onPong(token: number): void {
    const ping = this.#pings.get(token)
    if (!ping) return
    const rttMs = this.#clock.now() - ping.sentAt
    this.#rttMs = this.#rttMs === undefined ? rttMs : this.#rttMs * 0.875 + rttMs * 0.125
    // Only the newest ping may be answered (see #pongDue): the older ones were overtaken, and will not be.
    for (const [older, { sentAt, resolve }] of this.#pings) {
      if (older > token) break
      this.#pings.delete(older)
      resolve(this.#clock.now() - sentAt)
    }
  }

  #onGoodbye({ code, reason, retryAfterMs }: Goodbye): void {
    this.#finish({ code, reason, byPeer: true, retryAfterMs, error: undefined })
    this.#connection.end()
  }

  #setLiveness(liveness: Exclude<Liveness, 'lost'>): void {
    if (liveness === this.#liveness) return
    this.#liveness = liveness
    this.#handlers.onLiveness(liveness)
  }

  #grant(): void {
    this.#grantScheduled = false
    if (!this.#writable || this.#isClosed) return
    this.#grantPool(MESSAGE_POOL)
    this.#grantPool(CALL_POOL)
  }

  #grantPool(pool: Pool): void {
    const bytes = this.#credits[pool].grant()
    if (bytes > 0) this.#queue.control(new ByteWriter(10).uint8(Frame.credit).uint8(pool).varint(bytes).finish())
  }

  #finish(end: SessionEnd): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const error = end.error ?? new EarshotError('closed', `the session has ended: ${end.code}`, { reason: end.reason })
    this.#queue.abort(error)
    for (const reassembly of this.#reassemblies) reassembly.discard()
    for (const { reject } of this.#pings.values()) reject(error)
    this.#pings.clear()
    this.#closing?.finish()
    this.#handlers.onClosed(end)
  }
}

function readPool(reader: ByteReader): Pool {
  const pool = reader.uint8('pool')
  if (pool !== MESSAGE_POOL && pool !== CALL_POOL) throw protocolViolation(`there is no pool ${pool}`)
  return pool
}

function lostCode(error: EarshotError | undefined): GoodbyeCode {
  return error?.code === 'protocol-violation' || error?.code === 'limit-reached' ? error.code : 'lost'
}

function ignore(): void {}
