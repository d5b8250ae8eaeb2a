/**
 * Looks for one more path to peers with whom this machine shares a second network, a wire and a radio: if the first one
 * breaks, the session goes on at once. And for a path in the LAN to those who came from afar and are seen there. Of each
 * two peers the one with the smaller id dials.
 */

import type { Sighting } from '../../discovery/discovery.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { onLinkTest } from '../../platform/ip-address.ts'
import type { NetworkInterface, SocketAddress } from '../../platform/network.ts'
import type { Random } from '../../platform/random.ts'
import { RetrySchedule } from '../../platform/retry-schedule.ts'
import type { Peer } from '../peer.ts'

/** A peer has become one, or the network has changed: its other addresses may be seen only now. */
const SOON_MS = 500
/** What was not there may be there by now. */
const REGULARLY_MS = 15_000

export interface SecondPathRoom {
  readonly selfId: string
  peers(): Iterable<Peer>
  sighting(id: string): Sighting | undefined
  /** The interfaces on which peers are looked for. */
  interfaces(): readonly NetworkInterface[]
  dial(id: string, addresses: readonly SocketAddress[]): Promise<unknown>
}

export class SecondPath {
  readonly #clock: Clock
  readonly #random: Random
  readonly #room: SecondPathRoom
  /** Peers that were dialled: when they may be dialled again. */
  readonly #attempts = new Map<string, { readonly schedule: RetrySchedule; notBefore: number }>()
  #timer: Timer | undefined
  #dueAt = Number.POSITIVE_INFINITY
  #isClosed = false

  constructor(clock: Clock, random: Random, room: SecondPathRoom) {
    this.#clock = clock
    this.#random = random
    this.#room = room
  }

  /** There may be a path that was not there before. */
  lookSoon(): void {
    this.#lookIn(SOON_MS)
  }

  /** The network has changed: what failed may succeed. */
  onNetworkChange(): void {
    this.#attempts.clear()
    this.lookSoon()
  }

  onPeerGone(id: string): void {
    this.#attempts.delete(id)
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #lookIn(ms: number): void {
    const at = this.#clock.now() + ms
    if (this.#isClosed || at >= this.#dueAt) return
    this.#timer?.cancel()
    this.#dueAt = at
    this.#timer = this.#clock.setTimer(ms, () => this.#look())
  }

  #look(): void {
    this.#dueAt = Number.POSITIVE_INFINITY
    const interfaces = this.#room.interfaces()
    let isAnybodySought = false
    for (const peer of this.#room.peers()) {
      // With one network there is nothing more to look for, until it changes.
      if (interfaces.length < 2 && !isFar(peer)) continue
      isAnybodySought = true
      if (this.#room.selfId < peer.id && peer.state === 'here') this.#lookFor(peer, interfaces)
    }
    if (isAnybodySought) this.#lookIn(REGULARLY_MS)
  }

  #lookFor(peer: Peer, interfaces: readonly NetworkInterface[]): void {
    const sighting = this.#room.sighting(peer.id)
    const attempt = this.#attempts.get(peer.id) ?? { schedule: new RetrySchedule(this.#random), notBefore: 0 }
    if (!sighting || this.#clock.now() < attempt.notBefore) return
    const addresses = isFar(peer) ? sighting.addresses : addressesBeside(peer, sighting, interfaces)
    if (addresses.length === 0) {
      this.#attempts.delete(peer.id)
      return
    }
    attempt.notBefore = this.#clock.now() + attempt.schedule.nextMs()
    this.#attempts.set(peer.id, attempt)
    // Whatever comes of it, the session has a path. And a path need not go over the link for which it was dialled.
    this.#room.dial(peer.id, addresses).catch(ignore)
  }
}

/** None of its paths is in the LAN. */
function isFar({ messenger }: Peer): boolean {
  return messenger.session.paths.every(({ connection }) => connection.route.kind !== 'lan')
}

/** Addresses of the peer on a link that none of its paths uses. */
function addressesBeside(
  { messenger }: Peer,
  { addresses }: Sighting,
  interfaces: readonly NetworkInterface[],
): SocketAddress[] {
  const locals = messenger.session.paths.map(({ connection }) => connection.local.address.split('%')[0])
  const unused = interfaces.filter(one => !one.addresses.some(({ address }) => locals.includes(address)))
  const tests = unused.map(onLinkTest)
  return addresses.filter(({ address }) => tests.some(isOnLink => isOnLink(address)))
}

function ignore(): void {}
