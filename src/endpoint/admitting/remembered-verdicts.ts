/**
 * What the application said of each caller. Where the dials of two peers cross, and while somebody thinks, it is asked
 * once; and it is not asked again before the time is over that a denial named.
 */

import { MAX_REMEMBERED_VERDICTS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Goodbye } from '../../session/frame.ts'

/** `undefined` admits. */
export type Verdict = Goodbye | undefined

/** `story`: all that the caller said of itself. Who was accepted with one must not come in with another. */
type Remembered =
  | {
      readonly kind: 'thinking'
      readonly story: string
      readonly verdict: Promise<Verdict>
      readonly accept: () => void
    }
  | { readonly kind: 'accepted'; readonly story: string; readonly at: number }
  | { readonly kind: 'denied'; readonly goodbye: Goodbye; readonly at: number }

/** Crossing dials come that close to each other. */
const CROSSING_MS = 1_000

export class RememberedVerdicts {
  readonly #clock: Clock
  readonly #byId = new Map<string, Remembered>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What was said of this caller, or else what `ask` says now. */
  recall(id: string, story: string, ask: () => Verdict | Promise<Verdict>): Verdict | Promise<Verdict> {
    const known = this.#byId.get(id)
    if (known?.kind === 'thinking' && known.story === story) return known.verdict
    if (known?.kind === 'accepted' && known.story === story && this.#isCrossing(known.at)) return undefined
    if (known?.kind === 'denied') {
      const retryAfterMs = Math.max(0, Math.ceil(known.at + known.goodbye.retryAfterMs - this.#clock.now()))
      if (retryAfterMs > 0 || this.#isCrossing(known.at)) return { ...known.goodbye, retryAfterMs }
    }
    const verdict = ask()
    if (!(verdict instanceof Promise)) return this.#given(id, story, verdict)
    let accept = (): void => {}
    const accepted = new Promise<undefined>(resolve => {
      accept = () => resolve(undefined)
    })
    const given = Promise.race([verdict, accepted]).then(settled => this.#given(id, story, settled))
    this.#remember(id, { kind: 'thinking', story, verdict: given, accept })
    return given
  }

  /** The application has said by other means that it wants this peer: nobody need think about it any longer. */
  accept(id: string): void {
    const known = this.#byId.get(id)
    if (known?.kind === 'thinking') known.accept()
  }

  #isCrossing(at: number): boolean {
    return this.#clock.now() - at < CROSSING_MS
  }

  #given(id: string, story: string, verdict: Verdict): Verdict {
    const at = this.#clock.now()
    this.#remember(id, verdict ? { kind: 'denied', goodbye: verdict, at } : { kind: 'accepted', story, at })
    return verdict
  }

  #remember(id: string, remembered: Remembered): void {
    this.#byId.delete(id)
    this.#byId.set(id, remembered)
    const [oldest] = this.#byId.keys()
    if (this.#byId.size > MAX_REMEMBERED_VERDICTS) this.#byId.delete(oldest!)
  }
}
