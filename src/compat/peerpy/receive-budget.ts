/** What all connections of one peer hold: parts of messages, and messages that nobody has listened for. */

import { EarshotError } from '../../errors.ts'
import { MAX_PEERPY_HELD_BYTES } from '../../limits.ts'

export class ReceiveBudget {
  #usedBytes = 0

  /** A connection holds so much now, where it held `before`. Throws `limit-reached` where that is more than there is. */
  change(before: number, now: number): void {
    this.#usedBytes += now - before
    if (now > before && this.#usedBytes > MAX_PEERPY_HELD_BYTES)
      throw new EarshotError(
        'limit-reached',
        `messages that wait and parts of messages have more than ${MAX_PEERPY_HELD_BYTES} bytes`,
      )
  }
}
