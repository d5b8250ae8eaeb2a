/** A named, typed channel of a room: a topic with its own order, listeners, and schema. */

import type { Disposer, Emitter } from '../emitter.ts'
import { EarshotError } from '../errors.ts'
import { MAX_UNREAD_UNRELIABLE_BYTES, MAX_UNREAD_UNRELIABLE_MESSAGES } from '../limits.ts'
import { ItemQueue } from '../messaging/item-queue.ts'
import { ReceiptOutcome } from '../messaging/messenger.ts'
import { describeIssues, type SchemaResult, type StandardSchemaV1, validate } from '../messaging/standard-schema.ts'
import { DropOldestQueue } from '../session/datagram/drop-oldest-queue.ts'
import type { Message } from './events.ts'
import type { Arrival } from './message-hub.ts'
import type { Delivery, SendOptions } from './options.ts'

export interface ChannelEvents<Output> {
  message: Message<Output>
}

export interface ChannelRoom {
  send(channel: string, data: unknown, options: SendOptions): Promise<void>
  /** Listening begins: what waited for it is delivered now. */
  onListening(): void
  /** A message that may get lost was, since it was not read in time. */
  onUnread(message: Message): void
  warn(error: EarshotError): void
}

export interface ChannelParts<Input, Output> {
  readonly name: string
  readonly schema: StandardSchemaV1<Input, Output> | undefined
  readonly delivery: Delivery
  readonly room: ChannelRoom
  readonly emitter: Emitter<ChannelEvents<Output>>
}

/**
 * A channel made by `room.channel`. Messages are checked against the schema on both sides: one that does not fit is
 * refused where it is sent, and dropped with a warning where it arrives.
 */
// It is a MessageConsumer, which the published declaration cannot say: it leaves out what is internal.
export class Channel<Input = unknown, Output = Input> implements AsyncIterable<Message<Output>> {
  readonly name: string
  readonly schema: StandardSchemaV1<Input, Output> | undefined
  /** How its messages are sent where `send` does not say. */
  readonly delivery: Delivery
  readonly #room: ChannelRoom
  readonly #emitter: Emitter<ChannelEvents<Output>>
  readonly #readers = new Set<ItemQueue<Unread<Output>>>()
  /** While a schema takes its time, later messages wait behind it: order is kept. */
  #validation: Promise<void> | undefined
  /** What may get lost and waits behind such a schema. */
  #lossyBehind: DropOldestQueue<Arrival> | undefined
  #isClosed = false

  /** @internal */
  constructor({ name, schema, delivery, room, emitter }: ChannelParts<Input, Output>) {
    this.name = name
    this.schema = schema
    this.delivery = delivery
    this.#room = room
    this.#emitter = emitter
  }

  /** Sends to one, several or all peers, like `room.send`. Rejects with `invalid-data` what the schema refuses. */
  async send(data: Input, options: SendOptions = {}): Promise<void> {
    const result = this.schema && (await validate(this.schema, data))
    if (result?.issues) {
      throw new EarshotError(
        'invalid-data',
        `channel '${this.name}' does not carry this: ${describeIssues(result.issues)}`,
        {
          hint: 'Send what the schema of the channel describes.',
        },
      )
    }
    const { delivery } = this
    return this.#room.send(this.name, data, delivery === 'reliable' ? options : { delivery, ...options })
  }

  on(type: 'message', listener: (message: Message<Output>) => void): Disposer {
    const disposer = this.#emitter.on(type, listener)
    this.#room.onListening()
    return disposer
  }

  /**
   * Every message from now on, and those that waited for the first listener. Peers who send faster than this loop
   * reads are slowed down.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message<Output>, void, undefined> {
    const reader = new ItemQueue<Unread<Output>>({
      onTaken: ({ message, length, isLossy }) => isLossy || message.from.messenger.release(length),
    })
    this.#readers.add(reader)
    if (this.#isClosed) reader.end()
    this.#room.onListening()
    try {
      for await (const { message } of reader) yield message
    } finally {
      this.#readers.delete(reader)
      await reader.return()
    }
  }

  // What the room tells -----------------------------------------------------------------------------------------------

  /** @internal */
  get isListening(): boolean {
    return this.#readers.size > 0 || this.#emitter.has('message')
  }

  /** @internal */
  deliver(arrival: Arrival): void {
    if (this.#validation) {
      if (arrival.isLossy) this.#queueLossyBehind(this.#validation, arrival)
      else this.#queueBehind(this.#validation, arrival)
      return
    }
    const pending = this.#deliverChecked(arrival)
    if (pending) this.#waitFor(pending)
  }

  /** @internal The room is closed: loops end. */
  close(): void {
    this.#isClosed = true
    for (const reader of this.#readers) reader.end()
    this.#emitter.close(undefined)
  }

  /** What waits its turn is unread, like what a schema is looking at: its sender is slowed down. */
  #queueBehind(validation: Promise<void>, arrival: Arrival): void {
    const { messenger } = arrival.message.from
    messenger.hold(arrival.length)
    const turn = validation.then(() => {
      messenger.release(arrival.length)
      return this.#deliverChecked(arrival)
    })
    this.#waitFor(turn)
  }

  /** What may get lost slows nobody down: newer ones take its place. */
  #queueLossyBehind(validation: Promise<void>, arrival: Arrival): void {
    const bounds = { messages: MAX_UNREAD_UNRELIABLE_MESSAGES, bytes: MAX_UNREAD_UNRELIABLE_BYTES }
    this.#lossyBehind ??= new DropOldestQueue(bounds)
    const queue = this.#lossyBehind
    const isWaiting = queue.length > 0
    for (const { message } of queue.push(arrival, arrival.length)) this.#room.onUnread(message)
    if (isWaiting) return
    this.#waitFor(
      validation.then(async () => {
        for (let next = queue.shift(); next; next = queue.shift()) await this.#deliverChecked(next)
      }),
    )
  }

  #waitFor(pending: Promise<void>): void {
    const done = pending.finally(() => {
      if (this.#validation === done) this.#validation = undefined
    })
    this.#validation = done
  }

  #deliverChecked(arrival: Arrival): Promise<void> | undefined {
    if (!this.schema) {
      this.#hand(arrival, arrival.message.data as Output)
      return undefined
    }
    const result = validate(this.schema, arrival.message.data)
    if (!(result instanceof Promise)) {
      this.#judge(arrival, result)
      return undefined
    }
    const { messenger } = arrival.message.from
    if (!arrival.isLossy) messenger.hold(arrival.length)
    return result.then(judged => {
      if (!arrival.isLossy) messenger.release(arrival.length)
      this.#judge(arrival, judged)
    })
  }

  #judge(arrival: Arrival, result: SchemaResult<Output>): void {
    if (!result.issues) {
      this.#hand(arrival, result.value)
      return
    }
    const { from } = arrival.message
    from.messenger.receipt(arrival.receipt, ReceiptOutcome.invalid)
    this.#room.warn(
      new EarshotError(
        'invalid-data',
        `a message of '${from.name}' does not fit channel '${this.name}': ${describeIssues(result.issues)}`,
        { hint: 'The two programs may be of different versions.' },
      ),
    )
  }

  #hand({ message: { from }, length, receipt, isLossy }: Arrival, data: Output): void {
    const message: Message<Output> = { data, from, channel: this.name }
    this.#emitter.emit('message', message)
    for (const reader of this.#readers) {
      const unread = { message, length, isLossy }
      if (isLossy) for (const dropped of reader.pushLossy(unread, length)) this.#room.onUnread(dropped.message)
      else {
        from.messenger.hold(length)
        reader.push(unread)
      }
    }
    from.messenger.receipt(receipt, ReceiptOutcome.delivered)
  }
}

interface Unread<Output> {
  readonly message: Message<Output>
  readonly length: number
  readonly isLossy: boolean
}
