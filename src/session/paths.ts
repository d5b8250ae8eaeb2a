/**
 * The connections under one session, and what makes of them one that does not break: records are numbered, kept until
 * the peer has them, and sent again on another path (docs/protocol.md, "Paths").
 *
 *     records ──► resend log ──► the chosen path ──► peer
 *                     ▲                                │
 *                     └──────── acknowledgements ──────┘
 *
 * Each side sends its records on one path, the best it has; it receives them on any.
 */

import type { EarshotError } from '../errors.ts'
import { ACKNOWLEDGE_AFTER_BYTES, ACKNOWLEDGE_AFTER_RECORDS, MAX_UNACKNOWLEDGED_BYTES } from '../limits.ts'
import type { Clock } from '../platform/clock.ts'
import type { Goodbye } from './frame.ts'
import { Path, type PathHandlers, type PathOptions } from './path.ts'
import { choosePath, redundantPaths } from './path-choice.ts'
import { ResendLog } from './resend-log.ts'
import type { SecureConnection } from './secure-connection.ts'

export interface PathsHandlers {
  /** The next record of the session, in order and once. */
  onRecord(plaintext: Uint8Array): void
  onGoodbye(goodbye: Goodbye): void
  /** Something authentic arrived on any path. */
  onHeard(): void
  /** More can be sent, after `send` returned false. */
  onWritable(): void
  /** Records leave on another path than before; undefined where there is none any more. */
  onPathChosen(path: Path | undefined): void
  /** A path is no more. */
  onPathClosed(path: Path, error: EarshotError | undefined): void
  /** The peer broke a rule: the session ends. */
  onViolation(error: EarshotError): void
}

export interface NewPath {
  readonly connection: SecureConnection
  readonly rank: number
  /** See `PathOptions`. */
  readonly networks: string | undefined
  readonly isInitiator: boolean
  /** How many records the peer has; undefined for the path with which the session begins. */
  readonly receivedByPeer: number | undefined
}

export class Paths implements PathHandlers {
  readonly #clock: Clock
  readonly #handlers: PathsHandlers
  readonly #log = new ResendLog()
  readonly #paths: Path[] = []
  #chosen: Path | undefined
  #received = 0
  #acknowledged = 0
  #unacknowledgedBytes = 0
  /** `send` has returned false, and `onWritable` is due. */
  #isHeldUp = false

  constructor(clock: Clock, handlers: PathsHandlers) {
    this.#clock = clock
    this.#handlers = handlers
  }

  /** All there are. */
  get all(): readonly Path[] {
    return this.#paths
  }

  /** The one on which records leave; undefined where there is none. */
  get chosen(): Path | undefined {
    return this.#chosen
  }

  get unacknowledgedBytes(): number {
    return this.#log.bytes
  }

  /** One more connection; what arrives there waits until its `receive` is called with the path. */
  add({ connection, rank, networks, isInitiator, receivedByPeer }: NewPath): Path {
    const firstReceived = receivedByPeer === undefined ? 0 : undefined
    const path = new Path(connection, this.#clock, this, {
      rank,
      networks,
      isInitiator,
      firstReceived,
    } satisfies PathOptions)
    if (receivedByPeer !== undefined) this.#log.acknowledge(receivedByPeer)
    this.#paths.push(path)
    if (receivedByPeer === undefined) this.#chosen = path
    return path
  }

  /** Sends one record, at once or when a path takes it. False: wait for `onWritable`. */
  send(plaintext: Uint8Array): boolean {
    const number = this.#log.append(plaintext)
    const path = this.#chosen
    if (path?.isWritable && path.next === number) path.send(plaintext)
    const takesMore = this.#takesMore()
    if (!takesMore) this.#isHeldUp = true
    return takesMore
  }

  /** To be called about once a second. Returns the paths that have been silent for too long. */
  tick(now: number): Path[] {
    const lost = this.#paths.filter(path => path.tick(now) === 'lost')
    if (this.#paths.length > 1) for (const path of this.#paths) path.probe()
    this.choose()
    if (this.#acknowledged < this.#received && this.#chosen) this.#acknowledge(this.#chosen)
    return lost
  }

  /** Those beside which a better one lives that connects the same networks. */
  get redundant(): Path[] {
    return redundantPaths(this.#paths, this.#chosen)
  }

  /** Sends on the best path from now on. */
  choose(preferred: Path | undefined = this.#chosen): void {
    const best = choosePath(this.#paths, preferred)
    if (best !== this.#chosen) this.#change(best)
  }

  /** Sends on this path from now on, whatever the others are like. */
  use(path: Path): void {
    if (path !== this.#chosen) this.#change(path)
  }

  end(goodbye?: Goodbye): void {
    for (const path of [...this.#paths]) path.end(path === this.#chosen ? goodbye : undefined)
  }

  abort(error?: EarshotError): void {
    for (const path of [...this.#paths]) path.abort(error)
  }

  /** The session is over: nothing is sent again. */
  forget(): void {
    this.#log.clear()
  }

  // What the paths tell -----------------------------------------------------------------------------------------------

  /** How many records of the session have arrived. */
  received(): number {
    return this.#received
  }

  onRecord(path: Path, plaintext: Uint8Array): void {
    this.#received++
    this.#unacknowledgedBytes += plaintext.length
    this.#handlers.onRecord(plaintext)
    const isDue =
      this.#unacknowledgedBytes >= ACKNOWLEDGE_AFTER_BYTES ||
      this.#received - this.#acknowledged >= ACKNOWLEDGE_AFTER_RECORDS
    if (isDue) this.#acknowledge(path)
  }

  onStart(number: number): void {
    // What it begins with, it thinks we may not have: it is to hear again how far we are.
    this.#acknowledged = Math.min(this.#acknowledged, number)
  }

  onAcknowledged(received: number): void {
    this.#log.acknowledge(received)
    this.#resume()
  }

  onGoodbye(goodbye: Goodbye): void {
    this.#handlers.onGoodbye(goodbye)
  }

  onHeard(): void {
    this.#handlers.onHeard()
  }

  onPathWritable(path: Path): void {
    if (path !== this.#chosen) return
    this.#pump(path)
    this.#resume()
  }

  onPathClosed(path: Path, error: EarshotError | undefined): void {
    this.#paths.splice(this.#paths.indexOf(path), 1)
    if (path === this.#chosen) this.choose(undefined)
    if (!this.#chosen) this.#isHeldUp = true
    this.#handlers.onPathClosed(path, error)
  }

  onViolation(error: EarshotError): void {
    this.#handlers.onViolation(error)
  }

  #change(path: Path | undefined): void {
    this.#chosen = path
    if (path) {
      // Nobody knows what became of the records on the other path.
      path.startAt(this.#log.first)
      this.#pump(path)
    }
    this.#handlers.onPathChosen(path)
    this.#resume()
  }

  /** Sends what waits for this path. */
  #pump(path: Path): void {
    // What arrived on another path meanwhile is kept no more, and need not be sent here.
    if (path.isWritable && path.next < this.#log.first) path.startAt(this.#log.first)
    while (path.isWritable && path.next < this.#log.next) path.send(this.#log.at(path.next))
  }

  #takesMore(): boolean {
    const path = this.#chosen
    return path?.isWritable === true && this.#log.memory < MAX_UNACKNOWLEDGED_BYTES
  }

  #resume(): void {
    if (!this.#isHeldUp || !this.#takesMore()) return
    this.#isHeldUp = false
    this.#handlers.onWritable()
  }

  #acknowledge(path: Path): void {
    if (!path.isWritable) return
    this.#acknowledged = this.#received
    this.#unacknowledgedBytes = 0
    path.acknowledge(this.#received)
  }
}
