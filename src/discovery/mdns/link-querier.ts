/** The querier on one link (one interface, one address family): asks, remembers what it hears, keeps it fresh. */

import { MAX_GATHERED_QUESTIONS, MAX_TRUNCATED_QUERIERS } from '../../limits.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { nameKey } from './domain-name.ts'
import type { MdnsMessage } from './message.ts'
import type { AskedQuestion } from './packets.ts'
import { type Persistence, Querier } from './querier.ts'
import { type Question, type QuestionType, type ResourceRecord, setKey } from './record.ts'
import { RecordCache } from './record-cache.ts'

/** What somebody in this program wants to know. */
export interface Interest {
  readonly question: Question
  readonly persistence: Persistence
}

export interface LinkQuerierOptions {
  readonly fraction: () => number
  /** By set key: the records that are kept. What nobody asked for is not, so strangers cannot fill the memory. */
  readonly interests: ReadonlyMap<string, Interest>
  sendQuery(asked: readonly AskedQuestion[]): void
  /** These records came or went, or are the newest of their set now. */
  onChanged(records: readonly ResourceRecord[]): void
  onFull(): void
}

/** What a record may make us want to know next: with this order one packet is enough to resolve an instance. */
const READING_ORDER: readonly (readonly QuestionType[])[] = [['PTR'], ['SRV', 'TXT'], ['A', 'AAAA', 'NSEC']]

export class LinkQuerier {
  readonly cache: RecordCache
  readonly #options: LinkQuerierOptions
  readonly #querier: Querier
  /** By source address: the questions of queries whose known answers are still coming in. */
  readonly #begunQueries = new Map<string, readonly Question[]>()

  constructor(options: LinkQuerierOptions) {
    this.#options = options
    this.cache = new RecordCache(options.fraction)
    this.#querier = new Querier(options.fraction)
  }

  get nextAt(): number {
    return Math.min(this.cache.nextAt, this.#querier.nextAt)
  }

  ask({ question, persistence }: Interest, now: number): void {
    this.#querier.ask(question, persistence, now)
  }

  stop({ question }: Interest): void {
    this.#querier.stop(question)
    this.cache.forget(question)
    if (!this.#wantsAddress(question.name)) this.cache.forget({ name: question.name, type: 'NSEC' })
  }

  advance(now: number): void {
    const { expired, refresh } = this.cache.advance(now)
    for (const record of expired) {
      const interest = this.#options.interests.get(setKey(record))
      if (interest?.persistence === 'resolve') this.#querier.restart(interest.question, now)
    }
    if (expired.length > 0) this.#options.onChanged(expired)
    const due = this.#querier.advance(now, question => this.#isAnswered(question, now))
    this.#send(new Map([...this.#questionsFor(refresh), ...due.map(keyed)]), now)
  }

  /**
   * Another host asks what we were about to ask (section 7.3): its answers will serve us too, unless it knows some that
   * we do not. With known answers in several packets the last one decides.
   */
  handleQuery(query: MdnsMessage, source: SocketAddress, now: number): void {
    const begun = this.#begunQueries.get(source.address)
    const questions = [...(begun ?? []), ...query.questions].filter(question => this.#serves(question, query, now))
    if (query.isTruncated && questions.length > 0 && this.#begunQueries.size < MAX_TRUNCATED_QUERIERS) {
      this.#begunQueries.set(source.address, questions.slice(0, MAX_GATHERED_QUESTIONS))
      return
    }
    if (begun !== undefined) this.#begunQueries.delete(source.address)
    if (!query.isTruncated) for (const question of questions) this.#querier.askedByOther(question, now)
  }

  handleResponse(response: MdnsMessage, source: SocketAddress, isLegacy: boolean, now: number): void {
    const heard = [...response.answers, ...response.additionals]
    for (const types of READING_ORDER) {
      const changed: ResourceRecord[] = []
      for (const record of heard) {
        if (!types.includes(record.type) || !this.#isWanted(record)) continue
        const result = this.cache.add(record, { now, source: source.address, isLegacy })
        if (result === 'changed') changed.push(record)
        if (result === 'full') this.#options.onFull()
      }
      if (changed.length > 0) this.#options.onChanged(changed)
    }
  }

  #serves(question: Question, { answers, authorities }: MdnsMessage, now: number): boolean {
    if (question.unicastResponse || authorities.length > 0 || !this.#options.interests.has(setKey(question)))
      return false
    const set = setKey(question)
    const told = answers.filter(record => setKey(record) === set)
    return told.every(record => this.cache.knows(record, now))
  }

  #send(questions: ReadonlyMap<string, Question>, now: number): void {
    if (questions.size === 0) return
    const asked = [...questions.values()]
    this.#options.sendQuery(asked.map(question => ({ question, known: this.cache.knownAnswers(question, now) })))
  }

  #questionsFor(records: readonly ResourceRecord[]): [string, Question][] {
    return records
      .filter(record => this.#isWanted(record))
      .map(({ name, type }) => keyed({ name, type, unicastResponse: false }))
  }

  #isWanted(record: ResourceRecord): boolean {
    return record.type === 'NSEC' ? this.#wantsAddress(record.name) : this.#options.interests.has(setKey(record))
  }

  #wantsAddress(name: string): boolean {
    return (['A', 'AAAA'] as const).some(type => this.#options.interests.has(setKey({ name, type })))
  }

  /** An NSEC record that does not list the type is an answer, too: there is none (section 6.1). */
  #isAnswered(question: Question, now: number): boolean {
    if (this.cache.get(question, now).length > 0) return true
    return this.cache
      .get({ name: nameKey(question.name), type: 'NSEC' }, now)
      .some(({ record }) => record.type === 'NSEC' && !record.data.rrtypes.includes(question.type))
  }
}

function keyed(question: Question): [string, Question] {
  return [setKey(question), question]
}
