/** Who may come in: bans, the lock, the number of peers, and last the application's own `admit`. */

import { MAX_PEERS, MAX_REASON_BYTES } from '../limits.ts'
import type { Clock } from '../platform/clock.ts'
import type { Goodbye } from '../session/frame.ts'
import type { Admission as AdmissionVerdict, Admit, Caller, Json } from './options.ts'

/** After `locked` or `full` things may change soon. */
const RETRY_SOON_MS = 5_000
const DEFAULT_RETRY_AFTER_MS = 60_000

export interface CallerDetails {
  readonly id: string
  readonly name: string
  readonly info: Json | undefined
  readonly hello: Json | undefined
  readonly address: string
}

export interface AdmissionRoom {
  readonly selfId: string
  peerCount(): number
  isConnected(id: string): boolean
}

export class Admission {
  readonly #clock: Clock
  readonly #room: AdmissionRoom
  readonly #admit: Admit | undefined
  readonly #maxPeers: number
  /** When each ban ends. */
  readonly #bans = new Map<string, number>()
  /** Those who may come back while the room is locked; undefined while it is open. */
  #members: ReadonlySet<string> | undefined

  constructor(clock: Clock, room: AdmissionRoom, options: { admit: Admit | undefined; maxPeers: number }) {
    this.#clock = clock
    this.#room = room
    this.#admit = options.admit
    this.#maxPeers = Math.min(options.maxPeers, MAX_PEERS)
  }

  /** True where every caller that gets past the doors below is admitted without being looked at. */
  get isOpen(): boolean {
    return this.#admit === undefined
  }

  get isLocked(): boolean {
    return this.#members !== undefined
  }

  lock(members: Iterable<string>): void {
    this.#members ??= new Set(members)
  }

  unlock(): void {
    this.#members = undefined
  }

  ban(id: string, banMs: number): void {
    this.#bans.set(id, this.#clock.now() + banMs)
  }

  /** Whether it makes sense to look for this peer at all. */
  mayJoin(id: string): boolean {
    return this.#refusal(id) === undefined
  }

  /** What the room itself says to a caller, whatever the application thinks. */
  #refusal(id: string): Goodbye | undefined {
    if (id === this.#room.selfId) return refuse('self', 0)
    const bannedMs = (this.#bans.get(id) ?? 0) - this.#clock.now()
    if (bannedMs > 0) return refuse('banned', Math.ceil(bannedMs))
    this.#bans.delete(id)
    if (this.#members && !this.#members.has(id)) return refuse('locked', RETRY_SOON_MS)
    if (this.#room.peerCount() >= this.#maxPeers && !this.#room.isConnected(id)) return refuse('full', RETRY_SOON_MS)
    return undefined
  }

  /** Undefined admits. `isWanted`: the application asked for this peer itself, so `admit` is not asked again. */
  judge(
    id: string,
    details: (() => CallerDetails) | undefined,
    isWanted: boolean,
  ): Goodbye | undefined | Promise<Goodbye | undefined> {
    const refusal = this.#refusal(id)
    if (refusal || isWanted || !this.#admit || !details) return refusal
    const verdict = this.#admit(caller(details()))
    // The room may have filled up, or have been locked, while the application made up its mind.
    if (verdict instanceof Promise) return verdict.then(result => goodbyeFor(result) ?? this.#refusal(id))
    return goodbyeFor(verdict)
  }
}

function caller(details: CallerDetails): Caller {
  return {
    ...details,
    accept: () => ({ accepted: true, reason: '', retryAfterMs: 0 }),
    deny(reason, { retryAfterMs = DEFAULT_RETRY_AFTER_MS } = {}) {
      if (typeof reason !== 'string' || reason === '' || new TextEncoder().encode(reason).length > MAX_REASON_BYTES) {
        throw new RangeError(`deny takes a reason of 1 to ${MAX_REASON_BYTES} bytes, not ${JSON.stringify(reason)}`)
      }
      if (!Number.isFinite(retryAfterMs) || retryAfterMs < 0) {
        throw new RangeError(`retryAfterMs must be 0 or more milliseconds, not ${retryAfterMs}`)
      }
      return { accepted: false, reason, retryAfterMs: Math.ceil(retryAfterMs) }
    },
  }
}

function goodbyeFor(verdict: AdmissionVerdict): Goodbye | undefined {
  if (typeof verdict?.accepted !== 'boolean') {
    throw new TypeError(`admit must return caller.accept() or caller.deny(reason), not ${String(verdict)}`)
  }
  return verdict.accepted ? undefined : refuse(verdict.reason, verdict.retryAfterMs)
}

function refuse(reason: string, retryAfterMs: number): Goodbye {
  return { code: 'refused', reason, retryAfterMs }
}
