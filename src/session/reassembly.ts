/**
 * Puts the fragments of large frames together again: one at a time in each pool of a session, within a budget that all
 * sessions of a room share, so that many peers which begin large messages and never finish them cannot fill memory.
 * Where it is used up the largest holder ends, not whoever happens to ask next.
 */

import { EarshotError, protocolViolation } from '../errors.ts'
import { MAX_MESSAGE_BYTES, MAX_REASSEMBLY_BYTES, MAX_WHOLE_FRAME_BYTES } from '../limits.ts'
import { hostOf } from '../platform/ip-address.ts'

/** A frame's header: type and three varints. */
const MAX_FRAME_BYTES: number = MAX_MESSAGE_BYTES + 25

export class ReassemblyBudget {
  #left: number = MAX_REASSEMBLY_BYTES
  /** Those that hold something. */
  readonly #holders = new Set<ReassemblyShare>()

  /**
   * What one session takes of it. `address` is that of its peer. `onEvicted` is called once where the session must end
   * because it holds most: its bytes count as given back from then on.
   */
  share(address: string, onEvicted: (error: EarshotError) => void): ReassemblyShare {
    return new ReassemblyShare(this, hostOf(address), onEvicted)
  }

  /** What is left for all, in bytes. */
  get left(): number {
    return this.#left
  }

  /** @internal */
  take(share: ReassemblyShare, bytes: number): void {
    while (bytes > this.#left) {
      const largest = this.#largest(share, bytes)
      if (largest === share) throw usedUp(share.held + bytes)
      this.#holders.delete(largest)
      this.#left += largest.evict(usedUp(largest.held))
    }
    this.#left -= bytes
    this.#holders.add(share)
  }

  /** @internal */
  giveBack(share: ReassemblyShare, bytes: number): void {
    this.#left += bytes
    if (share.held === 0) this.#holders.delete(share)
  }

  /**
   * The largest share of the host that holds most, with what `asking` wants on top. Identities cost nothing: many that
   * hold a little each must not outlast one that holds more, so they count together where they come from one host.
   */
  #largest(asking: ReassemblyShare, bytes: number): ReassemblyShare {
    const heldBy = (share: ReassemblyShare) => share.held + (share === asking ? bytes : 0)
    const heldByHost = new Map<string, number>()
    const holders = new Set(this.#holders).add(asking)
    for (const share of holders) heldByHost.set(share.host, (heldByHost.get(share.host) ?? 0) + heldBy(share))
    return [...holders].reduce((largest, share) => {
      const more = heldByHost.get(share.host)! - heldByHost.get(largest.host)! || heldBy(share) - heldBy(largest)
      return more > 0 ? share : largest
    })
  }
}

/** What one session holds of the budget. */
export class ReassemblyShare {
  readonly host: string
  readonly #budget: ReassemblyBudget
  readonly #onEvicted: (error: EarshotError) => void
  #held = 0
  #evicted: EarshotError | undefined

  constructor(budget: ReassemblyBudget, host: string, onEvicted: (error: EarshotError) => void) {
    this.#budget = budget
    this.host = host
    this.#onEvicted = onEvicted
  }

  get held(): number {
    return this.#held
  }

  /** Throws `limit-reached` where nobody else holds more. */
  take(bytes: number): void {
    if (this.#evicted) throw this.#evicted
    this.#budget.take(this, bytes)
    this.#held += bytes
  }

  giveBack(bytes: number): void {
    if (this.#evicted || bytes === 0) return
    this.#held -= bytes
    this.#budget.giveBack(this, bytes)
  }

  /** Returns what was held. */
  evict(error: EarshotError): number {
    const held = this.#held
    this.#held = 0
    this.#evicted = error
    this.#onEvicted(error)
    return held
  }
}

function usedUp(bytes: number): EarshotError {
  return new EarshotError(
    'limit-reached',
    `unfinished messages of all peers need more than ${MAX_REASSEMBLY_BYTES} bytes; with ${bytes} this one has most`,
  )
}

export class Reassembly {
  readonly #share: ReassemblyShare
  /** Grows with what arrives, not with what is announced. */
  #bytes = new Uint8Array(0)
  #total = 0
  #length = 0

  constructor(share: ReassemblyShare) {
    this.#share = share
  }

  /** A frame of `total` bytes begins. */
  begin(total: number): void {
    if (this.#total > 0) throw protocolViolation('a large frame begins before the last one has ended')
    if (total <= MAX_WHOLE_FRAME_BYTES || total > MAX_FRAME_BYTES) {
      throw protocolViolation(`a fragmented frame of ${total} bytes is not allowed`)
    }
    this.#total = total
  }

  /** Adds a fragment. Returns the frame when it is complete. */
  add(fragment: Uint8Array): Uint8Array | undefined {
    if (this.#total === 0) throw protocolViolation('a fragment without a beginning')
    const length = this.#length + fragment.length
    if (fragment.length === 0 || length > this.#total) throw protocolViolation('a fragment does not fit its frame')
    this.#grow(length)
    this.#bytes.set(fragment, this.#length)
    this.#length = length
    if (length < this.#total) return undefined
    const frame = this.#bytes
    this.discard()
    return frame
  }

  /** Forgets an unfinished frame. */
  discard(): void {
    this.#share.giveBack(this.#bytes.length)
    this.#total = 0
    this.#length = 0
    this.#bytes = new Uint8Array(0)
  }

  #grow(needed: number): void {
    if (needed <= this.#bytes.length) return
    const length = Math.min(this.#total, Math.max(needed, this.#bytes.length * 2))
    this.#share.take(length - this.#bytes.length)
    const grown = new Uint8Array(length)
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
