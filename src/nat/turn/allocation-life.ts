/**
 * What keeps an allocation alive (RFC 8656 sections 7 and 8), whatever it relays: it is refreshed before it ends; after some silence
 * the server is asked for a sign of life, which keeps mappings on the way alive, too.
 *
 *     alive ──► closing (a last refresh, with lifetime 0) ──► ended
 *       └──── the server is gone, or does not know it ──────► ended, with the reason
 */

import { EarshotError } from '../../errors.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { uint32Attribute, uint32In } from '../stun/attribute.ts'
import { ATTRIBUTE } from '../stun/attribute-type.ts'
import { METHOD, type ReceivedStunMessage, type StunAttribute } from '../stun/message.ts'
import type { ServerLink } from '../stun/server-link.ts'
import type { StunResponse, StunTransactions } from '../stun/transactions.ts'
import type { AuthenticatedRequests } from './authenticated-requests.ts'

export interface AllocationLifeParts {
  readonly clock: Clock
  readonly link: ServerLink
  readonly transactions: StunTransactions
  readonly requests: AuthenticatedRequests
  readonly lifetimeMs: number
  readonly keepAliveMs: number
  /** Permissions and what hangs on them are to be renewed. */
  readonly onRenewal: () => void
  /** Something that concerns one peer failed. */
  readonly onWarning: ((error: EarshotError) => void) | undefined
}

/** Permissions live for 300 s, channels for 600 s (RFC 8656 sections 9 and 12); all are renewed together. */
const RENEWAL_MS = 240_000
/** Whatever lifetime a server grants, it is not asked more often. */
const MIN_REFRESH_MS = 1_000
/** How long the server may take to answer a sign of life, and the end. */
const KEEP_ALIVE_DELAYS_MS: readonly number[] = [500, 1_000, 2_000, 4_000, 4_000]
const CLOSE_DELAYS_MS: readonly number[] = [250, 250, 500]
const ALLOCATION_MISMATCH = /^437\b/

export class AllocationLife {
  /** Resolves when it has ended: with undefined after `close()`, otherwise with the reason. Never rejects. */
  readonly closed: Promise<EarshotError | undefined>
  readonly #parts: AllocationLifeParts
  #lifetimeMs: number
  #refreshTimer: Timer | undefined
  #renewalTimer: Timer
  #keepAliveTimer: Timer
  #heardAt: number
  #isClosed = false
  #settleClosed: (reason: EarshotError | undefined) => void = () => {}

  constructor(parts: AllocationLifeParts) {
    const { clock, lifetimeMs, keepAliveMs } = parts
    this.#parts = parts
    this.closed = new Promise(resolve => {
      this.#settleClosed = resolve
    })
    this.#lifetimeMs = lifetimeMs
    this.#heardAt = clock.now()
    this.#scheduleRefresh()
    this.#renewalTimer = clock.setTimer(RENEWAL_MS, () => this.#renew())
    this.#keepAliveTimer = clock.setTimer(keepAliveMs, () => this.#keepAlive())
  }

  /** It has ended, or is about to. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** For how long the server keeps it without a refresh, as it said last. */
  get lifetimeMs(): number {
    return this.#lifetimeMs
  }

  get server(): SocketAddress {
    return this.#parts.link.remote
  }

  /** The server has said something. */
  heard(): void {
    this.#heardAt = this.#parts.clock.now()
  }

  /** A request that must succeed. */
  request(method: number, attributes: (transactionId: Uint8Array) => readonly StunAttribute[]): Promise<StunResponse> {
    return this.#parts.requests.success({ method, attributes })
  }

  /** A request failed that concerns one peer; but an allocation that the server does not know is over. */
  requestFailed(error: unknown): void {
    if (this.#isClosed) return
    if (!(error instanceof EarshotError)) throw error
    if (ALLOCATION_MISMATCH.test(error.reason ?? '')) this.fail(error)
    else this.#parts.onWarning?.(error)
  }

  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#stop()
      const lifetime = [uint32Attribute(ATTRIBUTE.lifetime, 0)]
      const request = { method: METHOD.refresh, attributes: () => lifetime, delaysMs: CLOSE_DELAYS_MS }
      // Whatever the server says, or does not say: it forgets us by itself.
      await this.#parts.requests.request(request).catch(() => {})
      this.#release(undefined)
    }
    await this.closed
  }

  /** The way to the server is gone, or the server is. */
  fail(reason: EarshotError): void {
    if (this.#isClosed) return
    this.#stop()
    this.#release(reason)
  }

  #scheduleRefresh(): void {
    // A refresh that gets no answer takes 40 s to fail.
    const beforeMs = this.#lifetimeMs >= 120_000 ? 60_000 : this.#lifetimeMs / 2
    const delayMs = Math.max(MIN_REFRESH_MS, this.#lifetimeMs - beforeMs)
    this.#refreshTimer = this.#parts.clock.setTimer(delayMs, () => void this.#refresh())
  }

  async #refresh(): Promise<void> {
    const lifetime = [uint32Attribute(ATTRIBUTE.lifetime, Math.round(this.#parts.lifetimeMs / 1_000))]
    try {
      const { message } = await this.request(METHOD.refresh, () => lifetime)
      this.#lifetimeMs = lifetimeIn(message) ?? this.#lifetimeMs
      if (!this.#isClosed) this.#scheduleRefresh()
    } catch (error) {
      this.fail(asLoss(error, this.server))
    }
  }

  #renew(): void {
    this.#renewalTimer = this.#parts.clock.setTimer(RENEWAL_MS, () => this.#renew())
    this.#parts.onRenewal()
  }

  #keepAlive(): void {
    const { clock, keepAliveMs, transactions, link } = this.#parts
    const silentMs = clock.now() - this.#heardAt
    const nextMs = silentMs >= keepAliveMs ? keepAliveMs : keepAliveMs - silentMs
    this.#keepAliveTimer = clock.setTimer(nextMs, () => this.#keepAlive())
    if (silentMs < keepAliveMs) return
    const totalMs = KEEP_ALIVE_DELAYS_MS.reduce((sum, delay) => sum + delay, 0)
    const delaysMs = link.transport === 'udp' ? KEEP_ALIVE_DELAYS_MS : [totalMs]
    transactions.request({ method: METHOD.binding, to: link.remote, delaysMs }).catch(error => {
      this.fail(asLoss(error, this.server))
    })
  }

  #stop(): void {
    this.#isClosed = true
    this.#refreshTimer?.cancel()
    this.#renewalTimer.cancel()
    this.#keepAliveTimer.cancel()
  }

  #release(reason: EarshotError | undefined): void {
    this.#parts.transactions.close(reason ?? new EarshotError('closed', 'the allocation has ended'))
    this.#parts.link.close()
    this.#settleClosed(reason)
  }
}

/** In milliseconds; undefined where the message has none. What is longer than a day is taken for a day. */
export function lifetimeIn(message: ReceivedStunMessage): number | undefined {
  const seconds = uint32In(message, ATTRIBUTE.lifetime)
  return seconds === undefined ? undefined : Math.min(seconds, 86_400) * 1_000
}

function asLoss(error: unknown, server: SocketAddress): EarshotError {
  if (!(error instanceof EarshotError)) throw error
  if (error.code !== 'timeout') return error
  return new EarshotError('lost', `the TURN server ${formatSocketAddress(server)} does not answer any more`, {
    cause: error,
    hint: 'It may have been stopped, or the way to it is gone. Allocate again, there or at another server.',
  })
}
