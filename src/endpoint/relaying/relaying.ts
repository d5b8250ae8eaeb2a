/**
 * What peers do for each other: carry letters, and, where they volunteer, relay streams. Every room carries; with `relay` it
 * relays, and with `internet` it uses what others offer.
 *
 *     us ── CARRY ──► common peer ── CARRIED ──► them          letters: sealed, from traversal to traversal
 *     us ── RELAY ──► volunteer ── RELAYED ──► them            streams: a connection of the session goes through
 */

import { EarshotError } from '../../errors.ts'
import type { ByteStream } from '../../messaging/open-stream.ts'
import type { AnswerFunction } from '../../messaging/received-questions.ts'
import type { AcceptFunction } from '../../messaging/streams.ts'
import { encodeValue } from '../../messaging/value.ts'
import type { Clock } from '../../platform/clock.ts'
import type { TcpConnection } from '../../platform/network.ts'
import { Notices } from '../../rendezvous/notices.ts'
import { RelayBudget } from '../internet/relay-budget.ts'
import type { Peer } from '../peer.ts'
import { Carrier } from './carrier.ts'
import { CommonPeers } from './common-peers.ts'
import { LetterTopics } from './letter-topics.ts'
import { RelayDesk, type RelayedPair } from './relay-desk.ts'
import { StreamConnection } from './stream-connection.ts'
import { CARRIED, CARRY, GONE, RELAY, RELAYED, readId, readLetter, VOLUNTEER } from './words.ts'

export interface RelayingRoom {
  peers(): Iterable<Peer>
  peer(id: string): Peer | undefined
  onRelay(state: 'begun' | 'ended', pair: RelayedPair): void
  onWarning(error: EarshotError): void
}

export interface RelayingOptions {
  readonly clock: Clock
  readonly service: string
  /** Of `letterKey`. */
  readonly key: Uint8Array
  /** How much is relayed, in bytes; undefined where nothing is. */
  readonly budgetBytes: number | undefined
  readonly room: RelayingRoom
}

/** Takes connections that others have made to us through a relay. */
export type OnRelayed = (fromId: string, connection: TcpConnection, relayId: string) => void

const ANSWER_TIMEOUT_MS = 5_000

export class Relaying {
  readonly #options: RelayingOptions
  readonly #carrier: Carrier
  readonly #desk: RelayDesk | undefined
  readonly #budget: RelayBudget | undefined
  /** Peers who want to be told of others by this volunteer. */
  readonly #audience = new Set<string>()
  readonly #topics: LetterTopics
  /** As a rendezvous for our own traversals. */
  readonly commonPeers: CommonPeers
  readonly #notices: Notices
  #onRelayed: OnRelayed | undefined

  constructor(options: RelayingOptions) {
    this.#options = options
    const { clock, key, service, budgetBytes, room } = options
    this.#notices = new Notices(clock)
    this.#topics = new LetterTopics(clock, key, service)
    const ways = {
      peerIds: () => this.#here().map(({ id }) => id),
      hand: (id: string, letter: unknown) => this.#ask(id, CARRIED, letter),
      askToCarry: (id: string, letter: unknown) => this.#ask(id, CARRY, letter),
    }
    this.commonPeers = new CommonPeers(clock, this.#topics, ways)
    this.#carrier = new Carrier(clock, this.#topics, budgetBytes === undefined ? undefined : this.#audience, ways)
    if (budgetBytes === undefined) return
    this.#budget = new RelayBudget(budgetBytes, {
      onWarning: error => room.onWarning(error),
      onSpent: error => {
        room.onWarning(error)
        this.#desk!.endAll(error)
      },
    })
    this.#desk = new RelayDesk(this.#budget, {
      isDirect: id => isDirect(room.peer(id)),
      openRelayed: (id, fromId) => room.peer(id)!.messenger.open(RELAYED, encodeValue({ from: fromId }), undefined),
      onRelay: (state, pair) => room.onRelay(state, pair),
    })
  }

  /** What this room relays, and has relayed since it began. */
  get pairs(): readonly RelayedPair[] {
    return this.#desk?.pairs ?? []
  }

  get relayedBytes(): number {
    return this.#budget?.usedBytes ?? 0
  }

  /** From now on what others offer is used. */
  listen(onRelayed: OnRelayed): void {
    this.#onRelayed = onRelayed
  }

  /** Our own answer to a question of this name, where it is one of ours. */
  answerer(name: string): AnswerFunction<Peer> | undefined {
    if (name === CARRY) return (question, { from }) => this.#carrier.carry(question, from.id)
    if (!this.#onRelayed) return undefined
    if (name === CARRIED) return (question, { from }) => this.commonPeers.onLetter(readLetter(question), from.id)
    if (name === GONE) return (question, { from }) => this.commonPeers.onGone(readId(question, 'id'), from.id)
    if (name === VOLUNTEER) return (_, { from }) => this.commonPeers.onVolunteer(from.id)
    return undefined
  }

  acceptor(name: string): AcceptFunction<Peer> | undefined {
    const desk = this.#desk
    if (name === RELAY && desk) return stream => desk.relay(stream, stream.from.id, stream.header)
    const onRelayed = this.#onRelayed
    if (name !== RELAYED || !onRelayed) return undefined
    return stream => {
      const fromId = readId(stream.header, 'from')
      onRelayed(fromId, this.#connection(stream, stream.from), stream.from.id)
    }
  }

  /** A connection through one of our peers, as far as it relays and the other one is there. */
  connect(relayId: string, toId: string): TcpConnection | undefined {
    const relay = this.#options.room.peer(relayId)
    if (!relay || !isDirect(relay)) return undefined
    try {
      const stream = relay.messenger.open(RELAY, encodeValue({ to: toId }), undefined)
      return this.#connection(stream, relay)
    } catch (error) {
      // The program has as many streams to it as there may be.
      if (error instanceof EarshotError) return undefined
      throw error
    }
  }

  onPeer(peer: Peer): void {
    if (!this.#desk) return
    // It is told once, and may be away just now.
    this.#ask(peer.id, VOLUNTEER, undefined, Number.POSITIVE_INFINITY).then(
      () => this.#audience.add(peer.id),
      () => {}, // It does not look for others.
    )
  }

  /** What is sent to the peer leaves on another path. */
  onPath(peer: Peer): void {
    if (!isDirect(peer)) this.#desk?.endOf(peer.id)
  }

  onPeerGone(id: string): void {
    // It may have gone without a word, and of those who go by themselves few words arrive.
    if (this.#audience.delete(id))
      for (const to of this.#carrier.takeCopies()) this.#ask(to, GONE, { id }).catch(() => {})
    this.#topics.forget(id)
    this.commonPeers.onPeerGone(id)
  }

  #connection(stream: ByteStream, relay: Peer): StreamConnection {
    return new StreamConnection(stream, endsOf(relay), ({ reason }) => {
      if (reason !== 'limit-reached') return
      this.#notices.report(relay.id, () => this.#options.room.onWarning(exhausted(relay)))
    })
  }

  #here(): Peer[] {
    return [...this.#options.room.peers()].filter(({ state }) => state === 'here')
  }

  async #ask(id: string, name: string, question: unknown, timeoutMs: number = ANSWER_TIMEOUT_MS): Promise<unknown> {
    const peer = this.#options.room.peer(id)
    if (!peer) return undefined
    return peer.messenger.ask(name, encodeValue(question), { timeoutMs, signal: undefined })
  }
}

function isDirect(peer: Peer | undefined): boolean {
  return peer?.state === 'here' && peer.messenger.session.path.connection.route.kind !== 'relay'
}

function exhausted({ name }: Peer): EarshotError {
  return new EarshotError('limit-reached', `the relay '${name}' relays no more: its budget or its places are used up`, {
    hint: 'Another relay, or a direct path, keeps the connection.',
  })
}

function endsOf({ messenger }: Peer): Pick<TcpConnection, 'local' | 'remote'> {
  const { local, remote } = messenger.session.path.connection
  return { local, remote }
}
