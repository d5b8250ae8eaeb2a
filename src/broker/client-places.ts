/** How many may be connected, in all and from one host. */

import { MAX_BROKER_CLIENTS, MAX_BROKER_CLIENTS_PER_HOST } from '../limits.ts'
import { hostOf } from '../platform/ip-address.ts'

export class ClientPlaces {
  readonly #byHost = new Map<string, number>()
  #taken = 0

  get taken(): number {
    return this.#taken
  }

  /** Takes a place; the returned function gives it back, once. Undefined where there is none. */
  take(address: string): (() => void) | undefined {
    const host = hostOf(address)
    const there = this.#byHost.get(host) ?? 0
    if (this.#taken >= MAX_BROKER_CLIENTS || there >= MAX_BROKER_CLIENTS_PER_HOST) return undefined
    this.#byHost.set(host, there + 1)
    this.#taken++
    let isTaken = true
    return () => {
      if (isTaken) this.#giveBack(host)
      isTaken = false
    }
  }

  #giveBack(host: string): void {
    const left = this.#byHost.get(host)! - 1
    if (left === 0) this.#byHost.delete(host)
    else this.#byHost.set(host, left)
    this.#taken--
  }
}
