/**
 * The publications of one link, from claiming their names to saying goodbye (RFC 6762 sections 8 to 10): `prober.ts`
 * applied to records, and what other hosts' packets mean for them.
 */

import type { NetworkInterface } from '../../platform/network.ts'
import { ClaimedRecords } from './claimed-records.ts'
import { nameKey } from './domain-name.ts'
import { dataBytes, type MdnsMessage, message } from './message.ts'
import {
  advanceClaim,
  announceAgain,
  type ClaimState,
  claimNextAt,
  compareProbes,
  deferProbing,
  type ProbeRecord,
  renameDelayMs,
  startAnnouncing,
  startProbing,
} from './prober.ts'
import type { Publication, PublishedRecords } from './publication.ts'
import { type RecordType, type ResourceRecord, recordKey, setKey } from './record.ts'

/** Conflicts remembered for the back-off of section 8.1. */
const MAX_REMEMBERED_CONFLICTS = 20

export interface ClaimsOptions {
  readonly link: NetworkInterface
  readonly fraction: () => number
  multicast(message: MdnsMessage): void
  /** The records are about to be multicast, in an announcement. */
  onAnnounce(records: readonly ResourceRecord[]): void
  /** The records are no longer ours. */
  onForget(records: readonly ResourceRecord[]): void
  /** Somebody spreads a wrong TTL of our record, a forged goodbye for example: the owner corrects it (section 6.6). */
  onMisquoted(record: ResourceRecord): void
  /** True for a record which this engine publishes, on whatever link: hearing ourselves is no conflict. */
  isOwn(record: ResourceRecord): boolean
  onConflict(publication: Publication, name: string): void
}

interface Claim {
  state: ClaimState
  records: PublishedRecords
  /** What the next announcement says: everything, or after an update what has changed. */
  toAnnounce: readonly ResourceRecord[]
  /** The names of now have been announced. */
  isAnnounced: boolean
  /** When names were lost. */
  conflicts: readonly number[]
}

export class Claims {
  readonly #options: ClaimsOptions
  readonly #claims = new Map<Publication, Claim>()
  readonly #records = new ClaimedRecords<Publication>()
  #link: NetworkInterface

  constructor(options: ClaimsOptions) {
    this.#options = options
    this.#link = options.link
  }

  get nextAt(): number {
    let nextAt = Number.POSITIVE_INFINITY
    for (const { state } of this.#claims.values()) nextAt = Math.min(nextAt, claimNextAt(state))
    return nextAt
  }

  /** Starts to claim the names of a publication; those that can be nobody else's are announced at once. */
  add(publication: Publication, now: number): void {
    const records = publication.records(this.#link)
    const state = publication.isUnique ? startAnnouncing(now) : startProbing(now, this.#options.fraction())
    this.#records.add(publication, records.announced)
    this.#claims.set(publication, { state, records, toAnnounce: records.announced, conflicts: [], isAnnounced: false })
  }

  /** The publication has new names: probes for them. */
  rename(publication: Publication, now: number): void {
    const claim = this.#claims.get(publication)
    if (claim === undefined) return
    this.#options.onForget(claim.records.announced)
    claim.conflicts = [...claim.conflicts, now].slice(-MAX_REMEMBERED_CONFLICTS)
    this.#readRecords(publication, claim)
    this.#probeFrom(claim, now + renameDelayMs(claim.conflicts, now))
  }

  /** The records of a publication, or the addresses of the link, are others now: announces the difference (8.4). */
  update(publication: Publication, now: number): void {
    const claim = this.#claims.get(publication)
    if (claim === undefined) return
    const before = claim.records.announced
    this.#readRecords(publication, claim)
    const after = claim.records.announced
    this.#options.onForget(before.filter(record => !includes(after, record)))
    if (claim.state.kind === 'probing') {
      claim.toAnnounce = after
      return
    }
    const gone = withdrawnFrom(before, after)
    if (gone.length > 0) this.#sayGoodbye(gone)
    const sets = changedSets(before, after)
    if (sets.size === 0) return
    // An announcement under way goes on, with what is true now.
    if (claim.state.kind === 'announcing') for (const record of claim.toAnnounce) sets.add(setKey(record))
    claim.toAnnounce = after.filter(record => sets.has(setKey(record)))
    claim.state = announceAgain(claim.state, now)
  }

  /** Moves to the link's new addresses. */
  setLink(link: NetworkInterface, now: number): void {
    this.#link = link
    for (const publication of this.#claims.keys()) this.update(publication, now)
  }

  /** Says everything again: the host may have come to another network. */
  announceAll(now: number): void {
    for (const claim of this.#claims.values()) {
      claim.toAnnounce = claim.records.announced
      claim.state = announceAgain(claim.state, now)
    }
  }

  /** Says goodbye to the records of a publication (section 10.1). */
  remove(publication: Publication): void {
    const claim = this.#claims.get(publication)
    if (claim === undefined) return
    this.#claims.delete(publication)
    this.#records.remove(publication, claim.records.announced)
    this.#options.onForget(claim.records.announced)
    if (claim.state.kind !== 'probing') this.#sayGoodbye(claim.records.announced)
  }

  recordsOf(publication: Publication): readonly ResourceRecord[] {
    return this.#claims.get(publication)?.records.announced ?? []
  }

  owns(record: ResourceRecord): boolean {
    return this.#records.has(record)
  }

  /** What may be told: the records whose names are known to be ours. */
  answerable(): ResourceRecord[] {
    const own: ResourceRecord[] = []
    for (const { state, records } of this.#claims.values()) {
      if (state.kind !== 'probing') own.push(...records.announced, ...records.answered)
    }
    return own
  }

  advance(now: number): void {
    for (const [publication, claim] of this.#claims) {
      const { state, effect } = advanceClaim(claim.state, now)
      const isFirstAnnouncement = effect === 'announce' && !claim.isAnnounced
      claim.state = state
      if (effect === 'probe') this.#probe(claim.records.announced)
      if (effect === 'announce') this.#announce(claim.toAnnounce)
      if (!isFirstAnnouncement) continue
      claim.isAnnounced = true
      publication.onAnnounced()
    }
  }

  /** Section 8.2: who probes for one of our names at the same time, and whose records sort later? */
  handleProbe({ authorities: theirs }: MdnsMessage, now: number): void {
    if (theirs.length === 0 || theirs.every(record => this.#options.isOwn(record))) return
    for (const claim of this.#claims.values()) {
      if (claim.state.kind === 'probing' && this.#losesAgainst(theirs, claim.records)) claim.state = deferProbing(now)
    }
  }

  handleResponse({ answers, additionals }: MdnsMessage, now: number): void {
    for (const record of [...answers, ...additionals]) if (record.type !== 'NSEC') this.#compare(record, now)
  }

  /** What a record that somebody sent means for the records we want under its name. */
  #compare(record: ResourceRecord, now: number): void {
    const same = this.#records.same(record)
    if (same !== undefined) {
      if (record.ttl < same.record.ttl / 2 && [...same.owners].some(owner => !this.#isProbing(owner)))
        this.#options.onMisquoted(same.record)
      return
    }
    const owners = this.#records.ownersOf(record.name)
    if (owners.length === 0 || record.ttl === 0 || this.#options.isOwn(record)) return
    for (const owner of owners) this.#contest(record, owner, now)
  }

  /** Another host has a record of other data under a name of this publication. */
  #contest(record: ResourceRecord, publication: Publication, now: number): void {
    const claim = this.#claims.get(publication)
    if (claim === undefined) return
    if (claim.state.kind === 'probing') this.#options.onConflict(publication, record.name)
    // Section 9: what was ours is in doubt. Probing again finds out who else is there.
    else if (claim.records.announced.some(own => own.flush && setKey(own) === setKey(record)))
      this.#probeFrom(claim, now)
  }

  #isProbing(publication: Publication): boolean {
    return this.#claims.get(publication)?.state.kind === 'probing'
  }

  #readRecords(publication: Publication, claim: Claim): void {
    this.#records.remove(publication, claim.records.announced)
    claim.records = publication.records(this.#link)
    this.#records.add(publication, claim.records.announced)
  }

  #losesAgainst(theirs: readonly ResourceRecord[], { announced }: PublishedRecords): boolean {
    const unique = announced.filter(record => record.flush)
    return [...new Set(unique.map(record => nameKey(record.name)))].some(name => {
      const hasName = (record: ResourceRecord): boolean => nameKey(record.name) === name
      const rivals = theirs.filter(hasName)
      return rivals.length > 0 && compareProbes(unique.filter(hasName).map(probeRecord), rivals.map(probeRecord)) < 0
    })
  }

  #probeFrom(claim: Claim, at: number): void {
    claim.toAnnounce = claim.records.announced
    claim.isAnnounced = false
    claim.state = startProbing(at, this.#options.fraction())
  }

  /**
   * Section 8.1: asks for every record under our names, and says in the authority section what we want there. Not for
   * unicast responses (QM, not QU): port 5353 is shared, and of several programs only one would get them (section 15.1).
   */
  #probe(records: readonly ResourceRecord[]): void {
    const authorities = records.filter(record => record.flush).map(record => ({ ...record, flush: false }))
    const names = new Map(authorities.map(record => [nameKey(record.name), record.name]))
    const questions = [...names.values()].map(name => ({ name, type: 'ANY' as const, unicastResponse: false }))
    this.#options.multicast(message({ questions, authorities }))
  }

  #announce(records: readonly ResourceRecord[]): void {
    this.#options.onAnnounce(records)
    this.#options.multicast(message({ isResponse: true, answers: records }))
  }

  #sayGoodbye(records: readonly ResourceRecord[]): void {
    this.#options.multicast(message({ isResponse: true, answers: records.map(record => ({ ...record, ttl: 0 })) }))
  }
}

function includes(records: readonly ResourceRecord[], record: ResourceRecord): boolean {
  const key = recordKey(record)
  return records.some(other => recordKey(other) === key)
}

/** The sets of `after` that are not what they were. */
function changedSets(before: readonly ResourceRecord[], after: readonly ResourceRecord[]): Set<string> {
  const isSame = (set: string): boolean => {
    const inSet = (record: ResourceRecord): boolean => setKey(record) === set
    return (
      before.filter(inSet).every(record => includes(after, record)) &&
      after.filter(inSet).every(record => includes(before, record))
    )
  }
  return new Set(after.map(setKey).filter(set => !isSame(set)))
}

/** What has to be taken back: a shared record, or the last of a set. A unique set is flushed by its new contents. */
function withdrawnFrom(before: readonly ResourceRecord[], after: readonly ResourceRecord[]): ResourceRecord[] {
  const sets = new Set(after.map(setKey))
  return before.filter(record => !includes(after, record) && (!record.flush || !sets.has(setKey(record))))
}

/** RFC 1035 section 3.2.2, 2782, 3596, 4034. */
const TYPE_CODES: Readonly<Record<RecordType, number>> = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, NSEC: 47 }

function probeRecord(record: ResourceRecord): ProbeRecord {
  return { typeCode: TYPE_CODES[record.type], data: dataBytes(record) }
}
