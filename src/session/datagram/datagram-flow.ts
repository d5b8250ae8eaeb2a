/**
 * The datagrams of one session: 'unreliable' and 'latest' messages in both directions, by datagrams or, where these do
 * not get through, on the session.
 */

import { type EarshotError, protocolViolation } from '../../errors.ts'
import { MAX_LATEST_BYTES, MAX_UNRELIABLE_BYTES } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { SocketAddress } from '../../platform/network.ts'
import type { DatagramKeys } from './datagram-keys.ts'
import { DatagramReceiver } from './datagram-receiver.ts'
import { DatagramSender } from './datagram-sender.ts'
import type { DatagramTarget } from './datagram-sockets.ts'
import { UnreliableInbox } from './unreliable-inbox.ts'

/** Figures of one session's datagrams. */
export interface DatagramStats {
  /** Whether messages leave as datagrams at present; otherwise they ride the session. */
  readonly isValidated: boolean
  /** Datagrams sent. */
  readonly sent: number
  /** Authentic datagrams received. */
  readonly received: number
  /** Messages of 'unreliable' and 'latest' that were dropped here: too many waited, or a newer one overtook them. */
  readonly dropped: number
  /** Datagrams refused because they had come already, or came far too late. */
  readonly replayed: number
  /** Datagrams refused because they were not authentic, or were too many. */
  readonly forged: number
}

/** What the flow needs of its session. */
export interface FlowSession {
  /** How many labels the peer has told us. */
  readonly labelCount: number
  /** Sends a payload frame on the session, if it takes one at once; otherwise `onSessionReady` is called when it does. */
  carry(type: number, label: number, sequence: number, body: Uint8Array): boolean
  onLossyMessage(label: number, kind: number, body: Uint8Array): void
  /** The peer itself, nobody else, sent what it must not. */
  onViolation(error: EarshotError): void
}

/** What it needs of the network. */
export interface FlowNetwork {
  readonly clock: Clock
  readonly keys: DatagramKeys
  /** Where the peer takes datagrams: the address of the session's path with the announced port; undefined for nowhere. */
  readonly remote: SocketAddress | undefined
  /** Sends one datagram. False: the system has enough for now; `onSocketReady` is called when it takes more. */
  send(datagram: Uint8Array, remote: SocketAddress): boolean
  /** From now on datagrams with its connection id are for this one. */
  register(target: DatagramTarget): void
  unregister(target: DatagramTarget): void
}

/** An idle session has no more than this object: its parts are made when the first message is sent, or comes. */
export class DatagramFlow implements DatagramTarget {
  readonly connectionId: Uint8Array
  readonly #network: FlowNetwork
  readonly #session: FlowSession
  #sender: DatagramSender | undefined
  #receiver: DatagramReceiver | undefined
  #inbox: UnreliableInbox | undefined
  #unread = 0
  #isClosed = false

  constructor(network: FlowNetwork, session: FlowSession) {
    this.connectionId = network.keys.receiving.connectionId
    this.#network = network
    this.#session = session
    network.register(this)
  }

  get stats(): DatagramStats {
    const { isValidated = false, sent = 0, dropped = 0 } = this.#sender ?? {}
    const { received = 0, replayed = 0, forged = 0 } = this.#receiver ?? {}
    const overtaken = this.#inbox?.dropped ?? 0
    return { isValidated, sent, received, dropped: dropped + overtaken + this.#unread, replayed, forged }
  }

  /** Sends a message that may be lost; at most MAX_UNRELIABLE_BYTES. */
  sendUnreliable(label: number, kind: number, bytes: Uint8Array): void {
    if (!this.#isClosed) this.#sending().sendUnreliable(label, kind, bytes)
  }

  /** Sends a value that takes the place of those before it; at most MAX_LATEST_BYTES. */
  sendLatest(label: number, kind: number, bytes: Uint8Array): void {
    if (!this.#isClosed) this.#sending().sendLatest(label, kind, bytes)
  }

  /** A datagram with the connection id of this session. */
  onDatagram(datagram: Uint8Array, from: SocketAddress): void {
    if (this.#isClosed) return
    this.#receiver ??= this.#newReceiver()
    this.#receiver.receive(datagram, from)
  }

  /** A message that rode the session. Throws `protocol-violation` for one that is too large. */
  onCarried(label: number, sequence: number, kind: number, body: Uint8Array): void {
    const limit = sequence === 0 ? MAX_UNRELIABLE_BYTES : MAX_LATEST_BYTES
    if (body.length > limit) throw protocolViolation(`a message of ${body.length} bytes, where ${limit} are allowed`)
    this.#receiving().onMessage(label, sequence, kind, body)
  }

  /** The application did not read one in time. */
  countUnread(): void {
    this.#unread++
  }

  onSessionReady(): void {
    this.#sender?.onSessionReady()
  }

  onSocketReady(): void {
    this.#sender?.onSocketReady()
  }

  /** The session has ended, and what still waits with it. */
  close(): void {
    this.#isClosed = true
    this.#sender?.close()
    this.#network.unregister(this)
  }

  #sending(): DatagramSender {
    const network = this.#network
    this.#sender ??= new DatagramSender({
      key: network.keys.sending,
      clock: network.clock,
      send: (datagram, remote) => network.send(datagram, remote),
      remote: () => network.remote,
      carry: (type, label, sequence, body) => this.#session.carry(type, label, sequence, body),
    })
    return this.#sender
  }

  #receiving(): UnreliableInbox {
    this.#inbox ??= new UnreliableInbox((label, kind, body) => this.#session.onLossyMessage(label, kind, body))
    return this.#inbox
  }

  #newReceiver(): DatagramReceiver {
    const session = this.#session
    const inbox = this.#receiving()
    return new DatagramReceiver({
      key: this.#network.keys.receiving,
      clock: this.#network.clock,
      labelCount: () => session.labelCount,
      onHeard: from => this.#sender?.onHeard(from),
      onChallenge: (number, from) => this.#sending().respond(number, session.labelCount, from),
      onResponse: (number, labels) => this.#sender?.onResponse(number, labels),
      onMessage: (label, sequence, kind, body) => inbox.onMessage(label, sequence, kind, body),
      onFragment: fragment => inbox.onFragment(fragment),
      onViolation: error => session.onViolation(error),
    })
  }
}
