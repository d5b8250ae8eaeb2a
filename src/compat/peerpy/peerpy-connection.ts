/** A connection with one peerpy peer: messages of the agreed type in both directions, until one side closes. */

import { type Disposer, Emitter, type OnceOptions } from '../../emitter.ts'
import { EarshotError } from '../../errors.ts'
import { CLOSE_TIMEOUT_MS, MAX_PEERPY_MESSAGE_BYTES, PEERPY_CLOSE_LINGER_MS } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { encodeDataHeader } from './data-header.ts'
import type { PeerpyClose, PeerpyConnectionEvents, PeerpyMessage } from './events.ts'
import { FrameSender } from './frame-sender.ts'
import { encodeHeader } from './header.ts'
import type { ConnectionTerms, DataType } from './hello.ts'
import { Inbox } from './inbox.ts'
import type { Link } from './link.ts'
import { type Incoming, MessageReader, type StreamSize } from './message-reader.ts'
import { decodePayload, encodePayload } from './payload.ts'
import type { ReceiveBudget } from './receive-budget.ts'

export interface PeerpyConnectionOptions {
  readonly id: string
  readonly terms: ConnectionTerms
  readonly link: Link
  readonly clock: Clock
  readonly paceMs: number
  readonly maxMessageBytes: number
  readonly budget: ReceiveBudget
  /** Silence after which a sign of life is sent, now. */
  readonly timeoutMs: () => number
  /** Whether somebody listens to all connections. */
  readonly isHeard: () => boolean
  readonly onData: (message: PeerpyMessage) => void
  readonly onClose: (close: PeerpyClose) => void
  readonly onWarning: (error: EarshotError) => void
}

export class PeerpyConnection implements AsyncDisposable {
  /** The address at which the other side says it listens, `'ip:port'`: its name. */
  readonly id: string
  readonly dataType: DataType
  /** Messages of another type are left out, with a `warning` on the peer. The program takes every connection for strict. */
  readonly strict: boolean
  /** All messages have one size, in both directions. */
  readonly isStream: boolean
  readonly #options: PeerpyConnectionOptions
  readonly #link: Link
  readonly #reader: MessageReader
  readonly #sender: FrameSender
  readonly #streamSize: StreamSize
  readonly #emitter: Emitter<PeerpyConnectionEvents>
  readonly #unheard = new Inbox<PeerpyMessage>()
  #state: 'open' | 'closing' | 'closed' = 'open'
  #heldBytes = 0
  #lastHeardAt: number
  #isReading = false
  #keepAlive: Timer | undefined
  /** Ends what a close waits for: the queue, and then a moment for the system. */
  #patience: Timer | undefined
  #linger: Timer | undefined
  #closing: Promise<void> | undefined
  #onEnded: () => void = () => {}

  /** Made by {@link PeerpyPeer}; `start` follows in the same turn. */
  constructor(options: PeerpyConnectionOptions) {
    const { id, terms, link, clock, paceMs } = options
    this.id = id
    this.dataType = terms.dataType
    this.strict = terms.strict
    this.isStream = terms.isStream
    this.#options = options
    this.#link = link
    this.#streamSize = { bytes: terms.streamSizeBytes }
    this.#reader = new MessageReader(link.queue, terms, this.#streamSize)
    this.#sender = new FrameSender({ clock, paceMs, write: bytes => link.write(bytes) })
    this.#emitter = new Emitter(clock, type => this.#replay(type) as never)
    this.#lastHeardAt = clock.now()
  }

  /** Reads from the link from now on. */
  start(): void {
    this.#watchSilence()
    this.#link.readBy({
      onBytes: () => this.#onBytes(),
      onDrain: () => this.#sender.onDrain(),
      onClosed: error => this.#onClosed(error),
    })
    if (!this.#link.isClosed) this.#read()
  }

  get isClosed(): boolean {
    return this.#state !== 'open'
  }

  /** The size of a stream's messages in bytes: undefined before the first one, and where this is no stream. */
  get streamSizeBytes(): number | undefined {
    return this.isStream ? this.#streamSize.bytes : undefined
  }

  /** Where the bytes come from, `'ip:port'`: for an accepted connection not the address in `id`. */
  get remote(): string {
    return formatSocketAddress(this.#link.remote)
  }

  /** The same without the port: a program that dials again has another one. */
  get remoteHost(): string {
    return this.#link.remote.address
  }

  /**
   * Sends one message. Resolves when the system has taken it; then it may still be lost, as ever.
   *
   * @throws rejects with EarshotError: `closed`; `invalid-data` for what the data type does not carry, or another size in
   *   a stream; `too-large` beyond `maxMessageBytes`; `limit-reached` where too much waits; `lost`
   */
  async send(data: unknown): Promise<void> {
    if (this.#state !== 'open') throw closedError(this.id)
    await this.#sender.send(this.#frame(encodePayload(this.dataType, data)))
  }

  /** Calls `listener` for each event. Messages that came before wait for the first listener. */
  on<K extends keyof PeerpyConnectionEvents>(type: K, listener: (event: PeerpyConnectionEvents[K]) => void): Disposer {
    const disposer = this.#emitter.on(checkType(type), listener)
    this.#readOn()
    return disposer
  }

  /** The next event of this type: what peerpy calls `wait`. Rejects with `timeout`, the signal's reason, or `closed`. */
  async wait<K extends keyof PeerpyConnectionEvents>(
    type: K,
    options: OnceOptions = {},
  ): Promise<PeerpyConnectionEvents[K]> {
    const waiting = checkType(type) === 'data' ? this.takeFirstUnheard() : undefined
    return waiting === undefined ? this.#emitter.once(type, options) : (waiting as PeerpyConnectionEvents[K])
  }

  /** Sends what waits, for at most a second, and closes with RST. Idempotent. */
  close(): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve()
    this.#state = 'closing'
    this.#closing ??= new Promise(resolve => {
      this.#onEnded = resolve
      this.#flush()
    })
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Closes at once, for this reason. */
  abort(error: EarshotError): void {
    this.#end(error)
  }

  /** Hands over what waits for a listener, to one who listens to all connections. */
  takeUnheard(): readonly PeerpyMessage[] {
    const messages = this.#unheard.drain()
    // The caller has them first.
    if (messages.length > 0) this.#options.clock.afterTurn(() => this.#readOn())
    return messages
  }

  /** The first of what waits for a listener. */
  takeFirstUnheard(): PeerpyMessage | undefined {
    const first = this.#unheard.shift()
    if (first !== undefined) this.#readOn()
    return first
  }

  #frame(payload: Uint8Array): Uint8Array {
    const { maxMessageBytes } = this.#options
    if (payload.length > maxMessageBytes) throw tooLarge(payload.length, maxMessageBytes)
    if (!this.isStream) return concat(encodeDataHeader(payload.length, this.dataType), payload)
    const agreed = this.#streamSize.bytes
    if (payload.length === 0 || (agreed !== undefined && payload.length !== agreed))
      throw wrongSize(payload.length, agreed)
    this.#streamSize.bytes = payload.length
    return agreed === undefined ? concat(encodeDataHeader(payload.length, this.dataType), payload) : payload.slice()
  }

  #onBytes(): void {
    this.#lastHeardAt = this.#options.clock.now()
    this.#sender.onHeard()
    this.#read()
  }

  /** As far as somebody listens: then the other side feels it. */
  #read(): void {
    this.#readWhile(() => !this.#unheard.isFull)
    if (this.#unheard.isFull) this.#link.pause()
  }

  #readWhile(goesOn: () => boolean): void {
    // A listener that adds another one must not get the next message before this one is told to all.
    if (this.#isReading) return
    this.#isReading = true
    try {
      while (this.#state !== 'closed' && goesOn()) {
        const incoming = this.#reader.next()
        if (incoming === undefined) break
        this.#take(incoming)
      }
      this.#hold()
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isReading = false
    }
  }

  /** What has come before the end is read, listened for or not. */
  #onClosed(error: EarshotError | undefined): void {
    this.#readWhile(() => true)
    this.#end(error)
  }

  #take(incoming: Incoming): void {
    if (incoming.kind === 'skipped') this.#options.onWarning(skipped(this, incoming))
    if (incoming.kind !== 'message') return
    const message = { data: decodePayload(incoming.dataType, incoming.bytes), from: this }
    // Who has closed wants no more.
    if (this.#state !== 'open') return
    if (!this.#emitter.has('data') && !this.#options.isHeard()) this.#unheard.push(message, incoming.bytes.length)
    else {
      this.#emitter.emit('data', message)
      this.#options.onData(message)
    }
  }

  #readOn(): void {
    if (this.#state === 'closed' || this.#unheard.isFull) return
    this.#link.resume()
    this.#read()
  }

  #replay(type: keyof PeerpyConnectionEvents): readonly PeerpyMessage[] {
    return type === 'data' ? this.#unheard.drain() : []
  }

  #hold(): void {
    const before = this.#heldBytes
    this.#heldBytes = this.#state === 'closed' ? 0 : this.#link.queue.length + this.#unheard.bytes
    this.#options.budget.change(before, this.#heldBytes)
  }

  #fail(thrown: unknown): void {
    if (!(thrown instanceof EarshotError)) throw thrown
    this.#end(new EarshotError(thrown.code, `${this.id}: ${thrown.message}`, { cause: thrown }))
  }

  /**
   * A peer that hears nothing for a while sends PING, and TCP tells whether that arrives. On a stream whose size is known
   * it would be taken for data.
   */
  #watchSilence(): void {
    const { clock, timeoutMs } = this.#options
    const silentMs = clock.now() - this.#lastHeardAt
    if (silentMs >= timeoutMs()) {
      this.#lastHeardAt = clock.now()
      if (this.#sender.isIdle && this.streamSizeBytes === undefined) this.#link.write(encodeHeader('PING'))
    }
    const waitMs = this.#lastHeardAt + timeoutMs() - clock.now()
    this.#keepAlive = clock.setTimer(waitMs, () => this.#watchSilence())
  }

  /** RST overtakes what the system has not sent yet: the last message gets a moment. */
  #flush(): void {
    const { clock } = this.#options
    this.#patience = clock.setTimer(CLOSE_TIMEOUT_MS, () => this.#end(undefined))
    this.#sender.whenIdle(() => {
      const lingerMs = this.#sender.lastWriteAt + PEERPY_CLOSE_LINGER_MS - clock.now()
      if (lingerMs > 0) this.#linger ??= clock.setTimer(lingerMs, () => this.#end(undefined))
      else this.#end(undefined)
    })
  }

  #end(error: EarshotError | undefined): void {
    if (this.#state === 'closed') return
    const isOwn = this.#state === 'closing'
    this.#state = 'closed'
    for (const timer of [this.#keepAlive, this.#patience, this.#linger]) timer?.cancel()
    this.#link.reset()
    this.#hold()
    this.#sender.close(error ?? closedError(this.id))
    const close = { connection: this, error: isOwn ? undefined : error }
    this.#emitter.emit('close', close)
    this.#options.onClose(close)
    this.#emitter.close(closedError(this.id))
    this.#onEnded()
  }
}

function checkType<K extends keyof PeerpyConnectionEvents>(type: K): K {
  if (type !== 'data' && type !== 'close')
    throw new RangeError(`a connection has the events data and close, not ${String(type)}`)
  return type
}

function concat(header: Uint8Array, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(header.length + payload.length)
  frame.set(header)
  frame.set(payload, header.length)
  return frame
}

function skipped({ id, dataType }: PeerpyConnection, incoming: Incoming & { readonly kind: 'skipped' }): EarshotError {
  const { dataType: sent, sizeBytes } = incoming
  return new EarshotError(
    'protocol-violation',
    `${id} sent ${sizeBytes} bytes of ${sent} on a strict connection of ${dataType}: left out`,
  )
}

function closedError(id: string): EarshotError {
  return new EarshotError('closed', `the connection with ${id} is closed`)
}

function tooLarge(sizeBytes: number, maxBytes: number): EarshotError {
  return new EarshotError('too-large', `a message of ${sizeBytes} bytes, over maxMessageBytes, ${maxBytes}`, {
    hint: `The program mostly fails at more. Where all peers are of this library, maxMessageBytes may be up to ${MAX_PEERPY_MESSAGE_BYTES}.`,
  })
}

function wrongSize(sizeBytes: number, agreed: number | undefined): EarshotError {
  const wanted = agreed === undefined ? 'at least 1 byte' : `${agreed} bytes`
  return new EarshotError('invalid-data', `a message of ${sizeBytes} bytes in a stream of messages of ${wanted}`)
}
