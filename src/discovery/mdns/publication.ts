/** What an owner of the engine publishes: records whose names it wants for itself, and shared ones beside them. */

import type { NetworkInterface } from '../../platform/network.ts'
import type { ResourceRecord } from './record.ts'

export interface PublishedRecords {
  /** Announced, answered, and said goodbye to. Those with the cache-flush bit are unique: their names are probed for. */
  readonly announced: readonly ResourceRecord[]
  /** Only answered: what other hosts may have in common with us (RFC 6763 section 9), and NSEC records. */
  readonly answered: readonly ResourceRecord[]
}

export interface Publication {
  /** The names can be nobody else's, so they are announced without probing (RFC 6762 section 8.1, last paragraphs). */
  readonly isUnique: boolean
  /** The records as they are now on one link: addresses are those of that interface. */
  records(link: NetworkInterface): PublishedRecords
  /** Another host has this name: choose a different one. The engine then probes for it on all links. */
  onConflict(name: string): void
  /** The names are ours on one link, and have been announced there. */
  onAnnounced(): void
}
