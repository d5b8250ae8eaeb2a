/**
 * Watches the bytes of an MQTT connection pass, and says how long the packets in them claim to be: libraries gather what a
 * packet claims, up to 256 MiB, before anybody can look at it. Reads fixed headers only (MQTT 5 section 2.1).
 */

import { protocolViolation } from '../../errors.ts'
import { MAX_MQTT_PACKET_BYTES } from '../../limits.ts'

/** Section 1.5.5: a Variable Byte Integer has four bytes at most. */
const MAX_LENGTH_BYTES = 4

export class PacketMeter {
  /** Bytes of the present packet that are yet to come. */
  #rest = 0
  /** Of the length that is being read; undefined before and behind a header. */
  #lengthBytes: number | undefined
  #length = 0

  /**
   * Takes the next bytes in order, and returns how many packets begin in them. Throws `protocol-violation` where one is
   * longer than MAX_MQTT_PACKET_BYTES, or says its length in more bytes than it may.
   */
  read(bytes: Uint8Array): number {
    let begun = 0
    let at = 0
    while (at < bytes.length) {
      if (this.#lengthBytes !== undefined) this.#readLength(bytes[at++]!)
      else if (this.#rest > 0) {
        const passing = Math.min(this.#rest, bytes.length - at)
        this.#rest -= passing
        at += passing
      } else {
        begun++
        at++
        this.#lengthBytes = 0
        this.#length = 0
      }
    }
    return begun
  }

  #readLength(byte: number): void {
    const index = this.#lengthBytes!
    if (index === MAX_LENGTH_BYTES) throw protocolViolation('an MQTT packet says its length in more than four bytes')
    this.#length += (byte & 0x7f) * 128 ** index
    if (this.#length > MAX_MQTT_PACKET_BYTES)
      throw protocolViolation(`an MQTT packet has more than ${MAX_MQTT_PACKET_BYTES} bytes`)
    const isLast = byte < 0x80
    this.#lengthBytes = isLast ? undefined : index + 1
    if (isLast) this.#rest = this.#length
  }
}
