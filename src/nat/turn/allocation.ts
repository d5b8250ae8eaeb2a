/**
 * An allocation at a TURN server (RFC 8656): an address there, from which datagrams are relayed to peers and back. It renews
 * itself, its permissions and its channels, keeps the mapping to the server alive, and notices when the server is gone.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_TURN_DATAGRAM_BYTES } from '../../limits.ts'
import { canonicalIp } from '../../platform/ip-address.ts'
import type { SocketAddress } from '../../platform/network.ts'
import type { Random } from '../../platform/random.ts'
import { uint32Attribute, xorAddressAttribute, xorAddressIn } from '../stun/attribute.ts'
import { ATTRIBUTE } from '../stun/attribute-type.ts'
import {
  attributeOf,
  encodeStunMessage,
  METHOD,
  notUnderstood,
  type ReceivedStunMessage,
  readStunMessage,
  TRANSACTION_ID_BYTES,
} from '../stun/message.ts'
import type { ServerTransport } from '../stun/stun-uri.ts'
import { AllocationLife, type AllocationLifeParts } from './allocation-life.ts'
import { decodeChannelData, encodeChannelData, looksLikeChannelData } from './channel-data.ts'
import { Permissions } from './permissions.ts'
import { type Channel, type Permission, RelayPeers } from './relay-peers.ts'

export interface AllocationHandlers {
  /** A datagram from a peer. `bytes` belongs to the receiver. */
  readonly onDatagram: (bytes: Uint8Array, from: SocketAddress) => void
  /** Something that concerns one peer failed: a permission that the server refuses. */
  readonly onWarning?: ((error: EarshotError) => void) | undefined
}

/** What an answer to an Allocate request brings, and what is needed to keep it. */
export interface AllocationGrant extends Omit<AllocationLifeParts, 'onRenewal' | 'onWarning'> {
  readonly random: Random
  readonly relayedAddress: SocketAddress
  readonly mappedAddress: SocketAddress
}

/** What an allocation has done so far. */
export interface AllocationStats {
  readonly sentBytes: number
  readonly receivedBytes: number
  /** Datagrams that were not sent: the way to the server or the queue for a permission was full. */
  readonly dropped: number
}

export class Allocation {
  /** Where peers reach us, and where what we send comes from. */
  readonly relayedAddress: SocketAddress
  /** Our address as the server sees it: a server-reflexive candidate. */
  readonly mappedAddress: SocketAddress
  readonly serverAddress: SocketAddress
  /** How we talk to the server; between it and peers it is UDP always. */
  readonly transport: ServerTransport
  readonly #grant: AllocationGrant
  readonly #handlers: AllocationHandlers
  readonly #life: AllocationLife
  readonly #peers = new RelayPeers()
  readonly #permissions: Permissions
  readonly #stats = { sentBytes: 0, receivedBytes: 0, dropped: 0 }
  #isBlocked = false

  constructor(grant: AllocationGrant, handlers: AllocationHandlers) {
    const { link, relayedAddress } = grant
    this.#grant = grant
    this.#handlers = handlers
    this.relayedAddress = relayedAddress
    this.mappedAddress = grant.mappedAddress
    this.serverAddress = link.remote
    this.transport = link.transport
    this.#life = new AllocationLife({
      ...grant,
      onRenewal: () => {
        for (const channel of this.#permissions.renew()) void this.#bind(channel)
      },
      onWarning: handlers.onWarning,
    })
    this.#permissions = new Permissions({
      life: this.#life,
      peers: this.#peers,
      relayedAddress,
      onGranted: permission => this.#sendWaiting(permission),
      onRefused: ({ waiting }) => {
        this.#stats.dropped += waiting.splice(0).length
      },
    })
  }

  /** Resolves when it has ended: with undefined after `close()`, otherwise with the reason. Never rejects. */
  get closed(): Promise<EarshotError | undefined> {
    return this.#life.closed
  }

  /** For how long the server keeps it without a refresh, as it said last. */
  get lifetimeMs(): number {
    return this.#life.lifetimeMs
  }

  get stats(): AllocationStats {
    return { ...this.#stats }
  }

  /**
   * Sends one datagram to a peer, whom that permits to send to us. The first ones wait for the server to grant that. False: it
   * was dropped, because buffers are full, the server has refused this peer, or the allocation has ended.
   *
   * @throws EarshotError `too-large`; RangeError for an address of another family than `relayedAddress`
   */
  send(bytes: Uint8Array, to: SocketAddress): boolean {
    const peer = { address: this.#permissions.checkAddress(to.address), port: to.port }
    if (bytes.length > MAX_TURN_DATAGRAM_BYTES) {
      const message = `a relayed datagram has at most ${MAX_TURN_DATAGRAM_BYTES} bytes, not ${bytes.length}`
      throw new EarshotError('too-large', message)
    }
    const isSent = !this.#life.isClosed && this.#dispatch(bytes, peer)
    if (!isSent) this.#stats.dropped += 1
    return isSent
  }

  /**
   * Lets a peer send to us, from any port of this IP address, until `forbid` or `close`. Resolves when the server has granted
   * it. Rejects with `refused` where the server does not allow it, `timeout`, `limit-reached` or `closed`.
   */
  permit(address: string): Promise<void> {
    return this.#permissions.permit(address)
  }

  /** Takes a permission back: what comes from there is ignored at once, and at the server ends within five minutes. */
  forbid(address: string): void {
    this.#peers.removePermission(canonicalIp(address))
  }

  /** Tells the server that it is over, waits for its answer for at most a second, and closes the way to it. Idempotent. */
  close(): Promise<void> {
    return this.#life.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A message of the server. */
  receive(bytes: Uint8Array): void {
    this.#life.heard()
    if (looksLikeChannelData(bytes)) this.#receiveChannelData(bytes)
    else this.#receiveMessage(readStunMessage(bytes))
  }

  /** The way to the server has room again. */
  drained(): void {
    this.#isBlocked = false
  }

  /** The way to the server is gone. */
  fail(reason: EarshotError): void {
    this.#life.fail(reason)
  }

  #dispatch(bytes: Uint8Array, peer: SocketAddress): boolean {
    const permission = this.#peers.permission(peer.address) ?? this.#permissions.ask(peer.address)
    if (permission === undefined || permission.state === 'refused') return false
    permission.isUsed = true
    if (permission.state === 'asked') return this.#peers.wait(permission, bytes, peer)
    return this.#transmit(bytes, peer)
  }

  #sendWaiting({ waiting }: Permission): void {
    for (const { bytes, to } of waiting.splice(0)) {
      if (!this.#transmit(bytes, to)) this.#stats.dropped += 1
    }
  }

  #transmit(bytes: Uint8Array, peer: SocketAddress): boolean {
    // A datagram is not worth waiting for; what is queued before it may be a second of traffic.
    if (this.#isBlocked) return false
    const channel = this.#peers.boundChannel(peer)
    if (channel) channel.isUsed = true
    const isStream = this.transport !== 'udp'
    const message = channel
      ? encodeChannelData({ channel: channel.number, data: bytes }, isStream)
      : this.#sendIndication(bytes, peer)
    this.#isBlocked = !this.#grant.link.send(message)
    this.#stats.sentBytes += bytes.length
    if (!channel) this.#considerChannel(peer)
    return true
  }

  #sendIndication(bytes: Uint8Array, peer: SocketAddress): Uint8Array {
    const transactionId = this.#grant.random.bytes(TRANSACTION_ID_BYTES)
    const attributes = [
      xorAddressAttribute(ATTRIBUTE.xorPeerAddress, peer, transactionId),
      { type: ATTRIBUTE.data, value: bytes },
    ]
    const message = { class: 'indication', method: METHOD.send, transactionId, attributes } as const
    return encodeStunMessage(message, { fingerprint: false })
  }

  #considerChannel(peer: SocketAddress): void {
    const channel = this.#peers.countSent(peer)
    if (channel) void this.#bind(channel)
  }

  async #bind(channel: Channel): Promise<void> {
    try {
      await this.#life.request(METHOD.channelBind, id => [
        uint32Attribute(ATTRIBUTE.channelNumber, channel.number * 0x1_0000),
        xorAddressAttribute(ATTRIBUTE.xorPeerAddress, channel.peer, id),
      ])
      channel.state = 'bound'
    } catch (error) {
      // Send indications do as well.
      channel.state = 'failed'
      this.#life.requestFailed(error)
    }
  }

  #receiveChannelData(bytes: Uint8Array): void {
    let read: ReturnType<typeof decodeChannelData>
    try {
      read = decodeChannelData(bytes)
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error
      return // Damaged on its way, or of somebody else.
    }
    const channel = this.#peers.peerOfChannel(read.channel)
    if (!channel) return
    channel.isUsed = true
    this.#deliver(read.data, channel.peer)
  }

  #receiveMessage(message: ReceivedStunMessage | undefined): void {
    if (message === undefined || this.#grant.transactions.receive(message, this.serverAddress)) return
    if (message.class !== 'indication' || message.method !== METHOD.data || notUnderstood(message).length > 0) return
    const data = attributeOf(message, ATTRIBUTE.data)
    const peer = peerIn(message)
    if (data && peer) this.#deliver(data, peer)
  }

  /** RFC 8656 section 11.6: only from those whom we have permitted. */
  #deliver(bytes: Uint8Array, from: SocketAddress): void {
    const permission = this.#peers.permission(from.address)
    if (this.#life.isClosed || permission === undefined || permission.state === 'refused') return
    permission.isUsed = true
    this.#stats.receivedBytes += bytes.length
    this.#handlers.onDatagram(bytes, from)
  }
}

/** Of an indication; undefined where there is none, or no valid one: no answer could say so (RFC 8489 section 6.3.2). */
export function peerIn(message: ReceivedStunMessage): SocketAddress | undefined {
  try {
    return xorAddressIn(message, ATTRIBUTE.xorPeerAddress)
  } catch (error) {
    if (!(error instanceof EarshotError)) throw error
    return undefined
  }
}
