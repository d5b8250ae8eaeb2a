/** Who may come in: bans, the lock, the number of peers, and last the application's own `admit`. */

import { asError, EarshotError } from '../../errors.ts'
import { MAX_PEERS, MAX_REASON_BYTES } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Goodbye } from '../../session/frame.ts'
import type { Admit, Admission as Answer, Caller, Json } from '../options.ts'
import { checkDuration, checkText } from '../options-check.ts'
import { RememberedVerdicts, type Verdict } from './remembered-verdicts.ts'

/** After `locked` or `full` things may change soon. */
const RETRY_SOON_MS = 5_000
const DEFAULT_RETRY_AFTER_MS = 60_000
/** A year: "never" on the wire. */
const LONGEST_RETRY_AFTER_MS = 365 * 24 * 3_600_000

export interface CallerDetails {
  readonly id: string
  readonly name: string
  readonly info: Json | undefined
  readonly hello: Json | undefined
  readonly address: string
}

export interface AdmissionRoom {
  readonly selfId: string
  /** Peers, and those admitted who are about to be peers, without `id`. */
  countOthers(id: string): number
  /** The application's `admit` failed. */
  onWarning(error: EarshotError): void
}

export class Admission {
  readonly #clock: Clock
  readonly #room: AdmissionRoom
  readonly #admit: Admit | undefined
  readonly #maxPeers: number
  readonly #verdicts: RememberedVerdicts
  /** When each ban ends. */
  readonly #bans = new Map<string, number>()
  /** Those who may come back while the room is locked; undefined while it is open. */
  #members: Set<string> | undefined

  constructor(clock: Clock, room: AdmissionRoom, options: { admit: Admit | undefined; maxPeers: number }) {
    this.#clock = clock
    this.#room = room
    this.#admit = options.admit
    this.#maxPeers = Math.min(options.maxPeers, MAX_PEERS)
    this.#verdicts = new RememberedVerdicts(clock)
  }

  /** True where every caller that gets past the doors below is admitted without being looked at. */
  get isOpen(): boolean {
    return this.#admit === undefined
  }

  /** Most peers at a time. */
  get maxPeers(): number {
    return this.#maxPeers
  }

  lock(members: Iterable<string>): void {
    this.#members ??= new Set(members)
  }

  unlock(): void {
    this.#members = undefined
  }

  /** A member was kicked, or left by its own will: it may not come back while the room is locked. */
  forget(id: string): void {
    this.#members?.delete(id)
  }

  ban(id: string, banMs: number): void {
    this.#bans.set(id, this.#clock.now() + banMs)
  }

  /** Whether it makes sense to look for this peer at all; undefined for one that is not known yet. */
  mayJoin(id: string | undefined): boolean {
    return this.refusal(id ?? '') === undefined
  }

  /** The application asks for this peer itself. */
  want(id: string): void {
    this.#verdicts.accept(id)
  }

  /** `isWanted`: the application asked for this peer itself, so `admit` is not asked again. */
  judge(id: string, details: (() => CallerDetails) | undefined, isWanted: boolean): Verdict | Promise<Verdict> {
    const refusal = this.refusal(id)
    const admit = this.#admit
    if (refusal || isWanted || !admit || !details) return refusal
    return this.#ask(admit, details())
  }

  /** What the room itself says to a caller, whatever the application thinks; it may say another thing at any time. */
  refusal(id: string): Verdict {
    if (id === this.#room.selfId) return refuse('self', 0)
    const bannedMs = (this.#bans.get(id) ?? 0) - this.#clock.now()
    if (bannedMs > 0) return refuse('banned', bannedMs)
    this.#bans.delete(id)
    if (this.#members && !this.#members.has(id)) return refuse('locked', RETRY_SOON_MS)
    if (this.#room.countOthers(id) >= this.#maxPeers) return refuse('full', RETRY_SOON_MS)
    return undefined
  }

  #ask(admit: Admit, details: CallerDetails): Verdict | Promise<Verdict> {
    const { id, name, info, hello } = details
    return this.#verdicts.recall(id, JSON.stringify([name, info, hello]), () => {
      try {
        const answer = admit(caller(details))
        if (!(answer instanceof Promise)) return verdictOf(answer)
        return answer.then(verdictOf).catch(error => this.#failed(error, details))
      } catch (error) {
        return this.#failed(error, details)
      }
    })
  }

  /** Whoever cannot be judged stays outside. */
  #failed(error: unknown, { name }: CallerDetails): Verdict {
    const message = `admit failed, so '${name}' was refused: ${asError(error).message}`
    this.#room.onWarning(new EarshotError('refused', message, { cause: error }))
    return refuse('error', DEFAULT_RETRY_AFTER_MS)
  }
}

function caller(details: CallerDetails): Caller {
  return {
    ...details,
    accept: () => ({ accepted: true, reason: '', retryAfterMs: 0 }),
    deny(reason, { retryAfterMs = DEFAULT_RETRY_AFTER_MS } = {}) {
      checkText('the reason of a denial', reason, MAX_REASON_BYTES)
      return { accepted: false, reason, retryAfterMs: checkDuration('retryAfterMs', retryAfterMs) }
    },
  }
}

function verdictOf(answer: Answer): Verdict {
  if (typeof answer?.accepted !== 'boolean') {
    throw new TypeError(`admit must return caller.accept() or caller.deny(reason), not ${String(answer)}`)
  }
  return answer.accepted ? undefined : refuse(answer.reason, answer.retryAfterMs)
}

function refuse(reason: string, retryAfterMs: number): Goodbye {
  return { code: 'refused', reason, retryAfterMs: Math.ceil(Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS)) }
}
