/**
 * What arrives of 'unreliable' and 'latest' messages, by datagrams and by the session alike. A value of 'latest' is
 * handed over only if no newer one of its channel was: by whichever way they came, the sequence seen only rises.
 */

import { MAX_PARTIAL_VALUES } from '../../limits.ts'
import { FRAGMENT_BYTES, type Fragment } from './datagram-frame.ts'

/** A value of which some fragments have come. */
interface Partial {
  readonly sequence: number
  readonly parts: (Uint8Array | undefined)[]
  missing: number
}

export class UnreliableInbox {
  readonly #deliver: (label: number, kind: number, body: Uint8Array) => void
  /** The sequence of the newest value handed over, by label. */
  #newest: Map<number, number> | undefined
  #partials: Map<number, Partial> | undefined
  #dropped = 0

  constructor(deliver: (label: number, kind: number, body: Uint8Array) => void) {
    this.#deliver = deliver
  }

  /** Values that were overtaken by newer ones, or never became whole. */
  get dropped(): number {
    return this.#dropped
  }

  onMessage(label: number, sequence: number, kind: number, body: Uint8Array): void {
    if (sequence > 0 && !this.#isNewest(label, sequence)) return
    this.#deliver(label, kind, body)
  }

  onFragment({ label, sequence, kind, count, index, bytes }: Fragment): void {
    if (sequence <= (this.#newest?.get(label) ?? 0)) return
    const partial = this.#partial(label, sequence, count)
    if (!partial || partial.parts[index]) return
    partial.parts[index] = bytes
    if (--partial.missing > 0) return
    this.#partials!.delete(label)
    this.onMessage(label, sequence, kind, joined(partial.parts as Uint8Array[]))
  }

  /** Whether this is to be handed over; then it is the newest. */
  #isNewest(label: number, sequence: number): boolean {
    this.#newest ??= new Map()
    const newest = this.#newest.get(label) ?? 0
    // The newest value itself comes twice where the sender made sure of it.
    if (sequence < newest) this.#dropped++
    if (sequence <= newest) return false
    this.#newest.set(label, sequence)
    const partial = this.#partials?.get(label)
    if (partial && partial.sequence <= sequence) this.#drop(label)
    return true
  }

  /** The place for the fragments of this value; undefined where a newer one has begun to arrive. */
  #partial(label: number, sequence: number, count: number): Partial | undefined {
    this.#partials ??= new Map()
    const known = this.#partials.get(label)
    if (known?.sequence === sequence) return known.parts.length === count ? known : undefined
    if (known && known.sequence > sequence) return undefined
    if (known) this.#drop(label)
    else if (this.#partials.size === MAX_PARTIAL_VALUES) this.#drop(this.#partials.keys().next().value!)
    const partial: Partial = { sequence, parts: new Array<Uint8Array | undefined>(count), missing: count }
    this.#partials.set(label, partial)
    return partial
  }

  #drop(label: number): void {
    this.#partials!.delete(label)
    this.#dropped++
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array((parts.length - 1) * FRAGMENT_BYTES + parts.at(-1)!.length)
  for (const [index, part] of parts.entries()) whole.set(part, index * FRAGMENT_BYTES)
  return whole
}
