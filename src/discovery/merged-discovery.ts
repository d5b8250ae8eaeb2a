/**
 * Several ways of discovery as one: who is seen by two of them is one peer, at the addresses of both. It is found when
 * the first way sees it, and lost when the last one has lost it.
 */

import type { EarshotError } from '../errors.ts'
import type { Advert, Discovery, DiscoveryHandlers, Sighting } from './discovery.ts'
import { isSameSighting, uniteAddresses } from './sightings-by-id.ts'

interface SeenPeer {
  /** By the number of the way; the first in time comes first. */
  readonly byWay: Map<number, Sighting>
  told: Sighting
}

export class MergedDiscovery implements Discovery {
  readonly #ways: readonly Discovery[]
  readonly #handlers: DiscoveryHandlers
  readonly #seen = new Map<string, SeenPeer>()
  readonly #warned = new Set<string>()

  /** Each way is made with handlers of its own. The addresses of the first way are tried first. */
  constructor(ways: readonly ((handlers: DiscoveryHandlers) => Discovery)[], handlers: DiscoveryHandlers) {
    this.#handlers = handlers
    this.#ways = ways.map((make, way) =>
      make({
        onSighting: sighting => this.#onSighting(way, sighting),
        onLost: id => this.#onLost(way, id),
        onWarning: error => this.#onWarning(error),
      }),
    )
  }

  async start(): Promise<void> {
    await Promise.all(this.#ways.map(way => way.start()))
  }

  advertise(advert: Advert | undefined): void {
    for (const way of this.#ways) way.advertise(advert)
  }

  async close(): Promise<void> {
    await Promise.all(this.#ways.map(way => way.close()))
  }

  /** What the newest sighting says; that another way says the same a little later is no news. */
  #onSighting(way: number, sighting: Sighting): void {
    const known = this.#seen.get(sighting.id)
    const byWay = known?.byWay ?? new Map<number, Sighting>()
    byWay.set(way, sighting)
    const inOrder = this.#ways.flatMap((_, index) => byWay.get(index)?.addresses ?? [])
    const told = { ...sighting, via: [...byWay.values()][0]!.via, addresses: uniteAddresses([inOrder]) }
    if (known !== undefined && isSameSighting(known.told, told)) return
    this.#seen.set(sighting.id, { byWay, told })
    this.#handlers.onSighting(told)
  }

  /** Where another way still sees it nothing is told: mostly that one is about to lose it, too. */
  #onLost(way: number, id: string): void {
    const known = this.#seen.get(id)
    if (!known?.byWay.delete(way) || known.byWay.size > 0) return
    this.#seen.delete(id)
    this.#handlers.onLost(id)
  }

  /** Two ways that have the same trouble tell it once. */
  #onWarning(error: EarshotError): void {
    if (this.#warned.has(error.message)) return
    this.#warned.add(error.message)
    this.#handlers.onWarning(error)
  }
}
