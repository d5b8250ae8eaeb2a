/**
 * A room: the peers of one service, found, connected and kept. This class is the composition root: it wires discovery,
 * the listener, sessions and messages together, owns every resource, and closes them in reverse order.
 *
 *     discovery ─ sightings ─► seeker ─ dials ─┐
 *     listener ─ connections ──────────────────┴─► reception ─► membership ─► message hub ─► listeners
 */

import type { Discovery, DiscoveryHandlers, Sighting } from '../discovery/discovery.ts'
import { type Disposer, Emitter, type OnceOptions } from '../emitter.ts'
import type { EarshotError } from '../errors.ts'
import { parsePeerId } from '../identity/peer-id.ts'
import { MAX_INFO_BYTES, MAX_WARNING_BACKLOG } from '../limits.ts'
import { Deadlines } from '../messaging/deadlines.ts'
import type { AnswerFunction } from '../messaging/received-questions.ts'
import type { StandardSchemaV1 } from '../messaging/standard-schema.ts'
import type { AcceptedStream, AcceptFunction } from '../messaging/streams.ts'
import type { ConnectivityReport } from '../nat/ice/agent.ts'
import type { TcpConnection, TcpListener } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'
import type { RendezvousHealth } from '../rendezvous/rendezvous.ts'
import { DatagramSockets } from '../session/datagram/datagram-sockets.ts'
import { HandshakeParty } from '../session/handshake-party.ts'
import { type Hello, INSTANCE_BYTES, type SessionOffer } from '../session/hello.ts'
import type { RouteKind } from '../session/route.ts'
import type { SecureConnection } from '../session/secure-connection.ts'
import type { SessionEnd } from '../session/session.ts'
import { Admission } from './admitting/admission.ts'
import { type KnownSession, Reception } from './admitting/reception.ts'
import { ToldRefusals } from './admitting/told-refusals.ts'
import { type AskAllAnswer, askEach } from './ask-all.ts'
import { Channel } from './channel.ts'
import { formatAddress } from './connecting/address.ts'
import { Connector } from './connecting/connector.ts'
import { hasEnded } from './connecting/ended-peer.ts'
import { OwnAddresses } from './connecting/own-addresses.ts'
import { SecondPath } from './connecting/second-path.ts'
import { Seeker } from './connecting/seeker.ts'
import { discoveryBy, type Way } from './connecting/ways.ts'
import type { RoomEvents, SeenPeer } from './events.ts'
import { FileSender, TRANSFER_STREAM } from './file-sender.ts'
import { Inbox, type InboxEvents } from './inbox.ts'
import type { Internet, InternetOptions } from './internet/internet.ts'
import { parseJson } from './json.ts'
import { Membership } from './membership.ts'
import { MessageHub } from './message-hub.ts'
import type {
  AskOptions,
  ConnectAnswer,
  ConnectOffer,
  ConnectOptions,
  Delivery,
  GoneCode,
  InboxOptions,
  Json,
  PeerPath,
  PeerRef,
  PeerState,
  SendOptions,
} from './options.ts'
import {
  askLimits,
  checkDelivery,
  checkDuration,
  checkEventType,
  checkInbox,
  checkJson,
  checkLabel,
  checkSignal,
  checkVisible,
  type RoomOptions,
} from './options-check.ts'
import type { Peer } from './peer.ts'
import { letterKey } from './relaying/letter-topics.ts'
import type { RelayedPair } from './relaying/relay-desk.ts'
import { Relaying } from './relaying/relaying.ts'
import { leftError, Sender } from './sender.ts'

/** After a kick without a ban, or a violation of the protocol, neither side dials the other by itself for this long. */
const PAUSE_MS = 60_000
/** A year: "for ever" on the wire. */
const LONGEST_BAN_MS = 365 * 24 * 3_600_000

// biome-ignore lint: channels of all types in one map
type AnyChannel = Channel<any, any>

export interface ChannelOptions<Input, Output> {
  /** Any Standard Schema (Zod, Valibot, ArkType, …), checked where messages are sent and where they arrive. */
  readonly schema?: StandardSchemaV1<Input, Output>
  /** How its messages are sent where `send` does not say. @default 'reliable' */
  readonly delivery?: Delivery
}

export interface RoomParts {
  readonly platform: Platform
  readonly hold: () => () => void
  /** Of the secret, for the handshake. */
  readonly psk: Uint8Array | undefined
  readonly ways: readonly Way[]
  /** Undefined in a room that stays on its networks. */
  readonly internet: RoomInternet | undefined
}

export interface RoomInternet {
  make(options: Omit<InternetOptions, 'settings' | 'roomKey'>): Internet
}

export class Room implements AsyncDisposable {
  /** Who this program is in the room. */
  readonly self: { readonly id: string; readonly name: string }
  /** Resolves when the room is left, with the reason; never rejects. */
  readonly closed: Promise<unknown>

  readonly #platform: Platform
  /** Keeps the process from ending until the returned function is called: leaving waits when no socket is open. */
  readonly #hold: () => () => void
  readonly #options: RoomOptions
  readonly #instance: Uint8Array
  readonly #deadlines: Deadlines
  readonly #emitter: Emitter<RoomEvents>
  readonly #hub: MessageHub
  readonly #sockets = new DatagramSockets()
  readonly #addresses: OwnAddresses
  readonly #admission: Admission
  readonly #membership: Membership
  readonly #reception: Reception
  readonly #seeker: Seeker
  readonly #secondPath: SecondPath
  readonly #connector: Connector
  readonly #discovery: Discovery
  readonly #sender: Sender
  readonly #fileSender: FileSender
  readonly #relaying: Relaying
  readonly #answers = new Map<string, AnswerFunction<Peer>>()
  readonly #acceptors = new Map<string, AcceptFunction<Peer>>()
  readonly #channels = new Map<string, AnyChannel[]>()
  readonly #warnings: EarshotError[] = []
  readonly #refusals = new ToldRefusals(error => this.#warn(error))
  readonly #onAbort = (): void => void this.#leave(this.#options.signal?.reason, 'at once')
  #internet: Internet | undefined
  #inbox: Inbox | undefined
  #listener: TcpListener | undefined
  #info: string
  #isVisible: boolean
  #unwatch: (() => void) | undefined
  #leaving: Promise<void> | undefined
  #resolveClosed!: (reason: unknown) => void

  /** @internal Resolves when the room is listening and advertising. */
  static async open(options: RoomOptions, parts: RoomParts): Promise<Room> {
    options.signal?.throwIfAborted()
    const room = new Room(options, parts)
    try {
      await room.#start()
    } catch (error) {
      await room.#leave(error, 'at once')
      throw error
    }
    return room
  }

  private constructor(options: RoomOptions, { platform, hold, psk, ways, internet }: RoomParts) {
    const { clock, random, network } = platform
    const { identity, service } = options
    const selfId = identity.id
    this.self = { id: selfId, name: options.name }
    this.closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    this.#platform = platform
    this.#hold = hold
    this.#options = options
    this.#info = options.info
    this.#isVisible = options.visible
    this.#instance = random.bytes(INSTANCE_BYTES)
    this.#addresses = new OwnAddresses(network, options.interfaces)
    this.#deadlines = new Deadlines(clock)
    this.#emitter = new Emitter<RoomEvents>(clock, type => this.#replay(type))
    this.#hub = new MessageHub({
      emitMessage: message => this.#emitter.emit('message', message),
      warn: error => this.#warn(error),
    })
    const room = {
      selfId,
      countOthers: (id: string) => this.#membership.countOthers(id) + this.#reception.countPromised(id),
      onWarning: (error: EarshotError) => this.#warn(error),
    }
    this.#admission = new Admission(clock, room, options)
    const key = letterKey(psk, service)
    this.#relaying = new Relaying({
      clock,
      service,
      key,
      budgetBytes: options.relayBudgetBytes,
      room: {
        peers: () => this.#membership.peers,
        peer: id => this.#membership.get(id),
        onRelay: (state, pair) => this.#leaving || this.#emitter.emit('relay', { ...pair, state }),
        onWarning: error => this.#warn(error),
      },
    })
    this.#membership = new Membership({
      clock,
      deadlines: this.#deadlines,
      room: this.#peerRoom(),
      sockets: this.#sockets,
      options: {
        selfId,
        awayTimeoutMs: options.awayTimeoutMs,
        rank: local => this.#addresses.rankOf(local.address),
        networkOf: ({ local }) => this.#addresses.networkOf(local.address),
      },
      events: {
        onPeer: peer => this.#onPeer(peer),
        onGone: (peer, code, reason, end) => this.#onGone(peer, code, reason, end),
        // Whoever leaves has stopped listening: nothing is told from then on.
        onState: (peer, state, was) => this.#leaving || this.#onState(peer, state, was),
        onPath: peer => this.#leaving || this.#onPath(peer),
        onWake: () => this.#onNetworkChange(true),
        onMessage: (...message) => this.#leaving || this.#hub.onMessage(...message),
        answerer: name => this.#answers.get(name) ?? this.#relaying.answerer(name),
        acceptor: name => (this.#leaving ? undefined : (this.#acceptors.get(name) ?? this.#relaying.acceptor(name))),
      },
    })
    const party = new HandshakeParty({ identity, service, psk, random })
    this.#reception = new Reception(clock, party, this.#admission, {
      selfId,
      hello: (session, connection) => this.#hello(session, connection),
      sessionWith: id => knownSession(this.#membership, id),
      onGreeted: greeted => this.#membership.greeted(greeted),
      hasParted: id => this.#membership.hasParted(id),
      goodbyeFor: (id, offer) => this.#membership.goodbyeFor(id, offer),
      onSessionRefused: (id, goodbye) => this.#membership.onSessionRefused(id, goodbye),
    })
    this.#discovery = discoveryBy(
      ways,
      {
        service,
        platform,
        chooseInterfaces: all => this.#addresses.choose(all),
        handlers: {
          onSighting: sighting => this.#onSighting(sighting),
          onLost: id => this.#onLost(id),
          onWarning: error => this.#warn(error),
        },
      },
      internet && (discovery => this.#newInternet(internet, key, discovery)),
    )
    this.#connector = new Connector({
      clock,
      network,
      reception: this.#reception,
      deadlines: this.#deadlines,
      room: {
        peer: id => this.#membership.get(id),
        peers: () => [...this.#membership.peers],
        sightings: () => this.#seeker.sightings,
        nextPeer: (accepts, limits) => this.#emitter.once('peer', limits, accepts),
        nextSighting: async (accepts, limits) => {
          const { id } = await this.#emitter.once('found', limits, accepts)
          return this.#seeker.sighting(id)!
        },
      },
      far: this.#internet,
    })
    this.#sender = new Sender(this.#deadlines, {
      isOpen: () => this.#leaving === undefined,
      everybody: () => this.#membership.peers,
      targets: to => this.#connector.targets(to),
    })
    this.#fileSender = new FileSender(clock, platform.files, {
      openStream: (peer, name) => peer.openStream(name),
      peerAgain: async (id, timeoutMs, signal) =>
        this.#membership.get(id) ?? (await this.#emitter.once('peer', { timeoutMs, signal }, peer => peer.id === id)),
      warn: error => this.#warn(error),
    })
    this.#seeker = new Seeker(clock, random, {
      selfId,
      isVisible: () => this.#isVisible,
      presence: id => this.#membership.get(id)?.messenger.session.presence,
      mayJoin: id => this.#admission.mayJoin(id),
      dialPeer: (id, sighting) => this.#connector.dialPeer(id, sighting),
      dialAddress: address => this.#connector.dialAddress(address),
      onDialFailed: (key, id, error) => this.#onDialFailed(key, id, error),
    })
    this.#secondPath = new SecondPath(clock, random, {
      selfId,
      peers: () => this.#membership.peers,
      sighting: id => this.#seeker.sighting(id),
      interfaces: () => this.#addresses.choose(network.interfaces()),
      dial: (id, addresses) => this.#connector.dialPath(id, addresses),
    })
  }

  // Who is here -------------------------------------------------------------------------------------------------------

  /** The connected peers, now. */
  get peers(): Peer[] {
    return [...this.#membership.peers]
  }

  /** The connected peer of this id, short id, or name; undefined where there is none, or several bear the name. */
  peer(idOrName: string): Peer | undefined {
    return this.#connector.connected(idOrName)
  }

  /** Own addresses as `'ip:port'`, for the `connect` and `peers` of others. */
  get addresses(): string[] {
    const local = this.#listener?.local
    return local ? this.#addresses.forOthers(local) : []
  }

  /** The brokers of `internet.rendezvous`, in the order in which they were given: which are up, since when, and why not. */
  get rendezvous(): readonly RendezvousHealth[] {
    return this.#internet?.health ?? []
  }

  /** Bytes that have gone through relays, in both directions, of `internet.relayBudgetBytes`. */
  get relayedBytes(): number {
    return this.#internet?.relayedBytes ?? 0
  }

  /** What this room relays at present as a volunteer, and how much it has relayed altogether. */
  get relayed(): { readonly pairs: readonly RelayedPair[]; readonly bytes: number } {
    return { pairs: this.#relaying.pairs, bytes: this.#relaying.relayedBytes }
  }

  /**
   * What was tried to reach a peer over the Internet: every pair of candidates with its result and time, both NATs, and what
   * would make the path direct. Undefined where nothing was tried. Takes an id, since who was not reached is no peer.
   */
  connectivity(id: string): ConnectivityReport | undefined {
    return this.#internet?.report(id)
  }

  // What happens ------------------------------------------------------------------------------------------------------

  /**
   * Calls `listener` for every event of this type, until what is returned is called or disposed. Late listeners miss
   * nothing: `peer` and `found` begin with those present, `message` with the messages that waited for a listener.
   */
  on<K extends keyof RoomEvents>(type: K, listener: (event: RoomEvents[K]) => void): Disposer {
    checkEventType(type)
    if (typeof listener !== 'function') throw new TypeError(`on takes a function, not ${String(listener)}`)
    const disposer = this.#emitter.on(type, listener)
    if (type === 'message') this.#hub.onListening()
    return disposer
  }

  /**
   * The next event of this type, as a promise; for `peer` one who is present already. Rejects with `timeout`,
   * `signal.reason`, or `closed` when the room is left.
   */
  async once<K extends keyof RoomEvents>(type: K, options: OnceOptions = {}): Promise<RoomEvents[K]> {
    checkEventType(type)
    if (options.timeoutMs !== undefined) checkDuration('timeoutMs', options.timeoutMs)
    checkSignal(options.signal)
    const event = this.#emitter.once(type, options)
    if (type === 'message') this.#hub.onListening()
    return event
  }

  // Talking -----------------------------------------------------------------------------------------------------------

  /**
   * Sends a message: text, bytes (`Uint8Array`), or a value of JSON's types, Map, Set, Date, BigInt and typed arrays.
   * Resolves when flow control has accepted it, with `receipt: true` when every receiving application has it. Bytes
   * must not be changed before that. Rejects with `closed`, `limit-reached`, `unknown-peer`, `signal.reason`, or a
   * TypeError for what cannot be sent.
   */
  send(data: unknown, options: SendOptions = {}): Promise<void> {
    return this.#sender.send('', data, options)
  }

  /** A named channel with its own order, listeners and, where given, schema. */
  channel<Input = unknown, Output = Input>(
    name: string,
    { schema, delivery = 'reliable' }: ChannelOptions<Input, Output> = {},
  ): Channel<Input, Output> {
    checkLabel('the name of the channel', name)
    checkDelivery(delivery)
    const known = this.#channels.get(name)?.find(other => other.schema === schema && other.delivery === delivery)
    if (known) return known as Channel<Input, Output>
    const channel = new Channel<Input, Output>({
      name,
      schema,
      delivery,
      room: {
        send: (label, data, options) => this.#sender.send(label, data, options),
        onListening: () => this.#hub.onListening(),
        onUnread: message => this.#hub.onUnread(message),
        warn: error => this.#warn(error),
      },
      emitter: new Emitter(this.#platform.clock, () => []),
    })
    this.#hub.addConsumer(name, channel)
    this.#channels.set(name, [...(this.#channels.get(name) ?? []), channel as AnyChannel])
    return channel
  }

  /**
   * Answers the questions of this name. `fn` returns the answer, a promise of it, or an async iterable for askers that
   * use `askStream`. What it throws reaches the asker as `answer-failed`. The returned function takes it back.
   */
  answer<Question = unknown>(
    name: string,
    fn: (question: Question, context: { readonly from: Peer; readonly signal: AbortSignal }) => unknown,
  ): Disposer {
    checkLabel('the name of the question', name)
    if (typeof fn !== 'function') throw new TypeError('answer takes a function')
    if (this.#answers.has(name)) throw new RangeError(`'${name}' is answered already in this room`)
    return register(this.#answers, name, fn as AnswerFunction<Peer>)
  }

  /**
   * Takes the streams of this name that peers open with `peer.open`. `fn` gets the two halves; a half that it does not
   * use it should close or cancel, or the stream stays open. What it throws, or its promise rejects with, resets the
   * stream, and reaches the opener as `reset` with `reason`. The returned function takes it back; streams that are open
   * stay. Streams that nobody accepts fail with `no-answer`.
   */
  accept<Header = unknown>(name: string, fn: (stream: AcceptedStream<Peer, Header>) => unknown): Disposer {
    checkLabel('the name of the stream', name)
    if (typeof fn !== 'function') throw new TypeError('accept takes a function')
    if (this.#acceptors.has(name)) throw new RangeError(`streams called '${name}' are accepted already in this room`)
    return register(this.#acceptors, name, fn as AcceptFunction<Peer>)
  }

  /**
   * Takes files and folders that peers send with `peer.sendFile` into a folder, which is made where there is none. Nothing
   * leaves it, is followed out of it, or stands there under its name before it is complete and checked; nothing is
   * overwritten unless `overwrite` says so. `docs/files.md` tells what names become. There is one inbox at a time.
   */
  inbox(dir: string, options: InboxOptions = {}): Inbox {
    const checked = checkInbox(dir, options)
    if (this.#inbox) throw new RangeError('this room has an inbox already; close() it first')
    const { clock, files } = this.#platform
    const inbox = new Inbox(dir, checked, {
      clock,
      files,
      emitter: new Emitter<InboxEvents>(clock, () => []),
      warn: error => this.#warn(error),
      onClose: () => {
        accepting()
        this.#inbox = undefined
      },
    })
    const accepting = register(this.#acceptors, TRANSFER_STREAM, (stream: AcceptedStream<Peer>) =>
      inbox.onStream(stream, stream.from),
    )
    this.#inbox = inbox
    return inbox
  }

  /**
   * Asks one peer. Rejects with `timeout`, `answer-failed` (see `reason`), `no-answer`, `unknown-peer`, `closed`, or
   * `signal.reason`; giving up reaches the answering function.
   */
  async ask(peer: PeerRef, name: string, question?: unknown, options: AskOptions = {}): Promise<unknown> {
    return this.#connector.target(peer).ask(name, question, options)
  }

  /** Asks for an answer that comes in parts. `timeoutMs` counts for each part. */
  askStream(peer: PeerRef, name: string, question?: unknown, options: AskOptions = {}): AsyncIterableIterator<unknown> {
    return this.#connector.target(peer).askStream(name, question, options)
  }

  /** Asks several peers, by default all, and yields their answers as they come: one for each peer asked. */
  askAll(
    name: string,
    question?: unknown,
    { to, ...options }: AskOptions & { readonly to?: PeerRef | readonly PeerRef[] } = {},
  ): AsyncIterableIterator<AskAllAnswer> {
    askLimits(name, options)
    return askEach(this.#connector.targets(to), name, question, options)
  }

  // Coming and going --------------------------------------------------------------------------------------------------

  /**
   * Connects to `'ip:port'`, to a peer's id, or to a name that is unique among those seen. Resolves with the peer who
   * is connected already, too. Rejects with `attempts`: each address tried, how long, and why it failed; a peer that
   * denies gives `refused` with `reason` and `retryAfterMs`.
   */
  async connect(target: string, options: ConnectOptions = {}): Promise<Peer> {
    if (this.#leaving) throw leftError()
    return this.#connector.connect(target, options)
  }

  /**
   * Makes the first of two texts by which two people connect their programs without any server: the other program makes the
   * `answerOffer` of it, and `accept` takes that. Resolves in a second or two, when all is known that can be told. Needs `internet`,
   * which may be `{}`; without `stun` the other side must be in the same LAN, or this machine have a public address. Who reads the
   * texts learns addresses, and could answer instead of the one they are for: look at `peer.id`, or use a `secret`.
   * Rejects with `limit-reached` or `no-network`; `signal` gives the offer up until the peer is there.
   */
  async offer({ signal }: { readonly signal?: AbortSignal } = {}): Promise<ConnectOffer> {
    return this.#offers().make(signal)
  }

  /**
   * Answers the offer of another program, by its text: brought back, the answer's own text connects the two. Looks for the other
   * side from now on, for ten minutes. Rejects with `invalid-data` for what is no offer, `wrong-service`, `timeout` or `clock-skew`
   * for one that is too old or from the future, `refused`, `limit-reached`.
   */
  async answerOffer(offer: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<ConnectAnswer> {
    return this.#offers().answer(offer, signal)
  }

  /**
   * Lets nobody new in, nor looks for anybody. Those present stay, and may come back after a broken link,
   * but not after a kick, or once they have left.
   */
  lock(): void {
    this.#admission.lock([...this.#membership.peers].map(({ id }) => id))
    this.#reception.dismissRefused()
  }

  /** Ends `lock`, and looks for peers again. */
  unlock(): void {
    this.#admission.unlock()
    this.#seeker.retryAll()
  }

  /** Whether the room is advertised to those who look for it. */
  get visible(): boolean {
    return this.#isVisible
  }

  set visible(visible: boolean) {
    this.#isVisible = checkVisible(visible)
    this.#advertise()
  }

  /** Changes the public data of this peer: at most 400 bytes of JSON. */
  setInfo(info: Json | undefined): void {
    this.#info = checkJson('info', info, MAX_INFO_BYTES)
    this.#advertise()
    for (const peer of this.#membership.peers) peer.messenger.session.info(this.#info)
  }

  /** Leaves: goodbyes are sent, queues flushed for at most a second, every resource freed. Idempotent. */
  close(): Promise<void> {
    return this.#leave(undefined, 'politely')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // Starting and leaving ----------------------------------------------------------------------------------------------

  async #start(): Promise<void> {
    const { listen, signal, peers } = this.#options
    this.#listener = await this.#platform.network.listenTcp(listen, tcp => this.#onConnection(tcp))
    await this.#sockets.open(this.#platform.network, this.#listener.local)
    this.#reception.prepare()
    this.#unwatch = this.#platform.network.watchInterfaces(() => this.#onNetworkChange(false))
    await this.#discovery.start()
    this.#advertise()
    for (const peer of peers) {
      if (parsePeerId(peer)) this.#internet?.watch(peer)
      else this.#seeker.addAddress(peer)
    }
    signal?.throwIfAborted()
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  #newInternet({ make }: RoomInternet, key: Uint8Array, discovery: DiscoveryHandlers): Internet {
    const { identity, service } = this.#options
    this.#internet = make({
      platform: this.#platform,
      identity,
      name: this.self.name,
      service,
      discovery,
      letterKey: key,
      room: {
        selfId: this.self.id,
        mayJoin: id => this.#admission.mayJoin(id),
        peer: id => this.#membership.get(id),
        connection: id => connectionOf(this.#membership.get(id)),
        probe: id => this.#membership.get(id)?.messenger.session.probe(),
        introduce: (id, { connection, ...meeting }) =>
          this.#reception.meet(
            connection,
            { ...meeting, expectedId: id, wantsPath: true, onRemoteId: ignore },
            new AbortController().signal,
          ),
        relaying: this.#relaying,
        onWarning: error => this.#warn(error),
      },
    })
    return this.#internet
  }

  #offers(): Internet['offers'] {
    if (this.#leaving) throw leftError()
    if (!this.#internet) throw new RangeError('offers need `internet` in the options of join; it may be {}')
    return this.#internet.offers
  }

  #leave(reason: unknown, manner: 'politely' | 'at once'): Promise<void> {
    this.#leaving ??= this.#doLeave(manner).then(() => this.#resolveClosed(reason))
    return this.#leaving
  }

  async #doLeave(manner: 'politely' | 'at once'): Promise<void> {
    const release = this.#hold()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#unwatch?.()
    this.#seeker.close()
    this.#secondPath.close()
    this.#connector.close()
    this.#reception.close()
    // The other sides are told, before the goodbye.
    const transfers = [this.#fileSender.close(), this.#inbox?.close()]
    try {
      // Connections that go through it carry the goodbyes.
      const farewells = this.#membership.close(manner)
      const discovery = this.#internet ? farewells.then(() => this.#discovery.close()) : this.#discovery.close()
      await Promise.all([farewells, discovery, this.#listener?.close()])
      await Promise.all(transfers)
    } finally {
      this.#sockets.close()
      this.#deadlines.close()
      for (const channel of [...this.#channels.values()].flat()) channel.close()
      this.#emitter.close(leftError())
      release()
    }
  }

  // What the parts tell -----------------------------------------------------------------------------------------------

  #onConnection(tcp: TcpConnection): void {
    if (!this.#addresses.mayBeCalledAt(tcp.local.address)) tcp.destroy()
    else this.#reception.accept(tcp)
  }

  #onNetworkChange(hasSlept: boolean): void {
    this.#membership.onNetworkChange(({ address }) => this.#addresses.isOwn(address))
    this.#internet?.onNetworkChange(hasSlept)
    this.#seeker.onNetworkChange()
    this.#secondPath.onNetworkChange()
  }

  #onPeer(peer: Peer): void {
    this.#refusals.onConnected(peer.id, formatAddress(peer.messenger.session.path.connection.remote))
    this.#emitter.emit('peer', peer)
    this.#relaying.onPeer(peer)
    this.#internet?.onPeer(peer.id)
    this.#secondPath.lookSoon()
  }

  #onState(peer: Peer, state: PeerState, was: PeerState): void {
    this.#emitter.emit('peer-state', { peer, state, was })
    if (state === 'quiet' || state === 'away') this.#seeker.onPeerMissed(peer.id)
  }

  #onPath(peer: Peer): void {
    this.#emitter.emit('path', { peer, path: this.#path(peer) })
    this.#relaying.onPath(peer)
    this.#internet?.onPath(peer.id)
  }

  #onDialFailed(key: string, id: string | undefined, error: unknown): void {
    this.#refusals.onFailed(key, this.#seeker.sighting(key)?.name ?? key, error)
    // A peer that is away, and whose machine says that no program is there any more, has ended.
    const peer = id === undefined ? undefined : this.#membership.get(id)
    if (peer && hasEnded(peer, error, this.#platform.clock.now()))
      this.#membership.giveUp(peer, 'the program has ended')
  }

  #onSighting(sighting: Sighting): void {
    const isPeer = this.#membership.get(sighting.id) !== undefined
    if (isPeer) this.#secondPath.lookSoon()
    if (this.#seeker.onSighting(sighting) && !isPeer) {
      this.#emitter.emit('found', seenPeer(sighting))
    }
  }

  #onLost(id: string): void {
    const sighting = this.#seeker.sighting(id)
    if (!sighting) return
    this.#seeker.onLost(id)
    if (!this.#membership.get(id)) this.#emitter.emit('lost', seenPeer(sighting))
  }

  #onGone(peer: Peer, code: GoneCode, reason: string, end: SessionEnd): void {
    // Who leaves has not lost the others: `closed` tells of that.
    if (this.#leaving) return
    // The link did not break: whoever went like this does not come back through a lock.
    if (code === 'closed' || code === 'kicked') this.#admission.forget(peer.id)
    this.#emitter.emit('peer-gone', { peer, code, reason })
    const sighting = this.#seeker.sighting(peer.id)
    if (sighting && code !== 'closed' && !this.#leaving) this.#emitter.emit('found', seenPeer(sighting))
    this.#seeker.onPeerGone(peer.id, pauseAfter(end))
    this.#secondPath.onPeerGone(peer.id)
    this.#relaying.onPeerGone(peer.id)
    this.#internet?.onPeerGone(peer.id)
    if (this.#membership.size === this.#admission.maxPeers - 1) this.#seeker.retryAll()
  }

  #replay<K extends keyof RoomEvents>(type: K): Iterable<RoomEvents[K]> {
    const events: { readonly [E in keyof RoomEvents]?: () => RoomEvents[E][] } = {
      peer: () => this.peers,
      found: () => [...this.#seeker.sightings].filter(({ id }) => !this.#membership.get(id)).map(seenPeer),
      warning: () => this.#warnings.splice(0),
    }
    return events[type]?.() ?? []
  }

  #warn(error: EarshotError): void {
    if (this.#emitter.emit('warning', error)) return
    this.#warnings.push(error)
    if (this.#warnings.length > MAX_WARNING_BACKLOG) this.#warnings.shift()
  }

  // What the parts ask ------------------------------------------------------------------------------------------------

  #peerRoom(): ConstructorParameters<typeof Peer>[3] {
    return {
      send: (data, options) => this.#sender.send('', data, options),
      sendTo: (peer, data) => this.#sender.sendTo(peer, data),
      sendLossyTo: (peer, data, delivery) => this.#sender.sendLossyTo(peer, data, delivery),
      sendFile: (peer, what, options) => this.#fileSender.send(peer, what, options),
      path: peer => this.#path(peer),
      now: () => this.#platform.clock.now(),
      kick: (peer, reason, banMs) => {
        if (banMs > 0) this.#admission.ban(peer.id, banMs)
        const retryAfterMs = Math.ceil(Math.min(banMs || PAUSE_MS, LONGEST_BAN_MS))
        this.#reception.dismiss(peer.id, { code: 'kicked', reason, retryAfterMs })
        return this.#membership.part(peer, 'kicked', reason, retryAfterMs)
      },
    }
  }

  #hello(session: SessionOffer | undefined, { route, local }: SecureConnection): Hello {
    return {
      instance: this.#instance,
      session,
      port: this.#listener?.local.port ?? 0,
      name: this.self.name,
      info: this.#info,
      hello: this.#options.hello,
      udpPort: this.#sockets.port,
      network: route.kind === 'lan' ? this.#addresses.networkOf(local.address) : 0,
    }
  }

  #advertise(): void {
    const { service } = this.#options
    const port = this.#listener?.local.port
    if (port === undefined || this.#leaving) return
    const advert = { service, ...this.self, info: this.#info, port }
    this.#discovery.advertise(this.#isVisible ? advert : undefined)
  }

  #path(peer: Peer): PeerPath {
    const { session } = peer.messenger
    const { local, remote, route } = session.path.connection
    return {
      kind: this.#addresses.kindOf(route.kind, remote.address),
      transport: route.transport,
      relay: route.relay,
      local: formatAddress(local),
      remote: formatAddress(remote),
      interface: this.#addresses.interfaceOf(local.address)?.name,
      rttMs: session.rttMs,
    }
  }
}

function connectionOf(peer: Peer | undefined): RouteKind | 'none' | undefined {
  if (!peer) return undefined
  return peer.state === 'here' ? peer.messenger.session.path.connection.route.kind : 'none'
}

function knownSession(membership: Membership, id: string): KnownSession | undefined {
  const peer = membership.get(id)
  if (!peer) return undefined
  const { instance, since, messenger } = peer
  const { session } = messenger
  const { offer, isFull } = session
  const isHere = peer.state === 'here'
  const takesPath: KnownSession['takesPath'] = (connection, remote) =>
    session.takesPath(connection, membership.networksOf(connection, remote))
  return { instance, since, offer, isFull, isHere, takesPath }
}

/** Puts `fn` under its name, until the returned function is called. */
function register<Fn>(table: Map<string, Fn>, name: string, fn: Fn): Disposer {
  table.set(name, fn)
  const off = () => {
    if (table.get(name) === fn) table.delete(name)
  }
  return Object.assign(off, { [Symbol.dispose]: off })
}

function seenPeer({ id, name, info, addresses, via }: Sighting): SeenPeer {
  return { id, name, info: parseJson(info), addresses: addresses.map(formatAddress), via }
}

/** How long to keep away from a peer after the end of its session: until it is seen anew, where that is Infinity. */
function pauseAfter({ code, byPeer, retryAfterMs }: SessionEnd): number {
  // Who kicks says for how long.
  if (code === 'kicked' && byPeer) return Math.min(retryAfterMs, LONGEST_BAN_MS)
  if (code === 'closed' && byPeer) return Number.POSITIVE_INFINITY
  return code === 'kicked' || code === 'protocol-violation' || code === 'limit-reached' ? PAUSE_MS : 0
}

function ignore(): void {}
