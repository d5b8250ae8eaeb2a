/** The responder on one link (one interface, one address family): who is answered what, when, and how (RFC 6762 section 6). */

import { MAX_GATHERED_QUESTIONS, MAX_TRUNCATED_QUERIERS } from '../../limits.ts'
import type { NetworkInterface, SocketAddress } from '../../platform/network.ts'
import { additionalsFor, selectAnswers, suppressedBy } from './answer-selection.ts'
import { Claims } from './claims.ts'
import { type MdnsMessage, message } from './message.ts'
import type { Publication } from './publication.ts'
import { type Question, type ResourceRecord, recordKey } from './record.ts'
import { ResponseQueue, type Urgency } from './response-queue.ts'

export const MDNS_PORT = 5353
/** Section 6.7: what a legacy querier learns it may keep this long. */
const LEGACY_TTL_SECONDS = 10
/** Section 7.2: known answers in further packets are waited for this long. */
const TRUNCATED_DELAY_MS = { from: 400, to: 500 }
/**
 * Unicast answers wait only this long. Section 6 asks for 20 to 120 ms, to keep the multicasts of many hosts apart and
 * let them suppress each other; unicast is not suppressed, and a few milliseconds do to keep a receive buffer from
 * overflowing when a hundred hosts answer one question.
 */
const UNICAST_JITTER_MS = 10

export interface LinkResponderOptions {
  readonly link: NetworkInterface
  readonly fraction: () => number
  multicast(message: MdnsMessage): void
  /** Sends after a delay; `isLegacy`: to somebody who speaks plain DNS. */
  unicast(
    response: MdnsMessage,
    to: SocketAddress,
    options: { readonly delayMs: number; readonly isLegacy: boolean },
  ): void
  /** True for a record which this engine publishes, on whatever link: hearing ourselves is no conflict. */
  isOwn(record: ResourceRecord): boolean
  onConflict(publication: Publication, name: string): void
  now(): number
}

interface Query {
  readonly source: SocketAddress
  readonly questions: readonly Question[]
  /** `recordKey`s of our records that the querier knows (section 7.1). */
  readonly suppressed: ReadonlySet<string>
  /** Somebody wants the name: section 8.1. */
  readonly isProbe: boolean
  /** The answer has been held back for further known answers already. */
  readonly hasWaited: boolean
}

interface GatheredQuery extends Query {
  readonly dueAt: number
}

export class LinkResponder {
  readonly claims: Claims
  readonly #options: LinkResponderOptions
  readonly #queue: ResponseQueue
  /** By source address: queries whose known answers are still coming in. */
  readonly #gathering = new Map<string, GatheredQuery>()

  constructor(options: LinkResponderOptions) {
    this.#options = options
    this.#queue = new ResponseQueue(options.fraction)
    this.claims = new Claims({
      link: options.link,
      fraction: options.fraction,
      multicast: content => options.multicast(content),
      onAnnounce: records => this.#queue.multicast(records, options.now()),
      onForget: records => this.#queue.forget(records),
      onMisquoted: record => this.#queue.schedule(record, 'defence', options.now()),
      isOwn: record => options.isOwn(record),
      onConflict: (publication, name) => options.onConflict(publication, name),
    })
  }

  get nextAt(): number {
    let nextAt = Math.min(this.claims.nextAt, this.#queue.nextAt)
    for (const { dueAt } of this.#gathering.values()) nextAt = Math.min(nextAt, dueAt)
    return nextAt
  }

  advance(now: number): void {
    this.claims.advance(now)
    for (const [address, query] of this.#gathering) {
      if (query.dueAt > now) continue
      this.#gathering.delete(address)
      this.#answer(query, now)
    }
    const due = this.#queue.advance(now)
    if (due.length > 0) this.#multicast(due, now)
  }

  /**
   * What of an answer that was held back is still ours to give; undefined where nothing is. The goodbye must be the last
   * word.
   */
  stillOwn(response: MdnsMessage): MdnsMessage | undefined {
    const own = new Set(this.claims.answerable().map(recordKey))
    const keep = (records: readonly ResourceRecord[]) => records.filter(record => own.has(recordKey(record)))
    const answers = keep(response.answers)
    return answers.length === 0 ? undefined : { ...response, answers, additionals: keep(response.additionals) }
  }

  handleResponse(response: MdnsMessage, now: number): void {
    for (const record of [...response.answers, ...response.additionals]) this.#queue.answeredByOther(record)
    this.claims.handleResponse(response, now)
  }

  handleQuery(query: MdnsMessage, source: SocketAddress, now: number): void {
    this.claims.handleProbe(query, now)
    const own = this.claims.answerable()
    if (own.length === 0) return
    const suppressed = suppressedBy(query.answers, own)
    const asked = {
      source,
      questions: query.questions,
      suppressed,
      isProbe: query.authorities.length > 0,
      hasWaited: false,
    }
    if (source.port !== MDNS_PORT) this.#answerLegacy(query.id, asked, own)
    else if (query.isTruncated || this.#gathering.has(source.address)) this.#gather(asked, query.isTruncated, now)
    else this.#answer(asked, now)
  }

  /** Section 7.2: a querier with more known answers than fit one packet is answered when it has told them all. */
  #gather(query: Query, isTruncated: boolean, now: number): void {
    const begun = this.#gathering.get(query.source.address)
    if (begun === undefined && this.#gathering.size >= MAX_TRUNCATED_QUERIERS) {
      this.#answer(query, now)
      return
    }
    const { from, to } = TRUNCATED_DELAY_MS
    const waitUntil = now + from + this.#options.fraction() * (to - from)
    this.#gathering.set(query.source.address, {
      ...query,
      questions: [...(begun?.questions ?? []), ...query.questions].slice(0, MAX_GATHERED_QUESTIONS),
      suppressed: new Set([...(begun?.suppressed ?? []), ...query.suppressed]),
      hasWaited: true,
      dueAt: isTruncated || begun === undefined ? waitUntil : begun.dueAt,
    })
  }

  #answer(query: Query, now: number): void {
    const own = this.claims.answerable()
    const unicast = new Map<string, ResourceRecord>()
    for (const question of query.questions) {
      for (const record of selectAnswers(own, question)) {
        if (query.suppressed.has(recordKey(record))) continue
        if (this.#mayAnswerUnicast(record, question, query, now)) unicast.set(recordKey(record), record)
        else this.#queue.schedule(record, urgencyOf(record, question, query), now)
      }
    }
    if (unicast.size === 0) return
    const answers = [...unicast.values()]
    const response = message({ isResponse: true, answers, additionals: additionalsFor(answers, own) })
    this.#options.unicast(response, query.source, { delayMs: this.#unicastDelayMs(), isLegacy: false })
  }

  /**
   * Section 5.4: where unicast is asked for it will do if all others on the link have heard the record within a quarter of
   * its TTL. Never for a probe: port 5353 of the prober is shared, and another of its programs might get the answer.
   */
  #mayAnswerUnicast(record: ResourceRecord, question: Question, { isProbe }: Query, now: number): boolean {
    const quarterTtlMs = (record.ttl * 1_000) / 4
    return question.unicastResponse && !isProbe && now - this.#queue.lastMulticastAt(record) < quarterTtlMs
  }

  /** Section 6.7: id and questions echoed, short TTLs, no cache-flush bit, as in plain DNS. All in one packet. */
  #answerLegacy(id: number, { questions, suppressed, source }: Query, all: readonly ResourceRecord[]): void {
    const own = all.filter(record => record.type !== 'NSEC')
    const selected = questions.flatMap(question => selectAnswers(own, question))
    const wanted = new Map(selected.map(record => [recordKey(record), record]))
    for (const key of suppressed) wanted.delete(key)
    if (wanted.size === 0) return
    const answers = [...wanted.values()]
    const response = message({
      id,
      isResponse: true,
      questions: questions.map(question => ({ ...question, unicastResponse: false })),
      answers: answers.map(asPlainDns),
      additionals: additionalsFor(answers, own).map(asPlainDns),
    })
    this.#options.unicast(response, source, { delayMs: this.#unicastDelayMs(), isLegacy: true })
  }

  /** Additional records count as multicast, too, so those that were within the last second stay away. */
  #multicast(answers: readonly ResourceRecord[], now: number): void {
    const additionals = additionalsFor(answers, this.claims.answerable()).filter(record =>
      this.#queue.mayMulticast(record, now),
    )
    this.#queue.multicast([...answers, ...additionals], now)
    this.#options.multicast(message({ isResponse: true, answers, additionals }))
  }

  #unicastDelayMs(): number {
    return this.#options.fraction() * UNICAST_JITTER_MS
  }
}

/** Section 6: unique records need not wait, since nobody else answers; a prober is told before it takes the name. */
function urgencyOf(record: ResourceRecord, question: Question, { isProbe, hasWaited }: Query): Urgency {
  if (record.flush) return isProbe ? 'defence' : 'prompt'
  return question.unicastResponse || hasWaited ? 'prompt' : 'shared'
}

function asPlainDns(record: ResourceRecord): ResourceRecord {
  return { ...record, flush: false, ttl: Math.min(record.ttl, LEGACY_TTL_SECONDS) }
}
