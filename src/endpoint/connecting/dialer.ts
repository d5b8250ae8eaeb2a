/**
 * Dials one peer at several addresses, in the manner of Happy Eyeballs (RFC 8305 section 5): the next address is tried
 * 250 ms after the last one, or at once when that one failed, and the first connection that leads to a peer wins. What
 * did not work is told address by address.
 */

import { asError, type ConnectAttempt, EarshotError } from '../../errors.ts'
import { MAX_ADDRESSES_PER_PEER } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Network, SocketAddress, TcpConnection } from '../../platform/network.ts'
import { formatAddress } from './address.ts'

/** RFC 8305 section 8, "Connection Attempt Delay". */
const ATTEMPT_DELAY_MS = 250

export interface DialTarget {
  readonly address: SocketAddress
  readonly via: string
}

export interface DialOptions<T> {
  /**
   * Turns a connection into what was wanted, or rejects. Must destroy the connection where it rejects. Calls `reached`
   * when the peer is there: others addresses are tried no more, unless this comes to nothing.
   */
  establish(connection: TcpConnection, signal: AbortSignal, reached: () => void): Promise<T>
  readonly timeoutMs: number
  /** How long one address may take to be reached. */
  readonly connectTimeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** Resolves with what `establish` made of the first address that worked. Rejects with `attempts`. */
export async function dial<T>(
  clock: Clock,
  network: Network,
  targets: readonly DialTarget[],
  options: DialOptions<T>,
): Promise<T> {
  return new Dial(clock, network, targets.slice(0, MAX_ADDRESSES_PER_PEER), options).run()
}

const OVER = new EarshotError('closed', 'the dial is over')

class Dial<T> {
  readonly #clock: Clock
  readonly #network: Network
  readonly #targets: readonly DialTarget[]
  readonly #options: DialOptions<T>
  readonly #attempts: (ConnectAttempt & { readonly error: unknown })[] = []
  /** One for each attempt under way. */
  readonly #cancels = new Set<AbortController>()
  #isOver = false
  #next = 0
  #running = 0
  #settle: { resolve: (result: T) => void; reject: (error: unknown) => void } | undefined

  constructor(clock: Clock, network: Network, targets: readonly DialTarget[], options: DialOptions<T>) {
    this.#clock = clock
    this.#network = network
    this.#targets = targets
    this.#options = options
  }

  async run(): Promise<T> {
    const { signal, timeoutMs } = this.#options
    signal?.throwIfAborted()
    const onAbort = () => this.#finish(() => this.#settle!.reject(signal?.reason))
    const timer = this.#clock.setTimer(timeoutMs, () => this.#finish(() => this.#settle!.reject(this.#failure(true))))
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#settle = { resolve, reject }
        this.#tryNext()
      })
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #tryNext(): void {
    if (this.#isOver) return
    const target = this.#targets[this.#next++]
    if (!target) {
      if (this.#running === 0) this.#finish(() => this.#settle!.reject(this.#failure(false)))
      return
    }
    this.#running++
    let isNextStarted = false
    const startNext = () => {
      if (isNextStarted) return
      isNextStarted = true
      this.#tryNext()
    }
    const head = this.#clock.setTimer(ATTEMPT_DELAY_MS, () => {
      if (this.#next < this.#targets.length) startNext()
    })
    this.#attempt(target, () => head.cancel())
      .then(
        result => this.#finish(() => this.#settle!.resolve(result)),
        error => {
          this.#running--
          if (this.#isLastWord(error)) this.#finish(() => this.#settle!.reject(this.#failure(false)))
          else startNext()
        },
      )
      .finally(() => head.cancel())
  }

  /** The peer itself has spoken: at its other addresses it would say the same. */
  #isLastWord(error: unknown): boolean {
    if (!(error instanceof EarshotError) || error.code !== 'refused') return false
    // Of two connections with one peer one is too many, and the other may be ours, too.
    return error.reason !== 'duplicate' || this.#running === 0
  }

  async #attempt({ address, via }: DialTarget, reached: () => void): Promise<T> {
    const startedAt = this.#clock.now()
    const cancel = new AbortController()
    this.#cancels.add(cancel)
    const { signal } = cancel
    const timeoutMs = Math.min(this.#options.timeoutMs, this.#options.connectTimeoutMs)
    try {
      const connection = await this.#network.connectTcp(address, { timeoutMs, signal })
      if (signal.aborted) {
        connection.destroy()
        throw OVER
      }
      return await this.#options.establish(connection, signal, reached)
    } catch (error) {
      const durationMs = Math.round(this.#clock.now() - startedAt)
      const code = error instanceof EarshotError ? error.code : 'unreachable'
      const { message } = asError(error)
      const reason = error instanceof EarshotError && error.reason !== undefined ? { reason: error.reason } : {}
      if (!signal.aborted)
        this.#attempts.push({ address: formatAddress(address), via, durationMs, code, message, ...reason, error })
      throw error
    } finally {
      this.#cancels.delete(cancel)
    }
  }

  #finish(settle: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    settle()
    // A reason that is there already costs nothing; making the default one takes a stack trace.
    for (const cancel of this.#cancels) cancel.abort(OVER)
  }

  /** One error for the whole dial. A clear word of the peer counts more than a dead address beside it. */
  #failure(isTimeout: boolean): EarshotError {
    const attempts = this.#attempts.map(({ error: _, ...attempt }) => attempt)
    const telling = this.#attempts.find(
      ({ code }) => !['unreachable', 'timeout', 'closed', 'lost'].includes(code),
    )?.error
    if (telling instanceof EarshotError) {
      const { code, message, hint, reason, retryAfterMs } = telling
      return new EarshotError(code, message, {
        attempts,
        cause: telling,
        ...(hint !== undefined && { hint }),
        ...(reason !== undefined && { reason }),
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      })
    }
    const where = this.#targets.map(({ address }) => formatAddress(address)).join(', ')
    if (isTimeout) {
      const unfinished = this.#targets
        .slice(0, this.#next)
        .filter(({ address }) => !attempts.some(attempt => attempt.address === formatAddress(address)))
        .map(({ address, via }) => ({
          address: formatAddress(address),
          via,
          durationMs: this.#options.timeoutMs,
          code: 'timeout' as const,
          message: 'no answer in time',
        }))
      return new EarshotError('timeout', `nobody answered at ${where} within ${this.#options.timeoutMs} ms`, {
        attempts: [...attempts, ...unfinished],
        hint: 'A firewall may drop the packets, or the machine may be off or asleep.',
      })
    }
    const message =
      attempts.length === 1 ? attempts[0]!.message : `none of the addresses works: ${where || 'there is none'}`
    return new EarshotError('unreachable', message, {
      attempts,
      hint: this.#hint(),
    })
  }

  /** What a user can do, by the first address of which that is known. */
  #hint(): string {
    if (this.#targets.length === 0) return 'The peer has no address that this machine can reach.'
    const hints = this.#attempts.map(({ error }) => (error instanceof EarshotError ? error.hint : undefined))
    return (
      hints.find(hint => hint !== undefined) ??
      'The peer may have ended, or have moved to another address: `attempts` says what happened at each.'
    )
  }
}
