/**
 * The records heard on one link (RFC 6762 sections 5.2 and 10): kept for their TTL, refreshed before it ends, flushed
 * and said goodbye to with a second of grace. A state machine: time goes in, changes and questions come out.
 *
 * ```
 *            add                 80 %, 85 %, 90 %, 95 % of the TTL: ask again
 *   (none) ───────► held ──────────────────────────────────────────────► expired
 *                    ▲ │ goodbye, flushed by a newer set: 1 s to live       ▲
 *                    │ ▼                                                    │
 *                    leaving ───────────────────────────────────────────────┘
 *                    │ ▲ goodbye from a stranger: ask, 3 s to live
 * ```
 *
 * Bounded: a record beyond the limits (in all, of its source, of its set) is not taken. Older ones stay, since the
 * newest are what a flood consists of; room is made as records expire, which they do after 75 minutes at the latest.
 */

import {
  MAX_CACHED_POINTERS_PER_NAME,
  MAX_CACHED_RECORDS,
  MAX_CACHED_RECORDS_PER_SET,
  MAX_CACHED_RECORDS_PER_SOURCE,
  MAX_RECORD_TTL_SECONDS,
} from '../../limits.ts'
import { Farewells } from '../farewells.ts'
import { dataKey, type Question, type ResourceRecord, recordKey, setKey } from './record.ts'

/** RFC 6762 section 10.1 and 10.2: time in which somebody may still object. */
const GRACE_MS = 1_000
/** A goodbye that another address sends may be a lie: long enough for two questions and their answers. */
const DOUBTED_GOODBYE_MS = 3_000
const DOUBTED_ASK_AGAIN_MS = 1_000
/** Section 5.2: parts of the TTL after which to ask again, each later by up to 2 %. */
const REFRESH_AT = [0.8, 0.85, 0.9, 0.95]
const REFRESH_JITTER = 0.02

export interface CachedRecord {
  readonly record: ResourceRecord
  /** The IP address that sent it. */
  readonly source: string
  readonly receivedAt: number
  readonly expiresAt: number
}

interface Entry extends CachedRecord {
  record: ResourceRecord
  source: string
  receivedAt: number
  expiresAt: number
  /** Moments at which to ask again, the next one first. */
  refreshAt: number[]
}

export interface AddContext {
  readonly now: number
  readonly source: string
  /** An answer to a legacy query: its TTL is a stopgap of at most 10 s (section 6.7) and shortens nothing. */
  readonly isLegacy: boolean
}

/** `changed`: what `get` returns is different, or another record of it is the newest. */
export type AddResult = 'changed' | 'unchanged' | 'full'

export interface CacheAdvance {
  readonly expired: readonly ResourceRecord[]
  /** Records that end soon: to be asked for, where somebody still wants them. */
  readonly refresh: readonly ResourceRecord[]
}

export class RecordCache {
  readonly #fraction: () => number
  readonly #sets = new Map<string, Map<string, Entry>>()
  readonly #bySource = new Map<string, number>()
  readonly #farewells = new Farewells()
  #size = 0
  #nextAt = Number.POSITIVE_INFINITY

  /** @param fraction random numbers in [0, 1), for the jitter of refreshing */
  constructor(fraction: () => number) {
    this.#fraction = fraction
  }

  get size(): number {
    return this.#size
  }

  /** When `advance` has something to do next; Infinity for never. */
  get nextAt(): number {
    return this.#nextAt
  }

  add(record: ResourceRecord, context: AddContext): AddResult {
    const set = this.#sets.get(setKey(record))
    const entry = set?.get(dataKey(record))
    const key = recordKey(record)
    if (record.ttl === 0) {
      if (entry === undefined || entry.source === context.source) this.#farewells.add(key, context.now)
      if (entry !== undefined) this.#goodbye(entry, context)
      return 'unchanged'
    }
    // It came to a socket of its own, and may have been sent before the goodbye.
    if (context.isLegacy && this.#farewells.has(key, context.now)) return 'unchanged'
    this.#farewells.delete(key)
    if (record.flush && set !== undefined) this.#flush(set, context.now, entry)
    if (entry === undefined) return this.#insert(record, context)
    this.#renew(entry, record, context)
    // Of pointers each stands for itself; of all others the newest counts.
    return record.type !== 'PTR' && set!.size > 1 ? 'changed' : 'unchanged'
  }

  /** The records of one set that are still believed. */
  get(set: { readonly name: string; readonly type: Question['type'] }, now: number): CachedRecord[] {
    const entries = this.#sets.get(setKey(set))
    return entries === undefined ? [] : [...entries.values()].filter(entry => entry.expiresAt > now)
  }

  /** True where a record with the same data is believed. */
  holds(record: ResourceRecord, now: number): boolean {
    return (this.#find(record)?.expiresAt ?? now) > now
  }

  /** True where the record would be a known answer of ours. */
  knows(record: ResourceRecord, now: number): boolean {
    const entry = this.#find(record)
    return entry !== undefined && isFresh(entry, now)
  }

  /** Every record, also those that expire at this moment. */
  records(): ResourceRecord[] {
    return [...this.#sets.values()].flatMap(set => [...set.values()].map(({ record }) => record))
  }

  /** What a question about `question` need not be told again (section 7.1): less than half of the TTL has passed. */
  knownAnswers(question: Question, now: number): ResourceRecord[] {
    return this.get(question, now)
      .filter(entry => isFresh(entry, now))
      .map(({ record, expiresAt }) => ({ ...record, flush: false, ttl: Math.floor((expiresAt - now) / 1_000) }))
  }

  advance(now: number): CacheAdvance {
    const expired: ResourceRecord[] = []
    const refresh: ResourceRecord[] = []
    if (now < this.#nextAt) return { expired, refresh }
    this.#nextAt = Number.POSITIVE_INFINITY
    for (const set of this.#sets.values()) {
      for (const entry of set.values()) {
        if (entry.expiresAt <= now) {
          expired.push(entry.record)
          this.#delete(entry)
          continue
        }
        let isDue = false
        while (entry.refreshAt.length > 0 && entry.refreshAt[0]! <= now) {
          entry.refreshAt.shift()
          isDue = true
        }
        if (isDue) refresh.push(entry.record)
        this.#expect(entry)
      }
    }
    return { expired, refresh }
  }

  /** Forgets the records of one set: nobody wants them any more. */
  forget(set: { readonly name: string; readonly type: Question['type'] }): void {
    for (const entry of this.#sets.get(setKey(set))?.values() ?? []) this.#delete(entry)
  }

  #find(record: ResourceRecord): Entry | undefined {
    return this.#sets.get(setKey(record))?.get(dataKey(record))
  }

  #insert(record: ResourceRecord, { now, source }: AddContext): AddResult {
    const key = setKey(record)
    const set = this.#sets.get(key) ?? new Map<string, Entry>()
    const perSet = record.type === 'PTR' ? MAX_CACHED_POINTERS_PER_NAME : MAX_CACHED_RECORDS_PER_SET
    const ofSource = this.#bySource.get(source) ?? 0
    if (set.size >= perSet || this.#size >= MAX_CACHED_RECORDS || ofSource >= MAX_CACHED_RECORDS_PER_SOURCE)
      return 'full'
    const entry: Entry = { ...this.#lifetime(record, now), record, source, receivedAt: now }
    set.set(dataKey(record), entry)
    this.#sets.set(key, set)
    this.#bySource.set(source, ofSource + 1)
    this.#size++
    this.#expect(entry)
    return 'changed'
  }

  #renew(entry: Entry, record: ResourceRecord, { now, source, isLegacy }: AddContext): void {
    entry.receivedAt = now
    const lifetime = this.#lifetime(record, now)
    if (isLegacy && lifetime.expiresAt <= entry.expiresAt) return
    this.#count(entry.source, -1)
    this.#count(source, 1)
    Object.assign(entry, lifetime, { record, source })
    this.#expect(entry)
  }

  /** Section 10.1. A goodbye of another address than the record's is believed only if nobody objects when asked. */
  #goodbye(entry: Entry, { now, source }: AddContext): void {
    const isDoubted = source !== entry.source
    const expiresAt = now + (isDoubted ? DOUBTED_GOODBYE_MS : GRACE_MS)
    if (entry.expiresAt <= expiresAt) return
    entry.expiresAt = expiresAt
    entry.refreshAt = isDoubted ? [now, now + DOUBTED_ASK_AGAIN_MS] : []
    this.#expect(entry)
  }

  /** Section 10.2: what came more than a second ago is not part of the set which is being announced. */
  #flush(set: Map<string, Entry>, now: number, announced: Entry | undefined): void {
    for (const entry of set.values()) {
      if (entry === announced || now - entry.receivedAt <= GRACE_MS || entry.expiresAt <= now + GRACE_MS) continue
      entry.expiresAt = now + GRACE_MS
      entry.refreshAt = []
      this.#expect(entry)
    }
  }

  #lifetime(record: ResourceRecord, now: number): Pick<Entry, 'expiresAt' | 'refreshAt'> {
    const ttlMs = Math.min(record.ttl, MAX_RECORD_TTL_SECONDS) * 1_000
    const jitter = this.#fraction() * REFRESH_JITTER
    return { expiresAt: now + ttlMs, refreshAt: REFRESH_AT.map(part => now + (part + jitter) * ttlMs) }
  }

  #expect(entry: Entry): void {
    this.#nextAt = Math.min(this.#nextAt, entry.expiresAt, entry.refreshAt[0] ?? Number.POSITIVE_INFINITY)
  }

  #delete(entry: Entry): void {
    const key = setKey(entry.record)
    const set = this.#sets.get(key)
    set?.delete(dataKey(entry.record))
    if (set?.size === 0) this.#sets.delete(key)
    this.#count(entry.source, -1)
    this.#size--
  }

  #count(source: string, change: number): void {
    const count = (this.#bySource.get(source) ?? 0) + change
    if (count > 0) this.#bySource.set(source, count)
    else this.#bySource.delete(source)
  }
}

function isFresh({ record, expiresAt }: CachedRecord, now: number): boolean {
  return expiresAt - now > (record.ttl * 1_000) / 2
}
