/** The records of all claims of one link, found by what they are: every packet that is heard is compared with them. */

import { nameKey } from './domain-name.ts'
import { type ResourceRecord, recordKey } from './record.ts'

interface UniqueRecord<Owner> {
  readonly record: ResourceRecord
  readonly owners: Set<Owner>
}

export class ClaimedRecords<Owner> {
  /** How many owners have a record, by its key. */
  readonly #counts = new Map<string, number>()
  /** Those of which there can be one set only, by their keys. */
  readonly #unique = new Map<string, UniqueRecord<Owner>>()
  /** Who has such records under a name, and how many. */
  readonly #ownersByName = new Map<string, Map<Owner, number>>()

  add(owner: Owner, records: readonly ResourceRecord[]): void {
    for (const record of records) {
      const key = recordKey(record)
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
      if (!record.flush) continue
      const unique = this.#unique.get(key) ?? { record, owners: new Set() }
      unique.owners.add(owner)
      this.#unique.set(key, unique)
      const name = nameKey(record.name)
      const owners = this.#ownersByName.get(name) ?? new Map<Owner, number>()
      this.#ownersByName.set(name, owners.set(owner, (owners.get(owner) ?? 0) + 1))
    }
  }

  /** Takes back what was added under the same owner. */
  remove(owner: Owner, records: readonly ResourceRecord[]): void {
    for (const record of records) {
      const key = recordKey(record)
      decrease(this.#counts, key)
      if (!record.flush) continue
      const unique = this.#unique.get(key)
      unique?.owners.delete(owner)
      if (unique?.owners.size === 0) this.#unique.delete(key)
      const name = nameKey(record.name)
      const owners = this.#ownersByName.get(name)
      if (owners) decrease(owners, owner)
      if (owners?.size === 0) this.#ownersByName.delete(name)
    }
  }

  has(record: ResourceRecord): boolean {
    return this.#counts.has(recordKey(record))
  }

  /** Our record with the same name, type and data, and those who own it, where its set is unique. */
  same(record: ResourceRecord): UniqueRecord<Owner> | undefined {
    return this.#unique.get(recordKey(record))
  }

  /** Those who own unique records under this name. */
  ownersOf(name: string): readonly Owner[] {
    return [...(this.#ownersByName.get(nameKey(name))?.keys() ?? [])]
  }
}

function decrease<Key>(counts: Map<Key, number>, key: Key): void {
  const count = (counts.get(key) ?? 0) - 1
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
