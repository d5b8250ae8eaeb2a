/**
 * Where messages of all peers arrive: they go to the listeners of the room and to the channel they were sent on. What
 * nobody listens to yet waits, bounded, for the first listener; what had to be dropped is told, to us by a warning and
 * to a sender who wanted a receipt.
 */

import { EarshotError } from '../errors.ts'
import { MAX_BACKLOG_BYTES, MAX_BACKLOG_MESSAGES } from '../limits.ts'
import { ReceiptOutcome } from '../messaging/messenger.ts'
import { Fifo } from '../wire/fifo.ts'
import type { Message } from './events.ts'
import type { Peer } from './peer.ts'

/** One who takes the messages of a channel. */
export interface MessageConsumer {
  /** True where somebody listens at present. */
  readonly isListening: boolean
  deliver(arrival: Arrival): void
}

export interface Arrival {
  readonly message: Message
  /** What it costs of its sender's credit, for as long as it is held unread. */
  readonly length: number
  readonly receipt: number
}

export interface HubEvents {
  /** True where a listener of the room took the message. */
  emitMessage(message: Message): boolean
  warn(error: EarshotError): void
}

export class MessageHub {
  readonly #events: HubEvents
  readonly #consumers = new Map<string, Set<MessageConsumer>>()
  #backlog = new Fifo<Arrival>()
  #backlogBytes = 0
  #hasWarned = false

  constructor(events: HubEvents) {
    this.#events = events
  }

  addConsumer(channel: string, consumer: MessageConsumer): () => void {
    const consumers = this.#consumers.get(channel) ?? new Set()
    consumers.add(consumer)
    this.#consumers.set(channel, consumers)
    return () => {
      consumers.delete(consumer)
      if (consumers.size === 0 && this.#consumers.get(channel) === consumers) this.#consumers.delete(channel)
    }
  }

  onMessage(from: Peer, channel: string, data: unknown, length: number, receipt: number): void {
    const message: Message = { data, from, channel }
    const wasHeard = this.#events.emitMessage(message)
    const consumers = this.#consumers.size > 0 ? this.#consumers.get(channel) : undefined
    let isConsumed = false
    if (consumers) {
      for (const consumer of consumers) {
        if (!consumer.isListening) continue
        isConsumed = true
        consumer.deliver({ message, length, receipt })
      }
    }
    if (wasHeard && !isConsumed) from.messenger.receipt(receipt, ReceiptOutcome.delivered)
    if (!wasHeard && !isConsumed) this.#keep({ message, length, receipt })
  }

  /** Somebody began to listen: what waited for that is delivered, in order. */
  onListening(): void {
    if (this.#backlog.length === 0) return
    const waiting = this.#backlog.drain()
    this.#backlogBytes = 0
    for (const { message, length, receipt } of waiting) {
      this.onMessage(message.from, message.channel, message.data, length, receipt)
    }
  }

  #keep(arrival: Arrival): void {
    const { data, channel } = arrival.message
    // A few bytes must not keep the whole record alive that they came in.
    const kept =
      data instanceof Uint8Array ? { ...arrival, message: { ...arrival.message, data: data.slice() } } : arrival
    this.#backlog.push(kept)
    this.#backlogBytes += arrival.length
    while (this.#backlog.length > MAX_BACKLOG_MESSAGES || this.#backlogBytes > MAX_BACKLOG_BYTES) {
      const { message, length, receipt } = this.#backlog.shift()!
      this.#backlogBytes -= length
      message.from.messenger.receipt(receipt, ReceiptOutcome.dropped)
      if (!this.#hasWarned) this.#warn(channel)
    }
  }

  #warn(channel: string): void {
    this.#hasWarned = true
    const where = channel === '' ? 'the room' : `the channel '${channel}'`
    this.#events.warn(
      new EarshotError('limit-reached', `messages of ${where} are dropped, the oldest first: nobody listens`, {
        hint: "Listen with room.on('message', …) or with the channel's own listeners.",
      }),
    )
  }
}
