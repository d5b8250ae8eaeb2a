/**
 * Which paths become connections: the controlling side's decision (RFC 8445 section 8). The first that works is used, and
 * another only where it is of a better kind: a relay, then a direct one, then one in the LAN.
 */

import { type PathKind, rankOf } from './candidate-pair.ts'

/** A path that works. */
export interface Offer {
  readonly kind: PathKind
  /** Tells the other side; rejects where that does not succeed. */
  nominate(): Promise<void>
  /** It is not needed. */
  discard(): void
}

export class Selection {
  readonly #onSelected: (kind: PathKind) => void
  #waiting: Offer[] = []
  readonly #pending = new Set<Offer>()
  #selected: PathKind | undefined
  #isClosed = false

  constructor(onSelected: (kind: PathKind) => void) {
    this.#onSelected = onSelected
  }

  /** The best kind that stands; undefined while none does. */
  get selected(): PathKind | undefined {
    return this.#selected
  }

  offer(offer: Offer): void {
    this.#waiting.push(offer)
    this.#decide()
  }

  close(): void {
    this.#isClosed = true
    this.#decide()
  }

  #decide(): void {
    this.#waiting.sort((a, b) => rankOf(b.kind) - rankOf(a.kind))
    // What is under way may fail; what stands does not get better by one of its kind.
    const isUseless = ({ kind }: Offer) => this.#isClosed || rankOf(kind) <= rankOf(this.#selected)
    for (const offer of this.#waiting.filter(isUseless)) offer.discard()
    this.#waiting = this.#waiting.filter(offer => !isUseless(offer))
    const [best] = this.#waiting
    const pendingRank = Math.max(0, ...[...this.#pending].map(({ kind }) => rankOf(kind)))
    if (best === undefined || rankOf(best.kind) <= pendingRank) return
    this.#waiting.shift()
    this.#pending.add(best)
    best.nominate().then(
      () => this.#settle(best, true),
      () => this.#settle(best, false),
    )
  }

  #settle(offer: Offer, isUsed: boolean): void {
    this.#pending.delete(offer)
    if (isUsed && rankOf(offer.kind) > rankOf(this.#selected)) {
      this.#selected = offer.kind
      if (!this.#isClosed) this.#onSelected(offer.kind)
    }
    this.#decide()
  }
}
