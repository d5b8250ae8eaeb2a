/** The changes of a network's interfaces as a sequence, one interface each. */

import type { Network, NetworkInterface } from './network.ts'

export interface InterfaceChange {
  /** 'changed': up or down, other addresses, another kind. */
  readonly kind: 'added' | 'removed' | 'changed'
  /** As it is now; one that was removed, as it was. */
  readonly interface: NetworkInterface
}

export interface InterfaceChangesOptions {
  /** Aborting ends the sequence. */
  readonly signal?: AbortSignal | undefined
  /** Called when a reader begins to wait; what it returns is called when none waits any more. */
  readonly hold?: (() => () => void) | undefined
}

/**
 * Follows `network` from this call on, until `signal` is aborted or `return` is called. A reader that is slow misses
 * what came and went in between, never what is so in the end: changes are found when they are asked for.
 */
export function interfaceChanges(
  network: Network,
  options: InterfaceChangesOptions = {},
): AsyncIterableIterator<InterfaceChange> {
  return new InterfaceChanges(network, options)
}

class InterfaceChanges implements AsyncIterableIterator<InterfaceChange> {
  readonly #network: Network
  readonly #signal: AbortSignal | undefined
  readonly #hold: (() => () => void) | undefined
  #release: (() => void) | undefined
  readonly #stopWatching: () => void
  readonly #readers: ((result: IteratorResult<InterfaceChange>) => void)[] = []
  #known: readonly NetworkInterface[]
  #changes: InterfaceChange[] = []
  #isDone = false

  constructor(network: Network, { signal, hold }: InterfaceChangesOptions) {
    this.#network = network
    this.#signal = signal
    this.#hold = hold
    this.#known = network.interfaces()
    this.#stopWatching = network.watchInterfaces(() => this.#serve())
    if (signal?.aborted) this.#finish()
    else signal?.addEventListener('abort', this.#finish)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<InterfaceChange>> {
    if (this.#isDone) return Promise.resolve({ done: true, value: undefined })
    return new Promise(resolve => {
      this.#readers.push(resolve)
      this.#serve()
    })
  }

  return(): Promise<IteratorResult<InterfaceChange>> {
    this.#finish()
    return Promise.resolve({ done: true, value: undefined })
  }

  #serve(): void {
    while (this.#readers.length > 0) {
      if (this.#changes.length === 0) this.#compare()
      const change = this.#changes.shift()
      if (!change) break
      this.#readers.shift()!({ done: false, value: change })
    }
    this.#holdWhileWaiting()
  }

  #compare(): void {
    const now = this.#network.interfaces()
    this.#changes = differences(this.#known, now)
    this.#known = now
  }

  #holdWhileWaiting(): void {
    if (this.#readers.length > 0) this.#release ??= this.#hold?.()
    else {
      this.#release?.()
      this.#release = undefined
    }
  }

  readonly #finish = (): void => {
    this.#isDone = true
    this.#stopWatching()
    this.#signal?.removeEventListener('abort', this.#finish)
    for (const resolve of this.#readers.splice(0)) resolve({ done: true, value: undefined })
    this.#holdWhileWaiting()
  }
}

/** An interface is the same if name and index are: a new one under an old name has a new index. */
function differences(before: readonly NetworkInterface[], after: readonly NetworkInterface[]): InterfaceChange[] {
  const same = (a: NetworkInterface) => (b: NetworkInterface) => a.name === b.name && a.index === b.index
  const changes: InterfaceChange[] = []
  for (const old of before) if (!after.some(same(old))) changes.push({ kind: 'removed', interface: old })
  for (const present of after) {
    const old = before.find(same(present))
    if (!old) changes.push({ kind: 'added', interface: present })
    else if (JSON.stringify(old) !== JSON.stringify(present)) changes.push({ kind: 'changed', interface: present })
  }
  return changes
}
