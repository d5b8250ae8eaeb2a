/**
 * One peer, once it is admitted: frames in both directions, flow control, signs of life, and an end with a reason. What
 * payload frames mean is the business of `messaging/`; the session only moves them. It outlives its connections: see
 * `paths.ts`. Without one it waits, and what is sent to the peer waits with it.
 *
 * States: open → closing (queues empty themselves, goodbye) → closed. `onClosed` comes exactly once.
 */

import { EarshotError } from '../errors.ts'
import { CLOSE_FLUSH_MS, CLOSE_TIMEOUT_MS, MAX_PATHS, MAX_REASON_BYTES } from '../limits.ts'
import type { Clock } from '../platform/clock.ts'
import type { SocketAddress } from '../platform/network.ts'
import { boundText } from '../wire/bound-text.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import {
  encodeLabel,
  encodeStreamFrame,
  Frame,
  type Goodbye,
  type GoodbyeCode,
  MESSAGE_POOL,
  type Pool,
  poolOf,
  type StreamFrame,
} from './frame.ts'
import { SESSION_ID_BYTES, type SessionOffer } from './hello.ts'
import { SentLabels } from './label-table.ts'
import type { Path } from './path.ts'
import { Paths, type PathsHandlers } from './paths.ts'
import type { ReassemblyBudget } from './reassembly.ts'
import { type FrameHandlers, ReceivedFrames } from './received-frames.ts'
import type { SecureConnection } from './secure-connection.ts'
import { SendQueue } from './send-queue.ts'

/** How a session ended: by whose goodbye, or because it was given up. */
export interface SessionEnd {
  readonly code: GoodbyeCode
  readonly reason: string
  readonly byPeer: boolean
  /** How long the peer wants to be left alone, where it said goodbye; otherwise 0. */
  readonly retryAfterMs: number
  readonly error: EarshotError | undefined
}

/** How the peer is doing: `quiet` is silent, `away` has no connection to us. */
export type Presence = 'here' | 'quiet' | 'away'

/** One more connection with the peer of a session. */
export interface SessionConnection {
  readonly connection: SecureConnection
  /** Lower is better: a wire before a radio. */
  readonly rank: number
  readonly isInitiator: boolean
  /** The networks of both sides that it connects; undefined where that is not known, or does not matter. */
  readonly networks: string | undefined
  /** Of two connections where one is enough this side ends one. */
  readonly decides: boolean
}

export interface SessionHandlers extends FrameHandlers {
  /** The path takes more, after it had enough. */
  onWritable(): void
  onPresence(presence: Presence): void
  /** What is sent leaves on another connection than before. */
  onPath(): void
  /** A record is about to be filled: `sendNow` may add to it. */
  onSpare(): void
  onClosed(end: SessionEnd): void
}

export class Session implements PathsHandlers {
  /** Names the session on both sides, and no other session ever. */
  readonly id: Uint8Array
  readonly #clock: Clock
  readonly #decides: boolean
  readonly #handlers: SessionHandlers
  readonly #queue: SendQueue
  readonly #paths: Paths
  readonly #sentLabels = new SentLabels()
  readonly #received: ReceivedFrames
  readonly #grantCredit = (): void => this.#grant()
  #grantScheduled = false
  #writable = true
  #presence: Presence = 'here'
  #awaySince = Number.POSITIVE_INFINITY
  /** What was heard before says nothing about how the paths are. */
  #doubtedAt = Number.NEGATIVE_INFINITY
  /** The path that was chosen last, for who asks where the peer was. */
  #lastPath: Path
  #closing: { readonly end: SessionEnd; readonly done: Promise<void>; readonly finish: () => void } | undefined
  #isClosed = false

  /** Begins a session on a connection that was greeted on both sides. */
  constructor(first: SessionConnection, clock: Clock, budget: ReassemblyBudget, handlers: SessionHandlers) {
    this.id = first.connection.handshakeHash.subarray(0, SESSION_ID_BYTES)
    this.#clock = clock
    this.#decides = first.decides
    this.#handlers = handlers
    this.#paths = new Paths(clock, this)
    this.#queue = new SendQueue({
      sendRecord: plaintext => {
        this.#writable = this.#paths.send(plaintext)
        return this.#writable
      },
      afterTurn: fn => clock.afterTurn(fn),
      onSpare: () => handlers.onSpare(),
    })
    // Not in the midst of another session's record.
    const share = budget.share(first.connection.origin, error => clock.afterTurn(() => this.abort(error)))
    this.#received = new ReceivedFrames(handlers, this.#queue, share)
    this.#lastPath = this.#paths.add({ ...first, receivedByPeer: undefined })
  }

  /** Takes what has arrived and what will: the handlers are ready. */
  start(): void {
    const path = this.#lastPath
    path.connection.receive(path)
  }

  /** What a hello says of this session, so that the connection may join it. */
  get offer(): SessionOffer {
    return { id: this.id, received: this.#paths.received() }
  }

  /** The path on which records leave or, where there is none, the last one. */
  get path(): Path {
    return this.#lastPath
  }

  get paths(): readonly Path[] {
    return this.#paths.all
  }

  get presence(): Presence {
    return this.#presence
  }

  /** This machine slept for so long, in which nobody could be back. */
  onSlept(ms: number): void {
    this.#awaySince += ms
  }

  /** How long there has been no connection, in milliseconds. */
  awayMs(now: number): number {
    return Math.max(0, now - this.#awaySince)
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.#closing === undefined
  }

  /** Smoothed round trip (RFC 6298 section 2); undefined before the first was measured. */
  get rttMs(): number | undefined {
    return this.#lastPath.rttMs
  }

  /** Bytes that wait for credit or for a path. */
  get queuedBytes(): number {
    return this.#queue.queuedBytes
  }

  /** False: the path has enough for now; `onWritable` tells when it takes more. */
  get isWritable(): boolean {
    return this.#writable
  }

  /** Bytes that the peer may not have yet: they are kept to be sent again. */
  get unacknowledgedBytes(): number {
    return this.#paths.unacknowledgedBytes
  }

  /** It has as many paths as it may have. */
  get isFull(): boolean {
    return this.#paths.all.length >= MAX_PATHS
  }

  /**
   * Whether one more connection is of use: not where another one between the same addresses or networks lives, nor where
   * there are as many as there may be.
   */
  takesPath(connection: SecureConnection, networks: string | undefined): boolean {
    const { all } = this.#paths
    if (this.isFull) return false
    const now = this.#clock.now()
    const freshMs = Math.min(FRESH_MS, now - this.#doubtedAt)
    const isLike = (path: Path) => path.hasEndsOf(connection) || (networks !== undefined && path.networks === networks)
    return !all.some(path => path.silenceMs(now) < freshMs && isLike(path))
  }

  /** One more connection, whose two sides have offered this session: `receivedByPeer` is what the peer said it has. */
  join(connection: SessionConnection, receivedByPeer: number): void {
    try {
      const path = this.#paths.add({ ...connection, receivedByPeer })
      // Who dials anew between the same two addresses thinks that the connection there is dead.
      const replaced = this.#paths.all.filter(other => other !== path && other.hasEndsOf(connection.connection))
      if (connection.decides) path.replaces = replaced
      if (replaced.includes(this.#paths.chosen!)) this.#paths.use(path)
      else this.#paths.choose()
      this.#setPresence('here')
      path.connection.receive(path)
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error
      connection.connection.abort(error)
      this.onViolation(error)
    }
  }

  /** Sends a payload frame; the result is that of `SendQueue.payload`, or rejects with `closed` after the end. */
  send(lane: number, type: number, a: number, b: number, body: Uint8Array): Promise<void> | undefined {
    if (this.#isClosed || this.#closing) return Promise.reject(new EarshotError('closed', 'the session has ended'))
    return this.#queue.payload(poolOf(type), lane, type, a, b, body)
  }

  /** Whether a message of this length would have to wait: for credit, for a path, or behind others that do. */
  wouldWait(bodyLength: number): boolean {
    return this.#queue.wouldWait(MESSAGE_POOL, bodyLength)
  }

  /** Sends a payload frame if it can leave at once, and says whether it did: for what is better lost than late. */
  sendNow(type: number, a: number, b: number, body: Uint8Array): boolean {
    return this.isOpen && this.#queue.payloadNow(poolOf(type), type, a, b, body)
  }

  /** How many names the other side has told. */
  get labelCount(): number {
    return this.#received.labels.count
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
    return this.#received.labels.name(id)
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

  streamFrame(frame: StreamFrame): void {
    if (!this.#isClosed) this.#queue.control(encodeStreamFrame(frame))
  }

  /** Where bytes of streams go out: see `SendQueue`. */
  get bulk(): Pick<SendQueue, 'offer' | 'resume' | 'withdraw'> {
    return this.#queue
  }

  /** Tells the peer our public data, which has changed. */
  info(json: string): void {
    if (this.isOpen) this.#queue.control(new ByteWriter().uint8(Frame.info).prefixedUtf8(json).finish())
  }

  /** The application has not read `bytes` of messages yet: the peer gets no new credit for them. */
  hold(pool: Pool, bytes: number): void {
    this.#received.hold(pool, bytes)
  }

  release(pool: Pool, bytes: number): void {
    this.#received.release(pool, bytes)
    if (this.#grantScheduled || this.#isClosed) return
    this.#grantScheduled = true
    this.#clock.afterTurn(this.#grantCredit)
  }

  /** Measures one round trip, in milliseconds. */
  ping(): Promise<number> {
    if (!this.isOpen) return Promise.reject(new EarshotError('closed', 'the session has ended'))
    const path = this.#paths.chosen
    return path
      ? path.ping()
      : Promise.reject(new EarshotError('lost', 'there is no connection to the peer at present'))
  }

  /** Asks for a sign of life on every path: the network has changed here or there, or this machine has slept. */
  probe(): void {
    this.#doubtedAt = this.#clock.now()
    for (const path of this.#paths.all) path.probe()
  }

  /** To be called about once a second: heartbeats, and the end of paths whose other side is silent. */
  tick(now: number): void {
    if (this.#isClosed) return
    for (const path of this.#paths.tick(now)) {
      path.abort(new EarshotError('lost', 'the peer has been silent for too long'))
    }
    // One side alone, or each would end another one.
    if (this.#decides) for (const path of this.#paths.redundant) path.end()
    const { all } = this.#paths
    if (all.length > 0) this.#setPresence(all.some(({ liveness }) => liveness === 'here') ? 'here' : 'quiet')
  }

  /** Drops the connections whose own address is gone: nothing comes through there any more. */
  dropPaths(isGone: (local: SocketAddress) => boolean): void {
    for (const path of [...this.#paths.all]) {
      if (!isGone(path.connection.local)) continue
      path.abort(new EarshotError('lost', 'the address of the connection is gone'))
    }
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
      if (isSaid || this.#isClosed) return
      isSaid = true
      this.#queue.flush()
      if (this.#paths.chosen) this.#paths.end({ code, reason: boundText(reason, MAX_REASON_BYTES), retryAfterMs })
      else this.#finish(end)
    }
    // What a peer does not take in time is lost to it, but it still learns why.
    const timers = [
      this.#clock.setTimer(CLOSE_FLUSH_MS, sayGoodbye),
      this.#clock.setTimer(CLOSE_TIMEOUT_MS, () => this.#finish(end)),
    ]
    // Streams and transfers that end with the room say so in this turn: that goes before the goodbye.
    if (this.#paths.chosen) this.#clock.afterTurn(() => this.#queue.whenIdle(sayGoodbye))
    else sayGoodbye()
    return done.finally(() => {
      for (const timer of timers) timer.cancel()
    })
  }

  /** Ends the session at once; `error` says why. The peer is told only where it is to blame. */
  abort(error: EarshotError): void {
    if (error.code === 'protocol-violation' || error.code === 'limit-reached') this.onViolation(error)
    else this.#finish({ code: 'lost', reason: '', byPeer: false, retryAfterMs: 0, error })
  }

  // What the paths tell -----------------------------------------------------------------------------------------------

  onRecord(plaintext: Uint8Array): void {
    if (this.#isClosed) return
    this.#received.read(plaintext)
    this.#grant()
  }

  onHeard(): void {
    if (this.#presence !== 'here') this.#setPresence('here')
  }

  onWritable(): void {
    if (this.#isClosed) return
    this.#writable = true
    this.#grant()
    this.#handlers.onWritable()
    this.#queue.drain()
  }

  onGoodbye({ code, reason, retryAfterMs }: Goodbye): void {
    this.#finish({ code, reason, byPeer: true, retryAfterMs, error: undefined })
  }

  onPathChosen(path: Path | undefined): void {
    if (this.#isClosed || !path) return
    this.#lastPath = path
    this.#handlers.onPath()
  }

  onPathClosed(): void {
    if (this.#isClosed || this.#paths.all.length > 0) return
    // Who was told goodbye has hung up; who was not told anything will be back.
    if (this.#closing) this.#finish(this.#closing.end)
    else {
      this.#writable = false
      this.#awaySince = this.#clock.now()
      this.#setPresence('away')
    }
  }

  /** The peer is told, where that is still possible, and the session is over. */
  onViolation(error: EarshotError): void {
    const code = error.code === 'limit-reached' ? 'limit-reached' : 'protocol-violation'
    if (!this.#isClosed) this.#paths.end({ code, reason: '', retryAfterMs: 0 })
    this.#finish({ code, reason: '', byPeer: false, retryAfterMs: 0, error })
  }

  #setPresence(presence: Presence): void {
    if (presence === this.#presence) return
    this.#presence = presence
    if (presence !== 'away') this.#awaySince = Number.POSITIVE_INFINITY
    this.#handlers.onPresence(presence)
  }

  #grant(): void {
    this.#grantScheduled = false
    if (!this.#writable || this.#isClosed) return
    this.#received.grant()
  }

  #finish(end: SessionEnd): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const error = end.error ?? new EarshotError('closed', `the session has ended: ${end.code}`, { reason: end.reason })
    this.#queue.abort(error)
    this.#received.discard()
    // Who has said goodbye hangs up, or is cut off after a second; nobody waits for who was given up.
    if (end.byPeer || isViolation(end.code)) this.#paths.end()
    else this.#paths.abort(end.error)
    this.#paths.forget()
    this.#closing?.finish()
    this.#handlers.onClosed(end)
  }
}

/** A path that was heard so recently lives. */
const FRESH_MS = 1_000

function isViolation(code: GoodbyeCode): boolean {
  return code === 'protocol-violation' || code === 'limit-reached'
}
