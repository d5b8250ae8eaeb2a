/**
 * What a room does over the rendezvous: says that it is there, learns who else is, and exchanges short messages with single
 * peers, from which connections are made. It is a way of discovery like those on the LAN, and more.
 *
 * In a room with a secret everybody who has it is told of everybody. In one without, peers are told of those whose ids they
 * watch, where both watch each other; a message reaches whoever's id is known.
 *
 *     somebody comes:  announce, and who is there? ──► group        (again when a broker comes back)
 *     those there:     announce ──► the newcomer, or the group where many came
 *     all:             announce ──► group, 3 and 20 seconds later, then every ten minutes
 *     somebody goes:   leave ──► group
 */

import type { Advert, Discovery, DiscoveryHandlers } from '../discovery/discovery.ts'
import { EarshotError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { parsePeerId } from '../identity/peer-id.ts'
import {
  CLOSE_FLUSH_MS,
  MAX_BROKERS,
  MAX_DOUBTS_PER_SECOND,
  MAX_GROUP_MEMBERS,
  MAX_SIGNAL_BYTES,
  MAX_SIGNAL_SENDERS,
  MAX_SIGNALS_PER_SECOND_PER_SENDER,
  MAX_WATCHED_PEERS,
  PRESENCE_REFRESH_MS,
} from '../limits.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { Notices } from './notices.ts'
import { Paced } from './paced.ts'
import { encodeAnnouncement, INSTANCE_BYTES } from './presence-body.ts'
import { PresenceTable, type PresenceWay, type PresentPeer } from './presence-table.ts'
import type { RendezvousHealth } from './rendezvous.ts'
import type { RendezvousPool } from './rendezvous-pool.ts'
import { SignalChannel, type VerifiedSignal } from './signal-channel.ts'
import { TokenBucket, TokenBuckets } from './token-bucket.ts'

export interface SignallingHandlers extends DiscoveryHandlers {
  /** A peer appeared, was started again, or what is known of it changed. */
  onSighting(peer: PresentPeer): void
  /** From a peer that has proven its id, and in a room with a secret that it has the secret. `bytes` is the receiver's. */
  onMessage(fromId: string, bytes: Uint8Array): void
}

export interface SignallingOptions {
  readonly clock: Clock
  readonly random: Random
  readonly identity: Identity
  readonly service: string
  /** Of `deriveRoomKey`; undefined in a room without a secret. */
  readonly roomKey: Uint8Array | undefined
  /** Shared by as many rooms as like: whoever made it closes it, after them. */
  readonly rendezvous: Pick<RendezvousPool, 'publish' | 'subscribe' | 'watchHealth' | 'isUp'>
  readonly handlers: SignallingHandlers
  /** How sightings say that they came. @default 'rendezvous' */
  readonly via?: PresenceWay
}

/** So many are answered one by one; for more the group is told once. */
const MAX_SINGLE_ANSWERS = 8
/** Answers of a group are spread over so much for each member: 50 a second. */
const ANSWER_SPREAD_MS = 20
const REFRESH_JITTER = 0.1
/** Who comes says so again after these times: a broker may lose it, and the next time would be ten minutes later. */
const REPEAT_AFTER_MS = [3_000, 20_000]
const NOTHING = new Uint8Array(0)

export class Signalling implements Discovery {
  readonly #options: SignallingOptions
  readonly #instance: Uint8Array
  readonly #channel: SignalChannel
  readonly #presence: PresenceTable
  readonly #notices: Notices
  /** How fast single peers take messages. */
  readonly #receivers: TokenBuckets
  readonly #doubts: TokenBucket
  readonly #watched = new Set<string>()
  /** Who asked and has not been answered. */
  readonly #askers = new Set<string>()
  readonly #greeting: Paced
  readonly #announcing: Paced
  #answering: Timer | undefined
  #refreshing: Timer | undefined
  #repeating: readonly Timer[] = []
  #advert: Advert | undefined
  #stopWatchingHealth: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(options: SignallingOptions) {
    this.#options = options
    const { clock, random, identity, service, roomKey, rendezvous, handlers, via = 'rendezvous' } = options
    this.#instance = random.bytes(INSTANCE_BYTES)
    this.#channel = new SignalChannel({
      clock,
      random,
      identity,
      service,
      roomKey,
      rendezvous,
      handlers: { onSignal: signal => this.#onSignal(signal), onWarning: error => handlers.onWarning(error) },
    })
    this.#presence = new PresenceTable({
      clock,
      service,
      via,
      handlers,
      isDeaf: () => !rendezvous.isUp,
      onFull: () => this.#onFull(),
    })
    this.#notices = new Notices(clock)
    this.#receivers = new TokenBuckets({
      clock,
      perSecond: MAX_SIGNALS_PER_SECOND_PER_SENDER,
      burst: 4 * MAX_SIGNALS_PER_SECOND_PER_SENDER,
      maxKeys: MAX_SIGNAL_SENDERS,
    })
    this.#doubts = new TokenBucket({ clock, perSecond: MAX_DOUBTS_PER_SECOND, burst: 16 * MAX_DOUBTS_PER_SECOND })
    // Brokers that come up one after the other are greeted at once, one that comes and goes is not.
    this.#greeting = new Paced({ clock, perSecond: 0.2, burst: MAX_BROKERS }, () => this.#greet())
    this.#announcing = new Paced({ clock, perSecond: 1, burst: 4 }, () => this.#announce())
  }

  /** Who is there. */
  get peers(): readonly PresentPeer[] {
    return this.#presence.peers
  }

  /** Listens, and asks who is there as soon as a broker is up; does not wait for one. */
  async start(): Promise<void> {
    const { rendezvous } = this.#options
    this.#channel.start()
    this.#stopWatchingHealth = rendezvous.watchHealth(health => this.#onHealth(health))
    if (rendezvous.isUp) this.#greeting.request()
    this.#refreshLater()
  }

  /** `port` is not told: an address is nothing that others could use. */
  advertise(advert: Advert | undefined): void {
    const was = this.#advert
    this.#advert = advert
    if (this.#stopWatchingHealth === undefined || this.#closing) return
    if (advert) this.#announcing.request()
    else if (was) void this.#leave()
  }

  /**
   * Tells this peer that we are here, and follows whether it is, where it watches us, too; needed in rooms without a secret
   * only. The returned function ends it. Throws a TypeError for what is no id, `limit-reached` above MAX_WATCHED_PEERS.
   */
  watch(id: string): () => void {
    if (parsePeerId(id) === undefined) throw new TypeError(`'${id}' is no peer id`)
    if (this.#watched.size >= MAX_WATCHED_PEERS && !this.#watched.has(id))
      throw new EarshotError('limit-reached', `a room watches ${MAX_WATCHED_PEERS} peers at most`)
    this.#watched.add(id)
    if (this.#stopWatchingHealth && this.#options.rendezvous.isUp) this.#tellPresence(id, true)
    return () => {
      this.#watched.delete(id)
      if (!this.#channel.hasGroup) this.#presence.forget(id)
    }
  }

  /**
   * Sends a message to a peer, whether or not it is known to be there. Resolves when a broker has taken it, which says
   * nothing about whether it arrives. Rejects with `unreachable` while no broker is up, with `too-large` above
   * MAX_SIGNAL_BYTES, with `limit-reached` where this peer was sent too many just now, with `closed`; a TypeError for what
   * is no id.
   */
  async send(toId: string, bytes: Uint8Array): Promise<void> {
    if (this.#closing) throw new EarshotError('closed', 'the room has left the rendezvous')
    if (bytes.length > MAX_SIGNAL_BYTES) {
      const text = `a message over the rendezvous has at most ${MAX_SIGNAL_BYTES} bytes, this one has ${bytes.length}`
      throw new EarshotError('too-large', text)
    }
    const receiver = this.#receivers.of(toId)
    if (!receiver.take()) {
      const text = `a peer takes ${MAX_SIGNALS_PER_SECOND_PER_SENDER} messages a second over the rendezvous`
      throw new EarshotError('limit-reached', text, { retryAfterMs: receiver.waitMs })
    }
    await this.#channel.sendTo(toId, 'message', bytes)
  }

  /** Somebody says that this peer is gone: it is asked, and where it does not answer that is believed. */
  doubt(id: string): void {
    if (!this.#presence.has(id) || this.#closing || !this.#doubts.take()) return
    void this.#tell(id, 'ask', NOTHING)
    this.#presence.onAskedAlone(id)
  }

  /** Says goodbye, which takes 0.8 s at most. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #onHealth({ state }: RendezvousHealth): void {
    if (state !== 'up') return
    this.#presence.onAsked()
    this.#greeting.request()
  }

  /** Says that we are here, and asks who else is. */
  #greet(): void {
    this.#tellPresence(undefined, true)
    for (const id of this.#watched) this.#tellPresence(id, true)
    this.#presence.onAsked()
    this.#repeatLater()
  }

  #announce(): void {
    if (this.#advert === undefined) return
    this.#tellPresence(undefined, false)
    for (const id of this.#watched) this.#tellPresence(id, false)
  }

  /** To one peer or the group. Who is not visible only asks. */
  #tellPresence(toId: string | undefined, asks: boolean): void {
    const { name, info } = this.#advert ?? { name: '', info: '' }
    if (this.#advert) this.#tell(toId, 'announce', encodeAnnouncement({ instance: this.#instance, asks, name, info }))
    else if (asks) this.#tell(toId, 'ask', NOTHING)
  }

  #tell(toId: string | undefined, kind: 'announce' | 'ask' | 'leave', body: Uint8Array): Promise<void> {
    const telling = toId === undefined ? this.#channel.sendToGroup(kind, body) : this.#channel.sendTo(toId, kind, body)
    // Without a broker nobody hears it; the next one that comes up is greeted, and its health tells the user.
    return telling.catch(error => {
      if (!(error instanceof EarshotError)) throw error
    })
  }

  async #leave(): Promise<void> {
    const receivers = [undefined, ...this.#watched]
    await Promise.all(receivers.map(id => this.#tell(id, 'leave', this.#instance)))
  }

  #repeatLater(): void {
    for (const timer of this.#repeating) timer.cancel()
    const { clock } = this.#options
    this.#repeating = REPEAT_AFTER_MS.map(delayMs => clock.setTimer(delayMs, () => this.#announcing.request()))
  }

  #refreshLater(): void {
    const { clock, random } = this.#options
    const delayMs = PRESENCE_REFRESH_MS * (1 - REFRESH_JITTER + 2 * REFRESH_JITTER * random.fraction())
    this.#refreshing = clock.setTimer(delayMs, () => {
      this.#announcing.request()
      this.#refreshLater()
    })
  }

  #onSignal(signal: VerifiedSignal): void {
    const { fromId } = signal
    if (this.#closing) return
    if (signal.kind === 'message') this.#options.handlers.onMessage(fromId, signal.bytes)
    // Strangers may send messages, that is what an id is for; whether we are here they are not told.
    else if (this.#channel.hasGroup || this.#watched.has(fromId)) this.#onPresence(signal)
  }

  #onPresence(signal: Exclude<VerifiedSignal, { kind: 'message' }>): void {
    const { fromId, time } = signal
    if (signal.kind === 'leave') this.#presence.onLeave(fromId, time, signal.instance)
    if (signal.kind === 'announce') this.#presence.onAnnounce(fromId, time, signal.announcement)
    if (signal.kind === 'ask' || (signal.kind === 'announce' && signal.announcement.asks)) this.#onAsk(fromId)
  }

  /** Answers after a moment, so that a group does not answer as one, and a crowd is answered together. */
  #onAsk(fromId: string): void {
    if (this.#advert === undefined) return
    if (this.#askers.size < MAX_GROUP_MEMBERS) this.#askers.add(fromId)
    if (this.#answering !== undefined) return
    const { clock, random } = this.#options
    const delayMs = random.fraction() * ANSWER_SPREAD_MS * (this.#presence.size + 1)
    this.#answering = clock.setTimer(delayMs, () => {
      this.#answering = undefined
      this.#answer([...this.#askers])
      this.#askers.clear()
    })
  }

  #answer(askers: readonly string[]): void {
    if (askers.length > MAX_SINGLE_ANSWERS && this.#channel.hasGroup) this.#announcing.request()
    else for (const id of askers) this.#tellPresence(id, false)
  }

  #onFull(): void {
    this.#notices.report('full', () => {
      const text = `the group has more than ${MAX_GROUP_MEMBERS} members; further ones are not seen`
      this.#options.handlers.onWarning(new EarshotError('limit-reached', text))
    })
  }

  async #close(): Promise<void> {
    const { clock } = this.#options
    this.#stopWatchingHealth?.()
    this.#refreshing?.cancel()
    for (const timer of this.#repeating) timer.cancel()
    this.#answering?.cancel()
    this.#greeting.stop()
    this.#announcing.stop()
    this.#presence.close()
    if (this.#advert && this.#stopWatchingHealth) {
      let timer: Timer | undefined
      const patience = new Promise<void>(resolve => {
        timer = clock.setTimer(CLOSE_FLUSH_MS, resolve)
      })
      await Promise.race([this.#leave(), patience])
      timer?.cancel()
    }
    this.#channel.close()
  }
}
