/**
 * A broker in memory, in virtual time: delivers what is published, or loses, doubles, delays and reorders it, is down, or
 * takes everything and answers nothing. A test can read what passed, as a real broker can, and publish in its name.
 */

import { EarshotError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { BrokerConnection, BrokerConnector, BrokerHandlers } from '../rendezvous/broker-connector.ts'
import { ReconnectingRendezvous } from '../rendezvous/reconnecting-rendezvous.ts'
import type { Rendezvous } from '../rendezvous/rendezvous.ts'

export interface MemoryBrokerFaults {
  /** How long a message is under way, each time anew. @default 5 */
  readonly delayMs?: number
  /** So much longer at random: messages overtake each other. @default 0 */
  readonly jitterMs?: number
  /** The part of deliveries that is lost, 0 to 1. @default 0 */
  readonly loss?: number
  /** The part of deliveries that happens twice, 0 to 1. @default 0 */
  readonly duplicates?: number
  /** Takes everything and answers nothing, as behind a line that is dead. @default false */
  readonly isSilent?: boolean
  /** Topics that nobody may subscribe to. @default none */
  readonly refuses?: (topic: string) => boolean
}

export interface MemoryBrokerOptions extends MemoryBrokerFaults {
  readonly clock: Clock
  readonly random: Random
  /** @default 'memory:broker' */
  readonly url?: string
}

export interface Publication {
  readonly topic: string
  readonly bytes: Uint8Array
}

const NO_FAULTS = { delayMs: 5, jitterMs: 0, loss: 0, duplicates: 0, isSilent: false, refuses: () => false }

export class MemoryBroker {
  readonly url: string
  /** May be changed at any time. */
  faults: Required<MemoryBrokerFaults>
  /** Everything that was published, in order. */
  readonly publications: Publication[] = []
  readonly #clock: Clock
  readonly #random: Random
  readonly #connections = new Set<MemoryConnection>()
  #isUp = true

  constructor({ clock, random, url = 'memory:broker', ...faults }: MemoryBrokerOptions) {
    this.url = url
    this.#clock = clock
    this.#random = random
    this.faults = { ...NO_FAULTS, ...faults }
  }

  /** How many are connected. */
  get connectionCount(): number {
    return this.#connections.size
  }

  /** The topics that somebody is subscribed to. */
  get topics(): readonly string[] {
    return [...new Set([...this.#connections].flatMap(({ topics }) => [...topics]))]
  }

  /** The rendezvous of one program at this broker. */
  rendezvous({ clock, random }: { readonly clock: Clock; readonly random: Random }): Rendezvous {
    return new ReconnectingRendezvous({ connector: this.connector(), clock, random })
  }

  connector(): BrokerConnector {
    return { url: this.url, connect: (handlers, signal) => this.#connect(handlers, signal) }
  }

  /** Breaks every connection off and lets nobody in, until `start`. */
  stop(): void {
    this.#isUp = false
    const connections = [...this.#connections]
    this.#connections.clear()
    for (const { handlers } of connections) handlers.onLost(new EarshotError('lost', `${this.url} is gone`))
  }

  start(): void {
    this.#isUp = true
  }

  /** Publishes in the broker's own name, for example what was published before. */
  inject(topic: string, bytes: Uint8Array): void {
    for (const connection of this.#connections) {
      if (!connection.topics.has(topic) || this.#happens(this.faults.loss)) continue
      const times = this.#happens(this.faults.duplicates) ? 2 : 1
      for (let i = 0; i < times; i++) this.#deliver(connection, topic, bytes)
    }
  }

  #deliver(connection: MemoryConnection, topic: string, bytes: Uint8Array): void {
    this.#after(() => {
      if (this.#connections.has(connection)) connection.handlers.onMessage(topic, new Uint8Array(bytes))
    })
  }

  async #connect(handlers: BrokerHandlers, signal: AbortSignal): Promise<BrokerConnection> {
    const client = new Patience(signal)
    await this.#roundTrip(client)
    if (!this.#isUp) throw new EarshotError('unreachable', `nobody listens at ${this.url}`)
    const topics = new Set<string>()
    const connection: MemoryConnection = { handlers, topics }
    this.#connections.add(connection)
    const isOpen = (): boolean => this.#connections.has(connection)
    const gone = (): EarshotError => new EarshotError('lost', `${this.url} is gone`)
    return {
      publish: async (topic, bytes) => {
        if (!isOpen()) throw gone()
        this.publications.push({ topic, bytes })
        this.inject(topic, bytes)
        await this.#roundTrip(client)
        if (!isOpen()) throw gone()
      },
      subscribe: async topic => {
        if (this.faults.refuses(topic)) throw new EarshotError('refused', `${this.url} does not allow ${topic}`)
        topics.add(topic)
        await this.#roundTrip(client)
      },
      unsubscribe: topic => void topics.delete(topic),
      close: async () => void this.#connections.delete(connection),
    }
  }

  /** Rejects when the other side has given up waiting. */
  #roundTrip(client: Patience): Promise<void> {
    return client.wait(done => {
      if (!this.faults.isSilent) this.#after(done)
    })
  }

  #after(then: () => void): void {
    const { delayMs, jitterMs } = this.faults
    this.#clock.setTimer(delayMs + jitterMs * this.#random.fraction(), then)
  }

  #happens(chance: number): boolean {
    return this.#random.fraction() < chance
  }
}

/** What one client waits for, until it gives up. */
class Patience {
  readonly #signal: AbortSignal
  readonly #waiting = new Set<(reason: unknown) => void>()

  constructor(signal: AbortSignal) {
    this.#signal = signal
    const giveUp = (): void => {
      for (const reject of this.#waiting) reject(signal.reason)
    }
    signal.addEventListener('abort', giveUp, { once: true })
  }

  wait(begin: (done: () => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#signal.throwIfAborted()
      this.#waiting.add(reject)
      begin(() => {
        this.#waiting.delete(reject)
        resolve()
      })
    })
  }
}

interface MemoryConnection {
  readonly handlers: BrokerHandlers
  readonly topics: Set<string>
}
