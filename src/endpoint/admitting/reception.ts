/**
 * Turns TCP connections into sessions, or into further paths of a session: handshake, greeting, and the choice of one
 * connection where two peers who have no session yet dial each other at the same time (docs/protocol.md, "Crossing
 * dials"). Of each pair the peer with the larger id decides: it admits on one connection and says `duplicate` on any
 * other; the smaller one admits on all and takes what is left.
 */

import { EarshotError } from '../../errors.ts'
import { shortPeerId } from '../../identity/peer-id.ts'
import { MAX_UNDECIDED_CONNECTIONS, MAX_UNDECIDED_PER_ADDRESS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { TcpConnection } from '../../platform/network.ts'
import { encodeGoodbye, type Goodbye } from '../../session/frame.ts'
import { greet } from '../../session/greeting.ts'
import { InitiatorHandshake, ResponderHandshake } from '../../session/handshake.ts'
import { encodeAlert } from '../../session/handshake-alert.ts'
import type { HandshakeParty } from '../../session/handshake-party.ts'
import type { Hello, SessionOffer } from '../../session/hello.ts'
import { DIALLED, type Route } from '../../session/route.ts'
import { type Handshake, SecureConnection } from '../../session/secure-connection.ts'
import { formatAddress } from '../connecting/address.ts'
import { parseJson } from '../json.ts'
import type { Admission } from './admission.ts'
import { HalfOpen } from './half-open.ts'
import { Patience } from './patience.ts'
import { Places } from './places.ts'
import type { Verdict } from './remembered-verdicts.ts'

/** A session that just stood may have crossed the other side's dial: until then the new connection is the spare one. */
const CROSSING_MS = 3_000

export interface KnownSession {
  readonly instance: Uint8Array
  readonly since: number
  readonly offer: SessionOffer
  /** It has as many connections as it may have. */
  readonly isFull: boolean
  /** The peer answers on the connections that it has. */
  readonly isHere: boolean
  /** Whether one more connection with the peer is of use. */
  takesPath(connection: SecureConnection, remote: Hello): boolean
}

/** A connection on which both sides have admitted each other. */
export interface GreetedConnection {
  readonly connection: SecureConnection
  readonly remote: Hello
  readonly isInitiator: boolean
  /** Both sides have offered the session that they have: the connection joins it. */
  readonly joins: boolean
}

export interface ReceptionRoom {
  readonly selfId: string
  hello(session: SessionOffer | undefined, connection: SecureConnection): Hello
  /** The session with this peer, where there is one. */
  sessionWith(id: string): KnownSession | undefined
  /** A peer is in. Must take over the connection at once. */
  onGreeted(greeted: GreetedConnection): void
  /** This side has ended a session with the peer, which may not know. */
  hasParted(id: string): boolean
  /** What to say to a peer that offers this session, where that was ended; otherwise undefined. */
  goodbyeFor(id: string, offer: SessionOffer | undefined): Goodbye | undefined
  /** A peer does not go on with the session that was offered to it, and says why. */
  onSessionRefused(id: string, goodbye: Goodbye): void
}

export interface Expectations {
  /** The dial was for this peer and no other. */
  readonly expectedId: string | undefined
  /** The application asked for this peer: its `admit` is not asked. */
  readonly isWanted: boolean
  /** One more path is wished where the peer is here already; otherwise a dial that comes too late ends. */
  readonly wantsPath: boolean
  /** The handshake has shown who is there. */
  onRemoteId(id: string): void
}

/** A connection that is there, and whose other side is expected. */
export interface Meeting extends Expectations {
  readonly role: 'initiator' | 'responder'
  readonly route: Route
}

/** A connection on which a peer was admitted, before it is a session. */
interface Introduction {
  readonly connection: SecureConnection
  readonly since: number
  /** Undefined until the other side has said its hello. */
  instance: Uint8Array | undefined
}

export class Reception {
  readonly #clock: Clock
  readonly #party: HandshakeParty
  readonly #admission: Admission
  readonly #room: ReceptionRoom
  /** For callers who have not proven themselves yet. */
  readonly #halfOpen: HalfOpen
  /** For callers who have, and wait to be admitted or think themselves. */
  readonly #undecided = new Places({ total: MAX_UNDECIDED_CONNECTIONS, perAddress: MAX_UNDECIDED_PER_ADDRESS })
  /** Connections to peers whom the application asked for: it wants them on whatever connection they come. */
  readonly #wanted = new Map<SecureConnection, string>()
  /** Connections admitted on this side that are not sessions yet, with their peers. */
  readonly #promised = new Map<SecureConnection, string>()
  /** Peers that were admitted on a connection which is not a session yet. */
  readonly #admitting = new Map<string, Introduction>()
  readonly #connections = new Set<SecureConnection>()
  #isClosed = false

  constructor(clock: Clock, party: HandshakeParty, admission: Admission, room: ReceptionRoom) {
    this.#clock = clock
    this.#halfOpen = new HalfOpen(clock)
    this.#party = party
    this.#admission = admission
    this.#room = room
  }

  /** Somebody dialled us. */
  accept(tcp: TcpConnection): void {
    const connection = new SecureConnection(tcp, this.#clock)
    const onDisplaced = () => makeWay(tcp, connection)
    const leave = this.#isClosed ? undefined : this.#halfOpen.take(tcp.remote.address, onDisplaced)
    // Who calls and does not come through is told why on the wire; there is nobody here to tell.
    if (leave) this.#introduce(connection, 'responder', STRANGER, leave).catch(ignore)
    else turnAway(tcp)
  }

  /** We dialled somebody. Resolves with the peer's id when it is a peer; rejects with why it is not. */
  initiate(tcp: TcpConnection, expectations: Expectations, signal: AbortSignal): Promise<string> {
    return this.meet(tcp, { ...expectations, role: 'initiator', route: DIALLED }, signal)
  }

  /** The same for a connection that both sides have made together: it is settled which of them begins. */
  meet(tcp: TcpConnection, { role, route, ...expectations }: Meeting, signal: AbortSignal): Promise<string> {
    return this.#introduce(new SecureConnection(tcp, this.#clock, route), role, expectations, ignore, signal)
  }

  /** A dial has begun: makes ready, while the network is busy, what its handshake will need. */
  prepare(): void {
    this.#party.prepareKey()
  }

  /** How many peers are about to come in, without `id`. */
  countPromised(id: string): number {
    const coming = new Set(this.#promised.values())
    coming.delete(id)
    for (const other of coming) if (this.#room.sessionWith(other)) coming.delete(other)
    return coming.size
  }

  /**
   * Takes back what was promised to peers who may not come in any more: a connection whose other side has yet to admit
   * us must not outlast a ban or a lock.
   */
  dismissRefused(): void {
    for (const [connection, id] of this.#pending()) {
      const refusal = this.#admission.refusal(id)
      if (refusal) dismiss(connection, refusal)
    }
  }

  /** Takes back what was promised to this peer. */
  dismiss(id: string, goodbye: Goodbye): void {
    for (const [connection, other] of this.#pending()) if (other === id) dismiss(connection, goodbye)
  }

  /** Drops every connection that is not a session yet. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#connections) connection.abort(new EarshotError('closed', 'the room was left'))
  }

  async #introduce(
    connection: SecureConnection,
    role: 'initiator' | 'responder',
    expectations: Expectations,
    leaveHalfOpen: () => void,
    signal?: AbortSignal,
  ): Promise<string> {
    this.#connections.add(connection)
    const patience = new Patience(this.#clock, connection)
    const onAbort = () => connection.abort(new EarshotError('closed', 'another address was faster'))
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await this.#shakeHands(connection, role, expectations.expectedId)
      expectations.onRemoteId(connection.remoteId)
      if (expectations.isWanted) this.#want(connection)
      // The other side may have to ask a person before it says a word.
      if (role === 'initiator') patience.extend()
      await this.#greet(connection, role, expectations, patience, leaveHalfOpen)
      return connection.remoteId
    } catch (error) {
      connection.abort()
      throw patience.isExhausted ? patience.error(error) : error
    } finally {
      leaveHalfOpen()
      patience.end()
      if (role === 'responder') this.#clock.afterTurn(() => this.#party.prepareKey())
      signal?.removeEventListener('abort', onAbort)
      this.#connections.delete(connection)
      this.#promised.delete(connection)
      this.#wanted.delete(connection)
      if (this.#admitting.get(connection.remoteId)?.connection === connection)
        this.#admitting.delete(connection.remoteId)
    }
  }

  #want(connection: SecureConnection): void {
    this.#wanted.set(connection, connection.remoteId)
    this.#admission.want(connection.remoteId)
  }

  async #shakeHands(
    connection: SecureConnection,
    role: 'initiator' | 'responder',
    expectedId: string | undefined,
  ): Promise<void> {
    if (role === 'responder') {
      await connection.open(new ResponderHandshake(this.#party))
      if (expectedId === undefined || expectedId === connection.remoteId) return
      throw new EarshotError('untrusted-peer', `somebody else than ${shortPeerId(expectedId)} came`)
    }
    const handshake: Handshake & { start(): Uint8Array } = new InitiatorHandshake(this.#party, expectedId)
    return connection.open(handshake, handshake.start())
  }

  #greet(
    connection: SecureConnection,
    role: 'initiator' | 'responder',
    { isWanted, wantsPath }: Expectations,
    patience: Patience,
    leaveHalfOpen: () => void,
  ): Promise<void> {
    let leaveUndecided: (() => void) | undefined
    let offer: SessionOffer | undefined
    return new Promise<void>((resolve, reject) => {
      greet(connection, {
        role,
        // Whether a connection joins a session depends on what the other side says of it.
        isEager:
          role === 'initiator' &&
          (isWanted || this.#admission.isOpen) &&
          this.#room.sessionWith(connection.remoteId) === undefined &&
          !this.#room.hasParted(connection.remoteId),
        hello: () => {
          offer = this.#room.sessionWith(connection.remoteId)?.offer
          return this.#room.hello(offer, connection)
        },
        judge: remote => {
          if (role === 'responder' && !leaveUndecided) return BUSY
          const isLate = role === 'initiator' && !wantsPath && this.#room.sessionWith(connection.remoteId)?.isHere
          return isLate ? DUPLICATE : this.#judge(connection, remote)
        },
        onHello: ({ instance }) => {
          const introduction = this.#admitting.get(connection.remoteId)
          if (introduction?.connection === connection) introduction.instance = instance
          leaveHalfOpen()
          if (role === 'responder') leaveUndecided = this.#undecided.take(connection.origin)
          patience.extend()
        },
        onGreeted: remote => {
          // The other side may have taken a minute to admit us: what was promised then may not be so any more.
          const refusal = this.#admission.refusal(connection.remoteId)
          if (refusal) {
            reject(dismiss(connection, refusal))
            return
          }
          const joins = isSameSession(offer, remote.session)
          // The session may have ended since the hellos, or have been given other paths.
          const isFull = this.#room.sessionWith(connection.remoteId)?.isFull
          if (joins && (isFull || !this.#joinsSession(connection.remoteId, remote))) {
            reject(dismiss(connection, DUPLICATE))
            return
          }
          this.#connections.delete(connection)
          this.#room.onGreeted({ connection, remote, isInitiator: role === 'initiator', joins })
          resolve()
        },
        onFailed: (error, goodbye) => {
          const session = this.#room.sessionWith(connection.remoteId)
          if (goodbye && isSameSession(offer, session?.offer)) {
            this.#room.onSessionRefused(connection.remoteId, goodbye)
          }
          reject(error)
        },
      })
    }).finally(() => leaveUndecided?.())
  }

  /** Promised connections, without those that have just become sessions. */
  #pending(): [SecureConnection, string][] {
    return [...this.#promised].filter(([connection]) => this.#connections.has(connection))
  }

  #judge(connection: SecureConnection, remote: Hello | undefined): Verdict | Promise<Verdict> {
    const id = connection.remoteId
    const goodbye = this.#room.goodbyeFor(id, remote?.session)
    if (goodbye) return goodbye
    const joins = this.#joinsSession(id, remote)
    const isWanted = joins || [...this.#wanted.values()].includes(id)
    const details =
      remote &&
      (() => ({
        id,
        name: remote.name,
        info: parseJson(remote.info),
        hello: parseJson(remote.hello),
        address: formatAddress(connection.remote),
      }))
    const verdict = this.#admission.judge(id, details, isWanted)
    const settle = (refusal: Verdict) => this.#settle(connection, remote, refusal, joins)
    return verdict instanceof Promise ? verdict.then(settle) : settle(verdict)
  }

  /** True where the other side has the very session that we have: it needs a path, not an admission. */
  #joinsSession(id: string, remote: Hello | undefined): boolean {
    const session = this.#room.sessionWith(id)
    if (!remote || !session || !sameBytes(session.instance, remote.instance)) return false
    return isSameSession(session.offer, remote.session)
  }

  #settle(connection: SecureConnection, remote: Hello | undefined, refusal: Verdict, joins: boolean): Verdict {
    // The room may have filled up, or have been locked, while the application made up its mind: asked in the very step
    // that makes the promise, or several callers would pass together.
    const verdict =
      refusal ??
      this.#admission.refusal(connection.remoteId) ??
      (joins && remote ? this.#choosePath(connection, remote) : this.#chooseConnection(connection, remote))
    if (!verdict) this.#promised.set(connection, connection.remoteId)
    return verdict
  }

  /** A session takes several connections, but not any number. */
  #choosePath(connection: SecureConnection, remote: Hello): Verdict {
    return this.#room.sessionWith(connection.remoteId)?.takesPath(connection, remote) ? undefined : DUPLICATE
  }

  /** The last word before admitting: is this the one connection with that peer? */
  #chooseConnection(connection: SecureConnection, remote: Hello | undefined): Verdict {
    const id = connection.remoteId
    if (this.#room.selfId < id) return undefined
    const other = this.#admitting.get(id)
    if (other && !this.#supersedes(other, remote)) return DUPLICATE
    const session = this.#room.sessionWith(id)
    if (session && !this.#replaces(session, remote)) return DUPLICATE
    other?.connection.abort(new EarshotError('lost', 'the peer dialled again'))
    this.#admitting.set(id, { connection, since: this.#clock.now(), instance: remote?.instance })
    return undefined
  }

  #isRecent(since: number): boolean {
    return this.#clock.now() - since <= CROSSING_MS
  }

  /** True where the other side knows nothing of the other connection: it restarted, or is silent there. */
  #supersedes({ instance, since }: Introduction, remote: Hello | undefined): boolean {
    if (!remote) return false
    return instance ? !sameBytes(instance, remote.instance) : !this.#isRecent(since)
  }

  /** True where the other side has lost the session that still looks alive here: it restarted, or its path broke. */
  #replaces(session: KnownSession, remote: Hello | undefined): boolean {
    if (!remote) return false
    if (!sameBytes(session.instance, remote.instance)) return true
    return !remote.session && !this.#isRecent(session.since)
  }
}

const STRANGER: Expectations = { expectedId: undefined, isWanted: false, wantsPath: false, onRemoteId: ignore }
const DUPLICATE: Goodbye = { code: 'duplicate', reason: '', retryAfterMs: 0 }
const BUSY: Goodbye = { code: 'refused', reason: 'busy', retryAfterMs: 5_000 }

/** Too many come at a time: the caller is told in three bytes, which mostly arrive, and cut off before it costs more. */
function turnAway(tcp: TcpConnection): void {
  tcp.start({ onData: ignore, onDrain: ignore, onEnd: ignore, onClose: ignore })
  tcp.write(encodeAlert('busy'))
  tcp.destroy()
}

/** A newer caller gets the place of this one, which has not said its hello yet. */
function makeWay(tcp: TcpConnection, connection: SecureConnection): void {
  if (connection.remoteId !== '') {
    dismiss(connection, BUSY)
    return
  }
  tcp.write(encodeAlert('busy'))
  connection.abort(new EarshotError('limit-reached', 'another connection needed the place'))
}

/** Says why, and hangs up before another frame can make the connection a session. */
function dismiss(connection: SecureConnection, goodbye: Goodbye): EarshotError {
  const { reason, code, retryAfterMs } = goodbye
  const word = reason || code
  const error = new EarshotError('refused', `we refused the peer: ${word}`, { reason: word, retryAfterMs })
  connection.sendRecord(encodeGoodbye(goodbye))
  connection.abort(error)
  return error
}

function isSameSession(a: SessionOffer | undefined, b: SessionOffer | undefined): boolean {
  return a !== undefined && b !== undefined && sameBytes(a.id, b.id)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

function ignore(): void {}
