/** Works that end together. Each has a signal of its own: hundreds of listeners on one would look like a leak, and Node says so. */

export class AbortGroup {
  readonly #running = new Set<AbortController>()
  #aborted: { readonly reason: unknown } | undefined

  get isAborted(): boolean {
    return this.#aborted !== undefined
  }

  /** Rejects with the reason of `abort` where that came before. */
  async run<Value>(work: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
    if (this.#aborted) throw this.#aborted.reason
    const controller = new AbortController()
    this.#running.add(controller)
    try {
      return await work(controller.signal)
    } finally {
      this.#running.delete(controller)
    }
  }

  abort(reason: unknown): void {
    this.#aborted ??= { reason }
    for (const controller of [...this.#running]) controller.abort(reason)
  }
}
