/**
 * When to ask which question on one link (RFC 6762 section 5.2), and when another host's question serves us as well
 * (section 7.3). Time goes in, due questions come out.
 */

import { type Question, setKey } from './record.ts'

/** Section 5.2: the first question 20 to 120 ms late, so that hosts switched on together do not ask together. */
const FIRST_DELAY_MS = { from: 20, to: 120 }
/** The second question a second later, then twice as long each time, up to an hour. */
const FIRST_INTERVAL_MS = 1_000
const MAX_INTERVAL_MS = 3_600_000
/** Each interval up to a tenth longer, so that hosts drift apart. */
const INTERVAL_JITTER = 0.1
/** A question due this soon may ride with one that is due now. */
const AGGREGATE_MS = 100
/** Another host's question replaces ours if ours would have followed within this time. */
const DUPLICATE_WINDOW_MS = 900
/** What is asked until it is answered is asked this often: the last time after a minute. */
const MAX_RESOLVE_ATTEMPTS = 7

/**
 * `browse`: asked for ever, as more answers may come. `resolve`: asked until there is an answer; after that the cache
 * asks again before the answer expires.
 */
export type Persistence = 'browse' | 'resolve'

interface Schedule {
  readonly question: Question
  readonly persistence: Persistence
  intervalMs: number
  attempts: number
  nextAt: number
}

export class Querier {
  readonly #fraction: () => number
  readonly #schedules = new Map<string, Schedule>()
  /** Asked for with every packet, so it is kept until a schedule changes. */
  #nextAt: number | undefined

  /** @param fraction random numbers in [0, 1), for the jitter */
  constructor(fraction: () => number) {
    this.#fraction = fraction
  }

  /** When `advance` has something to do next; Infinity for never. */
  get nextAt(): number {
    this.#nextAt ??= [...this.#schedules.values()].reduce(
      (nextAt, schedule) => Math.min(nextAt, schedule.nextAt),
      Infinity,
    )
    return this.#nextAt
  }

  ask(question: Question, persistence: Persistence, now: number): void {
    const { from, to } = FIRST_DELAY_MS
    const nextAt = now + from + this.#fraction() * (to - from)
    this.#nextAt = undefined
    this.#schedules.set(setKey(question), { question, persistence, intervalMs: FIRST_INTERVAL_MS, attempts: 0, nextAt })
  }

  stop(question: Question): void {
    this.#nextAt = undefined
    this.#schedules.delete(setKey(question))
  }

  /** Starts the sequence of a question anew, for example because its answer expired. */
  restart(question: Question, now: number): void {
    const schedule = this.#schedules.get(setKey(question))
    if (schedule !== undefined) this.ask(schedule.question, schedule.persistence, now)
  }

  /** The questions to ask now. `isAnswered`: the cache has an answer, so that a `resolve` question can rest. */
  advance(now: number, isAnswered: (question: Question) => boolean): Question[] {
    const due: Question[] = []
    if (now < this.nextAt) return due
    this.#nextAt = undefined
    for (const schedule of this.#schedules.values()) {
      if (schedule.nextAt > now + AGGREGATE_MS) continue
      if (schedule.persistence === 'resolve' && isAnswered(schedule.question)) {
        schedule.nextAt = Infinity
        continue
      }
      due.push(schedule.question)
      this.#asked(schedule, now)
    }
    return due
  }

  /** Another host has just asked the same, and told no known answer that we do not know (section 7.3). */
  askedByOther(question: Question, now: number): void {
    const schedule = this.#schedules.get(setKey(question))
    if (schedule === undefined || schedule.nextAt - now > DUPLICATE_WINDOW_MS) return
    this.#asked(schedule, now)
  }

  #asked(schedule: Schedule, now: number): void {
    this.#nextAt = undefined
    schedule.attempts++
    const isGivenUp = schedule.persistence === 'resolve' && schedule.attempts >= MAX_RESOLVE_ATTEMPTS
    const jitter = 1 + this.#fraction() * INTERVAL_JITTER
    schedule.nextAt = isGivenUp ? Infinity : now + schedule.intervalMs * jitter
    schedule.intervalMs = Math.min(schedule.intervalMs * 2, MAX_INTERVAL_MS)
  }
}
