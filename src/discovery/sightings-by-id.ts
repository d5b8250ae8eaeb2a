/** One peer may be seen in several places: this puts what is seen of it together. */

import type { SocketAddress } from '../platform/network.ts'
import type { Sighting } from './discovery.ts'

/** Each sighting has a label that tells it from all others: where, or under which name, it was seen. */
export class SightingsById {
  readonly #idOf = new Map<string, string>()
  /** By id, then by label, the one that changed last at the end. */
  readonly #byId = new Map<string, Map<string, Sighting>>()

  /** Returns the id that this label no longer stands for, where nothing else stands for it. */
  set(label: string, sighting: Sighting): string | undefined {
    const goneId = this.#idOf.get(label) === sighting.id ? undefined : this.delete(label)
    const places = this.#byId.get(sighting.id) ?? new Map<string, Sighting>()
    places.delete(label)
    places.set(label, sighting)
    this.#byId.set(sighting.id, places)
    this.#idOf.set(label, sighting.id)
    return goneId
  }

  /** Returns the id that this label stood for, where nothing else stands for it. */
  delete(label: string): string | undefined {
    const id = this.#idOf.get(label)
    if (id === undefined) return undefined
    this.#idOf.delete(label)
    const places = this.#byId.get(id)!
    places.delete(label)
    if (places.size > 0) return undefined
    this.#byId.delete(id)
    return id
  }

  /** Where it is seen. */
  labelsOf(id: string): readonly string[] {
    return [...(this.#byId.get(id)?.keys() ?? [])]
  }

  /** What the newest sighting says, with the addresses of all. */
  merged(id: string): Sighting | undefined {
    const newestFirst = [...(this.#byId.get(id)?.values() ?? [])].reverse()
    const [newest] = newestFirst
    return newest && { ...newest, addresses: uniteAddresses(newestFirst.map(({ addresses }) => addresses)) }
  }
}

/** Each address once, where it stands first. */
export function uniteAddresses(lists: readonly (readonly SocketAddress[])[]): SocketAddress[] {
  const unique = new Map<string, SocketAddress>()
  for (const entry of lists.flat()) {
    const key = `${entry.address} ${entry.port}`
    if (!unique.has(key)) unique.set(key, entry)
  }
  return [...unique.values()]
}

/** Whether they tell the same; the order of addresses is no news. */
export function isSameSighting(a: Sighting, b: Sighting): boolean {
  if (a.service !== b.service || a.name !== b.name || a.info !== b.info) return false
  return (
    a.addresses.length === b.addresses.length &&
    uniteAddresses([a.addresses, b.addresses]).length === a.addresses.length
  )
}
