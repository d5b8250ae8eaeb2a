/**
 * Pairs of a local socket and a remote address, and which of them is checked next (RFC 8445 section 6.1.2): a pure state
 * machine. Checks start at a pace, the most promising first; a pair whose other side has just been heard goes before all.
 */

import { MAX_ICE_PAIRS } from '../../limits.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'

export type PairState =
  /** Not yet begun; `triggered` goes first. */
  | { readonly kind: 'waiting'; readonly triggered: boolean }
  | { readonly kind: 'in-progress' }
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'failed' }

export interface ListedPair<Socket> {
  readonly socket: Socket
  readonly remote: SocketAddress
  readonly promise: number
  readonly state: PairState
  /** How often a packet of the other side has begun its check. */
  readonly triggers: number
}

/** Ta (RFC 8445 section 14.2): from one check to the next. */
export const CHECK_PACE_MS = 20
/** Packets of the other side begin the check of a pair again, but not for ever: each side's check would begin the other's. */
const MAX_TRIGGERS = 6

export class CheckList<Socket extends { readonly local: SocketAddress }> {
  readonly #pairs = new Map<string, ListedPair<Socket>>()
  #nextAt = -Infinity

  get pairs(): readonly ListedPair<Socket>[] {
    return [...this.#pairs.values()]
  }

  find(socket: Socket, remote: SocketAddress): ListedPair<Socket> | undefined {
    return this.#pairs.get(keyOf(socket, remote))
  }

  /** False where it is known, or there are too many. */
  add(socket: Socket, remote: SocketAddress, promise: number): boolean {
    const key = keyOf(socket, remote)
    if (this.#pairs.has(key) || this.#pairs.size >= MAX_ICE_PAIRS) return false
    this.#pairs.set(key, { socket, remote, promise, state: { kind: 'waiting', triggered: false }, triggers: 0 })
    return true
  }

  /** The other side was heard on this pair: it is to be checked now, unless that is settled. True where it was added or moved. */
  trigger(socket: Socket, remote: SocketAddress): boolean {
    this.add(socket, remote, 0)
    const pair = this.find(socket, remote)
    if (pair === undefined || pair.state.kind === 'succeeded' || pair.triggers >= MAX_TRIGGERS) return false
    this.#put({ ...pair, state: { kind: 'waiting', triggered: true }, triggers: pair.triggers + 1 })
    return true
  }

  /** A pair that has failed may be checked again. False where it has not. */
  renew(socket: Socket, remote: SocketAddress): boolean {
    const pair = this.find(socket, remote)
    if (pair?.state.kind !== 'failed') return false
    this.#put({ ...pair, state: { kind: 'waiting', triggered: false } })
    return true
  }

  /** The pair to check at the monotonic time `at`, in milliseconds; it is in progress then. Undefined: none, or not yet. */
  next(at: number): ListedPair<Socket> | undefined {
    if (at < this.#nextAt) return undefined
    const [best] = this.#waiting
    if (best === undefined) return undefined
    this.#nextAt = at + CHECK_PACE_MS
    const started = { ...best, state: { kind: 'in-progress' } } as const
    this.#put(started)
    return started
  }

  /** When `next` has something; undefined while nothing waits. */
  get nextAt(): number | undefined {
    return this.#waiting.length > 0 ? this.#nextAt : undefined
  }

  settle(socket: Socket, remote: SocketAddress, kind: 'succeeded' | 'failed'): void {
    const pair = this.find(socket, remote)
    if (pair && pair.state.kind !== 'succeeded') this.#put({ ...pair, state: { kind } })
  }

  clear(): void {
    this.#pairs.clear()
  }

  get #waiting(): readonly ListedPair<Socket>[] {
    const waiting = this.pairs.filter(({ state }) => state.kind === 'waiting')
    return waiting.sort((a, b) => urgency(b) - urgency(a))
  }

  #put(pair: ListedPair<Socket>): void {
    this.#pairs.set(keyOf(pair.socket, pair.remote), pair)
  }
}

function urgency({ state, promise }: ListedPair<unknown>): number {
  return state.kind === 'waiting' && state.triggered ? 1_000 : promise
}

function keyOf({ local }: { readonly local: SocketAddress }, remote: SocketAddress): string {
  return `${formatSocketAddress(local)} ${formatSocketAddress(remote)}`
}
