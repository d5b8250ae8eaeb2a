/**
 * A room's reach beyond its networks: who is there is learned over the rendezvous, and what two peers need to find paths to each
 * other goes over it, too. One traversal for each peer: it is made when somebody wants the peer, or when the peer begins.
 *
 *     rendezvous ─ who is there ─► discovery            seeker, connect ─► reach ─┐
 *         └─────── messages ◄──────────────► traversal ◄──────────────────────────┘
 *                                                └─ connections ─► reception
 */

import type { Advert, Discovery, DiscoveryHandlers } from '../../discovery/discovery.ts'
import { MergedDiscovery } from '../../discovery/merged-discovery.ts'
import { EarshotError } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import { CLOSE_TIMEOUT_MS, MAX_TRAVERSALS_UNDER_WAY, TRAVERSAL_TIMEOUT_MS } from '../../limits.ts'
import type { AgentSettings, ConnectivityReport } from '../../nat/ice/agent.ts'
import { readDescription } from '../../nat/ice/description.ts'
import { hostAddresses } from '../../nat/ice/host-addresses.ts'
import type { Timer } from '../../platform/clock.ts'
import type { TcpConnection } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { Notices } from '../../rendezvous/notices.ts'
import type { RendezvousHealth } from '../../rendezvous/rendezvous.ts'
import { RendezvousPool } from '../../rendezvous/rendezvous-pool.ts'
import { Signalling } from '../../rendezvous/signalling.ts'
import type { Relaying } from '../relaying/relaying.ts'
import { relaysOfRound, tryRelays } from '../relaying/try-relays.ts'
import type { InternetSettings } from './internet-settings.ts'
import { noPathError } from './no-path-error.ts'
import { Offers, type OffersRoom } from './offers.ts'
import { RelayBudget } from './relay-budget.ts'
import { type Introduction, Traversal } from './traversal.ts'

export interface InternetRoom extends OffersRoom {
  readonly selfId: string
  /** Whether this peer would be let in at all. */
  mayJoin(id: string): boolean
  /** How a peer of the room is connected: 'none' without a connection that answers; undefined for who is no peer. */
  connection(id: string): 'lan' | 'direct' | 'relay' | 'none' | undefined
  /** Asks a peer for a sign of life on all its connections. */
  probe(id: string): void
  /** Makes a connection of the session with this peer, or its first. Rejects with why not. */
  introduce(id: string, introduction: Introduction): Promise<unknown>
  /** What peers do for each other. */
  readonly relaying: Pick<Relaying, 'commonPeers' | 'connect' | 'listen'>
  onWarning(error: EarshotError): void
}

export interface InternetOptions {
  readonly platform: Platform
  readonly identity: Identity
  readonly name: string
  readonly service: string
  /** Of `deriveRoomKey`; undefined in a room without a secret. */
  readonly roomKey: Uint8Array | undefined
  /** Of `letterKey`: for what common peers carry. */
  readonly letterKey: Uint8Array
  readonly settings: InternetSettings
  readonly room: InternetRoom
  /** Of the sightings that come over the rendezvous. */
  readonly discovery: DiscoveryHandlers
}

export interface ReachOptions {
  /** The application asked for this peer. */
  readonly isWanted: boolean
  readonly signal: AbortSignal
}

interface Reached {
  readonly traversal: Traversal
  /** Looks whether it is still needed. */
  review: Timer | undefined
  /** When it began, the last time. */
  begunAt: number
  /** How often peers that relay were asked. */
  relayRound: number
  /** Messages sent by our traversal. */
  sentCount: number
  /** When records last changed to another path. */
  pathSince: number
}

/** A session over the LAN may stand on one side sooner than on the other. */
const REVIEW_AFTER_MS = 2_000
/** It was there, and was lost before it was used. */
const MISSED_RETRY_MS = 10_000
/** A direct path that stands for so long is believed in. */
const RELAY_LINGER_MS = 30_000
/** While brokers are up, one message in so many goes over common peers, too: the other side may have no broker. */
const EVERY_SO_MANY_BY_PEERS = 3
/** What is relayed may have become direct: by another NAT on the way, or by luck. */
const DIRECT_RETRY_MS = 300_000

export class Internet implements Discovery {
  /** Texts that people carry instead of a rendezvous. */
  readonly offers: Offers
  readonly #options: InternetOptions
  readonly #pool: RendezvousPool | undefined
  /** What goes over brokers; undefined where there are none. */
  #viaBrokers: Signalling | undefined
  /** What goes over common peers, and over the session itself. */
  #viaPeers!: Signalling
  /** Both. */
  readonly #ways: Discovery
  readonly #budget: RelayBudget
  readonly #reached = new Map<string, Reached>()
  readonly #watched = new Set<string>()
  readonly #notices: Notices
  /** Brokers of which it was told that they are down. */
  readonly #down = new Set<string>()
  /** Traversals that are being closed. */
  readonly #closings = new Set<Promise<void>>()
  /** Those with which others can be reached. */
  #addresses: string
  #isClosed = false

  constructor(options: InternetOptions) {
    this.#options = options
    this.#addresses = hostAddresses(options.platform).join()
    const { platform, identity, service, roomKey, settings, discovery, room } = options
    this.#budget = new RelayBudget(settings.relayBudgetBytes, {
      onWarning: error => room.onWarning(error),
      onSpent: error => this.#onBudgetSpent(error),
    })
    this.#notices = new Notices(platform.clock)
    room.relaying.listen((fromId, connection, relayId) => this.#onRelayed(fromId, connection, relayId))
    const { clock, random } = platform
    const agent = () => this.#agentSettings()
    this.offers = new Offers({ clock, identity, name: options.name, service, agent, budget: this.#budget, room })
    const channel = { clock, random, identity, service }
    const onMessage = (fromId: string, bytes: Uint8Array) => this.#onMessage(fromId, bytes)
    const viaPeers = (handlers: DiscoveryHandlers) => {
      const rendezvous = room.relaying.commonPeers
      const roomKey = options.letterKey
      const signalling = new Signalling({
        ...channel,
        roomKey,
        rendezvous,
        via: 'peer',
        handlers: { ...bound(handlers), onMessage },
      })
      rendezvous.watchDoubts(id => signalling.doubt(id))
      return signalling
    }
    const rendezvous = settings.rendezvous.map(open => open())
    if (rendezvous.length === 0) {
      this.#viaPeers = viaPeers(discovery)
      this.#ways = this.#viaPeers
      return
    }
    const pool = new RendezvousPool({ rendezvous, clock, onWarning: error => room.onWarning(error) })
    this.#pool = pool
    const viaBrokers = (handlers: DiscoveryHandlers) =>
      new Signalling({ ...channel, roomKey, rendezvous: pool, handlers: { ...bound(handlers), onMessage } })
    this.#ways = new MergedDiscovery(
      [handlers => (this.#viaBrokers = viaBrokers(handlers)), handlers => (this.#viaPeers = viaPeers(handlers))],
      discovery,
    )
  }

  /** Of each broker, in the order in which they were given. */
  get health(): readonly RendezvousHealth[] {
    return this.#pool?.health ?? []
  }

  /** Bytes that went through relays, in both directions. */
  get relayedBytes(): number {
    return this.#budget.usedBytes
  }

  async start(): Promise<void> {
    this.#pool?.watchHealth(health => this.#onHealth(health))
    await this.#ways.start()
  }

  advertise(advert: Advert | undefined): void {
    this.#ways.advertise(advert)
  }

  /** What was tried to reach this peer; undefined where nothing was. */
  report(id: string): ConnectivityReport | undefined {
    return this.#reached.get(id)?.traversal.report
  }

  /** Whether there is anybody who could carry messages to this peer. */
  knows(id: string): boolean {
    if (this.#reached.has(id) || this.#watched.has(id)) return true
    return this.#signallings.some(({ peers }) => peers.some(peer => peer.id === id))
  }

  /** Follows a peer whose id is known: in a room without a secret the two see each other only if both do. */
  watch(id: string): void {
    if (this.#watched.has(id)) return
    for (const signalling of this.#signallings) signalling.watch(id)
    this.#watched.add(id)
  }

  /**
   * Looks for paths to a peer. Resolves with the first connection that is one of its session. Rejects when nothing more is tried,
   * with what was tried as `attempts`, or with `signal.reason`.
   */
  async reach(id: string, { isWanted, signal }: ReachOptions): Promise<void> {
    signal.throwIfAborted()
    const known = this.#reached.get(id)
    if (!known) this.#makeWay()
    const { traversal } = known ?? this.#begin(id)
    if (isWanted) traversal.isWanted = true
    if (known && (traversal.report.isDone || traversal.isBroken) && !traversal.isBusy) this.#restart(known)
    if (known) this.#tryRelays(id, known)
    try {
      await traversal.nextPath(signal)
    } finally {
      this.#review(id, REVIEW_AFTER_MS)
    }
  }

  /** Why a peer was not reached so far. */
  failure(id: string): EarshotError | undefined {
    const report = this.report(id)
    return report && noPathError(id, report)
  }

  /**
   * What stood may stand no more, and what failed may succeed; not where our addresses are as they were, and we have not slept.
   * Containers and tunnels come and go all day.
   */
  onNetworkChange(hasSlept: boolean): void {
    const before = this.#addresses
    this.#addresses = hostAddresses(this.#options.platform).join()
    if (!hasSlept && this.#addresses === before) return
    this.#pool?.reconnect()
    for (const [id, reached] of this.#reached) {
      if (this.#options.room.connection(id) !== undefined) this.#restart(reached)
    }
  }

  onPeer(id: string): void {
    this.#review(id, REVIEW_AFTER_MS)
  }

  /** What is sent to the peer leaves on another path. */
  onPath(id: string): void {
    this.offers.onPath(id)
    const reached = this.#reached.get(id)
    if (!reached) return
    reached.pathSince = this.#options.platform.clock.now()
    this.#review(id, RELAY_LINGER_MS)
  }

  /** The goodbye still has to leave. */
  onPeerGone(id: string): void {
    this.#review(id, 2 * CLOSE_TIMEOUT_MS)
    this.offers.onPeerGone(id)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const [id] of [...this.#reached]) this.#end(id)
    await Promise.all([this.offers.close(), this.#ways.close(), ...this.#closings])
    await this.#pool?.close()
  }

  get #signallings(): readonly Signalling[] {
    return this.#viaBrokers ? [this.#viaBrokers, this.#viaPeers] : [this.#viaPeers]
  }

  /** Somebody comes through a relay: the larger of the two ids opens the session, on whatever connection. */
  #onRelayed(fromId: string, connection: TcpConnection, relayId: string): void {
    const { room, settings } = this.#options
    const isExpected = fromId > room.selfId && room.mayJoin(fromId) && settings.direct !== 'only'
    const hasPlace = this.#reached.has(fromId) || this.#underWay.length < MAX_TRAVERSALS_UNDER_WAY
    if (this.#isClosed || !isExpected || !hasPlace) connection.destroy()
    else void (this.#reached.get(fromId) ?? this.#begin(fromId)).traversal.offer(connection, relayId, 'responder')
  }

  /** Through peers that relay, the larger id asks. */
  #tryRelays(id: string, reached: Reached): void {
    const { traversal } = reached
    const { room, settings } = this.#options
    const isUseful = room.selfId > id && settings.direct !== 'only' && !traversal.isRelayed
    if (!isUseful || this.#budget.isSpent) return
    const relayIds = room.relaying.commonPeers.volunteers.filter(relayId => relayId !== id)
    void tryRelays(relaysOfRound(relayIds, reached.relayRound++), async relayId => {
      const connection = room.relaying.connect(relayId, id)
      return connection !== undefined && traversal.offer(connection, relayId, 'initiator')
    })
  }

  #onMessage(fromId: string, bytes: Uint8Array): void {
    const { room } = this.#options
    const known = this.#reached.get(fromId)
    if (known) known.traversal.receive(bytes)
    else if (this.#isClosed || !room.mayJoin(fromId)) return
    // For the other side our connection may have broken: if so it will ask again, and we know by then.
    else if (room.connection(fromId) === 'lan') room.probe(fromId)
    else if (readDescription(bytes) instanceof EarshotError) return
    else if (this.#underWay.length < MAX_TRAVERSALS_UNDER_WAY) this.#begin(fromId).traversal.receive(bytes)
  }

  /** Traversals to those who are no peers yet. */
  get #underWay(): readonly string[] {
    return [...this.#reached.keys()].filter(id => this.#options.room.connection(id) === undefined)
  }

  /** Whom we look for has the place of somebody who began and whom nobody waits for. */
  #makeWay(): void {
    const underWay = this.#underWay
    if (underWay.length < MAX_TRAVERSALS_UNDER_WAY) return
    const useless = underWay.find(id => !this.#reached.get(id)!.traversal.isBusy)
    if (useless === undefined) {
      throw new EarshotError('limit-reached', `${MAX_TRAVERSALS_UNDER_WAY} peers are being looked for already`)
    }
    this.#end(useless)
  }

  #begin(id: string): Reached {
    const { room } = this.#options
    const traversal = new Traversal({
      peerId: id,
      agent: {
        ...this.#agentSettings(),
        exchange: 'live',
        isControlling: room.selfId > id,
        send: message => this.#send(id, message),
        onRemoteRestart: () => room.probe(id),
      },
      introduce: introduction => room.introduce(id, introduction),
      budget: this.#budget,
    })
    const now = this.#options.platform.clock.now()
    const reached: Reached = {
      traversal,
      review: undefined,
      begunAt: now,
      pathSince: now,
      sentCount: 0,
      relayRound: 0,
    }
    this.#reached.set(id, reached)
    this.#tryRelays(id, reached)
    this.#review(id, TRAVERSAL_TIMEOUT_MS)
    return reached
  }

  #agentSettings(): Omit<AgentSettings, 'onPath' | 'send' | 'isControlling' | 'exchange'> {
    const { platform, settings } = this.#options
    const { stun, turn, direct, trustedCertificates, mapPort } = settings
    return {
      platform,
      stun,
      turn: this.#budget.isSpent ? [] : turn,
      // Who does not want to tell addresses does not do so for want of a relay.
      direct: this.#budget.isSpent && direct !== 'never' ? 'only' : direct,
      keepAliveMs: settings.keepAliveMs,
      giveUpMs: settings.giveUpMs,
      trustedCertificates,
      mapPort,
      onWarning: error => this.#warn(error),
    }
  }

  /** What does not leave is repeated by the agent. Peers help where brokers do not, or seem to lead nowhere. */
  #send(id: string, message: Uint8Array): void {
    const reached = this.#reached.get(id)
    const count = reached ? reached.sentCount++ : 0
    const needsPeers = !this.#pool?.isUp || count % EVERY_SO_MANY_BY_PEERS === EVERY_SO_MANY_BY_PEERS - 1
    for (const signalling of needsPeers ? this.#signallings : [this.#viaBrokers!]) {
      signalling.send(id, message).catch(error => {
        if (!(error instanceof EarshotError)) throw error
      })
    }
  }

  #restart(reached: Reached): void {
    reached.begunAt = this.#options.platform.clock.now()
    reached.traversal.restart()
  }

  #review(id: string, afterMs: number): void {
    const reached = this.#reached.get(id)
    if (!reached || this.#isClosed) return
    reached.review?.cancel()
    reached.review = this.#options.platform.clock.setTimer(afterMs, () => this.#look(id))
  }

  /** Somebody who is no peer and is not looked for, and a peer on the LAN, need none. */
  #look(id: string): void {
    const reached = this.#reached.get(id)
    if (!reached) return
    const { traversal, begunAt } = reached
    const connection = this.#options.room.connection(id)
    if (traversal.isBusy) this.#review(id, REVIEW_AFTER_MS)
    else if (connection === undefined || (connection === 'lan' && !traversal.carriesSession)) this.#end(id)
    else if (connection === 'direct' || connection === 'lan') this.#endRelays(id, traversal)
    else if (connection === 'relay') {
      const pauseMs = traversal.hasMissedDirect ? MISSED_RETRY_MS : DIRECT_RETRY_MS
      if (this.#options.platform.clock.now() - begunAt >= pauseMs) this.#restart(reached)
      this.#review(id, pauseMs)
    }
  }

  /** What is direct for a while needs no relay beside it. */
  #endRelays(id: string, traversal: Traversal): void {
    const directMs = this.#options.platform.clock.now() - this.#reached.get(id)!.pathSince
    if (!traversal.isRelayed) return
    if (directMs >= RELAY_LINGER_MS) traversal.endRelays()
    else this.#review(id, RELAY_LINGER_MS)
  }

  #end(id: string): void {
    const { traversal, review } = this.#reached.get(id)!
    review?.cancel()
    this.#reached.delete(id)
    const closing = traversal.close().finally(() => this.#closings.delete(closing))
    this.#closings.add(closing)
  }

  /** Every traversal asks the same servers. */
  #warn(error: EarshotError): void {
    this.#notices.report(error.message, () => this.#options.room.onWarning(error))
  }

  #onHealth({ url, state, lastError }: RendezvousHealth): void {
    if (state === 'up') this.#down.delete(url)
    if (state !== 'down' || lastError === undefined || this.#down.has(url)) return
    this.#down.add(url)
    this.#options.room.onWarning(lastError)
  }

  #onBudgetSpent(error: EarshotError): void {
    this.#options.room.onWarning(error)
    // Whoever is looked for anew is so without relays.
    for (const [id, { traversal }] of [...this.#reached]) if (traversal.isRelayed) this.#end(id)
    this.offers.onBudgetSpent()
  }
}

function bound({ onSighting, onLost, onWarning }: DiscoveryHandlers): DiscoveryHandlers {
  return { onSighting, onLost, onWarning }
}
