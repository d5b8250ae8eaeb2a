/** How long a connection may take to become a peer: a little, and longer once only the application's word is missing. */

import { EarshotError } from '../../errors.ts'
import { ADMISSION_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { SecureConnection } from '../../session/secure-connection.ts'
import { formatAddress } from '../connecting/address.ts'

export class Patience {
  readonly #clock: Clock
  readonly #connection: SecureConnection
  #timer: Timer
  isExhausted = false

  constructor(clock: Clock, connection: SecureConnection) {
    this.#clock = clock
    this.#connection = connection
    this.#timer = this.#start(HANDSHAKE_TIMEOUT_MS)
  }

  extend(): void {
    this.#timer.cancel()
    this.#timer = this.#start(ADMISSION_TIMEOUT_MS)
  }

  end(): void {
    this.#timer.cancel()
  }

  error(cause: unknown): EarshotError {
    return new EarshotError('timeout', `the peer at ${formatAddress(this.#connection.remote)} did not answer in time`, {
      cause,
    })
  }

  #start(ms: number): Timer {
    return this.#clock.setTimer(ms, () => {
      this.isExhausted = true
      this.#connection.abort(new EarshotError('timeout', 'the peer did not answer in time'))
    })
  }
}
