/** Finds the peer that somebody means, and dials it: by address, by id, by short id, or by name. */

import type { Sighting } from '../../discovery/discovery.ts'
import type { OnceOptions } from '../../emitter.ts'
import { EarshotError } from '../../errors.ts'
import { parsePeerId, shortPeerId } from '../../identity/peer-id.ts'
import type { Deadlines } from '../../messaging/deadlines.ts'
import { withinLimits } from '../../messaging/limited.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
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
/** The LAN is tried alone for so long, where a peer is seen there. */
const LAN_HEAD_START_MS = 250
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
  /** The peer is here; this is for one more path to it. */
  readonly wantsPath?: boolean
  /** How long one address may take to be reached, where it is not as long as the dial. */
  readonly connectTimeoutMs?: number
}

/** The way to peers who are on no network of ours. */
export interface FarReach {
  /** Whether there is a way to ask this peer for one. */
  knows(id: string): boolean
  /** Makes one of it: the id stands for somebody whom the application knows. */
  watch(id: string): void
  /** Resolves when there is a connection of the peer's session. Rejects with `attempts`. */
  reach(id: string, options: { readonly isWanted: boolean; readonly signal: AbortSignal }): Promise<void>
  /** Why the peer was not reached so far, where it was looked for. */
  failure(id: string): EarshotError | undefined
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

export interface ConnectorParts {
  readonly clock: Clock
  readonly network: Network
  readonly reception: Reception
  readonly deadlines: Deadlines
  readonly room: ConnectorRoom
  /** Undefined in a room that stays on its networks. */
  readonly far: FarReach | undefined
}

export class Connector {
  readonly #clock: Clock
  readonly #network: Network
  readonly #reception: Reception
  readonly #deadlines: Deadlines
  readonly #room: ConnectorRoom
  readonly #far: FarReach | undefined
  /** Calls under way. A signal each: one for all would have hundreds of listeners. */
  readonly #open = new Set<AbortController>()

  constructor({ clock, network, reception, deadlines, room, far }: ConnectorParts) {
    this.#clock = clock
    this.#network = network
    this.#reception = reception
    this.#deadlines = deadlines
    this.#room = room
    this.#far = far
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
      if (parsePeerId(target)) this.#far?.watch(target)
      const isUnseen = this.#far?.knows(target) === true && !isSeen(this.#room.sightings(), target)
      if (isUnseen) return { targets: [], expectedId: target, isWanted: true }
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
    const plan = { targets, expectedId: id, isWanted: false, wantsPath: true, connectTimeoutMs }
    return this.#dialInBackground(async () => plan)
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

  /** Over the LAN first, and over the Internet as well where that takes longer. */
  async #dial(plan: DialPlan, limits: DialLimits): Promise<Peer | undefined> {
    const { expectedId, targets } = plan
    const far = this.#far
    if (!far || expectedId === undefined || plan.wantsPath || !far.knows(expectedId))
      return this.#dialNear(plan, limits)
    if (targets.length === 0) return this.#dialFar(far, expectedId, plan.isWanted, limits)
    return this.#whileOpen(limits.signal, async (signal, end) => {
      const within = { ...limits, signal }
      const near = () => this.#dialNear(plan, within)
      try {
        return await withHeadStart(this.#clock, near, () => this.#dialFar(far, expectedId, plan.isWanted, within))
      } finally {
        end()
      }
    })
  }

  async #dialFar(far: FarReach, id: string, isWanted: boolean, limits: DialLimits): Promise<Peer | undefined> {
    const seconds = limits.timeoutMs / 1_000
    return this.#whileOpen(limits.signal, async (signal, end) => {
      const timer = this.#clock.setTimer(limits.timeoutMs, end)
      try {
        await far.reach(id, { isWanted, signal })
      } catch (error) {
        const present = this.#room.peer(id)
        if (present?.state === 'here') return present
        if (!signal.aborted || limits.signal.aborted) throw error
        // What is known of it by now says more than the time.
        throw timedOut(far.failure(id), `no path to ${shortPeerId(id)} was found within ${seconds} s`)
      } finally {
        timer.cancel()
      }
      const peer = this.#room.peer(id)
      if (!peer) throw new EarshotError('closed', 'the peer ended the session as soon as it stood')
      return peer
    })
  }

  /** Undefined where the peer preferred another connection, which came to nothing. */
  async #dialNear(plan: DialPlan, limits: DialLimits): Promise<Peer | undefined> {
    const { targets, expectedId, isWanted, wantsPath = false, connectTimeoutMs = limits.timeoutMs } = plan
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
          return this.#reception.initiate(tcp, { expectedId, isWanted, wantsPath, onRemoteId }, cancel)
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

function isSeen(sightings: Iterable<Sighting>, id: string): boolean {
  for (const sighting of sightings) if (sighting.id === id) return true
  return false
}

function timedOut(cause: EarshotError | undefined, message: string): EarshotError {
  if (!cause) return new EarshotError('timeout', message)
  return new EarshotError('timeout', `${message}: ${cause.message}`, {
    cause,
    attempts: cause.attempts,
    ...(cause.hint !== undefined && { hint: cause.hint }),
  })
}

/** The result of whichever comes first. Where both fail, the error of the far way, with the attempts of both. */
async function withHeadStart<T>(clock: Clock, near: () => Promise<T>, far: () => Promise<T>): Promise<T> {
  const nearby = near()
  let timer: Timer | undefined
  const pause = new Promise<void>(resolve => {
    timer = clock.setTimer(LAN_HEAD_START_MS, resolve)
  })
  const isOver = await Promise.race([
    nearby.then(
      () => true,
      () => false,
    ),
    pause.then(() => false),
  ])
  timer?.cancel()
  if (isOver) return nearby
  try {
    return await Promise.any([nearby, far()])
  } catch (error) {
    throw error instanceof AggregateError ? bothFailed(error.errors) : error
  }
}

function bothFailed([near, far]: unknown[]): unknown {
  if (!(near instanceof EarshotError) || !(far instanceof EarshotError)) return far
  // Who was there and said no has the last word.
  const telling = far.code === 'unreachable' || far.code === 'timeout' ? [near, far] : [far, near]
  const { code, message, hint, reason, retryAfterMs, cause } =
    telling.find(error => !['unreachable', 'timeout', 'closed', 'lost'].includes(error.code)) ?? far
  return new EarshotError(code, message, {
    attempts: [...near.attempts, ...far.attempts],
    cause,
    ...(hint !== undefined && { hint }),
    ...(reason !== undefined && { reason }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

function planFor({ id, addresses, via }: Sighting, isWanted: boolean): DialPlan {
  return { targets: addresses.map(address => ({ address, via })), expectedId: id, isWanted }
}

/** Where a peer was reached last: who dialled us listens on a port of its own. Behind a NAT it is not to be dialled. */
function lastTargets(peer: Peer): DialTarget[] {
  const { connection, isInitiator } = peer.messenger.session.path
  if (connection.route.kind !== 'lan') return []
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
