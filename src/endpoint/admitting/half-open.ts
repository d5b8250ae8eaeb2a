/**
 * The places of connections that have not said who they are. Where all are taken the newest gets the place of the
 * oldest: somebody honest needs a moment, and whoever holds places and says nothing has the oldest ones. One host can take
 * only some, and the host with the most gives way first, so that nobody is pushed out by another host's flood. And
 * each other machine may begin only so many a second: every handshake costs a key agreement.
 */

import {
  MAX_HALF_OPEN_CONNECTIONS,
  MAX_HALF_OPEN_PER_ADDRESS,
  MAX_HANDSHAKES_PER_SECOND,
  MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS,
} from '../../limits.ts'
import { addressScope } from '../../platform/address-scope.ts'
import type { Clock } from '../../platform/clock.ts'
import { hostOf } from '../../platform/ip-address.ts'

interface Place {
  readonly order: number
  readonly onDisplaced: () => void
}

export class HalfOpen {
  readonly #clock: Clock
  /** The oldest of each host first. */
  readonly #byHost = new Map<string, Set<Place>>()
  #taken = 0
  #order = 0
  /** Handshakes begun in the present second. */
  #second = Number.NEGATIVE_INFINITY
  #begun = 0
  readonly #begunByHost = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Takes a place; the returned function gives it back, once. `onDisplaced` is called where it is needed for another.
   * Undefined where this host, or all together, have begun too many handshakes in this second.
   */
  take(address: string, onDisplaced: () => void): (() => void) | undefined {
    const host = hostOf(address)
    // Who is on this machine can take its processor anyway; and a proxy there stands for many.
    if (addressScope(address) !== 'loopback' && !this.#begin(host)) return undefined
    if ((this.#byHost.get(host)?.size ?? 0) >= MAX_HALF_OPEN_PER_ADDRESS) this.#displaceOldestOf(host)
    else if (this.#taken >= MAX_HALF_OPEN_CONNECTIONS) this.#displaceOldestOf(this.#hostWithMost(host))
    const place = { order: this.#order++, onDisplaced }
    const ofHost = this.#byHost.get(host) ?? new Set()
    this.#byHost.set(host, ofHost.add(place))
    this.#taken++
    return () => this.#giveBack(host, place)
  }

  #begin(host: string): boolean {
    const second = Math.floor(this.#clock.now() / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#begun = 0
      this.#begunByHost.clear()
    }
    const begunThere = this.#begunByHost.get(host) ?? 0
    if (this.#begun >= MAX_HANDSHAKES_PER_SECOND || begunThere >= MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS) return false
    this.#begun++
    this.#begunByHost.set(host, begunThere + 1)
    return true
  }

  #displaceOldestOf(host: string): void {
    const [oldest] = this.#byHost.get(host)!
    this.#giveBack(host, oldest!)
    oldest!.onDisplaced()
  }

  /** With the newcomer's place counted; of several the one whose oldest connection is older. */
  #hostWithMost(newcomer: string): string {
    const rank = ([host, places]: [string, Set<Place>]) => {
      const [oldest] = places
      return { host, count: places.size + (host === newcomer ? 1 : 0), order: oldest!.order }
    }
    const hosts = [...this.#byHost].map(rank)
    return hosts.reduce((most, each) => ((each.count - most.count || most.order - each.order) > 0 ? each : most)).host
  }

  #giveBack(host: string, place: Place): void {
    const ofHost = this.#byHost.get(host)
    if (!ofHost?.delete(place)) return
    this.#taken--
    if (ofHost.size === 0) this.#byHost.delete(host)
  }
}
