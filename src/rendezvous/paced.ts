/** Something done as soon as it is asked for, unless that is too often: then once, when it may be done again. */

import type { Clock, Timer } from '../platform/clock.ts'
import { TokenBucket, type TokenBucketOptions } from './token-bucket.ts'

export class Paced {
  readonly #clock: Clock
  readonly #bucket: TokenBucket
  readonly #act: () => void
  #timer: Timer | undefined

  constructor(options: TokenBucketOptions, act: () => void) {
    this.#clock = options.clock
    this.#bucket = new TokenBucket(options)
    this.#act = act
  }

  request(): void {
    if (this.#timer !== undefined) return
    if (this.#bucket.take()) this.#act()
    else this.#timer = this.#clock.setTimer(this.#bucket.waitMs, () => this.#retry())
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #retry(): void {
    this.#timer = undefined
    this.request()
  }
}
