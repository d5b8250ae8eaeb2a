/** The connected peers of a room: who comes, who goes and why, and who has fallen silent. */

import { EarshotError } from '../errors.ts'
import { MAX_AWAY_PER_ADDRESS } from '../limits.ts'
import { AnsweringBudget } from '../messaging/answering-budget.ts'
import type { Deadlines } from '../messaging/deadlines.ts'
import { Messenger, type MessengerHandlers } from '../messaging/messenger.ts'
import type { AnswerFunction } from '../messaging/received-questions.ts'
import type { AcceptFunction } from '../messaging/streams.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import { hostOf } from '../platform/ip-address.ts'
import type { SocketAddress } from '../platform/network.ts'
import type { DatagramSockets } from '../session/datagram/datagram-sockets.ts'
import type { Goodbye, GoodbyeCode } from '../session/frame.ts'
import type { Hello, SessionOffer } from '../session/hello.ts'
import { ReassemblyBudget } from '../session/reassembly.ts'
import type { RouteKind } from '../session/route.ts'
import type { SecureConnection } from '../session/secure-connection.ts'
import { Session, type SessionConnection, type SessionEnd } from '../session/session.ts'
import { PartedSessions } from './admitting/parted-sessions.ts'
import type { GreetedConnection } from './admitting/reception.ts'
import { parseJson } from './json.ts'
import type { GoneCode, PeerState } from './options.ts'
import { Peer, type PeerRoom } from './peer.ts'
import { PeerUdp } from './peer-udp.ts'

const TICK_MS = 1_000
/** A new peer's round trip is measured soon, but not in the way of its first messages. */
const FIRST_TICK_MS = 100

/** The best first; each has room for the ranks of all interfaces. */
const KINDS: readonly RouteKind[] = ['lan', 'direct', 'relay']
const RANKS_OF_A_KIND = 1_000_000

/** A tick that is this late, by either clock, was not late: the machine slept. */
const SLEEP_GAP_MS = 5_000

export interface MembershipOptions {
  readonly selfId: string
  /** How long a peer may be away before it is given up, in milliseconds. */
  readonly awayTimeoutMs: number
  /** The number of our network that the connection goes through; 0 where that is not known. */
  networkOf(connection: SecureConnection): number
  /** How good a connection from this own address is: lower is better. */
  rank(local: SocketAddress): number
}

export interface MembershipEvents {
  onPeer(peer: Peer): void
  onGone(peer: Peer, code: GoneCode, reason: string, end: SessionEnd): void
  onState(peer: Peer, state: PeerState, was: PeerState): void
  /** What is sent to the peer leaves on another path than before. */
  onPath(peer: Peer): void
  /** The machine has slept: nobody knows what became of the connections. */
  onWake(): void
  /** `isLossy`: of 'unreliable' or 'latest'. */
  onMessage(peer: Peer, channel: string, data: unknown, length: number, receipt: number, isLossy: boolean): void
  answerer(name: string): AnswerFunction<Peer> | undefined
  acceptor(name: string): AcceptFunction<Peer> | undefined
}

export interface MembershipParts {
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly room: PeerRoom
  readonly sockets: DatagramSockets
  readonly options: MembershipOptions
  readonly events: MembershipEvents
}

export class Membership {
  readonly #clock: Clock
  readonly #deadlines: Deadlines
  readonly #room: PeerRoom
  readonly #options: MembershipOptions
  readonly #sockets: DatagramSockets
  readonly #events: MembershipEvents
  readonly #budget = new ReassemblyBudget()
  readonly #answering = new AnsweringBudget()
  readonly #peers = new Map<string, Peer>()
  /** Sessions that are being closed. */
  readonly #partings = new Set<Promise<void>>()
  readonly #parted: PartedSessions
  /** Peers that are away, those for longest first. */
  readonly #awayByHost = new Map<string, Set<Peer>>()
  #ticker: Timer | undefined
  #tickAt = Number.POSITIVE_INFINITY
  /** How far the wall clock was ahead of the other one when the ticker was set. */
  #wallAhead = 0

  constructor({ clock, deadlines, room, sockets, options, events }: MembershipParts) {
    this.#clock = clock
    this.#deadlines = deadlines
    this.#room = room
    this.#sockets = sockets
    this.#options = options
    this.#events = events
    this.#parted = new PartedSessions(clock)
  }

  get size(): number {
    return this.#peers.size
  }

  /** How many peers there are without `id`. */
  countOthers(id: string): number {
    return this.#peers.size - (this.#peers.has(id) ? 1 : 0)
  }

  get peers(): IterableIterator<Peer> {
    return this.#peers.values()
  }

  get(id: string): Peer | undefined {
    return this.#peers.get(id)
  }

  /** A peer was admitted on both sides: it comes in, or has one more path. */
  greeted(greeted: GreetedConnection): void {
    const peer = this.#peers.get(greeted.connection.remoteId)
    if (greeted.joins && peer && greeted.remote.session) this.#join(peer, greeted, greeted.remote.session.received)
    else this.#add(greeted)
  }

  /** The network has changed: paths whose own address is gone end at once, the others have to show that they live. */
  onNetworkChange(isOwn: (local: SocketAddress) => boolean): void {
    for (const { messenger } of [...this.#peers.values()]) {
      messenger.session.dropPaths(local => !isOwn(local))
      messenger.session.probe()
    }
  }

  /** Names the two networks that a connection in the LAN connects, where both sides know theirs. */
  networksOf(connection: SecureConnection, remote: Hello): string | undefined {
    const own = this.#options.networkOf(connection)
    const isKnown = own > 0 && remote.network > 0 && connection.route.kind === 'lan'
    return isKnown ? `${own}-${remote.network}` : undefined
  }

  /** A peer that is away will not be back. */
  giveUp(peer: Peer, reason: string): void {
    if (peer.state === 'away') peer.messenger.session.abort(new EarshotError('lost', reason))
  }

  /** Parts with one peer: it is gone at once for this side, and what is queued for it still leaves. */
  part(peer: Peer, code: 'kicked', reason: string, retryAfterMs: number): Promise<void> {
    const { session } = peer.messenger
    this.#parted.add(peer.id, session.offer, { code, reason, retryAfterMs })
    const parting = session.close(code, reason, retryAfterMs)
    this.#onClosed(peer, { code, reason, byPeer: false, retryAfterMs: 0, error: undefined })
    this.#partings.add(parting)
    return parting.finally(() => this.#partings.delete(parting))
  }

  /** This side has parted with the peer, which may not know. */
  hasParted(id: string): boolean {
    return this.#parted.concerns(id)
  }

  /** What a peer that offers this session has missed: that this side has parted with it. */
  goodbyeFor(id: string, offer: SessionOffer | undefined): Goodbye | undefined {
    return this.#parted.goodbyeFor(id, offer)
  }

  /** A peer does not go on with the session that was offered to it. Whether it has ended there, the reason tells. */
  onSessionRefused(id: string, goodbye: Goodbye): void {
    const peer = this.#peers.get(id)
    if (peer && hasNoSession(goodbye, peer.state)) peer.messenger.session.onGoodbye(goodbye)
  }

  /** Parts with everybody. */
  async close(manner: 'politely' | 'at once'): Promise<void> {
    for (const { messenger } of [...this.#peers.values()]) {
      if (manner === 'politely') this.#partings.add(messenger.session.close('closed'))
      else messenger.session.abort(new EarshotError('closed', 'the room was left'))
    }
    await Promise.all(this.#partings)
    this.#ticker?.cancel()
    this.#tickAt = Number.POSITIVE_INFINITY
  }

  /** A session that there was with this peer is over: the new one replaces it. */
  #add(greeted: GreetedConnection): void {
    const { remote } = greeted
    const { remoteId } = greeted.connection
    const before = this.#peers.get(remoteId)
    if (before) this.#replace(before, remote)
    this.#parted.forget(remoteId)
    const parsed = { info: parseJson(remote.info), hello: parseJson(remote.hello) }
    const peer = new Peer(remoteId, remote, parsed, this.#room)
    const first = this.#sessionConnection(greeted)
    peer.messenger = new Messenger<Peer>(
      handlers => new Session(first, this.#clock, this.#budget, handlers),
      peer,
      this.#deadlines,
      this.#handlers(peer, greeted.connection),
      new PeerUdp(this.#clock, this.#sockets, peer, greeted.connection.datagramKeys!),
    )
    this.#peers.set(remoteId, peer)
    this.#tickIn(FIRST_TICK_MS)
    this.#events.onPeer(peer)
    peer.messenger.session.start()
  }

  #join(peer: Peer, greeted: GreetedConnection, receivedByPeer: number): void {
    peer.port = greeted.remote.port
    peer.udpPort = greeted.remote.udpPort
    peer.messenger.session.join(this.#sessionConnection(greeted), receivedByPeer)
    this.#tickIn(FIRST_TICK_MS)
  }

  #sessionConnection({ connection, remote, isInitiator }: GreetedConnection): SessionConnection {
    const { selfId, rank } = this.#options
    const ofInterface = Math.min(rank(connection.local), RANKS_OF_A_KIND - 1)
    const ofKind = KINDS.indexOf(connection.route.kind)
    return {
      connection,
      isInitiator,
      rank: ofKind * RANKS_OF_A_KIND + ofInterface,
      networks: this.networksOf(connection, remote),
      decides: selfId > connection.remoteId,
    }
  }

  #handlers(peer: Peer, { origin }: GreetedConnection['connection']): MessengerHandlers<Peer> {
    const events = this.#events
    return {
      onMessage: (channel, data, length, receipt) => {
        if (peer.state !== 'gone') events.onMessage(peer, channel, data, length, receipt, false)
      },
      onLossyMessage: (channel, data, length) => {
        if (peer.state !== 'gone') events.onMessage(peer, channel, data, length, 0, true)
      },
      acceptor: name => (peer.state === 'gone' ? undefined : events.acceptor(name)),
      answerer: name => (peer.state === 'gone' ? undefined : events.answerer(name)),
      answering: this.#answering.share(peer.id, origin),
      onPresence: presence => this.#setState(peer, presence),
      onPath: () => this.#events.onPath(peer),
      onInfo: info => peer.setInfo(parseJson(info)),
      onClosed: end => this.#onClosed(peer, end),
    }
  }

  #replace(peer: Peer, remote: Hello): void {
    const hasRestarted = peer.instance.some((byte, index) => byte !== remote.instance[index])
    const error = new EarshotError('lost', hasRestarted ? 'the peer was restarted' : 'the peer had lost the session')
    if (hasRestarted) this.#gone(peer, { code: 'replaced', reason: '', byPeer: true, retryAfterMs: 0, error })
    peer.messenger.session.abort(error)
  }

  #onClosed(peer: Peer, end: SessionEnd): void {
    if (this.#peers.get(peer.id) === peer) this.#gone(peer, end)
  }

  #gone(peer: Peer, end: SessionEnd): void {
    this.#peers.delete(peer.id)
    this.#setState(peer, 'gone')
    this.#events.onGone(peer, goneCode(end.code), end.reason || wordFor(end), end)
  }

  #setState(peer: Peer, state: PeerState): void {
    const was = peer.state
    if (was === state || was === 'gone') return
    peer.setState(state)
    this.#events.onState(peer, state, was)
    if (was === 'away') this.#isBack(peer)
    if (state === 'away') this.#isAway(peer)
  }

  #isAway(peer: Peer): void {
    const host = hostOf(peer.messenger.session.path.connection.origin)
    const away = this.#awayByHost.get(host) ?? new Set()
    this.#awayByHost.set(host, away.add(peer))
    const [first] = away
    if (away.size > MAX_AWAY_PER_ADDRESS) this.giveUp(first!, 'too many peers of its address are away')
  }

  #isBack(peer: Peer): void {
    for (const [host, away] of this.#awayByHost) {
      if (away.delete(peer) && away.size === 0) this.#awayByHost.delete(host)
    }
  }

  #tickIn(ms: number): void {
    const at = this.#clock.now() + ms
    if (at >= this.#tickAt) return
    this.#tickAt = at
    this.#wallAhead = this.#clock.wallTime() - this.#clock.now()
    this.#ticker?.cancel()
    this.#ticker = this.#clock.setTimer(ms, () => this.#tick())
  }

  /** In sleep one of the clocks stands still on some systems, and none on others. */
  #hasSlept(now: number): boolean {
    return now - this.#tickAt > SLEEP_GAP_MS || this.#clock.wallTime() - now - this.#wallAhead > SLEEP_GAP_MS
  }

  #tick(): void {
    const now = this.#clock.now()
    const hasSlept = this.#hasSlept(now)
    const sleptMs = Math.max(0, now - this.#tickAt)
    this.#tickAt = Number.POSITIVE_INFINITY
    if (hasSlept) this.#events.onWake()
    for (const peer of [...this.#peers.values()]) {
      const { session } = peer.messenger
      if (hasSlept) session.onSlept(sleptMs)
      session.tick(now)
      if (session.awayMs(now) >= this.#options.awayTimeoutMs) this.giveUp(peer, 'the peer was away for too long')
    }
    if (this.#peers.size > 0) this.#tickIn(TICK_MS)
  }
}

/** True where the peer has no session with us: it admits whoever it has one with, unless it is busy. */
function hasNoSession({ code, reason }: Goodbye, state: PeerState): boolean {
  return code === 'kicked' || (code === 'refused' && reason !== 'busy' && state !== 'here')
}

function goneCode(code: GoodbyeCode): GoneCode {
  switch (code) {
    case 'closed':
    case 'kicked':
      return code
    case 'replaced':
      return 'restarted'
    default:
      return 'lost'
  }
}

/** What a program can show where the other side gave no reason. */
function wordFor({ code, error }: SessionEnd): string {
  if (error) return error.message
  return code === 'closed' || code === 'kicked' ? '' : code
}
