/**
 * One connection under a session. It carries the session's records, which have numbers, and path records, which say
 * how far each side is and whether the other one is still there (docs/protocol.md, "Paths").
 *
 * The numbers of a path have no gaps and begin at one that the other side has reached already. So a record is either
 * the next one, or one that arrived on another path before.
 */

import { EarshotError, protocolViolation } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import { CONNECTION_RESET } from '../platform/network.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { decodeGoodbye, Frame, type Goodbye } from './frame.ts'
import { Keepalive, type Liveness } from './keepalive.ts'
import { decodePathRecord, encodePathRecord, isPathRecord, type PathFrame } from './path-record.ts'
import type { RecordReceiver, SecureConnection } from './secure-connection.ts'

/** What the session is told of its paths. Whatever these throw is a violation of the peer. */
export interface PathHandlers {
  /** How many records of the session have arrived, on all paths. */
  received(): number
  /** The next record of the session. */
  onRecord(path: Path, plaintext: Uint8Array): void
  /** The records of the session begin with this number here, which is not beyond what has arrived. */
  onStart(number: number): void
  onAcknowledged(received: number): void
  onGoodbye(goodbye: Goodbye): void
  /** Something authentic arrived. */
  onHeard(path: Path): void
  /** The path takes more, after `send` returned false. */
  onPathWritable(path: Path): void
  /** Exactly once. */
  onPathClosed(path: Path, error: EarshotError | undefined): void
  /** The peer broke a rule. */
  onViolation(error: EarshotError): void
}

export interface PathOptions {
  /** Paths of a lower rank are preferred: a wire before a radio. */
  readonly rank: number
  /** The networks of both sides that it connects; undefined where that is not known, or does not matter. */
  readonly networks: string | undefined
  /** This side opened the connection. */
  readonly isInitiator: boolean
  /** The number of the first record that the peer sends on it; undefined where it says so itself. */
  readonly firstReceived: number | undefined
}

/** More than this in a second or two fills queues on the way: what a round trip takes then says nothing of the path. */
const LIGHT_LOAD_BYTES = 16_384

interface Ping {
  readonly sentAt: number
  readonly isLoaded: boolean
  resolve(rttMs: number): void
  reject(error: unknown): void
}

export class Path implements RecordReceiver {
  readonly connection: SecureConnection
  readonly rank: number
  readonly networks: string | undefined
  readonly isInitiator: boolean
  /** The number of the next record of the session to be sent here. */
  next = 0
  /** Paths that end when the other side shows that it has this one. */
  replaces: readonly Path[] | undefined
  readonly #clock: Clock
  readonly #handlers: PathHandlers
  readonly #keepalive: Keepalive
  readonly #pings = new Map<number, Ping>()
  #nextPing = 1
  /** Of the questions in one record, or while the path is full, only the newest is answered: a flood must cost little. */
  #pongDue: number | undefined
  #arriving: number | undefined
  #isWritable = true
  /** A record has come. */
  #hasBegun = false
  /** This side has hung up: nothing is sent here any more. */
  #isEnding = false
  #isOver = false
  #wasClosedByPeer = false
  #rttMs: number | undefined
  #idleRttMs: number | undefined
  #drainedAt = Number.NEGATIVE_INFINITY
  /** Bytes of session records in both directions since the last tick, and in the second before. */
  #load = 0
  #loadBefore = 0
  #liveness: Liveness = 'here'

  constructor(connection: SecureConnection, clock: Clock, handlers: PathHandlers, options: PathOptions) {
    this.connection = connection
    this.rank = options.rank
    this.networks = options.networks
    this.isInitiator = options.isInitiator
    this.#arriving = options.firstReceived
    this.#clock = clock
    this.#handlers = handlers
    this.#keepalive = new Keepalive(clock.now())
  }

  get isWritable(): boolean {
    return this.#isWritable && !this.#isEnding && !this.#isOver
  }

  /** Smoothed round trip (RFC 6298 section 2); undefined before the first was measured. */
  get rttMs(): number | undefined {
    return this.#rttMs
  }

  /** The other side hung up, or its system did for it. */
  get wasClosedByPeer(): boolean {
    return this.#wasClosedByPeer
  }

  /** How long nothing has been heard. */
  silenceMs(now: number): number {
    return this.#keepalive.silenceMs(now)
  }

  get liveness(): Liveness {
    return this.#liveness
  }

  get isEnding(): boolean {
    return this.#isEnding
  }

  /** The other side has it, too: something has come. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** Smoothed round trip while little was sent: what the path itself takes. */
  get idleRttMs(): number | undefined {
    return this.#idleRttMs
  }

  /**
   * How long the oldest question for a sign of life has been waiting for its answer, and for any other sign; 0 where none
   * waits. Where much is under way the answer takes its time: but then the other side takes it, or sends.
   */
  get unansweredMs(): number {
    for (const { sentAt } of this.#pings.values()) {
      const now = this.#clock.now()
      return Math.min(now - sentAt, now - this.#drainedAt, this.silenceMs(now))
    }
    return 0
  }

  /** It goes between the same two addresses as this connection. */
  hasEndsOf({ local, remote }: SecureConnection): boolean {
    return this.connection.local.address === local.address && this.connection.remote.address === remote.address
  }

  /** Says that the next record of the session has this number. */
  startAt(number: number): void {
    this.next = number
    this.#sendFrame({ kind: 'start', number })
  }

  /** Sends the record of the session whose number is `next`. False: wait for `onPathWritable`. */
  send(plaintext: Uint8Array): boolean {
    this.next++
    this.#load += plaintext.length
    return this.#sendRecord(plaintext)
  }

  acknowledge(received: number): void {
    this.#sendFrame({ kind: 'acknowledgement', received })
  }

  /** Measures one round trip, in milliseconds. Rejects when the path ends. */
  ping(): Promise<number> {
    return new Promise((resolve, reject) => this.#sendPing(resolve, reject))
  }

  /** Asks for a sign of life, unless it has been asked already. */
  probe(): void {
    if (this.#pings.size === 0 && this.isWritable) this.#sendPing(ignore, ignore)
  }

  /** To be called about once a second: heartbeats. `lost` means that the path is to be given up. */
  tick(now: number): Liveness {
    const { liveness, ping } = this.#keepalive.step(now)
    this.#loadBefore = this.#load
    this.#load = 0
    // The first one, soon after the beginning, is for the round trip.
    if ((ping || this.#nextPing === 1) && this.isWritable) this.#sendPing(ignore, ignore)
    this.#liveness = liveness
    return liveness
  }

  /** Says goodbye, and hangs up behind what was sent. */
  end(goodbye?: Goodbye): void {
    if (goodbye) this.#sendFrame({ kind: 'goodbye', goodbye })
    this.#isEnding = true
    this.connection.end()
  }

  abort(error?: EarshotError): void {
    this.connection.abort(error)
  }

  // What the connection tells -----------------------------------------------------------------------------------------

  onRecord(plaintext: Uint8Array): void {
    if (this.#isOver) return
    this.#keepalive.heard(this.#clock.now())
    this.#liveness = 'here'
    const isFirst = !this.#hasBegun
    this.#hasBegun = true
    if (this.replaces) this.#replace(this.replaces)
    try {
      this.#handlers.onHeard(this)
      if (isPathRecord(plaintext)) this.#onPathRecord(plaintext)
      else if (isFirst && plaintext[0] === Frame.goodbye) this.#onRefused(plaintext)
      else this.#onSessionRecord(plaintext)
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error
      this.#handlers.onViolation(error)
    }
  }

  onWritable(): void {
    this.#isWritable = true
    this.#drainedAt = this.#clock.now()
    this.#pong()
    this.#handlers.onPathWritable(this)
  }

  onClosed(error: EarshotError | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#wasClosedByPeer = error === undefined || error.reason === CONNECTION_RESET
    this.#liveness = 'lost'
    const reason = error ?? new EarshotError('lost', 'the connection was closed')
    for (const { reject } of this.#pings.values()) reject(reason)
    this.#pings.clear()
    this.#handlers.onPathClosed(this, error)
  }

  #replace(paths: readonly Path[]): void {
    this.replaces = undefined
    for (const path of paths) path.end()
  }

  /** For the other side the greeting was not over yet, and it has taken its admit back. */
  #onRefused(plaintext: Uint8Array): void {
    const goodbye = decodeGoodbye(new ByteReader(plaintext, 1))
    // There are other paths, then.
    if (goodbye.code === 'duplicate') this.end()
    else this.#handlers.onGoodbye(goodbye)
  }

  #onSessionRecord(plaintext: Uint8Array): void {
    if (this.#arriving === undefined) throw protocolViolation('a record on a path before its start was told')
    this.#load += plaintext.length
    const number = this.#arriving++
    // What arrived on another path before is not for us again.
    if (number === this.#handlers.received()) this.#handlers.onRecord(this, plaintext)
  }

  readonly #onFrame = (frame: PathFrame): void => {
    switch (frame.kind) {
      case 'start':
        if (frame.number > this.#handlers.received()) {
          throw protocolViolation(`a path starts at record ${frame.number}, of which ${this.#handlers.received()} came`)
        }
        this.#arriving = frame.number
        this.#handlers.onStart(frame.number)
        return
      case 'acknowledgement':
        this.#handlers.onAcknowledged(frame.received)
        return
      case 'goodbye':
        this.#handlers.onGoodbye(frame.goodbye)
        return
      case 'ping':
        this.#pongDue = frame.token
        return
      case 'pong':
        this.#onPong(frame.token)
    }
  }

  #onPathRecord(plaintext: Uint8Array): void {
    decodePathRecord(plaintext, this.#onFrame)
    this.#pong()
  }

  #pong(): void {
    const token = this.#pongDue
    if (token === undefined || !this.isWritable) return
    this.#pongDue = undefined
    this.#sendFrame({ kind: 'pong', token })
  }

  #sendPing(resolve: Ping['resolve'], reject: Ping['reject']): void {
    const token = this.#nextPing++
    this.#pings.set(token, { sentAt: this.#clock.now(), isLoaded: this.#isLoaded, resolve, reject })
    this.#sendFrame({ kind: 'ping', token })
  }

  #onPong(token: number): void {
    const ping = this.#pings.get(token)
    if (!ping) return
    const now = this.#clock.now()
    const rttMs = now - ping.sentAt
    this.#rttMs = smoothed(this.#rttMs, rttMs)
    if (!ping.isLoaded && !this.#isLoaded) this.#idleRttMs = smoothed(this.#idleRttMs, rttMs)
    // Only the newest ping may be answered (see #pongDue): the older ones were overtaken, and will not be.
    for (const [older, { sentAt, resolve }] of this.#pings) {
      if (older > token) break
      this.#pings.delete(older)
      resolve(now - sentAt)
    }
  }

  get #isLoaded(): boolean {
    return this.#load + this.#loadBefore > LIGHT_LOAD_BYTES
  }

  #sendFrame(frame: PathFrame): void {
    this.#sendRecord(encodePathRecord(frame))
  }

  #sendRecord(plaintext: Uint8Array): boolean {
    if (!this.connection.sendRecord(plaintext)) this.#isWritable = false
    return this.#isWritable
  }
}

function smoothed(before: number | undefined, sample: number): number {
  return before === undefined ? sample : before * 0.875 + sample * 0.125
}

function ignore(): void {}
