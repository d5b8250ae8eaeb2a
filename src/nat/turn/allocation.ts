/**
 * An allocation at a TURN server (RFC 8656): an address there, from which datagrams are relayed to peers and back. It renews
 * itself, its permissions and its channels, keeps the mapping to the server alive, and notices when the server is gone.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_TURN_DATAGRAM_BYTES } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { canonicalIp, parseIp } from '../../platform/ip-address.ts'
import type { SocketAddress } from '../../platform/network.ts'
import type { Random } from '../../platform/random.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { uint32Attribute, uint32In, xorAddressAttribute, xorAddressIn } from '../stun/attribute.ts'
import { ATTRIBUTE } from '../stun/attribute-type.ts'
import {
  attributeOf,
  encodeStunMessage,
  METHOD,
  notUnderstood,
  type ReceivedStunMessage,
  readStunMessage,
  type StunAttribute,
  TRANSACTION_ID_BYTES,
} from '../stun/message.ts'
import type { ServerLink } from '../stun/server-link.ts'
import type { ServerTransport } from '../stun/stun-uri.ts'
import type { StunTransactions } from '../stun/transactions.ts'
import type { AuthenticatedRequests } from './authenticated-requests.ts'
import { decodeChannelData, encodeChannelData, looksLikeChannelData } from './channel-data.ts'
import { type Channel, type Permission, RelayPeers } from './relay-peers.ts'

export interface AllocationHandlers {
  /** A datagram from a peer. `bytes` belongs to the receiver. */
  readonly onDatagram: (bytes: Uint8Array, from: SocketAddress) => void
  /** Something that concerns one peer failed: a permission that the server refuses. */
  readonly onWarning?: ((error: EarshotError) => void) | undefined
}

export interface AllocationParts {
  readonly clock: Clock
  readonly random: Random
  readonly link: ServerLink
  readonly transactions: StunTransactions
  readonly requests: AuthenticatedRequests
  readonly handlers: AllocationHandlers
  readonly relayedAddress: SocketAddress
  readonly mappedAddress: SocketAddress
  readonly lifetimeMs: number
  readonly keepAliveMs: number
}

/** What an allocation has done so far. */
export interface AllocationStats {
  readonly sentBytes: number
  readonly receivedBytes: number
  /** Datagrams that were not sent: the way to the server or the queue for a permission was full. */
  readonly dropped: number
}

/** Permissions live for 300 s, channels for 600 s (RFC 8656 sections 9 and 12); all are renewed together. */
const RENEWAL_MS = 240_000
/** Whatever lifetime a server grants, it is not asked more often. */
const MIN_REFRESH_MS = 1_000
/** XOR-PEER-ADDRESS attributes in one CreatePermission request: it stays below 1,200 bytes. */
const PEERS_PER_REQUEST = 32
/** How long the server may take to answer a sign of life, and the end. */
const KEEP_ALIVE_DELAYS_MS: readonly number[] = [500, 1_000, 2_000, 4_000, 4_000]
const CLOSE_DELAYS_MS: readonly number[] = [250, 250, 500]
const ALLOCATION_MISMATCH = /^437\b/

export class Allocation {
  /** Where peers reach us, and where what we send comes from. */
  readonly relayedAddress: SocketAddress
  /** Our address as the server sees it: a server-reflexive candidate. */
  readonly mappedAddress: SocketAddress
  readonly serverAddress: SocketAddress
  /** How we talk to the server; between it and peers it is UDP always. */
  readonly transport: ServerTransport
  /** Resolves when it has ended: with undefined after `close()`, otherwise with the reason. Never rejects. */
  readonly closed: Promise<EarshotError | undefined>
  readonly #parts: AllocationParts
  readonly #peers = new RelayPeers()
  readonly #stats = { sentBytes: 0, receivedBytes: 0, dropped: 0 }
  #lifetimeMs: number
  #refreshTimer: Timer | undefined
  #renewalTimer: Timer
  #keepAliveTimer: Timer
  #heardAt: number
  #isBlocked = false
  #isClosed = false
  #settleClosed: (reason: EarshotError | undefined) => void = () => {}

  constructor(parts: AllocationParts) {
    const { clock, link } = parts
    this.#parts = parts
    this.relayedAddress = parts.relayedAddress
    this.mappedAddress = parts.mappedAddress
    this.serverAddress = link.remote
    this.transport = link.transport
    this.closed = new Promise(resolve => {
      this.#settleClosed = resolve
    })
    this.#lifetimeMs = parts.lifetimeMs
    this.#heardAt = clock.now()
    this.#scheduleRefresh()
    this.#renewalTimer = clock.setTimer(RENEWAL_MS, () => this.#renew())
    this.#keepAliveTimer = clock.setTimer(parts.keepAliveMs, () => this.#keepAlive())
  }

  /** For how long the server keeps it without a refresh, as it said last. */
  get lifetimeMs(): number {
    return this.#lifetimeMs
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
    const peer = { address: this.#checkAddress(to.address), port: to.port }
    if (bytes.length > MAX_TURN_DATAGRAM_BYTES) {
      const message = `a relayed datagram has at most ${MAX_TURN_DATAGRAM_BYTES} bytes, not ${bytes.length}`
      throw new EarshotError('too-large', message)
    }
    const isSent = !this.#isClosed && this.#dispatch(bytes, peer)
    if (!isSent) this.#stats.dropped += 1
    return isSent
  }

  /**
   * Lets a peer send to us, from any port of this IP address, until `forbid` or `close`. Resolves when the server has granted
   * it. Rejects with `refused` where the server does not allow it, `timeout`, `limit-reached` or `closed`.
   */
  async permit(address: string): Promise<void> {
    if (this.#isClosed) throw new EarshotError('closed', 'the allocation has ended')
    const known = this.#peers.permission(this.#checkAddress(address))
    const permission = known && known.state !== 'refused' ? known : this.#askPermission(canonicalIp(address))
    if (permission === undefined) throw new EarshotError('limit-reached', 'the allocation has too many permissions')
    permission.isKept = true
    return permission.answer
  }

  /** Takes a permission back: what comes from there is ignored at once, and at the server ends within five minutes. */
  forbid(address: string): void {
    this.#peers.removePermission(canonicalIp(address))
  }

  /** Tells the server that it is over, waits for its answer for at most a second, and closes the way to it. Idempotent. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#stop()
      const lifetime = [uint32Attribute(ATTRIBUTE.lifetime, 0)]
      const request = { method: METHOD.refresh, attributes: () => lifetime, delaysMs: CLOSE_DELAYS_MS }
      // Whatever the server says, or does not say: it forgets us by itself.
      await this.#parts.requests.request(request).catch(() => {})
      this.#release(undefined)
    }
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A message of the server. */
  receive(bytes: Uint8Array): void {
    this.#heardAt = this.#parts.clock.now()
    if (looksLikeChannelData(bytes)) this.#receiveChannelData(bytes)
    else this.#receiveMessage(readStunMessage(bytes))
  }

  /** The way to the server has room again. */
  drained(): void {
    this.#isBlocked = false
  }

  /** The way to the server is gone, or the server is. */
  fail(reason: EarshotError): void {
    if (this.#isClosed) return
    this.#stop()
    this.#release(reason)
  }

  #dispatch(bytes: Uint8Array, peer: SocketAddress): boolean {
    const permission = this.#peers.permission(peer.address) ?? this.#askPermission(peer.address)
    if (permission === undefined || permission.state === 'refused') return false
    permission.isUsed = true
    if (permission.state === 'asked') return this.#peers.wait(permission, bytes, peer)
    return this.#transmit(bytes, peer)
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
    this.#isBlocked = !this.#parts.link.send(message)
    this.#stats.sentBytes += bytes.length
    if (!channel) this.#considerChannel(peer)
    return true
  }

  #sendIndication(bytes: Uint8Array, peer: SocketAddress): Uint8Array {
    const transactionId = this.#parts.random.bytes(TRANSACTION_ID_BYTES)
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
      await this.#request(METHOD.channelBind, id => [
        uint32Attribute(ATTRIBUTE.channelNumber, channel.number * 0x1_0000),
        xorAddressAttribute(ATTRIBUTE.xorPeerAddress, channel.peer, id),
      ])
      channel.state = 'bound'
    } catch (error) {
      // Send indications do as well.
      channel.state = 'failed'
      this.#onRequestFailed(error)
    }
  }

  /** Undefined: there are too many. */
  #askPermission(address: string): Permission | undefined {
    if (this.#peers.isFull && this.#peers.permission(address) === undefined) return undefined
    const permission = this.#peers.addPermission(address)
    permission.answer = this.#createPermissions([permission]).then(
      () => this.#onGranted(permission),
      (error: unknown) => this.#onRefused(permission, error),
    )
    // `permit` passes it on; without it the warning says it.
    permission.answer.catch(() => {})
    return permission
  }

  #onGranted(permission: Permission): void {
    permission.state = 'granted'
    for (const { bytes, to } of permission.waiting.splice(0)) {
      if (!this.#transmit(bytes, to)) this.#stats.dropped += 1
    }
  }

  #onRefused(permission: Permission, error: unknown): never {
    permission.state = 'refused'
    this.#stats.dropped += permission.waiting.splice(0).length
    if (!permission.isKept) this.#onRequestFailed(error)
    throw error
  }

  async #createPermissions(permissions: readonly Permission[]): Promise<void> {
    await this.#request(METHOD.createPermission, id =>
      permissions.map(({ address }) => xorAddressAttribute(ATTRIBUTE.xorPeerAddress, { address, port: 0 }, id)),
    )
  }

  #scheduleRefresh(): void {
    // A refresh that gets no answer takes 40 s to fail.
    const beforeMs = this.#lifetimeMs >= 120_000 ? 60_000 : this.#lifetimeMs / 2
    const delayMs = Math.max(MIN_REFRESH_MS, this.#lifetimeMs - beforeMs)
    this.#refreshTimer = this.#parts.clock.setTimer(delayMs, () => void this.#refresh())
  }

  async #refresh(): Promise<void> {
    const lifetime = [uint32Attribute(ATTRIBUTE.lifetime, Math.round(this.#parts.lifetimeMs / 1_000))]
    try {
      const { message } = await this.#request(METHOD.refresh, () => lifetime)
      this.#lifetimeMs = lifetimeIn(message) ?? this.#lifetimeMs
      if (!this.#isClosed) this.#scheduleRefresh()
    } catch (error) {
      this.fail(asLoss(error, this.serverAddress))
    }
  }

  #renew(): void {
    this.#renewalTimer = this.#parts.clock.setTimer(RENEWAL_MS, () => this.#renew())
    const { permissions, channels } = this.#peers.takeUsed()
    for (let at = 0; at < permissions.length; at += PEERS_PER_REQUEST) {
      const batch = permissions.slice(at, at + PEERS_PER_REQUEST)
      this.#createPermissions(batch).catch(error => {
        for (const { address } of batch) this.#peers.removePermission(address)
        this.#onRequestFailed(error)
      })
    }
    for (const channel of channels) void this.#bind(channel)
  }

  /** Keeps mappings between here and the server alive, and finds out whether it still is. */
  #keepAlive(): void {
    const { clock, keepAliveMs, transactions, link } = this.#parts
    const silentMs = clock.now() - this.#heardAt
    const nextMs = silentMs >= keepAliveMs ? keepAliveMs : keepAliveMs - silentMs
    this.#keepAliveTimer = clock.setTimer(nextMs, () => this.#keepAlive())
    if (silentMs < keepAliveMs) return
    const total = KEEP_ALIVE_DELAYS_MS.reduce((sum, delay) => sum + delay, 0)
    const delaysMs = link.transport === 'udp' ? KEEP_ALIVE_DELAYS_MS : [total]
    transactions.request({ method: METHOD.binding, to: link.remote, delaysMs }).catch(error => {
      this.fail(asLoss(error, this.serverAddress))
    })
  }

  #request(
    method: number,
    attributes: (transactionId: Uint8Array) => readonly StunAttribute[],
  ): ReturnType<AuthenticatedRequests['success']> {
    return this.#parts.requests.success({ method, attributes })
  }

  /** One that concerns a peer; but an allocation that the server does not know is over. */
  #onRequestFailed(error: unknown): void {
    if (this.#isClosed) return
    if (!(error instanceof EarshotError)) throw error
    if (ALLOCATION_MISMATCH.test(error.reason ?? '')) this.fail(asLoss(error, this.serverAddress))
    else this.#parts.handlers.onWarning?.(error)
  }

  #receiveChannelData(bytes: Uint8Array): void {
    let channel: Channel | undefined
    let data: Uint8Array
    try {
      const read = decodeChannelData(bytes)
      channel = this.#peers.peerOfChannel(read.channel)
      data = read.data
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error
      return // Damaged on its way, or of somebody else.
    }
    if (!channel) return
    channel.isUsed = true
    this.#deliver(data, channel.peer)
  }

  #receiveMessage(message: ReceivedStunMessage | undefined): void {
    if (message === undefined || this.#parts.transactions.receive(message, this.serverAddress)) return
    if (message.class !== 'indication' || message.method !== METHOD.data || notUnderstood(message).length > 0) return
    const data = attributeOf(message, ATTRIBUTE.data)
    const peer = peerIn(message)
    if (data && peer) this.#deliver(data, peer)
  }

  /** RFC 8656 section 11.6: only from those whom we have permitted. */
  #deliver(bytes: Uint8Array, from: SocketAddress): void {
    const permission = this.#peers.permission(from.address)
    if (this.#isClosed || permission === undefined || permission.state === 'refused') return
    permission.isUsed = true
    this.#stats.receivedBytes += bytes.length
    this.#parts.handlers.onDatagram(bytes, from)
  }

  #checkAddress(address: string): string {
    const ip = parseIp(address)
    if (ip === undefined || ip.length !== parseIp(this.relayedAddress.address)!.length) {
      throw new RangeError(`'${address}' is no address that ${formatSocketAddress(this.relayedAddress)} can relay to`)
    }
    return canonicalIp(address)
  }

  #stop(): void {
    this.#isClosed = true
    this.#refreshTimer?.cancel()
    this.#renewalTimer.cancel()
    this.#keepAliveTimer.cancel()
  }

  #release(reason: EarshotError | undefined): void {
    this.#parts.transactions.close(reason ?? new EarshotError('closed', 'the allocation has ended'))
    this.#parts.link.close()
    this.#settleClosed(reason)
  }
}

/** In milliseconds; undefined where the message has none. What is longer than a day is taken for a day. */
export function lifetimeIn(message: ReceivedStunMessage): number | undefined {
  const seconds = uint32In(message, ATTRIBUTE.lifetime)
  return seconds === undefined ? undefined : Math.min(seconds, 86_400) * 1_000
}

function peerIn(message: ReceivedStunMessage): SocketAddress | undefined {
  try {
    return xorAddressIn(message, ATTRIBUTE.xorPeerAddress)
  } catch (error) {
    if (!(error instanceof EarshotError)) throw error
    return undefined // An indication has no answer that could say so (RFC 8489 section 6.3.2).
  }
}

function asLoss(error: unknown, server: SocketAddress): EarshotError {
  if (!(error instanceof EarshotError)) throw error
  const name = formatSocketAddress(server)
  if (error.code === 'timeout') {
    return new EarshotError('lost', `the TURN server ${name} does not answer any more`, {
      cause: error,
      hint: 'It may have been stopped, or the way to it is gone. Allocate again, there or at another server.',
    })
  }
  return error
}
