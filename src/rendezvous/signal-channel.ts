/**
 * Signals over brokers: seals, publishes, listens on the topics of the day, opens, verifies, and lets through what is
 * authentic, new, timely and within the limits. Everything else is dropped, with a warning where somebody should know.
 *
 *     packet ──► opens? ──► new? ──► authentic? ──► timely? ──► within limits? ──► signal
 */

import { bytesToBase64Url } from '../crypto/base64url.ts'
import { montgomeryPublicKey } from '../crypto/montgomery.ts'
import { EarshotError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { formatPeerId, parsePeerId, shortPeerId } from '../identity/peer-id.ts'
import {
  MAX_SIGNAL_SENDERS,
  MAX_SIGNALS_PER_SECOND,
  MAX_SIGNALS_PER_SECOND_PER_SENDER,
  RENDEZVOUS_CLOCK_TOLERANCE_MS,
} from '../limits.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { Notices } from './notices.ts'
import { type Announcement, decodeAnnouncement, decodeLeave } from './presence-body.ts'
import type { RendezvousPool } from './rendezvous-pool.ts'
import { ReplayGuard } from './replay-guard.ts'
import { groupKeyPair, packetSalt } from './room-key.ts'
import { NO_SECRET, type Opener, openPacket, type PacketContext, sealPacket } from './sealed-packet.ts'
import { decodeSignal, encodeSignal, type ReadSignal, SIGNAL_NUMBER_BYTES, type SignalKind } from './signal.ts'
import { TokenBucket, TokenBuckets } from './token-bucket.ts'
import { EPOCH_OVERLAP_MS, epochAt, epochsAt, formatTopic, groupTopic, personalTopic } from './topic.ts'

export interface SignalChannelOptions {
  readonly clock: Clock
  readonly random: Random
  readonly identity: Identity
  readonly service: string
  /** Of `deriveRoomKey`; undefined in a room without a secret, which has no group. */
  readonly roomKey: Uint8Array | undefined
  readonly rendezvous: Pick<RendezvousPool, 'publish' | 'subscribe'>
  readonly handlers: SignalHandlers
}

export interface SignalHandlers {
  onSignal(signal: VerifiedSignal): void
  /** Somebody sends what is refused, or a clock is off. */
  onWarning(error: EarshotError): void
}

export type VerifiedSignal = SignalContent & {
  readonly fromId: string
  /** By the sender's clock, in milliseconds since 1970. No two of one sender have the same. */
  readonly time: number
}

export type SignalContent =
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  | { readonly kind: 'announce'; readonly announcement: Announcement }
  | { readonly kind: 'leave'; readonly instance: Uint8Array }
  | { readonly kind: 'ask' }

/** Where something may come in, and what it takes to read it. */
interface Inlet extends PacketContext {
  readonly opener: Opener
}

/** How often it is looked whether a new day has begun; the wall clock may jump. */
const EPOCH_CHECK_MS = EPOCH_OVERLAP_MS / 2

export class SignalChannel {
  readonly #options: SignalChannelOptions
  readonly #salt: Uint8Array
  readonly #group: { readonly publicKey: Uint8Array; readonly opener: Opener } | undefined
  readonly #ownKey: Uint8Array
  readonly #replays: ReplayGuard
  readonly #all: TokenBucket
  readonly #senders: TokenBuckets
  readonly #notices: Notices
  /** By topic. */
  readonly #subscriptions = new Map<string, () => void>()
  #timer: Timer | undefined
  #lastTime = 0
  #isClosed = false

  constructor(options: SignalChannelOptions) {
    this.#options = options
    const { clock, roomKey, identity } = options
    const group = roomKey && groupKeyPair(roomKey)
    this.#group = group && { publicKey: group.publicKey, opener: group }
    this.#salt = roomKey ? packetSalt(roomKey) : NO_SECRET
    this.#ownKey = montgomeryPublicKey(identity.publicKey)
    this.#replays = new ReplayGuard(clock)
    this.#all = new TokenBucket({ clock, perSecond: MAX_SIGNALS_PER_SECOND, burst: 2 * MAX_SIGNALS_PER_SECOND })
    this.#senders = new TokenBuckets({
      clock,
      perSecond: MAX_SIGNALS_PER_SECOND_PER_SENDER,
      burst: 4 * MAX_SIGNALS_PER_SECOND_PER_SENDER,
      maxKeys: MAX_SIGNAL_SENDERS,
    })
    this.#notices = new Notices(clock)
  }

  get hasGroup(): boolean {
    return this.#group !== undefined
  }

  /** Begins to listen, and goes on from day to day. */
  start(): void {
    this.#followEpochs()
  }

  /** To one peer. Rejects as the pool's `publish` does; a TypeError where `toId` is no id. */
  async sendTo(toId: string, kind: SignalKind, body: Uint8Array): Promise<void> {
    const publicKey = parsePeerId(toId)
    if (publicKey === undefined) throw new TypeError(`'${toId}' is no peer id`)
    const { roomKey, service } = this.#options
    const topic = personalTopic({ roomKey, service, epoch: this.#epoch() }, publicKey)
    await this.#send(kind, body, { topic, receiverKey: montgomeryPublicKey(publicKey), salt: this.#salt })
  }

  /** To everybody in the group; does nothing in a room without a secret. */
  async sendToGroup(kind: SignalKind, body: Uint8Array): Promise<void> {
    const { roomKey, service } = this.#options
    if (roomKey === undefined || this.#group === undefined) return
    const topic = groupTopic({ roomKey, service, epoch: this.#epoch() })
    await this.#send(kind, body, { topic, receiverKey: this.#group.publicKey, salt: this.#salt })
  }

  /** Stops listening. Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const unsubscribe of this.#subscriptions.values()) unsubscribe()
    this.#subscriptions.clear()
  }

  async #send(kind: SignalKind, body: Uint8Array, context: PacketContext): Promise<void> {
    const { random, identity, clock, rendezvous } = this.#options
    // Each later than the one before, so that receivers can tell which is the newer one.
    this.#lastTime = Math.max(clock.wallTime(), this.#lastTime + 1)
    const signal = { time: this.#lastTime, number: random.bytes(SIGNAL_NUMBER_BYTES), kind, body }
    const packet = sealPacket(encodeSignal(signal, context, identity), context, random)
    await rendezvous.publish(formatTopic(context.topic), packet)
  }

  #epoch(): number {
    return epochAt(this.#options.clock.wallTime())
  }

  #followEpochs(): void {
    if (this.#isClosed) return
    const { clock, rendezvous } = this.#options
    const inlets = new Map(epochsAt(clock.wallTime()).flatMap(epoch => this.#inlets(epoch)))
    for (const [topic, inlet] of inlets) {
      if (this.#subscriptions.has(topic)) continue
      const unsubscribe = rendezvous.subscribe(topic, packet => this.#onPacket(packet, inlet))
      this.#subscriptions.set(topic, unsubscribe)
    }
    for (const [topic, unsubscribe] of this.#subscriptions) {
      if (inlets.has(topic)) continue
      unsubscribe()
      this.#subscriptions.delete(topic)
    }
    this.#timer = clock.setTimer(EPOCH_CHECK_MS, () => this.#followEpochs())
  }

  #inlets(epoch: number): [topic: string, inlet: Inlet][] {
    const { roomKey, service, identity } = this.#options
    const personal = personalTopic({ roomKey, service, epoch }, identity.publicKey)
    const own: Inlet = { topic: personal, receiverKey: this.#ownKey, salt: this.#salt, opener: identity }
    const inlets: [string, Inlet][] = [[formatTopic(personal), own]]
    if (roomKey && this.#group) {
      const topic = groupTopic({ roomKey, service, epoch })
      const { publicKey, opener } = this.#group
      inlets.push([formatTopic(topic), { topic, receiverKey: publicKey, salt: this.#salt, opener }])
    }
    return inlets
  }

  #onPacket(packet: Uint8Array, inlet: Inlet): void {
    if (this.#isClosed) return
    const signal = this.#read(packet, inlet)
    if (signal) this.#options.handlers.onSignal(signal)
  }

  /** Undefined for what is no news, or was refused and reported. */
  #read(packet: Uint8Array, inlet: Inlet): VerifiedSignal | undefined {
    try {
      const signal = decodeSignal(openPacket(packet, inlet, inlet.opener))
      return this.#check(signal, inlet)
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error
      this.#warn('unreadable', times => new EarshotError(error.code, unreadable(times, error)))
      return undefined
    }
  }

  #check(signal: ReadSignal, inlet: Inlet): VerifiedSignal | undefined {
    const fromId = formatPeerId(signal.sender)
    if (fromId === this.#options.identity.id) return undefined
    const key = bytesToBase64Url(signal.sender) + bytesToBase64Url(signal.number)
    // Several brokers, and each of them, may deliver it more than once: no news, and no forgery.
    if (this.#replays.has(key)) return undefined
    if (!signal.isAuthentic(inlet)) throw new EarshotError('protocol-violation', 'a signal has a wrong signature')
    if (!this.#isTimely(signal.time, fromId) || !this.#isWithinLimits(fromId)) return undefined
    if (!this.#replays.remember(key)) {
      this.#warn('memory', () => tooMany('everybody together'))
      return undefined
    }
    return { fromId, time: signal.time, ...contentOf(signal) }
  }

  #isTimely(time: number, fromId: string): boolean {
    const aheadMs = time - this.#options.clock.wallTime()
    if (Math.abs(aheadMs) <= RENDEZVOUS_CLOCK_TOLERANCE_MS) return true
    this.#warn(`clock ${fromId}`, () => clockSkew(fromId, aheadMs))
    return false
  }

  #isWithinLimits(fromId: string): boolean {
    const isFlood = !this.#senders.of(fromId).take()
    if (!isFlood && this.#all.take()) return true
    const who = isFlood ? shortPeerId(fromId) : 'everybody together'
    this.#warn(`rate ${who}`, () => tooMany(who))
    return false
  }

  #warn(kind: string, make: (times: number) => EarshotError): void {
    this.#notices.report(kind, times => this.#options.handlers.onWarning(make(times)))
  }
}

/** Throws `protocol-violation`. */
function contentOf({ kind, body }: ReadSignal): SignalContent {
  switch (kind) {
    case 'message':
      return { kind, bytes: new Uint8Array(body) }
    case 'announce':
      return { kind, announcement: decodeAnnouncement(body) }
    case 'leave':
      return { kind, instance: decodeLeave(body) }
    case 'ask':
      return { kind }
  }
}

function unreadable(times: number, { message }: EarshotError): string {
  const what = times === 1 ? 'a packet' : `${times} packets`
  return `${what} of the rendezvous could not be read: ${message}`
}

function tooMany(who: string): EarshotError {
  return new EarshotError('limit-reached', `more messages come over the rendezvous from ${who} than are taken`)
}

function clockSkew(fromId: string, aheadMs: number): EarshotError {
  const text = `${Math.round(Math.abs(aheadMs) / 1_000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} ours`
  // A broker cannot make a message newer than it is.
  const otherwise = aheadMs > 0 ? '' : ', or a broker held it back'
  return new EarshotError(
    'clock-skew',
    `the time in a message from ${shortPeerId(fromId)} is ${text}: its clock is wrong or this machine's${otherwise}`,
    { hint: 'Set both clocks; over the rendezvous they may differ by two minutes.' },
  )
}
