/**
 * A traversal whose messages a person carries: one in each direction. Each side waits until it knows all that it can tell; then its
 * text may be copied, and what the other side has comes with the other text, some minutes later or never.
 */

import { EarshotError } from '../../errors.ts'
import type { AgentSettings } from '../../nat/ice/agent.ts'
import { type Description, decodeDescription } from '../../nat/ice/description.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { RelayBudget } from './relay-budget.ts'
import { type Introduction, Traversal } from './traversal.ts'

export interface CarriedTraversalOptions {
  readonly agent: Omit<AgentSettings, 'onPath' | 'send'>
  readonly introduce: (id: string, introduction: Introduction) => Promise<unknown>
  readonly budget: Pick<RelayBudget, 'count' | 'isSpent'>
  /** From now on the other side is too late. */
  readonly lifetimeMs: number
  readonly onExpired: () => void
}

/** A router that maps ports says so within this time; mostly it is faster than the STUN servers. */
const MAPPING_PATIENCE_MS = 1_500

export class CarriedTraversal {
  readonly #clock: Clock
  readonly #traversal: Traversal
  readonly #mapsPorts: boolean
  readonly #expiry: Timer
  #remoteId: string | undefined
  /** The newest that the agent wants to be told. */
  #latest: { readonly message: Uint8Array; readonly description: Description } | undefined
  #onLatest: () => void = () => {}
  #isClosed = false

  constructor({ agent, introduce, budget, lifetimeMs, onExpired }: CarriedTraversalOptions) {
    this.#clock = agent.platform.clock
    this.#mapsPorts = agent.mapPort !== undefined && agent.direct !== 'never'
    this.#expiry = this.#clock.setTimer(lifetimeMs, onExpired)
    const remoteId = () => this.#remoteId ?? ''
    this.#traversal = new Traversal({
      get peerId() {
        return remoteId()
      },
      agent: { ...agent, send: message => this.#onMessage(message) },
      introduce: introduction => introduce(remoteId(), introduction),
      budget,
    })
    this.#traversal.isWanted = true
  }

  /** Undefined until the other side's text is there. */
  get remoteId(): string | undefined {
    return this.#remoteId
  }

  /** Names this side's half: an answer is to this one. */
  get sessionId(): Uint8Array | undefined {
    return this.#latest?.description.sessionId
  }

  get isRelayed(): boolean {
    return this.#traversal.isRelayed
  }

  endRelays(): void {
    this.#traversal.endRelays()
  }

  /** What the other side's text has. */
  receive(id: string, message: Uint8Array): void {
    this.#remoteId = id
    this.#traversal.receive(message)
  }

  /** Resolves to all that this side can tell. Rejects with `closed`, or `no-network`. */
  async complete(): Promise<Uint8Array> {
    await this.#until(({ isComplete }) => isComplete)
    const hasMapped = ({ candidates }: Description) => candidates.some(({ type }) => type === 'mapped')
    if (this.#mapsPorts) await this.#until(hasMapped, MAPPING_PATIENCE_MS)
    const { message, description } = this.#latest!
    if (description.candidates.length > 0) return message
    throw new EarshotError('no-network', 'this machine has no address at which another one could reach it', {
      hint: 'Is it connected to a network? earshot interfaces lists what there is.',
    })
  }

  /** Resolves when a connection of the peer's session stands. Rejects with why there is none, or with `signal.reason`. */
  async connected(signal: AbortSignal): Promise<void> {
    await this.#traversal.nextPath(signal)
    this.#expiry.cancel()
  }

  /** Ends connections, too. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#expiry.cancel()
    this.#onLatest()
    await this.#traversal.close()
  }

  /** Several follow each other; the last one says it all. */
  #onMessage(message: Uint8Array): void {
    this.#latest = { message, description: decodeDescription(message) }
    this.#onLatest()
  }

  #until(isSo: (description: Description) => boolean, patienceMs?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        timer?.cancel()
        this.#onLatest = () => {}
      }
      const check = () => {
        if (this.#isClosed) {
          end()
          reject(new EarshotError('closed', 'the offer was given up'))
        } else if (this.#latest && isSo(this.#latest.description)) {
          end()
          resolve()
        }
      }
      const timer =
        patienceMs === undefined
          ? undefined
          : this.#clock.setTimer(patienceMs, () => {
              end()
              resolve()
            })
      this.#onLatest = check
      check()
    })
  }
}
