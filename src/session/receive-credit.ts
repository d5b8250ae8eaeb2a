/**
 * The receiver's side of flow control, in the manner of RFC 9000 section 4: the sender may send as many bytes as it was
 * given credit for. What arrived is given back as new credit, except what the application still holds unread.
 */

import { protocolViolation } from '../errors.ts'
import { INITIAL_CREDIT_BYTES } from '../limits.ts'

/** New credit is worth a frame once a quarter of the window can be given. */
const GRANT_THRESHOLD_BYTES: number = INITIAL_CREDIT_BYTES / 4

export class ReceiveCredit {
  /** What the sender may still send. */
  #available: number = INITIAL_CREDIT_BYTES
  /** What arrived and was not given back yet. */
  #owed = 0
  /** What the application has not read yet. */
  #held = 0

  /** `bytes` arrived. More than there was credit for is an attack, not an accident. */
  received(bytes: number): void {
    if (bytes > this.#available) {
      throw protocolViolation(`${bytes} bytes arrived where there was credit for ${this.#available}`)
    }
    this.#available -= bytes
    this.#owed += bytes
  }

  /** The application has not read `bytes` of what arrived: they are not given back until `release`. */
  hold(bytes: number): void {
    this.#held += bytes
  }

  release(bytes: number): void {
    this.#held -= bytes
  }

  /** Credit to give now, or 0 while it is not worth a frame. */
  grant(): number {
    const grantable = this.#owed - this.#held
    if (grantable < GRANT_THRESHOLD_BYTES) return 0
    this.#owed -= grantable
    this.#available += grantable
    return grantable
  }
}
