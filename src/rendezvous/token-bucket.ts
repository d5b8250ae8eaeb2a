/** So many a second, and a few more at once: what is not used is saved up, to a bound. */

import type { Clock } from '../platform/clock.ts'

export interface TokenBucketOptions {
  readonly clock: Clock
  readonly perSecond: number
  /** How many at once, after a while of none. */
  readonly burst: number
}

export class TokenBucket {
  readonly #options: TokenBucketOptions
  #tokens: number
  #at: number

  constructor(options: TokenBucketOptions) {
    this.#options = options
    this.#tokens = options.burst
    this.#at = options.clock.now()
  }

  /** Takes one, where there is one. */
  take(): boolean {
    this.#fill()
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** How long until there is one, in milliseconds. */
  get waitMs(): number {
    this.#fill()
    return Math.ceil(Math.max(0, 1 - this.#tokens) * (1_000 / this.#options.perSecond))
  }

  #fill(): void {
    const { clock, perSecond, burst } = this.#options
    const now = clock.now()
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1_000) * perSecond)
    this.#at = now
  }
}

/** A bucket for each key; for those above `maxKeys` the one that was used longest ago is forgotten. */
export class TokenBuckets {
  readonly #options: TokenBucketOptions & { readonly maxKeys: number }
  /** The one used last at the end. */
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(options: TokenBucketOptions & { readonly maxKeys: number }) {
    this.#options = options
  }

  of(key: string): TokenBucket {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#options)
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > this.#options.maxKeys) {
      const [oldest] = this.#buckets.keys()
      this.#buckets.delete(oldest!)
    }
    return bucket
  }

  get size(): number {
    return this.#buckets.size
  }
}
