/**
 * Where messages of all peers arrive: they go to the listeners of the room and to the channel they were sent on. What
 * nobody listens to yet waits, bounded, for the first listener; what had to be dropped is told, to us by a warning and
 * to a sender who wanted a receipt.
 */

import { EarshotError } from '../errors.ts'
import {
  MAX_BACKLOG_BYTES,
  MAX_BACKLOG_MESSAGES,
  MAX_UNREAD_UNRELIABLE_BYTES,
  MAX_UNREAD_UNRELIABLE_MESSAGES,
} from '../limits.ts'
import { ReceiptOutcome } from '../messaging/messenger.ts'
import { DropOldestQueue } from '../session/datagram/drop-oldest-queue.ts'
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
  /** Of 'unreliable' or 'latest': it costs no credit, and makes room for newer ones where it is not read. */
  readonly isLossy: boolean
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
  #lossyBacklog: DropOldestQueue<{ readonly message: Message; readonly length: number }> | undefined
  #hasWarned = false
  #hasWarnedUnread = false

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

  /** `isLossy`: see `Arrival`. */
  onMessage(from: Peer, channel: string, data: unknown, length: number, receipt: number, isLossy = false): void {
    const message: Message = { data, from, channel }
    const wasHeard = this.#events.emitMessage(message)
    const consumers = this.#consumers.size > 0 ? this.#consumers.get(channel) : undefined
    let isConsumed = false
    if (consumers) {
      for (const consumer of consumers) {
        if (!consumer.isListening) continue
        isConsumed = true
        consumer.deliver({ message, length, receipt, isLossy })
      }
    }
    if (wasHeard && !isConsumed) from.messenger.receipt(receipt, ReceiptOutcome.delivered)
    if (wasHeard || isConsumed) return
    if (isLossy) this.#keepLossy(message, length)
    else this.#keep({ message, length, receipt, isLossy })
  }

  /** A message of 'unreliable' or 'latest' had to go unread: newer ones took its place. */
  onUnread({ from, channel }: Message): void {
    from.messenger.datagrams.countUnread()
    if (this.#hasWarnedUnread) return
    this.#hasWarnedUnread = true
    this.#events.warn(
      new EarshotError(
        'limit-reached',
        `messages of ${placeOf(channel)} that may get lost are dropped, the oldest first: they are not read fast enough`,
        { hint: 'Read them faster, or send fewer of them.' },
      ),
    )
  }

  /** Somebody began to listen: what waited for that is delivered, in order. */
  onListening(): void {
    const lossy = this.#lossyBacklog?.drain() ?? []
    this.#lossyBacklog = undefined
    this.#deliverBacklog()
    for (const { message, length } of lossy)
      this.onMessage(message.from, message.channel, message.data, length, 0, true)
  }

  #deliverBacklog(): void {
    if (this.#backlog.length === 0) return
    const waiting = this.#backlog.drain()
    this.#backlogBytes = 0
    for (const { message, length, receipt } of waiting) {
      this.onMessage(message.from, message.channel, message.data, length, receipt)
    }
  }

  #keepLossy(message: Message, length: number): void {
    const bounds = { messages: MAX_UNREAD_UNRELIABLE_MESSAGES, bytes: MAX_UNREAD_UNRELIABLE_BYTES }
    this.#lossyBacklog ??= new DropOldestQueue(bounds)
    const dropped = this.#lossyBacklog.push({ message: owned(message), length }, length)
    for (const { message: unread } of dropped) this.onUnread(unread)
  }

  #keep(arrival: Arrival): void {
    const { channel } = arrival.message
    this.#backlog.push({ ...arrival, message: owned(arrival.message) })
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
    this.#events.warn(
      new EarshotError(
        'limit-reached',
        `messages of ${placeOf(channel)} are dropped, the oldest first: nobody listens`,
        {
          hint: "Listen with room.on('message', …) or with the channel's own listeners.",
        },
      ),
    )
  }
}

/** A few bytes must not keep the whole record alive that they came in. */
function owned(message: Message): Message {
  return message.data instanceof Uint8Array ? { ...message, data: message.data.slice() } : message
}

function placeOf(channel: string): string {
  return channel === '' ? 'the room' : `the channel '${channel}'`
}
