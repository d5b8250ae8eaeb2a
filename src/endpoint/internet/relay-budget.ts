/** How much may go through relays in one room: counted in both directions, warned of, and then kept. */

import { EarshotError } from '../../errors.ts'

/** So much of the budget is used when there is a warning. */
const WARNING_SHARE = 0.8

export interface RelayBudgetHandlers {
  onWarning(error: EarshotError): void
  /** Nothing may be relayed any more. */
  onSpent(error: EarshotError): void
}

export class RelayBudget {
  readonly #totalBytes: number
  readonly #handlers: RelayBudgetHandlers
  #usedBytes = 0
  #hasWarned = false

  /** @param totalBytes may be Infinity */
  constructor(totalBytes: number, handlers: RelayBudgetHandlers) {
    this.#totalBytes = totalBytes
    this.#handlers = handlers
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get isSpent(): boolean {
    return this.#usedBytes >= this.#totalBytes
  }

  count(bytes: number): void {
    const wasSpent = this.isSpent
    this.#usedBytes += bytes
    if (wasSpent) return
    if (this.isSpent) this.#handlers.onSpent(this.#spent())
    else if (!this.#hasWarned && this.#usedBytes >= this.#totalBytes * WARNING_SHARE) {
      this.#hasWarned = true
      this.#handlers.onWarning(this.#nearlySpent())
    }
  }

  #nearlySpent(): EarshotError {
    const message = `${this.#usedBytes} of ${this.#totalBytes} bytes that may be relayed are used`
    return new EarshotError('limit-reached', message, {
      hint: 'At the end of the budget relayed connections end; a greater `relayBudgetBytes`, or a direct path, keeps them.',
    })
  }

  #spent(): EarshotError {
    const message = `the ${this.#totalBytes} bytes that may be relayed are used up`
    return new EarshotError('limit-reached', message, {
      hint: 'Peers are reached directly only from now on; give a greater `relayBudgetBytes`.',
    })
  }
}
