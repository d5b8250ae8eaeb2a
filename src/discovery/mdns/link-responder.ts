/**
 * The responder on one link (one interface, one address family): claims names, announces records, answers questions.
 *
 * Two decisions, both because port 5353 is shared by several programs of a host, of which only one would receive a
 * unicast packet (RFC 6762 section 15.1): our probes do not ask for unicast responses (QM instead of QU), and another's
 * probe is answered by multicast.
 */

import { MAX_TRUNCATED_QUERIERS } from '../../limits.ts'
import type { NetworkInterface, SocketAddress } from '../../platform/network.ts'
import { additionalsFor, selectAnswers, suppressedBy } from './answer-selection.ts'
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
  startProbing,
} from './prober.ts'
import type { Publication, PublishedRecords } from './publication.ts'
import { answers, type Question, type ResourceRecord, recordKey, setKey } from './record.ts'
import { ResponseQueue } from './response-queue.ts'

export const MDNS_PORT = 5353
/** Section 6.7: what a legacy querier learns it may keep this long. */
const LEGACY_TTL_SECONDS = 10
/** Section 7.2: known answers in further packets are waited for this long. */
const TRUNCATED_DELAY_MS = { from: 400, to: 500 }
/**
 * Unicast answers wait only this long. Section 6 asks for 20 to 120 ms, to keep multicasts of many hosts apart and
 * let them suppress each other; unicast is not suppressed, and a few milliseconds do to keep a receive buffer from
 * overflowing when a hundred hosts answer one question.
 */
const UNICAST_JITTER_MS = 10

export interface LinkResponderOptions {
  readonly link: NetworkInterface
  readonly fraction: () => number
  multicast(response: MdnsMessage): void
  /** Sends after a delay; `isLegacy`: to somebody who speaks plain DNS. */
  unicast(
    response: MdnsMessage,
    to: SocketAddress,
    options: { readonly delayMs: number; readonly isLegacy: boolean },
  ): void
  /** True for a record which this engine publishes, on whatever link: hearing ourselves is no conflict. */
  isOwn(record: ResourceRecord): boolean
  onConflict(publication: Publication, name: string): void
}

interface Claim {
  state: ClaimState
  records: PublishedRecords
  /** What the next announcement says: everything, or after an update what has changed. */
  toAnnounce: readonly ResourceRecord[]
  /** When names were lost, for the back-off of section 8.1. */
  conflicts: number[]
}

interface TruncatedQuery {
  readonly source: SocketAddress
  readonly questions: Question[]
  readonly suppressed: Set<string>
  readonly isProbe: boolean
  dueAt: number
}

export class LinkResponder {
  readonly #options: LinkResponderOptions
  readonly #claims = new Map<Publication, Claim>()
  readonly #queue: ResponseQueue
  readonly #truncated = new Map<string, TruncatedQuery>()
  #link: NetworkInterface

  constructor(options: LinkResponderOptions) {
    this.#options = options
    this.#link = options.link
    this.#queue = new ResponseQueue(options.fraction)
  }

  get nextAt(): number {
    let nextAt = this.#queue.nextAt
    for (const { state } of this.#claims.values()) nextAt = Math.min(nextAt, claimNextAt(state))
    for (const { dueAt } of this.#truncated.values()) nextAt = Math.min(nextAt, dueAt)
    return nextAt
  }

  /** Starts to claim the names of a publication. */
  claim(publication: Publication, now: number): void {
    const records = publication.records(this.#link)
    const state = startProbing(now, this.#options.fraction())
    this.#claims.set(publication, { state, records, toAnnounce: records.announced, conflicts: [] })
  }

  /** The publication has new names: probes for them. */
  reclaim(publication: Publication, now: number): void {
    const claim = this.#claims.get(publication)
    if (claim === undefined) return
    this.#forget(claim.records.announced)
    claim.conflicts = [...claim.conflicts, now].slice(-20)
    claim.records = publication.records(this.#link)
    claim.toAnnounce = claim.records.announced
    claim.state = startProbing(now + renameDelayMs(claim.conflicts, now), this.#options.fraction())
  }

  /** The records of a publication changed under the same names, or the addresses of the link: announces the difference. */
  update(publication: Publication, now: number): void {
    const claim = this.#claims.get(publication)
    if (claim === undefined) return
    const before = claim.records.announced
    claim.records = publication.records(this.#link)
    const { changed, gone } = difference(before, claim.records.announced)
    this.#forget(before.filter(record => !claim.records.announced.some(now => recordKey(now) === recordKey(record))))
    if (claim.state.kind === 'probing') {
      claim.toAnnounce = claim.records.announced
      return
    }
    if (gone.length > 0) this.#sayGoodbye(gone)
    if (changed.length === 0) return
    claim.toAnnounce =
      claim.state.kind === 'announcing' ? unionOf(claim.toAnnounce, changed, claim.records.announced) : changed
    claim.state = announceAgain(claim.state, now)
  }

  /** Moves to the link's new addresses. */
  setLink(link: NetworkInterface, now: number): void {
    this.#link = link
    for (const publication of this.#claims.keys()) this.update(publication, now)
  }

  /** Announces everything again: the link may have come back from somewhere else. */
  announceAll(now: number): void {
    for (const claim of this.#claims.values()) {
      if (claim.state.kind === 'probing') continue
      claim.toAnnounce = claim.records.announced
      claim.state = announceAgain(claim.state, now)
    }
  }

  /** Says goodbye to the records of a publication (section 10.1). */
  release(publication: Publication): void {
    const claim = this.#claims.get(publication)
    if (claim === undefined) return
    this.#claims.delete(publication)
    this.#forget(claim.records.announced)
    if (claim.state.kind !== 'probing') this.#sayGoodbye(claim.records.announced)
  }

  recordsOf(publication: Publication): readonly ResourceRecord[] {
    return this.#claims.get(publication)?.records.announced ?? []
  }

  owns(record: ResourceRecord): boolean {
    const key = recordKey(record)
    for (const { records } of this.#claims.values()) {
      if (records.announced.some(own => recordKey(own) === key)) return true
    }
    return false
  }

  advance(now: number): void {
    for (const [publication, claim] of this.#claims) this.#advanceClaim(publication, claim, now)
    for (const [key, query] of this.#truncated) {
      if (query.dueAt > now) continue
      this.#truncated.delete(key)
      this.#respond(query, now)
    }
    const due = this.#queue.advance(now)
    if (due.length > 0) this.#multicast(due, now)
  }

  handleQuery(query: MdnsMessage, source: SocketAddress, now: number): void {
    this.#settleSimultaneousProbe(query, now)
    const own = this.#answerable()
    if (own.length === 0) return
    const suppressed = suppressedBy(query.answers, own)
    if (source.port !== MDNS_PORT) {
      this.#answerLegacy(query, suppressed, source)
      return
    }
    const isProbe = query.authorities.length > 0
    const held = this.#truncated.get(source.address)
    if (held === undefined && !query.isTruncated) {
      this.#respond({ source, questions: [...query.questions], suppressed, isProbe }, now)
    } else {
      this.#gather(held, { source, questions: [...query.questions], suppressed, isProbe }, query.isTruncated, now)
    }
  }

  handleResponse(response: MdnsMessage, now: number): void {
    for (const record of [...response.answers, ...response.additionals]) {
      this.#queue.answeredByOther(record)
      for (const [publication, claim] of this.#claims) this.#checkConflict(record, publication, claim, now)
    }
  }

  /** Claims ---------------------------------------------------------------------------------------------------------*/

  #advanceClaim(publication: Publication, claim: Claim, now: number): void {
    const { state, effect } = advanceClaim(claim.state, now)
    const isFirstAnnouncement = claim.state.kind === 'probing' && effect === 'announce'
    claim.state = state
    if (effect === 'probe') this.#probe(claim)
    if (effect === 'announce') this.#announce(claim.toAnnounce, now)
    if (isFirstAnnouncement) publication.onAnnounced()
  }

  /** Section 8.1: asks for every record under our names, and says in the authority section what we want there. */
  #probe({ records }: Claim): void {
    const authorities = records.announced.filter(record => record.flush).map(record => ({ ...record, flush: false }))
    const names = new Map(authorities.map(record => [nameKey(record.name), record.name]))
    const questions = [...names.values()].map(name => ({ name, type: 'ANY' as const, unicastResponse: false }))
    if (questions.length > 0) this.#options.multicast(message({ questions, authorities }))
  }

  #announce(records: readonly ResourceRecord[], now: number): void {
    for (const record of records) this.#queue.multicast(record, now)
    this.#options.multicast(message({ isResponse: true, answers: records }))
  }

  #sayGoodbye(records: readonly ResourceRecord[]): void {
    this.#options.multicast(message({ isResponse: true, answers: records.map(record => ({ ...record, ttl: 0 })) }))
  }

  /** Section 8.2: who probes for one of our names at the same time, and whose records sort later? */
  #settleSimultaneousProbe(query: MdnsMessage, now: number): void {
    const theirs = query.authorities
    if (theirs.length === 0 || theirs.every(record => this.#options.isOwn(record))) return
    for (const claim of this.#claims.values()) {
      if (claim.state.kind !== 'probing') continue
      const ours = claim.records.announced.filter(record => record.flush)
      for (const name of new Set(ours.map(record => nameKey(record.name)))) {
        const rivals = theirs.filter(record => nameKey(record.name) === name)
        if (rivals.length === 0) continue
        const own = ours.filter(record => nameKey(record.name) === name)
        if (compareProbes(own.map(probeRecord), rivals.map(probeRecord)) < 0) claim.state = deferProbing(now)
      }
    }
  }

  #checkConflict(record: ResourceRecord, publication: Publication, claim: Claim, now: number): void {
    const sameName = claim.records.announced.filter(own => own.flush && nameKey(own.name) === nameKey(record.name))
    if (sameName.length === 0 || record.type === 'NSEC') return
    const same = sameName.find(own => recordKey(own) === recordKey(record))
    if (same !== undefined) {
      // Section 6.6: a TTL below half of the true one, a forged goodbye for example, is corrected by the owner.
      if (claim.state.kind !== 'probing' && record.ttl < same.ttl / 2) this.#queue.schedule(same, 'defence', now)
      return
    }
    if (record.ttl === 0 || this.#options.isOwn(record)) return
    if (claim.state.kind === 'probing') {
      this.#options.onConflict(publication, record.name)
    } else if (sameName.some(own => setKey(own) === setKey(record))) {
      // Section 9: what was ours is in doubt. Probing again finds out who else is there.
      claim.toAnnounce = claim.records.announced
      claim.state = startProbing(now, this.#options.fraction())
    }
  }

  /** Answers ----------------------------------------------------------------------------------------------------------*/

  #answerable(): ResourceRecord[] {
    const own: ResourceRecord[] = []
    for (const { state, records } of this.#claims.values()) {
      if (state.kind !== 'probing') own.push(...records.announced, ...records.answered)
    }
    return own
  }

  /** Section 7.2: a querier with more known answers than fit one packet is answered when it has told them all. */
  #gather(
    held: TruncatedQuery | undefined,
    query: Omit<TruncatedQuery, 'dueAt'>,
    isTruncated: boolean,
    now: number,
  ): void {
    const { from, to } = TRUNCATED_DELAY_MS
    const dueAt = now + from + this.#options.fraction() * (to - from)
    if (held === undefined) {
      if (this.#truncated.size < MAX_TRUNCATED_QUERIERS) this.#truncated.set(query.source.address, { ...query, dueAt })
      else this.#respond(query, now)
      return
    }
    // Whoever goes on asking without end is not gathered for: the questions of the first packets are answered.
    if (held.questions.length + query.questions.length <= 64) held.questions.push(...query.questions)
    for (const key of query.suppressed) held.suppressed.add(key)
    if (isTruncated) held.dueAt = Math.min(dueAt, held.dueAt + to)
  }

  #respond(query: Omit<TruncatedQuery, 'dueAt'>, now: number): void {
    const own = this.#answerable()
    const unicast = new Map<string, ResourceRecord>()
    for (const question of query.questions) {
      for (const record of selectAnswers(own, question)) {
        if (query.suppressed.has(recordKey(record))) continue
        if (question.unicastResponse && !query.isProbe && this.#wasMulticastLately(record, now)) {
          unicast.set(recordKey(record), record)
        } else {
          this.#queue.schedule(record, urgencyOf(record, query, question), now)
        }
      }
    }
    if (unicast.size > 0) this.#answerUnicast([...unicast.values()], own, query.source)
  }

  /** Section 5.4: a unicast answer will do if the others on the link have heard the record within a quarter of its TTL. */
  #wasMulticastLately(record: ResourceRecord, now: number): boolean {
    return now - this.#queue.lastMulticastAt(record) < record.ttl * 250
  }

  #answerUnicast(selected: readonly ResourceRecord[], own: readonly ResourceRecord[], to: SocketAddress): void {
    const response = message({ isResponse: true, answers: selected, additionals: additionalsFor(selected, own) })
    this.#options.unicast(response, to, { delayMs: this.#jitter(), isLegacy: false })
  }

  /** Section 6.7: id and questions echoed, short TTLs, no cache-flush bit, as in plain DNS. All in one packet. */
  #answerLegacy(query: MdnsMessage, suppressed: ReadonlySet<string>, to: SocketAddress): void {
    const own = this.#answerable().filter(record => record.type !== 'NSEC')
    const selected = new Map<string, ResourceRecord>()
    for (const record of query.questions.flatMap(question => selectAnswers(own, question))) {
      if (!suppressed.has(recordKey(record))) selected.set(recordKey(record), record)
    }
    if (selected.size === 0) return
    const plain = (record: ResourceRecord): ResourceRecord => ({
      ...record,
      flush: false,
      ttl: Math.min(record.ttl, LEGACY_TTL_SECONDS),
    })
    const answerList = [...selected.values()]
    const response = message({
      id: query.id,
      isResponse: true,
      questions: query.questions.map(question => ({ ...question, unicastResponse: false })),
      answers: answerList.map(plain),
      additionals: additionalsFor(answerList, own).map(plain),
    })
    this.#options.unicast(response, to, { delayMs: this.#jitter(), isLegacy: true })
  }

  #multicast(due: readonly ResourceRecord[], now: number): void {
    const additionals = additionalsFor(due, this.#answerable()).filter(record => this.#queue.mayMulticast(record, now))
    for (const record of [...due, ...additionals]) this.#queue.multicast(record, now)
    this.#options.multicast(message({ isResponse: true, answers: due, additionals }))
  }

  #forget(records: readonly ResourceRecord[]): void {
    for (const record of records) this.#queue.forget(record)
  }

  #jitter(): number {
    return this.#options.fraction() * UNICAST_JITTER_MS
  }
}

function urgencyOf(
  record: ResourceRecord,
  query: Omit<TruncatedQuery, 'dueAt'>,
  question: Question,
): 'shared' | 'prompt' | 'defence' {
  if (!record.flush) return question.unicastResponse ? 'prompt' : 'shared'
  return query.isProbe && answers(record, question) ? 'defence' : 'prompt'
}

/** The records in sets that are not what they were, and the records of sets that exist no more. */
function difference(
  before: readonly ResourceRecord[],
  after: readonly ResourceRecord[],
): { changed: ResourceRecord[]; gone: ResourceRecord[] } {
  const contents = (records: readonly ResourceRecord[], set: string): string =>
    records
      .filter(record => setKey(record) === set)
      .map(recordKey)
      .sort()
      .join('\n')
  const changed = after.filter(record => contents(before, setKey(record)) !== contents(after, setKey(record)))
  // A unique set is flushed by its new contents; a shared record, or the last one of a set, has to be taken back.
  const gone = before.filter(record => {
    const isKept = after.some(other => recordKey(other) === recordKey(record))
    return !isKept && (!record.flush || !after.some(other => setKey(other) === setKey(record)))
  })
  return { changed, gone }
}

/** What is still to be announced of `first` and `second`, as it is now. */
function unionOf(
  first: readonly ResourceRecord[],
  second: readonly ResourceRecord[],
  current: readonly ResourceRecord[],
): ResourceRecord[] {
  const sets = new Set([...first, ...second].map(setKey))
  return current.filter(record => sets.has(setKey(record)))
}

function probeRecord(record: ResourceRecord): ProbeRecord {
  return { typeCode: TYPE_CODES[record.type], data: dataBytes(record) }
}

const TYPE_CODES: Readonly<Record<ResourceRecord['type'], number>> = {
  A: 1,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NSEC: 47,
}
