/** What was tried, how it ended and how long it took: the answer to "why is this not direct?". */

import { asError, EarshotError, type ErrorCode } from '../../errors.ts'
import { MAX_ICE_JOURNAL_ENTRIES } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import type { CandidateType } from './candidate.ts'
import type { PathKind } from './candidate-pair.ts'

export type PathMethod =
  /** Connectivity checks over UDP (RFC 8445 section 7). */
  | 'check'
  /** Checks, or connections, to ports that should follow from the ones before. */
  | 'prediction'
  /** A search among all ports, from or for many sockets. */
  | 'birthday'
  | 'connect'
  | 'simultaneous-open'
  /** The other side connected. */
  | 'accept'

export type PathResult =
  | 'trying'
  /** It works, and another path was used. */
  | 'works'
  /** It became a connection. */
  | 'used'
  | 'failed'
  /** Ended because it was not needed any more. */
  | 'stopped'
  /** Not tried: `message` says why. */
  | 'refused'

/** One pair of candidates. */
export interface PathReport {
  readonly kind: PathKind
  readonly transport: 'udp' | 'tcp'
  readonly method: PathMethod
  /** `'ip:port'`, the local one often without address. */
  readonly local: string
  readonly remote: string
  readonly remoteType: CandidateType
  readonly result: PathResult
  /** From the beginning of the session, in milliseconds. */
  readonly startedAfterMs: number
  /** Until it worked, or failed. */
  readonly durationMs: number | undefined
  readonly code: ErrorCode | undefined
  readonly message: string | undefined
}

export type PathSubject = Pick<PathReport, 'kind' | 'transport' | 'method' | 'remoteType'> & {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** Of a search: instead of the remote address. */
  readonly detail?: string
}

export class Journal {
  readonly #clock: Clock
  readonly #startedAt: number
  readonly #entries: JournalEntry[] = []
  #dropped = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAt = clock.now()
  }

  begin(subject: PathSubject): JournalEntry {
    const entry = new JournalEntry(subject, () => this.#clock.now() - this.#startedAt)
    if (this.#entries.length < MAX_ICE_JOURNAL_ENTRIES) this.#entries.push(entry)
    else this.#dropped += 1
    return entry
  }

  refuse(subject: PathSubject, why: string): void {
    this.begin(subject).end('refused', new EarshotError('refused', why))
  }

  get reports(): readonly PathReport[] {
    return this.#entries.map(entry => entry.report)
  }

  /** How many there was no room for. */
  get dropped(): number {
    return this.#dropped
  }

  get elapsedMs(): number {
    return this.#clock.now() - this.#startedAt
  }
}

export class JournalEntry {
  readonly #subject: PathSubject
  readonly #now: () => number
  readonly #startedAfterMs: number
  #result: PathResult = 'trying'
  #durationMs: number | undefined
  #error: EarshotError | undefined

  constructor(subject: PathSubject, now: () => number) {
    this.#subject = subject
    this.#now = now
    this.#startedAfterMs = now()
  }

  get result(): PathResult {
    return this.#result
  }

  /** The first end counts, but what works may become used. */
  end(result: Exclude<PathResult, 'trying'>, error?: unknown): void {
    if (this.#result !== 'trying' && !(this.#result === 'works' && result === 'used')) return
    this.#durationMs ??= this.#now() - this.#startedAfterMs
    this.#result = result
    if (error === undefined) return
    this.#error = error instanceof EarshotError ? error : new EarshotError('unreachable', asError(error).message)
  }

  get report(): PathReport {
    const { local, remote, detail, ...rest } = this.#subject
    return {
      ...rest,
      local: formatSocketAddress(local),
      remote: detail ?? formatSocketAddress(remote),
      result: this.#result,
      startedAfterMs: Math.round(this.#startedAfterMs),
      durationMs: this.#durationMs === undefined ? undefined : Math.round(this.#durationMs),
      code: this.#error?.code,
      message: this.#error?.message,
    }
  }
}
