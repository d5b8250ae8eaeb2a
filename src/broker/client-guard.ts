/** Watches what one client of the broker sends, before anything gathers it: the length of its packets and their rate. */

import { EarshotError } from '../errors.ts'
import { MAX_BROKER_PACKETS_PER_SECOND } from '../limits.ts'
import type { Clock } from '../platform/clock.ts'
import { PacketMeter } from '../rendezvous/mqtt/packet-meter.ts'
import { TokenBucket } from '../rendezvous/token-bucket.ts'

export class ClientGuard {
  readonly #meter = new PacketMeter()
  readonly #rate: TokenBucket

  constructor(clock: Clock) {
    const perSecond = MAX_BROKER_PACKETS_PER_SECOND
    this.#rate = new TokenBucket({ clock, perSecond, burst: 4 * perSecond })
  }

  /** Throws `protocol-violation` or `limit-reached`: then the client is to be disconnected. */
  check(bytes: Uint8Array): void {
    for (let begun = this.#meter.read(bytes); begun > 0; begun--) {
      if (!this.#rate.take())
        throw new EarshotError(
          'limit-reached',
          `a client sends more than ${MAX_BROKER_PACKETS_PER_SECOND} packets a second`,
        )
    }
  }
}
