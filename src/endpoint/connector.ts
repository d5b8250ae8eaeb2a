/** Finds the peer that somebody means, and dials it: by address, by id, by short id, or by name. */

import { EarshotError } from '../errors.ts'
import { PEER_ID_LENGTH, shortPeerId } from '../identity/peer-id.ts'
import { HANDSHAKE_TIMEOUT_MS } from '../limits.ts'
import type { Clock } from '../platform/clock.ts'
import type { Network } from '../platform/network.ts'
import { type HostAndPort, isIpAddress, parseAddress } from './address.ts'
import { type DialTarget, dial } from './dialer.ts'
import type { OnceOptions } from './emitter.ts'
import type { ConnectOptions, PeerRef } from './options.ts'
import { checkDuration } from './options-check.ts'
import type { Peer } from './peer.ts'
import type { Reception } from './reception.ts'
import type { SightedPeer } from './seeker.ts'

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000
/** A dial that nobody waits for: long enough for the other side to ask a person. */
const BACKGROUND_DIAL_TIMEOUT_MS = 60_000

export interface ConnectorRoom {
  peer(id: string): Peer | undefined
  peers(): readonly Peer[]
  sightings(): Iterable<SightedPeer>
  /** The next peer, or the next sighting, for which `accepts` is true. */
  nextPeer(accepts: (peer: Peer) => boolean, options: OnceOptions): Promise<Peer>
  nextSighting(
    accepts: (seen: { readonly id: string; readonly name: string }) => boolean,
    options: OnceOptions,
  ): Promise<SightedPeer>
}

export class Connector {
  readonly #clock: Clock
  readonly #network: Network
  readonly #reception: Reception
  readonly #room: ConnectorRoom

  constructor(clock: Clock, network: Network, reception: Reception, room: ConnectorRoom) {
    this.#clock = clock
    this.#network = network
    this.#reception = reception
    this.#room = room
  }

  /** The connected peer that is meant. Undefined where there is none, or more than one of that name. */
  connected(idOrName: string): Peer | undefined {
    const byId = this.#room.peer(idOrName)
    if (byId) return byId
    const matching = this.#room.peers().filter(peer => isMeant(peer, idOrName))
    return matching.length === 1 ? matching[0] : undefined
  }

  /** The same, or `unknown-peer`. */
  target(ref: PeerRef): Peer {
    const key = typeof ref === 'string' ? ref : ref?.id
    if (typeof key !== 'string') throw new TypeError('a peer is meant by its object, its id or its name')
    const peer = this.connected(key)
    if (peer) return peer
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
    const present = this.connected(target)
    if (present) return present
    const startedAt = this.#clock.now()
    const limits = () => ({
      timeoutMs: Math.max(0, timeoutMs - (this.#clock.now() - startedAt)),
      ...(signal && { signal }),
    })
    const address = parseAddress(target)
    if (address) {
      const targets = await this.#resolve(address, 'argument')
      return this.#dial(targets, undefined, true, limits())
    }
    const sighting = await this.#sighted(target, limits())
    return this.#dial(dialTargets(sighting), sighting.id, true, limits())
  }

  async dialSighting(sighting: SightedPeer): Promise<unknown> {
    return this.#dial(dialTargets(sighting), sighting.id, false, { timeoutMs: BACKGROUND_DIAL_TIMEOUT_MS })
  }

  async dialAddress(address: string): Promise<string> {
    const targets = await this.#resolve(parseAddress(address)!, 'known')
    const peer = await this.#dial(targets, undefined, false, { timeoutMs: BACKGROUND_DIAL_TIMEOUT_MS })
    return peer.id
  }

  async #dial(
    targets: readonly DialTarget[],
    expectedId: string | undefined,
    isWanted: boolean,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Peer> {
    let duplicateOf: string | undefined
    const onRemoteId = (id: string) => {
      duplicateOf = id
    }
    try {
      const dialling = dial(this.#clock, this.#network, targets, {
        timeoutMs,
        signal,
        establish: (tcp, cancel) => this.#reception.initiate(tcp, { expectedId, isWanted, onRemoteId }, cancel),
      })
      this.#reception.prepare()
      return this.#room.peer(await dialling)!
    } catch (error) {
      if (!(error instanceof EarshotError) || error.reason !== 'duplicate' || duplicateOf === undefined) throw error
      // Our two dials crossed, and the other connection is the one that stays.
      const known = this.#room.peer(duplicateOf)
      return known ?? this.#room.nextPeer(({ id }) => id === duplicateOf, { timeoutMs: HANDSHAKE_TIMEOUT_MS })
    }
  }

  async #resolve({ host, port }: HostAndPort, via: string): Promise<readonly DialTarget[]> {
    const addresses = isIpAddress(host) ? [host] : await this.#network.lookup(host)
    return addresses.map(address => ({ address: { address, port }, via }))
  }

  async #sighted(target: string, options: OnceOptions): Promise<SightedPeer> {
    const seen = [...this.#room.sightings()].filter(sighting => isMeant(sighting, target))
    if (seen.length > 1) {
      throw new EarshotError('unknown-peer', describeUnknown(target, seen), { hint: 'Use the id of the one you mean.' })
    }
    if (seen[0]) return seen[0]
    try {
      return await this.#room.nextSighting(sighting => isMeant(sighting, target), options)
    } catch (error) {
      if (!(error instanceof EarshotError && error.code === 'timeout')) throw error
      throw new EarshotError('unknown-peer', `nobody called '${target}' was seen within ${options.timeoutMs} ms`, {
        cause: error,
        hint: 'The peer must have joined a room of the same service, on the same network, and be visible.',
      })
    }
  }
}

function isMeant({ id, name }: { readonly id: string; readonly name: string }, key: string): boolean {
  return id === key || name === key || (key.length < PEER_ID_LENGTH && shortPeerId(id) === key)
}

function dialTargets({ addresses, via }: SightedPeer): readonly DialTarget[] {
  return addresses.map(address => ({ address, via }))
}

function describeUnknown(key: string, namesakes: readonly { readonly id: string }[]): string {
  if (namesakes.length < 2) return `no peer '${key}' is connected`
  return `${namesakes.length} peers are called '${key}': ${namesakes.map(({ id }) => shortPeerId(id)).join(', ')}`
}
