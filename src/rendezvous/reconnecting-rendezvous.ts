/**
 * A broker as a place that is always there: connects, subscribes, and when the connection breaks does both again, sooner
 * at first and then more seldom.
 *
 *     connecting ──► up ──► down ──► connecting …      closed, from everywhere
 *          └──────────────────┘
 */

import { asError, EarshotError } from '../errors.ts'
import {
  CLOSE_TIMEOUT_MS,
  MAX_RENDEZVOUS_PACKET_BYTES,
  MAX_UNACKNOWLEDGED_PUBLISHES,
  RENDEZVOUS_CONNECT_TIMEOUT_MS,
  RENDEZVOUS_PUBLISH_TIMEOUT_MS,
} from '../limits.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { RetrySchedule } from '../platform/retry-schedule.ts'
import type { BrokerConnection, BrokerConnector } from './broker-connector.ts'
import type { Rendezvous, RendezvousHealth, RendezvousState } from './rendezvous.ts'

/** A broker that lets us in and then breaks off is not well: only after this long does it count as one that works. */
const PROVEN_AFTER_MS = 30_000

export interface ReconnectingRendezvousOptions {
  readonly connector: BrokerConnector
  readonly clock: Clock
  readonly random: Random
}

type OnMessage = (bytes: Uint8Array) => void

/** One connection, or the attempt at one: what it reports after it has been given up is nobody's. */
interface Attempt {
  readonly aborter: AbortController
  connection: BrokerConnection | undefined
}

export class ReconnectingRendezvous implements Rendezvous {
  readonly url: string
  readonly #options: ReconnectingRendezvousOptions
  readonly #schedule: RetrySchedule
  readonly #subscribers = new Map<string, Set<OnMessage>>()
  readonly #watchers = new Set<(health: RendezvousHealth) => void>()
  #health: RendezvousHealth
  #attempt: Attempt | undefined
  #upAt = 0
  #retry: Timer | undefined
  #publishing = 0
  #closing: Promise<void> | undefined

  /** Connects at once; nothing is told before the present turn is over. */
  constructor(options: ReconnectingRendezvousOptions) {
    this.#options = options
    this.url = options.connector.url
    this.#schedule = new RetrySchedule(options.random)
    this.#health = { url: this.url, state: 'connecting', since: options.clock.wallTime(), lastError: undefined }
    void this.#connect()
  }

  get health(): RendezvousHealth {
    return this.#health
  }

  async publish(topic: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > MAX_RENDEZVOUS_PACKET_BYTES)
      throw new RangeError(`a packet has at most ${MAX_RENDEZVOUS_PACKET_BYTES} bytes, this one has ${bytes.length}`)
    const attempt = this.#attempt
    // Also while subscriptions are being acknowledged: what came in with the first of them may be answered.
    if (attempt?.connection === undefined) throw this.#notUp()
    if (this.#publishing >= MAX_UNACKNOWLEDGED_PUBLISHES) throw this.#tooMany()
    this.#publishing++
    const timer = this.#options.clock.setTimer(RENDEZVOUS_PUBLISH_TIMEOUT_MS, () => this.#fail(attempt, this.#silent()))
    try {
      await attempt.connection.publish(topic, bytes)
    } catch (error) {
      // What was under way when the broker fell silent is told that, rather than that we closed the connection.
      throw attempt.aborter.signal.aborted ? (this.#health.lastError ?? error) : error
    } finally {
      timer.cancel()
      this.#publishing--
    }
  }

  subscribe(topic: string, onMessage: OnMessage): () => void {
    if (this.#closing) return () => {}
    const own: OnMessage = bytes => onMessage(bytes)
    const subscribers = this.#subscribers.get(topic)
    if (subscribers) subscribers.add(own)
    else {
      this.#subscribers.set(topic, new Set([own]))
      const attempt = this.#attempt
      attempt?.connection?.subscribe(topic).catch(error => this.#fail(attempt, error))
    }
    return () => this.#unsubscribe(topic, own)
  }

  watchHealth(onChange: (health: RendezvousHealth) => void): () => void {
    const own = (health: RendezvousHealth): void => onChange(health)
    this.#watchers.add(own)
    return () => void this.#watchers.delete(own)
  }

  reconnect(): void {
    if (this.#closing) return
    const attempt = this.#attempt
    this.#attempt = undefined
    this.#retry?.cancel()
    this.#schedule.reset()
    this.#setState('connecting', this.#health.lastError)
    attempt?.aborter.abort(
      new EarshotError('lost', `the connection to ${this.url} was given up: the network has changed`),
    )
    attempt?.connection?.close().catch(() => {}) // Mostly it is dead.
    void this.#connect()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #connect(): Promise<void> {
    const attempt: Attempt = { aborter: new AbortController(), connection: undefined }
    this.#attempt = attempt
    const timer = this.#options.clock.setTimer(RENDEZVOUS_CONNECT_TIMEOUT_MS, () => this.#fail(attempt, this.#slow()))
    const handlers = {
      onMessage: (topic: string, bytes: Uint8Array) => this.#onMessage(attempt, topic, bytes),
      onLost: (error: EarshotError) => this.#fail(attempt, error),
    }
    try {
      const connection = await this.#options.connector.connect(handlers, attempt.aborter.signal)
      if (this.#attempt !== attempt) {
        await connection.close()
        return
      }
      attempt.connection = connection
      await Promise.all([...this.#subscribers.keys()].map(topic => connection.subscribe(topic)))
      if (this.#attempt === attempt) this.#onUp()
    } catch (error) {
      this.#fail(attempt, error)
    } finally {
      timer.cancel()
    }
  }

  #onUp(): void {
    this.#upAt = this.#options.clock.now()
    this.#setState('up', this.#health.lastError)
  }

  /** Gives this attempt up and waits for the next. What an attempt says that was given up already is no news. */
  #fail(attempt: Attempt, thrown: unknown): void {
    if (this.#attempt !== attempt || this.#closing) return
    this.#attempt = undefined
    const { clock } = this.#options
    if (this.#health.state === 'up' && clock.now() - this.#upAt >= PROVEN_AFTER_MS) this.#schedule.reset()
    this.#retry = clock.setTimer(this.#schedule.nextMs(), () => {
      this.#setState('connecting', this.#health.lastError)
      void this.#connect()
    })
    this.#setState('down', this.#explained(thrown))
    attempt.aborter.abort(this.#health.lastError)
    attempt.connection?.close().catch(() => {}) // It is broken already, and that was told.
  }

  #onMessage(attempt: Attempt, topic: string, bytes: Uint8Array): void {
    if (this.#attempt !== attempt) return
    for (const onMessage of this.#subscribers.get(topic) ?? []) onMessage(bytes)
  }

  #unsubscribe(topic: string, own: OnMessage): void {
    const subscribers = this.#subscribers.get(topic)
    if (!subscribers?.delete(own) || subscribers.size > 0) return
    this.#subscribers.delete(topic)
    this.#attempt?.connection?.unsubscribe(topic)
  }

  #setState(state: RendezvousState, lastError: EarshotError | undefined): void {
    const isTurn = (state === 'up') !== (this.#health.state === 'up') || state === 'closed'
    const since = isTurn ? this.#options.clock.wallTime() : this.#health.since
    this.#health = { url: this.url, state, since, lastError }
    for (const onChange of [...this.#watchers]) onChange(this.#health)
  }

  async #close(): Promise<void> {
    const attempt = this.#attempt
    this.#attempt = undefined
    this.#retry?.cancel()
    this.#subscribers.clear()
    this.#setState('closed', this.#health.lastError)
    this.#watchers.clear()
    const giveUp = (): void =>
      attempt?.aborter.abort(new EarshotError('closed', `the rendezvous ${this.url} was closed`))
    if (attempt?.connection) {
      const timer = this.#options.clock.setTimer(CLOSE_TIMEOUT_MS, giveUp)
      await attempt.connection.close()
      timer.cancel()
    }
    giveUp()
  }

  #explained(thrown: unknown): EarshotError {
    if (thrown instanceof EarshotError) return thrown
    const { message } = asError(thrown)
    return new EarshotError('unreachable', `the rendezvous ${this.url} failed: ${message}`, { cause: thrown })
  }

  #notUp(): EarshotError {
    const { state, lastError } = this.#health
    if (state === 'closed') return new EarshotError('closed', `the rendezvous ${this.url} was closed`)
    const why = lastError ? `: ${lastError.message}` : ''
    return new EarshotError('unreachable', `the rendezvous ${this.url} is ${state}${why}`, {
      ...(lastError?.hint !== undefined && { hint: lastError.hint }),
      cause: lastError,
    })
  }

  #slow(): EarshotError {
    const message = `the rendezvous ${this.url} did not let us in within ${RENDEZVOUS_CONNECT_TIMEOUT_MS} ms`
    return new EarshotError('timeout', message, {
      hint: 'Check the address, and whether a firewall drops the packets.',
    })
  }

  #silent(): EarshotError {
    const message = `the rendezvous ${this.url} acknowledged nothing for ${RENDEZVOUS_PUBLISH_TIMEOUT_MS} ms`
    return new EarshotError('timeout', message)
  }

  #tooMany(): EarshotError {
    const message = `the rendezvous ${this.url} has not acknowledged ${MAX_UNACKNOWLEDGED_PUBLISHES} messages`
    return new EarshotError('limit-reached', message)
  }
}
