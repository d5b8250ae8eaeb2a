/**
 * Virtual time: a queue of events, and a clock that jumps from one to the next.
 *
 *     take the next event, set the clock to its time, run it ──► let every promise that it settled run ──► again
 *
 * One event with the promises behind it is a turn, as in Node's event loop. Programs on different hosts can only reach
 * each other by later events, so one turn runs one event of each program that has one at this instant; that saves most
 * of the waiting and changes no program's view. What happens is a function of the seed alone.
 *
 * Time moves only while somebody waits for it in `advance` or `until`.
 */

import { EarshotError } from '../errors.ts'
import { EventQueue, type QueuedEvent } from './event-queue.ts'

/**
 * Instants are multiples of this, a power of two, so that sums of them are exact: a timer never seems to fire a
 * rounding error too early.
 */
const TICK_MS = 2 ** -10
/** This many events without time passing are a loop that never ends. */
const MAX_EVENTS_AT_ONE_INSTANT = 5_000_000
const DEFAULT_WITHIN_MS = 60_000

/** Taken now, so that a test framework's fake timers do not replace it. */
const setImmediate = globalThis.setImmediate

/** Whose an event is. */
export interface EventOwner {
  /** The events of one that is asleep wait for it to wake; those of a dead one never happen. */
  readonly condition: 'awake' | 'asleep' | 'dead'
  /** True where events run code of a user, which has promises to settle; false for a simulated operating system. */
  readonly takesTurns: boolean
}

export interface ScheduledEvent extends QueuedEvent {
  readonly owner: EventOwner | undefined
  readonly run: () => void
}

/** Somebody who waits in `advance` or `until`. */
interface Goal {
  readonly at: number
  readonly onReached: () => void
  readonly onFailed: (error: unknown) => void
}

export interface UntilOptions {
  /** How much virtual time may pass, in milliseconds. @default 60_000 */
  readonly withinMs?: number
}

export class VirtualTime {
  #now = 0
  #order = 0
  readonly #queue = new EventQueue<ScheduledEvent>()
  readonly #sleeping = new Map<EventOwner, ScheduledEvent[]>()
  readonly #goals = new Set<Goal>()
  readonly #frozenBy = new Set<Promise<unknown>>()
  readonly #ranThisTurn = new Set<EventOwner>()
  #atTurnEnd: (() => void)[] = []
  #isDriving = false
  #eventsAtThisInstant = 0

  /** Milliseconds since the simulation began. */
  get now(): number {
    return this.#now
  }

  /** Lets `durationMs` pass; everything that is due by then, and the promises behind it, has happened afterwards. */
  advance(durationMs: number): Promise<void> {
    checkDuration('durationMs', durationMs)
    return new Promise((resolve, reject) => {
      this.#pursue({ at: this.#now + toTicks(durationMs), onReached: resolve, onFailed: reject })
    })
  }

  /** Lets time pass until `promise` is settled, and returns its result. */
  until<Value>(promise: PromiseLike<Value>, { withinMs = DEFAULT_WITHIN_MS }: UntilOptions = {}): Promise<Value> {
    checkDuration('withinMs', withinMs)
    return new Promise((resolve, reject) => {
      const startedAt = this.#now
      const goal: Goal = {
        at: startedAt + toTicks(withinMs),
        onReached: () => reject(new EarshotError('timeout', notSettled(startedAt, withinMs))),
        onFailed: reject,
      }
      const settleWith = <Result>(settle: (result: Result) => void) => {
        return (result: Result) => {
          this.#goals.delete(goal)
          settle(result)
        }
      }
      promise.then(settleWith(resolve), settleWith(reject))
      this.#pursue(goal)
    })
  }

  /** Stops virtual time until `promise` is settled: for work in the real world, such as reading a file. */
  async freeze<Value>(promise: PromiseLike<Value>): Promise<Value> {
    const work = Promise.resolve(promise)
    this.#frozenBy.add(work)
    try {
      return await work
    } finally {
      this.#frozenBy.delete(work)
    }
  }

  schedule(delayMs: number, owner: EventOwner | undefined, run: () => void): ScheduledEvent {
    const at = this.#now + toTicks(delayMs)
    const event: ScheduledEvent = { at, order: this.#order++, owner, run, isCancelled: false }
    this.#queue.push(event)
    return event
  }

  cancel(event: ScheduledEvent): void {
    if (event.isCancelled) return
    if (event.owner && this.#sleeping.get(event.owner)?.includes(event)) event.isCancelled = true
    else this.#queue.cancel(event)
  }

  /** Runs `fn` once the present turn's promises have settled, whether or not time is moving. */
  afterTurn(owner: EventOwner, fn: () => void): void {
    if (this.#atTurnEnd.length === 0) setImmediate(() => this.#endTurn())
    this.#atTurnEnd.push(() => {
      if (owner.condition === 'awake') fn()
      else this.schedule(0, owner, fn)
    })
  }

  /** The events that came up while `owner` was asleep come up now, in their order. */
  wake(owner: EventOwner): void {
    const missed = this.#sleeping.get(owner) ?? []
    this.#sleeping.delete(owner)
    for (const event of missed) {
      if (!event.isCancelled) this.#queue.push(Object.assign(event, { at: this.#now, order: this.#order++ }))
    }
  }

  #pursue(goal: Goal): void {
    this.#goals.add(goal)
    if (this.#isDriving) return
    this.#isDriving = true
    void this.#drive()
  }

  async #drive(): Promise<void> {
    // What was started before the call belongs to this instant.
    await this.#turnOver()
    while (this.#goals.size > 0) {
      const goal = this.#nextGoal()
      const event = this.#queue.peek()
      if (event === undefined || event.at > goal.at) this.#reach(goal)
      else this.#runTurn(event.at)
      await this.#turnOver()
    }
    this.#isDriving = false
  }

  #nextGoal(): Goal {
    let next: Goal | undefined
    for (const goal of this.#goals) if (next === undefined || goal.at < next.at) next = goal
    return next!
  }

  #reach(goal: Goal): void {
    this.#moveTo(goal.at)
    this.#goals.delete(goal)
    goal.onReached()
  }

  /** Runs events of the instant `at` until one program would have to run a second time. */
  #runTurn(at: number): void {
    this.#moveTo(at)
    this.#ranThisTurn.clear()
    for (let event = this.#queue.peek(); event?.at === at; event = this.#queue.peek()) {
      const { owner } = event
      if (owner?.takesTurns) {
        if (this.#ranThisTurn.has(owner)) return
        this.#ranThisTurn.add(owner)
      }
      this.#queue.shift()
      this.#happen(event)
      if (this.#goals.size === 0) return
    }
  }

  #happen(event: ScheduledEvent): void {
    const condition = event.owner?.condition ?? 'awake'
    if (condition === 'awake') {
      event.isCancelled = true
      this.#attempt(event.run)
    } else if (condition === 'asleep') this.#miss(event)
    if (++this.#eventsAtThisInstant > MAX_EVENTS_AT_ONE_INSTANT) {
      this.#fail(new Error(`virtual time stands still at ${this.#now} ms: events without end follow at once`))
    }
  }

  #miss(event: ScheduledEvent): void {
    const missed = this.#sleeping.get(event.owner!)
    if (missed === undefined) this.#sleeping.set(event.owner!, [event])
    else missed.push(event)
  }

  /** What user code throws reaches whoever lets time pass; with nobody there, it is an uncaught exception. */
  #attempt(run: () => void): void {
    try {
      run()
    } catch (error) {
      if (this.#goals.size === 0) throw error
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    const goals = [...this.#goals]
    this.#goals.clear()
    for (const goal of goals) goal.onFailed(error)
  }

  #moveTo(at: number): void {
    if (at > this.#now) this.#eventsAtThisInstant = 0
    this.#now = at
  }

  async #turnOver(): Promise<void> {
    do {
      await new Promise<void>(setImmediate)
      while (this.#frozenBy.size > 0) await Promise.allSettled(this.#frozenBy)
    } while (this.#atTurnEnd.length > 0)
  }

  #endTurn(): void {
    const functions = this.#atTurnEnd
    this.#atTurnEnd = []
    for (const fn of functions) this.#attempt(fn)
  }
}

/** Up to the next tick: a timer may be late, never early. */
function toTicks(durationMs: number): number {
  return Math.ceil(Math.max(0, durationMs) / TICK_MS) * TICK_MS
}

function checkDuration(name: string, durationMs: number): void {
  if (!(durationMs >= 0 && Number.isFinite(durationMs))) {
    throw new RangeError(`${name} must be a number of milliseconds from 0 up, not ${durationMs}`)
  }
}

function notSettled(startedAt: number, withinMs: number): string {
  return `the promise was not settled within ${withinMs} ms of virtual time, counted from ${startedAt} ms`
}
