/**
 * Peers that find each other without any server: one makes an offer, a text that a person brings to the other; the other's answer
 * comes back in the same way, and then both know all candidates of each other.
 *
 *     offer() ── text ──► answer()        the answering side checks from now on, again and again
 *     accept() ◄── text ──┘               and now both do
 */

import { EarshotError } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import { shortPeerId } from '../../identity/peer-id.ts'
import { CLOSE_TIMEOUT_MS, MAX_OPEN_OFFERS, OFFER_CLOCK_TOLERANCE_MS, OFFER_LIFETIME_MS } from '../../limits.ts'
import type { AgentSettings } from '../../nat/ice/agent.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { ConnectAnswer, ConnectOffer } from '../options.ts'
import { checkSignal } from '../options-check.ts'
import type { Peer } from '../peer.ts'
import { CarriedTraversal } from './carried-traversal.ts'
import { decodeOfferText, describe, encodeOfferText, type OfferText, serviceMark } from './offer-text.ts'
import type { RelayBudget } from './relay-budget.ts'
import type { Introduction } from './traversal.ts'

export interface OffersOptions {
  readonly clock: Clock
  readonly identity: Identity
  readonly name: string
  readonly service: string
  agent(): Omit<AgentSettings, 'onPath' | 'send' | 'isControlling' | 'exchange'>
  readonly budget: RelayBudget
  readonly room: OffersRoom
}

export interface OffersRoom {
  readonly selfId: string
  mayJoin(id: string): boolean
  peer(id: string): Peer | undefined
  introduce(id: string, introduction: Introduction): Promise<unknown>
}

/** An offer or an answer that waits, or a connection that came of one. */
interface Exchange {
  readonly way: CarriedTraversal
  /** The peer is there. */
  isConnected: boolean
  isClosed: boolean
  readonly ended: AbortController
}

/** A better path that stands for so long is believed in. */
const RELAY_LINGER_MS = 30_000

export class Offers {
  readonly #options: OffersOptions
  readonly #exchanges = new Set<Exchange>()
  readonly #closings = new Set<Promise<void>>()
  readonly #timers = new Set<Timer>()
  #isClosed = false

  constructor(options: OffersOptions) {
    this.#options = options
  }

  /** Resolves when the text is complete: what the STUN servers say takes a second or two. */
  async make(signal: AbortSignal | undefined): Promise<ConnectOffer> {
    const exchange = this.#begin('offer', signal)
    const text = await this.#text(exchange, 'offer')
    let isAnswered = false
    const accept = async (answer: string, within: AbortSignal | undefined): Promise<Peer> => {
      checkSignal(within)?.throwIfAborted()
      const theirs = this.#read(answer, 'answer')
      exchange.ended.signal.throwIfAborted()
      if (isAnswered) throw new EarshotError('closed', 'this offer has been answered already; each is for one peer')
      if (!isSame(describe(theirs).heardSessionId, exchange.way.sessionId)) {
        throw new EarshotError('closed', `the answer of '${theirs.name}' is to another offer`, {
          hint: 'Bring the other side the present offer: each answer is good for one.',
        })
      }
      isAnswered = true
      exchange.way.receive(theirs.id, theirs.description)
      return this.#connected(exchange, within)
    }
    return {
      text,
      get isOpen() {
        return !isAnswered && !exchange.isClosed
      },
      accept: (answer, { signal: within } = {}) => accept(answer, within),
      ...this.#closers(exchange),
    }
  }

  /** Resolves when the text of the answer is complete. */
  async answer(text: string, signal: AbortSignal | undefined): Promise<ConnectAnswer> {
    checkSignal(signal)?.throwIfAborted()
    const theirs = this.#read(text, 'offer')
    this.#checkTime(theirs)
    const exchange = this.#begin('answer', signal)
    exchange.way.receive(theirs.id, theirs.description)
    const own = await this.#text(exchange, 'answer')
    const peer = this.#connected(exchange, undefined)
    // Who does not look at it is told nothing.
    peer.catch(() => {})
    return { text: own, from: { id: theirs.id, name: theirs.name }, peer, ...this.#closers(exchange) }
  }

  /** What is sent to the peer leaves on another path: one that is better for a while needs no relay beside it. */
  onPath(id: string): void {
    for (const { way } of this.#connectedTo(id)) {
      this.#later(RELAY_LINGER_MS, () => {
        const kind = this.#options.room.peer(id)?.path.kind
        if (kind === 'direct' || kind === 'lan') way.endRelays()
      })
    }
  }

  onPeerGone(id: string): void {
    // The goodbye still has to leave.
    for (const exchange of this.#connectedTo(id)) {
      this.#later(2 * CLOSE_TIMEOUT_MS, () => {
        if (!this.#options.room.peer(id)) this.#end(exchange, gaveUp())
      })
    }
  }

  /** Ends those whose connections are relayed. */
  onBudgetSpent(): void {
    for (const exchange of [...this.#exchanges]) if (exchange.way.isRelayed) this.#end(exchange, gaveUp())
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const reason = new EarshotError('closed', 'the room was left')
    for (const timer of this.#timers) timer.cancel()
    for (const exchange of [...this.#exchanges]) this.#end(exchange, reason)
    await Promise.all(this.#closings)
  }

  #later(ms: number, act: () => void): void {
    const timer = this.#options.clock.setTimer(ms, () => {
      this.#timers.delete(timer)
      act()
    })
    this.#timers.add(timer)
  }

  #connectedTo(id: string): readonly Exchange[] {
    return [...this.#exchanges].filter(({ way, isConnected }) => isConnected && way.remoteId === id)
  }

  #begin(kind: OfferText['kind'], signal: AbortSignal | undefined): Exchange {
    checkSignal(signal)?.throwIfAborted()
    if (this.#isClosed) throw new EarshotError('closed', 'the room was left')
    const waiting = [...this.#exchanges].filter(({ isConnected }) => !isConnected)
    if (waiting.length >= MAX_OPEN_OFFERS)
      throw new EarshotError('limit-reached', `${MAX_OPEN_OFFERS} offers and answers wait already; close() some`)
    const { room, budget, agent } = this.#options
    const settings = agent()
    const way = new CarriedTraversal({
      agent: {
        ...settings,
        exchange: 'once',
        isControlling: kind === 'offer',
        // Who answers cannot know when the other side begins.
        giveUpMs: kind === 'offer' ? settings.giveUpMs : OFFER_LIFETIME_MS,
      },
      introduce: (id, introduction) => room.introduce(id, introduction),
      budget,
      lifetimeMs: OFFER_LIFETIME_MS,
      onExpired: () => this.#end(exchange, expired(kind, way.remoteId)),
    })
    const exchange: Exchange = { way, isConnected: false, isClosed: false, ended: new AbortController() }
    this.#exchanges.add(exchange)
    const onAbort = () => exchange.isConnected || this.#end(exchange, signal!.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    exchange.ended.signal.addEventListener('abort', () => signal?.removeEventListener('abort', onAbort), { once: true })
    return exchange
  }

  async #text(exchange: Exchange, kind: OfferText['kind']): Promise<string> {
    const { way, ended } = exchange
    const { identity, name, service, clock } = this.#options
    try {
      const description = await way.complete()
      const madeAt = clock.wallTime()
      return encodeOfferText({ kind, name, madeAt, service: serviceMark(service), description }, identity)
    } catch (error) {
      ended.signal.throwIfAborted()
      this.#end(exchange, error)
      throw error
    }
  }

  async #connected(exchange: Exchange, within: AbortSignal | undefined): Promise<Peer> {
    const { way, ended } = exchange
    const controller = new AbortController()
    const onAbort = () => controller.abort(within?.reason)
    const onEnded = () => controller.abort(ended.signal.reason)
    within?.addEventListener('abort', onAbort, { once: true })
    ended.signal.addEventListener('abort', onEnded, { once: true })
    if (ended.signal.aborted) onEnded()
    try {
      await way.connected(controller.signal)
      const peer = this.#options.room.peer(way.remoteId!)
      if (!peer) throw new EarshotError('closed', 'the peer ended the session as soon as it stood')
      exchange.isConnected = true
      return peer
    } catch (error) {
      this.#end(exchange, error)
      throw error
    } finally {
      within?.removeEventListener('abort', onAbort)
      ended.signal.removeEventListener('abort', onEnded)
    }
  }

  /** A connection that stands is the session's, and stays. */
  #closers(exchange: Exchange): Pick<ConnectOffer, 'close' | typeof Symbol.asyncDispose> {
    const close = async () => {
      if (!exchange.isConnected) this.#end(exchange, gaveUp())
      await Promise.all(this.#closings)
    }
    return { close, [Symbol.asyncDispose]: close }
  }

  #end(exchange: Exchange, reason: unknown): void {
    if (exchange.isClosed) return
    exchange.isClosed = true
    this.#exchanges.delete(exchange)
    exchange.ended.abort(reason)
    const closing = exchange.way.close().finally(() => this.#closings.delete(closing))
    this.#closings.add(closing)
  }

  #read(text: string, wanted: OfferText['kind']): OfferText {
    if (typeof text !== 'string') throw new TypeError(`the ${wanted} is a text, not ${String(text)}`)
    const { service, room } = this.#options
    const offer = decodeOfferText(text)
    const { kind, id, name } = offer
    if (id === room.selfId) {
      throw new EarshotError('refused', `this ${kind} is our own; the other side needs it`, { reason: 'self' })
    }
    if (kind !== wanted)
      throw new EarshotError('invalid-data', `this is the ${kind} of '${name}', and an ${wanted} is needed`)
    if (!isSame(offer.service, serviceMark(service))) {
      throw new EarshotError('wrong-service', `'${name}' (${shortPeerId(id)}) is in a room of another service`, {
        hint: 'Join both rooms with the same service name.',
      })
    }
    if (!room.mayJoin(id)) throw new EarshotError('refused', `this room does not let '${name}' (${shortPeerId(id)}) in`)
    return offer
  }

  #checkTime({ madeAt, name }: OfferText): void {
    const ageMs = this.#options.clock.wallTime() - madeAt
    const hint = 'Ask for a new one, and set the clocks where that does not help.'
    if (ageMs < -OFFER_CLOCK_TOLERANCE_MS) {
      const aheadS = Math.round(-ageMs / 1_000)
      throw new EarshotError('clock-skew', `the offer of '${name}' is from ${aheadS} s later, by the clock here`, {
        hint,
      })
    }
    if (ageMs > OFFER_LIFETIME_MS + OFFER_CLOCK_TOLERANCE_MS) {
      const [ageMin, lifetimeMin] = [ageMs, OFFER_LIFETIME_MS].map(ms => Math.round(ms / 60_000))
      const message = `the offer of '${name}' is ${ageMin} minutes old, and lasts ${lifetimeMin}`
      throw new EarshotError('timeout', message, { hint })
    }
  }
}

function gaveUp(): EarshotError {
  return new EarshotError('closed', 'the offer was given up')
}

function expired(kind: OfferText['kind'], remoteId: string | undefined): EarshotError {
  const minutes = OFFER_LIFETIME_MS / 60_000
  if (kind === 'offer' && remoteId === undefined) {
    return new EarshotError('timeout', `nobody answered the offer within ${minutes} minutes`, {
      hint: 'Make a new one, and bring it over sooner.',
    })
  }
  return new EarshotError('timeout', `${shortPeerId(remoteId ?? '')} did not come within ${minutes} minutes`, {
    hint: 'The other side has to accept the answer while it lasts; begin with a new offer.',
  })
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((byte, index) => byte === b[index])
}
