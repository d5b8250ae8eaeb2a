/**
 * The nodes whose adverts are heard, and when to dial each. The smaller name dials, at once, and again while nobody
 * answers: the real program dials once, and where the other side does not listen yet, both wait for ever. So the larger
 * name dials as well, after a time in which the smaller one surely would have.
 */

import { MAX_PARALLEL_DIALS, MAX_PYTHONCONNECT_NODES, MAX_PYTHONCONNECT_NODES_PER_ADDRESS } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { isBefore } from './node-name.ts'

/** Three adverts, which are 30 s to 31.1 s apart: who was silent for longer is not dialled any more. */
const FORGOTTEN_AFTER_MS = 95_000
/** How long the larger name leaves it to the other side. */
const PATIENCE_MS = 10_000
const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 10_000

interface HeardNode {
  readonly name: string
  address: string
  heardAt: number
  dials: number
  timer: Timer | undefined
  isDialling: boolean
}

export interface HeardNodesOptions {
  readonly clock: Clock
  readonly ownName: string
  isLinked(name: string): boolean
  /** Resolves when there is a link, or none could be made. */
  dial(address: string): Promise<void>
}

export class HeardNodes {
  readonly #options: HeardNodesOptions
  readonly #nodes = new Map<string, HeardNode>()
  #dialling = 0

  constructor(options: HeardNodesOptions) {
    this.#options = options
  }

  /** True where it is news, and was taken. */
  add(name: string, address: string): boolean {
    const now = this.#options.clock.now()
    const known = this.#nodes.get(name)
    if (known && now - known.heardAt < FORGOTTEN_AFTER_MS) {
      known.heardAt = now
      // While there is a link, another address may be another interface of the same device, or somebody else's lie.
      if (this.#options.isLinked(name)) return false
      known.address = address
      if (known.timer === undefined && !known.isDialling) this.#schedule(known)
      return false
    }
    if (known) this.forget(name)
    if (this.#isFull(address, now)) return false
    const node = { name, address, heardAt: now, dials: 0, timer: undefined, isDialling: false }
    this.#nodes.set(name, node)
    this.#schedule(node)
    return true
  }

  /** When an advert came last, on the clock; undefined where none ever did. */
  heardAt(name: string): number | undefined {
    return this.#nodes.get(name)?.heardAt
  }

  /** The next advert will be news again. */
  forget(name: string): void {
    this.#nodes.get(name)?.timer?.cancel()
    this.#nodes.delete(name)
  }

  close(): void {
    for (const name of [...this.#nodes.keys()]) this.forget(name)
  }

  #isFull(address: string, now: number): boolean {
    for (const { name, heardAt } of this.#nodes.values()) {
      if (now - heardAt >= FORGOTTEN_AFTER_MS && !this.#options.isLinked(name)) this.forget(name)
    }
    const fromThere = [...this.#nodes.values()].filter(node => node.address === address).length
    return this.#nodes.size >= MAX_PYTHONCONNECT_NODES || fromThere >= MAX_PYTHONCONNECT_NODES_PER_ADDRESS
  }

  #schedule(node: HeardNode): void {
    const { clock, ownName } = this.#options
    const firstMs = isBefore(ownName, node.name) ? 0 : PATIENCE_MS
    const delayMs = node.dials === 0 ? firstMs : Math.min(FIRST_RETRY_MS * 2 ** (node.dials - 1), LONGEST_RETRY_MS)
    if (delayMs === 0) void this.#dial(node)
    else node.timer = clock.setTimer(delayMs, () => void this.#dial(node))
  }

  async #dial(node: HeardNode): Promise<void> {
    const { clock, isLinked, dial } = this.#options
    node.timer = undefined
    if (isLinked(node.name) || clock.now() - node.heardAt >= FORGOTTEN_AFTER_MS) return
    node.dials++
    if (this.#dialling < MAX_PARALLEL_DIALS) {
      node.isDialling = true
      this.#dialling++
      await dial(node.address)
      this.#dialling--
      node.isDialling = false
    }
    if (this.#nodes.get(node.name) === node && !isLinked(node.name)) this.#schedule(node)
  }
}
