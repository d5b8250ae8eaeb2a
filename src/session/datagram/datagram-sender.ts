/**
 * What one session sends in datagrams (docs/protocol.md, "Datagrams").
 *
 *     unreliable ─► queue, drop-oldest ─┐            ┌─ path valid, label known there ─► datagram ─► socket
 *     latest ─────► one value a channel ┴─ turn ends ┤
 *                                                    └─ otherwise ─► a frame of the session, while it takes some
 *
 * What is sent in one turn of the event loop shares datagrams. There is no timer and no promise for a message, and
 * nothing at all for a session that sends none. The peer is where the session has its path, and nowhere else: no
 * datagram decides to which address others are sent.
 */

import {
  LATEST_SETTLE_MS,
  MAX_PATH_RESPONSES_PER_SECOND,
  MAX_UNRELIABLE_QUEUE_BYTES,
  MAX_UNRELIABLE_QUEUE_MESSAGES,
} from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { putVarint } from '../../wire/varint.ts'
import { Payload, payloadLength, putPayload } from '../frame.ts'
import { DatagramFrame, FRAGMENT_BYTES, type Fragment, fragmentLength, putFragment } from './datagram-frame.ts'
import type { DatagramKey } from './datagram-keys.ts'
import { DatagramSealer, HEADER_BYTES, MAX_DATAGRAM_PLAINTEXT_BYTES, newDatagram } from './datagram-packet.ts'
import { DropOldestQueue } from './drop-oldest-queue.ts'
import { PathValidation } from './path-validation.ts'

export interface DatagramSenderOptions {
  readonly key: DatagramKey
  readonly clock: Clock
  /** Sends one datagram. False: the system has enough for now; `onSocketReady` is called when it takes more. */
  send(datagram: Uint8Array, remote: SocketAddress): boolean
  /** Where the peer takes datagrams: the address of the session's path with the announced port; undefined for nowhere. */
  remote(): SocketAddress | undefined
  /** Sends a payload frame on the session, if it takes one at once; otherwise `onSessionReady` is called when it does. */
  carry(type: number, label: number, sequence: number, body: Uint8Array): boolean
}

/** A message that waits. */
interface Outgoing {
  readonly label: number
  readonly kind: number
  readonly bytes: Uint8Array
}

/** The values of 'latest' on one channel. */
interface LatestValue {
  readonly label: number
  sequence: number
  kind: number
  bytes: Uint8Array
  /** It has left in datagrams, which may be lost; until it has left by the session, too, or a newer one has. */
  sentAt: number
}

const BYTES_KIND = 0
const NOTHING = new Uint8Array(0)
const SECOND_MS = 1_000
/** Challenges whose ports are remembered. */
const MAX_ASKED_PORTS = 8

export class DatagramSender {
  readonly #options: DatagramSenderOptions
  readonly #validation = new PathValidation()
  readonly #onTurnEnd = (): void => this.#endTurn()
  #sealer: DatagramSealer | undefined
  #queue: DropOldestQueue<Outgoing> | undefined
  /** By label: the newest value of each channel. */
  #latest: Map<number, LatestValue> | undefined
  /** Those of them that have not left. */
  readonly #due = new Set<LatestValue>()
  /** Those that have left in datagrams only. */
  readonly #unsettled = new Set<LatestValue>()
  #settleTimer: Timer | undefined
  /** The datagram that is being filled. */
  #datagram: Uint8Array | undefined
  #length = 0
  #remote: SocketAddress | undefined
  /** The port that answered, where it is not the announced one. */
  #port: number | undefined
  /** From where datagrams come, where that is another port of the same address: a NAT may have changed it. */
  #heardPort: number | undefined
  #isHeardPortNext = false
  /** The port asked by each of the last challenges, which is the one to use if it is answered. */
  readonly #askedPorts: [number: number, port: number][] = []
  /** The peer has confirmed so many of our labels. */
  #confirmedLabels = 0
  /** Of the present turn. */
  #now = 0
  #isUsable = false
  #isScheduled = false
  #isSocketReady = true
  #respondedFrom = Number.NEGATIVE_INFINITY
  #responses = 0
  #sent = 0
  #dropped = 0
  #isClosed = false

  constructor(options: DatagramSenderOptions) {
    this.#options = options
  }

  /** Whether messages leave as datagrams at present. */
  get isValidated(): boolean {
    return this.#validation.isValid(this.#options.clock.now())
  }

  /** Datagrams. */
  get sent(): number {
    return this.#sent
  }

  /** Messages. */
  get dropped(): number {
    return this.#dropped
  }

  /** Sends a message that may be lost; at most MAX_UNRELIABLE_BYTES. */
  sendUnreliable(label: number, kind: number, bytes: Uint8Array): void {
    if (this.#isClosed) return
    this.#beginTurn()
    const isDirect = this.#isSocketReady && (this.#queue?.length ?? 0) === 0 && this.#mayGo(label)
    if (isDirect) this.#putMessage(label, 0, kind, bytes)
    else this.#enqueue(label, kind, bytes)
  }

  /** Sends a value that takes the place of those before it; at most MAX_LATEST_BYTES. */
  sendLatest(label: number, kind: number, bytes: Uint8Array): void {
    if (this.#isClosed) return
    this.#beginTurn()
    this.#latest ??= new Map()
    const owned = kind === BYTES_KIND ? bytes.slice() : bytes
    let value = this.#latest.get(label)
    if (value) {
      if (this.#due.has(value)) this.#dropped++
      value.sequence++
      value.kind = kind
      value.bytes = owned
    } else {
      value = { label, sequence: 1, kind, bytes: owned, sentAt: 0 }
      this.#latest.set(label, value)
    }
    this.#unsettled.delete(value)
    this.#due.add(value)
  }

  /** The session is about to fill a record. */
  onSessionReady(): void {
    if (!this.#isWaiting) return
    this.#beginTurn()
    this.#sendWaiting()
  }

  /** The socket takes datagrams again. */
  onSocketReady(): void {
    this.#isSocketReady = true
    if (this.#isWaiting) this.#beginTurn()
  }

  /** The session has ended, and what still waits with it. */
  close(): void {
    this.#isClosed = true
    this.#settleTimer?.cancel()
    this.#queue?.drain()
    this.#due.clear()
    this.#unsettled.clear()
    this.#datagram = undefined
  }

  get #isWaiting(): boolean {
    return !this.#isClosed && (this.#due.size > 0 || (this.#queue?.length ?? 0) > 0)
  }

  #beginTurn(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#lookAround(this.#options.clock.now())
    this.#options.clock.afterTurn(this.#onTurnEnd)
  }

  /** Where the peer is, and whether datagrams get there. */
  #lookAround(now: number): void {
    this.#now = now
    const remote = this.#options.remote()
    if (remote?.address !== this.#remote?.address) {
      this.#seal()
      this.#remote = remote
      this.#port = undefined
      this.#heardPort = undefined
      this.#validation.reset()
    }
    this.#isUsable = this.#remote !== undefined && this.#validation.isValid(now)
  }

  /** True where a message of this label leaves as a datagram; a label that was not told yet needs the session's order. */
  #mayGo(label: number): boolean {
    return this.#isUsable && label <= this.#confirmedLabels && !this.#sealer?.isSpent
  }

  #enqueue(label: number, kind: number, bytes: Uint8Array): void {
    this.#queue ??= new DropOldestQueue({ messages: MAX_UNRELIABLE_QUEUE_MESSAGES, bytes: MAX_UNRELIABLE_QUEUE_BYTES })
    // The application may use its bytes again: for it they are sent.
    const owned = kind === BYTES_KIND ? bytes.slice() : bytes
    this.#dropped += this.#queue.push({ label, kind, bytes: owned }, bytes.length).length
  }

  #endTurn(): void {
    this.#isScheduled = false
    if (this.#isClosed) return
    this.#sendWaiting()
    this.#seal()
    this.#challenge()
  }

  #sendWaiting(): void {
    for (const value of this.#due) {
      if (this.#sendValue(value)) this.#due.delete(value)
    }
    for (let first = this.#queue?.peek(); first && this.#sendQueued(first); first = this.#queue!.peek()) {
      this.#queue!.shift()
    }
  }

  #sendQueued({ label, kind, bytes }: Outgoing): boolean {
    if (!this.#mayGo(label)) return this.#carry(label, 0, kind, bytes)
    if (!this.#isSocketReady) return false
    this.#putMessage(label, 0, kind, bytes)
    return true
  }

  #sendValue(value: LatestValue): boolean {
    const { label, sequence, kind, bytes } = value
    if (!this.#mayGo(label)) return this.#carryValue(value)
    if (!this.#isSocketReady) return false
    if (payloadLength(label, sequence, bytes.length) <= MAX_DATAGRAM_PLAINTEXT_BYTES) {
      this.#putMessage(label, sequence, kind, bytes)
    } else this.#putFragments(value)
    value.sentAt = this.#now
    this.#unsettled.add(value)
    this.#settleTimer ??= this.#options.clock.setTimer(LATEST_SETTLE_MS, () => this.#settle())
    return true
  }

  /** What was the last value for a while leaves by the session, too: after the last one of a row nothing else would. */
  #settle(): void {
    this.#settleTimer = undefined
    const now = this.#options.clock.now()
    for (const value of this.#unsettled) {
      if (now - value.sentAt >= LATEST_SETTLE_MS && this.#carryValue(value)) this.#unsettled.delete(value)
    }
    if (this.#unsettled.size > 0) {
      this.#settleTimer = this.#options.clock.setTimer(LATEST_SETTLE_MS, () => this.#settle())
    }
  }

  #carryValue(value: LatestValue): boolean {
    const { label, sequence, kind, bytes } = value
    const isCarried = this.#carry(label, sequence, kind, bytes)
    // It will arrive: only its number is needed any more.
    if (isCarried) value.bytes = NOTHING
    return isCarried
  }

  #carry(label: number, sequence: number, kind: number, bytes: Uint8Array): boolean {
    // The next answer tells how many labels the peer has by then.
    if (label > this.#confirmedLabels) this.#validation.hurry(this.#now)
    return this.#options.carry(Payload.unreliable | kind, label, sequence, bytes)
  }

  #putMessage(label: number, sequence: number, kind: number, bytes: Uint8Array): void {
    const datagram = this.#room(payloadLength(label, sequence, bytes.length))
    const at = HEADER_BYTES + this.#length
    this.#length = putPayload(datagram, at, DatagramFrame.message | kind, label, sequence, bytes) - HEADER_BYTES
  }

  #putFragments({ label, sequence, kind, bytes }: LatestValue): void {
    const count = Math.ceil(bytes.length / FRAGMENT_BYTES)
    for (let index = 0; index < count; index++) {
      const part = bytes.subarray(index * FRAGMENT_BYTES, (index + 1) * FRAGMENT_BYTES)
      const fragment: Fragment = { label, sequence, kind, count, index, bytes: part }
      const datagram = this.#room(fragmentLength(fragment))
      this.#length = putFragment(datagram, HEADER_BYTES + this.#length, fragment) - HEADER_BYTES
    }
  }

  /** The datagram with room for `length` bytes more; a full one leaves first. */
  #room(length: number): Uint8Array {
    if (this.#length + length > MAX_DATAGRAM_PLAINTEXT_BYTES) this.#seal()
    this.#datagram ??= newDatagram()
    return this.#datagram
  }

  #seal(): void {
    if (!this.#datagram || this.#length === 0) return
    const { address, port } = this.#remote!
    this.#transmit(this.#datagram, this.#length, { address, port: this.#port ?? port })
    this.#datagram = undefined
    this.#length = 0
  }

  #transmit(datagram: Uint8Array, length: number, to: SocketAddress): void {
    this.#sealer ??= new DatagramSealer(this.#options.key)
    if (this.#sealer.isSpent) return
    this.#sent++
    if (!this.#options.send(this.#sealer.seal(datagram, length), to)) this.#isSocketReady = false
  }

  /** Asks whether datagrams of full length get through; only while there is something to send. */
  #challenge(): void {
    if (!this.#remote) return
    const { address, port } = this.#remote
    const number = this.#validation.challenge(this.#now)
    if (number === undefined) return
    // A NAT may have given the peer another port than it knows of: both are asked in turn until one answers.
    this.#isHeardPortNext = !this.#isHeardPortNext
    const asked = this.#isUsable ? (this.#port ?? port) : this.#isHeardPortNext ? port : (this.#heardPort ?? port)
    this.#askedPorts.push([number, asked])
    if (this.#askedPorts.length > MAX_ASKED_PORTS) this.#askedPorts.shift()
    const datagram = newDatagram().fill(DatagramFrame.padding, HEADER_BYTES)
    datagram[HEADER_BYTES] = DatagramFrame.challenge
    putVarint(datagram, HEADER_BYTES + 1, number)
    this.#transmit(datagram, MAX_DATAGRAM_PLAINTEXT_BYTES, { address, port: asked })
  }

  // What the receiving side hears -------------------------------------------------------------------------------------

  /** An authentic datagram came from there. */
  onHeard({ address, port }: SocketAddress): void {
    if (address !== this.#remote?.address || port === this.#heardPort) return
    this.#heardPort = port
    this.#isHeardPortNext = true
    this.#validation.retry(this.#options.clock.now())
  }

  /** The peer asks whether its datagrams get here: it is told, and how many labels it has told us. */
  respond(number: number, labels: number, from: SocketAddress): void {
    if (this.#isClosed) return
    this.#lookAround(this.#options.clock.now())
    if (!this.#remote || !this.#mayRespond()) return
    // To where it asked from, if that is where the session knows it to be: never to an address that a datagram brings.
    const to = from.address === this.#remote.address ? from : this.#remote
    const datagram = newDatagram()
    datagram[HEADER_BYTES] = DatagramFrame.response
    const at = putVarint(datagram, HEADER_BYTES + 1, number)
    this.#transmit(datagram, putVarint(datagram, at, labels) - HEADER_BYTES, to)
  }

  /** So many a second are honest, and what is above them is not worth our work. */
  #mayRespond(): boolean {
    if (this.#now - this.#respondedFrom >= SECOND_MS) {
      this.#respondedFrom = this.#now
      this.#responses = 0
    }
    return this.#responses++ < MAX_PATH_RESPONSES_PER_SECOND
  }

  onResponse(number: number, labels: number): void {
    const asked = this.#askedPorts.find(([challenge]) => challenge === number)
    if (!asked || !this.#validation.onResponse(number, this.#options.clock.now())) return
    this.#port = asked[1]
    this.#confirmedLabels = Math.max(this.#confirmedLabels, labels)
    if (this.#isWaiting) this.#beginTurn()
  }
}
