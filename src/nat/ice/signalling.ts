/**
 * Descriptions over a channel that loses, delays, doubles and reorders. Each message is the whole truth of its revision, so only
 * the newest counts; it is sent again until the other side says that it has it, and then there is silence.
 *
 * A message of an unknown session may be of a peer that has started again, or one that the channel held back. It counts when
 * it proves that it is of today, by naming our session; until then it only gets our description as an answer.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_ICE_RESTARTS_PER_MINUTE, MAX_ICE_RETIRED_SESSIONS } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { Credentials } from './credentials.ts'
import { type Description, encodeDescription, readDescription } from './description.ts'

/** What this side tells of itself. */
export type OwnDescription = Omit<Description, 'heardSessionId' | 'revision' | 'heardRevision' | 'wantsAnswer'>

export interface SignallingOptions {
  readonly clock: Clock
  readonly send: (bytes: Uint8Array) => void
  /** The other side has told something new. */
  readonly onRemote: (remote: Description, isNewSession: boolean) => void
  readonly onViolation: (error: EarshotError) => void
}

/** The first repetition, each next one after twice as long, up to the longest. */
const FIRST_REPETITION_MS = 250
const LONGEST_REPETITION_MS = 4_000
/** Then whoever is not there is not told any more; a message of theirs begins it anew. */
const MAX_REPETITIONS = 20
const MINUTE_MS = 60_000
/** An answer waits so long for news that could go with it. */
const ANSWER_DELAY_MS = 20

export class Signalling {
  readonly #options: SignallingOptions
  #own: OwnDescription
  #revision = 1
  #remote: { readonly sessionId: Uint8Array; revision: number } | undefined
  /** What of our present session has arrived. */
  #arrived = 0
  readonly #retired: Uint8Array[] = []
  /** When the other side began anew, in the last minute. */
  #restarts: number[] = []
  #answer: Timer | undefined
  #repetition: Timer | undefined
  #repetitions = 0
  #isSending = false
  #isClosed = false

  constructor(options: SignallingOptions, own: OwnDescription) {
    this.#options = options
    this.#own = own
    this.#tell()
  }

  get own(): OwnDescription {
    return this.#own
  }

  /** Tells something new; several changes of one turn go together. */
  update(change: Partial<Omit<OwnDescription, keyof Credentials>>): void {
    this.#own = { ...this.#own, ...change }
    this.#revision += 1
    this.#tell()
  }

  /** Begins a new session. */
  renew(own: OwnDescription): void {
    this.#own = own
    this.#revision = 1
    this.#arrived = 0
    this.#tell()
  }

  receive(bytes: Uint8Array): void {
    if (this.#isClosed) return
    const description = readDescription(bytes)
    if (description instanceof EarshotError) this.#options.onViolation(description)
    // A channel that everybody hears, oneself too.
    else if (!isSame(description.sessionId, this.#own.sessionId)) this.#onDescription(description)
  }

  close(): void {
    this.#isClosed = true
    this.#answer?.cancel()
    this.#repetition?.cancel()
  }

  #onDescription(description: Description): void {
    const isKnown = this.#remote !== undefined && isSame(description.sessionId, this.#remote.sessionId)
    if (!isKnown && !this.#adopts(description)) return
    const remote = this.#remote!
    const hasHeardUs =
      description.heardSessionId !== undefined && isSame(description.heardSessionId, this.#own.sessionId)
    if (hasHeardUs) this.#arrived = Math.max(this.#arrived, Math.min(description.heardRevision, this.#revision))
    if (this.#arrived === this.#revision) this.#repetition?.cancel()
    if (description.wantsAnswer) this.#answerSoon()
    if (!isKnown || !hasHeardUs) this.#repeatAnew()
    if (description.revision <= remote.revision) return
    remote.revision = description.revision
    this.#options.onRemote(description, !isKnown)
  }

  /** Whether an unknown session is taken for that of the other side from now on. */
  #adopts({ sessionId, heardSessionId }: Description): boolean {
    if (this.#retired.some(old => isSame(old, sessionId))) return false
    const isOfToday = heardSessionId !== undefined && isSame(heardSessionId, this.#own.sessionId)
    if (this.#remote !== undefined && !isOfToday) {
      this.#answerSoon(sessionId)
      return false
    }
    if (this.#remote) {
      if (!this.#mayRestart()) return false
      this.#retire(this.#remote.sessionId)
    }
    this.#remote = { sessionId, revision: 0 }
    this.#arrived = 0
    return true
  }

  /** Each new session makes us send checks to addresses that the other side names. */
  #mayRestart(): boolean {
    const now = this.#options.clock.now()
    this.#restarts = this.#restarts.filter(at => now - at < MINUTE_MS)
    if (this.#restarts.length >= MAX_ICE_RESTARTS_PER_MINUTE) return false
    this.#restarts.push(now)
    return true
  }

  #retire(sessionId: Uint8Array): void {
    this.#retired.push(sessionId)
    if (this.#retired.length > MAX_ICE_RETIRED_SESSIONS) this.#retired.shift()
  }

  #tell(): void {
    this.#repeatAnew()
    if (this.#isSending) return
    this.#isSending = true
    this.#options.clock.afterTurn(() => {
      this.#isSending = false
      this.#send()
    })
  }

  #answerSoon(stranger?: Uint8Array): void {
    this.#answer ??= this.#options.clock.setTimer(ANSWER_DELAY_MS, () => this.#send(stranger))
  }

  #repeatAnew(): void {
    this.#repetitions = 0
    this.#repetition?.cancel()
    this.#scheduleRepetition()
  }

  #scheduleRepetition(): void {
    if (this.#isClosed || this.#arrived >= this.#revision || this.#repetitions >= MAX_REPETITIONS) return
    const delayMs = Math.min(FIRST_REPETITION_MS * 2 ** this.#repetitions, LONGEST_REPETITION_MS)
    this.#repetition = this.#options.clock.setTimer(delayMs, () => {
      this.#repetitions += 1
      this.#send()
      this.#scheduleRepetition()
    })
  }

  #send(stranger?: Uint8Array): void {
    if (this.#isClosed) return
    this.#answer?.cancel()
    this.#answer = undefined
    const heard = stranger ? { sessionId: stranger, revision: 0 } : this.#remote
    const description: Description = {
      ...this.#own,
      heardSessionId: heard?.sessionId,
      heardRevision: heard?.revision ?? 0,
      revision: this.#revision,
      wantsAnswer: this.#arrived < this.#revision,
    }
    this.#options.send(encodeDescription(description))
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
