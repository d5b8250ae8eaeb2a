/** Finds the peer that somebody means, and dials it: by address, by id, by short id, or by name. */

import type { Sighting } from '../../discovery/discovery.ts'
import type { OnceOptions } from '../../emitter.ts'
import { EarshotError } from '../../errors.ts'
import { parsePeerId, shortPeerId } from '../../identity/peer-id.ts'
import type { Deadlines } from '../../messaging/deadlines.ts'
import { withinLimits } from '../../messaging/limited.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Network, SocketAddress } from '../../platform/network.ts'
import type { Reception } from '../admitting/reception.ts'
import type { ConnectOptions, PeerRef } from '../options.ts'
import { checkDuration, checkSignal, checkTarget } from '../options-check.ts'
import { goneError, Peer } from '../peer.ts'
import { formatAddress, type HostAndPort, isIpAddress, parseAddress } from './address.ts'
import { type DialTarget, dial } from './dialer.ts'

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000
/** A dial that nobody waits for: long enough for the other side to ask a person. */
const BACKGROUND_DIAL_TIMEOUT_MS = 60_000
/** Three attempts of TCP (RFC 6298: after 1 s and 3 s again): who does not answer these is not there. */
const BACKGROUND_CONNECT_TIMEOUT_MS = 5_000
/** Whose connection broke is dialled anew before TCP would ask again: the link may be back any moment. */
const RECONNECT_TIMEOUT_MS = 2_000
/** Where dials cross, the other connection is mostly a peer within this time. */
const CROSSING_WAIT_MS = 1_000

interface DialLimits {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

interface DialPlan {
  readonly targets: readonly DialTarget[]
  /** Undefined where any peer will do. */
  readonly expectedId: string | undefined
  /** The application asked for this peer. */
  readonly isWanted: boolean
  /** How long one address may take to be reached, where it is not as long as the dial. */
  readonly connectTimeoutMs?: number
}

export interface ConnectorRoom {
  peer(id: string): Peer | undefined
  peers(): readonly Peer[]
  sightings(): Iterable<Sighting>
  /** The next peer, or the next sighting, for which `accepts` is true. */
  nextPeer(accepts: (peer: Peer) => boolean, options: OnceOptions): Promise<Peer>
  nextSighting(
    accepts: (seen: { readonly id: string; readonly name: string }) => boolean,
    options: OnceOptions,
  ): Promise<Sighting>
}

export class Connector {
  readonly #clock: Clock
  readonly #network: Network
  readonly #reception: Reception
  readonly #deadlines: Deadlines
  readonly #room: ConnectorRoom
  /** Calls under way. A signal each: one for all would have hundreds of listeners. */
  readonly #open = new Set<AbortController>()

  constructor(clock: Clock, network: Network, reception: Reception, deadlines: Deadlines, room: ConnectorRoom) {
    this.#clock = clock
    this.#network = network
    this.#reception = reception
    this.#deadlines = deadlines
    this.#room = room
  }

  /** The connected peer that is meant. Undefined where there is none, or more than one of that name. */
  connected(idOrName: string): Peer | undefined {
    const byId = this.#room.peer(idOrName)
    if (byId) return byId
    const meant = whoIsMeant(this.#room.peers(), idOrName)
    return meant.length === 1 ? meant[0] : undefined
  }

  /** The same, or `unknown-peer`. */
  target(ref: PeerRef): Peer {
    const key = typeof ref === 'string' ? ref : ref?.id
    if (typeof key !== 'string') throw new TypeError('a peer is meant by its object, its id or its name')
    // An object means its id, never somebody who calls himself so.
    const peer = typeof ref === 'string' ? this.connected(key) : this.#room.peer(key)
    if (peer) return peer
    if (ref instanceof Peer) throw goneError(ref)
    const namesakes = this.#room.peers().filter(({ name }) => name === key)
    throw new EarshotError('unknown-peer', describeUnknown(key, namesakes), {
      hint: namesakes.length > 1 ? 'Use the id of the one you mean.' : 'room.peers lists those who are connected.',
    })
  }

  targets(to: PeerRef | readonly PeerRef[] | undefined): readonly Peer[] {
    if (to === undefined) return this.#room.peers()
    return Array.isArray(to) ? [...new Set(to.map(ref => this.target(ref)))] : [this.target(to as PeerRef)]
  }

  async connect(target: string, { timeoutMs = DEFAULT_CONNECT_TIMEOUT_MS, signal }: ConnectOptions): Promise<Peer> {
    if (typeof target !== 'string')
      throw new TypeError(`connect takes an address, an id or a name, not ${String(target)}`)
    checkDuration('timeoutMs', timeoutMs)
    checkSignal(signal)?.throwIfAborted()
    // An address is never taken for somebody who calls himself so.
    const present = parseAddress(target) ? undefined : this.connected(target)
    if (present) return present
    if (whoIsMeant([...this.#room.peers(), ...this.#room.sightings()], target).length === 0) checkTarget(target)
    return this.#whileOpen(signal, ends => this.#connect(target, timeoutMs, ends))
  }

  async #connect(target: string, timeoutMs: number, signal: AbortSignal): Promise<Peer> {
    const startedAt = this.#clock.now()
    const limits = () => ({ timeoutMs: Math.ceil(Math.max(0, timeoutMs - (this.#clock.now() - startedAt))), signal })
    const plan = await this.#plan(target, limits())
    if (plan instanceof Peer) return plan
    for (;;) {
      const { timeoutMs: leftMs } = limits()
      if (leftMs === 0) throw new EarshotError('timeout', `'${target}' did not become a peer within ${timeoutMs} ms`)
      const peer = await this.#dial(plan, limits())
      if (peer) return peer
    }
  }

  /** How to reach who is meant, or who is meant where that is a peer by now. */
  async #plan(target: string, limits: DialLimits): Promise<DialPlan | Peer> {
    const address = parseAddress(target)
    if (!address) {
      const found = await this.#found(target, limits)
      return found instanceof Peer ? found : planFor(found, true)
    }
    return { targets: await this.#resolve(address, 'argument', limits), expectedId: undefined, isWanted: true }
  }

  /** Dials a peer at all addresses that are known of it: where it was last, and where it is seen. Resolves with its id. */
  async dialPeer(id: string, sighting: Sighting | undefined): Promise<string> {
    const peer = this.#room.peer(id)
    const seen = sighting ? planFor(sighting, false).targets : []
    const targets = withoutRepetition([...(peer ? lastTargets(peer) : []), ...seen])
    const connectTimeoutMs = peer ? RECONNECT_TIMEOUT_MS : BACKGROUND_CONNECT_TIMEOUT_MS
    return this.#dialInBackground(async () => ({ targets, expectedId: id, isWanted: false, connectTimeoutMs }))
  }

  /** Dials a connected peer at further addresses, for one more path. */
  async dialPath(id: string, addresses: readonly SocketAddress[]): Promise<string> {
    const targets = addresses.map(address => ({ address, via: 'second path' }))
    const connectTimeoutMs = RECONNECT_TIMEOUT_MS
    return this.#dialInBackground(async () => ({ targets, expectedId: id, isWanted: false, connectTimeoutMs }))
  }

  /** Resolves with the id of the peer who was there. */
  async dialAddress(address: string): Promise<string> {
    return this.#dialInBackground(async limits => {
      const targets = await this.#resolve(parseAddress(address)!, 'known', limits)
      return { targets, expectedId: undefined, isWanted: false, connectTimeoutMs: BACKGROUND_CONNECT_TIMEOUT_MS }
    })
  }

  /** Gives up whatever is under way. */
  close(): void {
    const reason = new EarshotError('closed', 'the room was left')
    for (const controller of this.#open) controller.abort(reason)
  }

  /** Gives `fn` a signal that ends it with the room, and with `signal`. */
  async #whileOpen<T>(
    signal: AbortSignal | undefined,
    fn: (signal: AbortSignal, end: () => void) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController()
    const onAbort = () => controller.abort(signal?.reason)
    this.#open.add(controller)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await fn(controller.signal, () => controller.abort())
    } finally {
      this.#open.delete(controller)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #dialInBackground(makePlan: (limits: DialLimits) => Promise<DialPlan>): Promise<string> {
    return this.#whileOpen(undefined, async signal => {
      const limits = { timeoutMs: BACKGROUND_DIAL_TIMEOUT_MS, signal }
      const peer = await this.#dial(await makePlan(limits), limits)
      if (!peer) throw new EarshotError('closed', 'the connection that crossed this one came to nothing')
      return peer.id
    })
  }

  /** Undefined where the peer preferred another connection, which came to nothing. */
  async #dial(plan: DialPlan, limits: DialLimits): Promise<Peer | undefined> {
    const { targets, expectedId, isWanted, connectTimeoutMs = limits.timeoutMs } = plan
    let remoteId: string | undefined
    try {
      const dialling = dial(this.#clock, this.#network, targets, {
        ...limits,
        connectTimeoutMs,
        establish: (tcp, cancel, reached) => {
          const onRemoteId = (id: string) => {
            remoteId = id
            reached()
          }
          return this.#reception.initiate(tcp, { expectedId, isWanted, onRemoteId }, cancel)
        },
      })
      this.#reception.prepare()
      const peer = this.#room.peer(await dialling)
      if (!peer) throw new EarshotError('closed', 'the peer ended the session as soon as it stood')
      return peer
    } catch (error) {
      if (!(error instanceof EarshotError) || remoteId === undefined || limits.signal.aborted) throw error
      // Where dials cross, the word `duplicate` may be lost with its connection.
      const present = this.#room.peer(remoteId)
      if (present?.state === 'here') return present
      if (error.reason !== 'duplicate') throw error
      return this.#fromOtherConnection(remoteId, limits.signal)
    }
  }

  /** Two dials crossed, and the other connection is the one that stays. */
  async #fromOtherConnection(id: string, signal: AbortSignal): Promise<Peer | undefined> {
    const present = this.#room.peer(id)
    if (present) return present
    try {
      return await this.#room.nextPeer(peer => peer.id === id, { timeoutMs: CROSSING_WAIT_MS, signal })
    } catch (error) {
      if (signal.aborted) throw error
      return undefined
    }
  }

  async #resolve({ host, port }: HostAndPort, via: string, limits: DialLimits): Promise<readonly DialTarget[]> {
    const addresses = isIpAddress(host) ? [host] : await this.#lookup(host, port, via, limits)
    return addresses.map(address => ({ address: { address, port }, via }))
  }

  /** A name that leads nowhere is an attempt that failed, like an address. */
  async #lookup(host: string, port: number, via: string, limits: DialLimits): Promise<readonly string[]> {
    const startedAt = this.#clock.now()
    try {
      return await withinLimits(this.#network.lookup(host), limits, this.#deadlines)
    } catch (error) {
      if (!(error instanceof EarshotError) || limits.signal.aborted) throw error
      const { code, message, hint } = error
      const durationMs = Math.round(this.#clock.now() - startedAt)
      const attempts = [{ address: `${host}:${port}`, via, durationMs, code, message }]
      throw new EarshotError(code, message, { attempts, cause: error, ...(hint !== undefined && { hint }) })
    }
  }

  /** Whoever is meant may be seen, or come by another way: at a known address, or as a caller. */
  async #found(target: string, { timeoutMs, signal }: DialLimits): Promise<Sighting | Peer> {
    const known = new Map([...this.#room.sightings(), ...this.#room.peers()].map(one => [one.id, one]))
    const meant = whoIsMeant([...known.values()], target)
    if (meant.length > 1) {
      throw new EarshotError('unknown-peer', describeUnknown(target, meant), {
        hint: 'Use the id of the one you mean.',
      })
    }
    if (meant[0]) return meant[0]
    return this.#whileOpen(signal, async (ends, end) => {
      const accepts = (one: { readonly id: string; readonly name: string }) => whoIsMeant([one], target).length > 0
      const options = { timeoutMs, signal: ends }
      try {
        return await Promise.race([this.#room.nextSighting(accepts, options), this.#room.nextPeer(accepts, options)])
      } catch (error) {
        if (!(error instanceof EarshotError && error.code === 'timeout')) throw error
        throw new EarshotError('unknown-peer', `nobody called '${target}' was seen within ${timeoutMs} ms`, {
          cause: error,
          hint: 'The peer must have joined a room of the same service, on the same network, and be visible.',
        })
      } finally {
        end()
      }
    })
  }
}

/**
 * Those whom a key means: its owner where it is an id, the owner of the short id where there is one, otherwise all who
 * bear the name. Names are anybody's choice, so that none may pass for an id.
 */
function whoIsMeant<T extends { readonly id: string; readonly name: string }>(all: readonly T[], key: string): T[] {
  if (parsePeerId(key)) return all.filter(({ id }) => id === key)
  const byShortId = all.filter(({ id }) => shortPeerId(id) === key)
  return byShortId.length > 0 ? byShortId : all.filter(({ name }) => name === key)
}

function planFor({ id, addresses, via }: Sighting, isWanted: boolean): DialPlan {
  return { targets: addresses.map(address => ({ address, via })), expectedId: id, isWanted }
}

/** Where a peer was reached last: who dialled us listens on a port of its own. */
function lastTargets(peer: Peer): DialTarget[] {
  const { connection, isInitiator } = peer.messenger.session.path
  const { address } = connection.remote
  const targets = isInitiator ? [{ address: connection.remote, via: 'last' }] : []
  return peer.port === 0 ? targets : [...targets, { address: { address, port: peer.port }, via: 'last' }]
}

function withoutRepetition(targets: readonly DialTarget[]): DialTarget[] {
  return [...new Map(targets.map(target => [formatAddress(target.address), target] as const)).values()]
}

function describeUnknown(key: string, namesakes: readonly { readonly id: string }[]): string {
  if (namesakes.length < 2) return `no peer '${key}' is connected`
  return `${namesakes.length} peers are called '${key}': ${namesakes.map(({ id }) => shortPeerId(id)).join(', ')}`
}
