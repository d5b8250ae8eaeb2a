/** The random port. In production it is the system's generator; only `testing/` may weaken it. */

export interface Random {
  /** `length` unpredictable bytes, in a new array that the caller owns. */
  bytes(length: number): Uint8Array

  /** A number in [0, 1), for jitter and back-off; never for keys. */
  fraction(): number
}
