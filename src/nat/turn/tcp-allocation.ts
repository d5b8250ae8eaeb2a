/**
 * An allocation that relays TCP (RFC 6062): peers connect to its relayed address with plain TCP, or are connected to from there.
 * Each connection is one of its own to the server as well.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_TURN_CONNECTIONS_PENDING } from '../../limits.ts'
import { canonicalIp } from '../../platform/ip-address.ts'
import type { SocketAddress, TcpConnection, TlsOptions } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { xorAddressAttribute } from '../stun/attribute.ts'
import { ATTRIBUTE } from '../stun/attribute-type.ts'
import { attributeOf, METHOD, notUnderstood, type ReceivedStunMessage, readStunMessage } from '../stun/message.ts'
import { StunTransactions } from '../stun/transactions.ts'
import { type AllocationGrant, peerIn } from './allocation.ts'
import { AllocationLife } from './allocation-life.ts'
import { DataConnection } from './data-connection.ts'
import { Permissions } from './permissions.ts'
import { RelayPeers } from './relay-peers.ts'

export interface TcpAllocationHandlers {
  /** A permitted peer has connected. It must be started in this turn. */
  readonly onConnection: (connection: TcpConnection) => void
  /** Something that concerns one peer failed. */
  readonly onWarning?: ((error: EarshotError) => void) | undefined
}

export interface TcpGrant extends AllocationGrant {
  readonly platform: Platform
  /** For connections to the server. */
  readonly tls: TlsOptions | undefined
  readonly timeoutMs: number
}

export interface RelayConnectOptions {
  readonly signal?: AbortSignal
}

export class TcpAllocation {
  /** Where peers connect to. */
  readonly relayedAddress: SocketAddress
  /** Our address as the server sees it. */
  readonly mappedAddress: SocketAddress
  readonly serverAddress: SocketAddress
  readonly #grant: TcpGrant
  readonly #handlers: TcpAllocationHandlers
  readonly #life: AllocationLife
  readonly #peers = new RelayPeers()
  readonly #permissions: Permissions
  readonly #connections = new Set<DataConnection>()
  #pending = 0

  constructor(grant: TcpGrant, handlers: TcpAllocationHandlers) {
    const { relayedAddress, mappedAddress, link } = grant
    this.#grant = grant
    this.#handlers = handlers
    this.relayedAddress = relayedAddress
    this.mappedAddress = mappedAddress
    this.serverAddress = link.remote
    const onRenewal = () => void this.#permissions.renew()
    this.#life = new AllocationLife({ ...grant, onRenewal, onWarning: handlers.onWarning })
    this.#permissions = new Permissions({ life: this.#life, peers: this.#peers, relayedAddress })
    // At the server they end with it (RFC 6062 section 5.1); it may not be able to say so any more.
    void this.closed.then(() => {
      for (const connection of this.#connections) connection.destroy()
    })
  }

  /** Resolves when it has ended: with undefined after `close()`, otherwise with the reason. Never rejects. */
  get closed(): Promise<EarshotError | undefined> {
    return this.#life.closed
  }

  /** Lets a peer connect to us, from any port of this IP address, until `forbid` or `close`. Rejects as that of `Allocation`. */
  permit(address: string): Promise<void> {
    return this.#permissions.permit(address)
  }

  /** Takes a permission back. Connections that stand live on. */
  forbid(address: string): void {
    this.#peers.removePermission(canonicalIp(address))
  }

  /**
   * Connects the relayed address to a peer. The connection must be started in the turn in which this resolves. Rejects with
   * `unreachable` where the peer does not answer the server, `refused`, `timeout`, `closed` or `signal.reason`.
   */
  async connect(peer: SocketAddress, { signal }: RelayConnectOptions = {}): Promise<TcpConnection> {
    this.#permissions.checkAddress(peer.address)
    if (this.#life.isClosed) throw new EarshotError('closed', 'the allocation has ended')
    const { requests } = this.#grant
    const { message } = await requests.success({
      method: METHOD.connect,
      attributes: id => [xorAddressAttribute(ATTRIBUTE.xorPeerAddress, peer, id)],
      signal,
    })
    const connectionId = attributeOf(message, ATTRIBUTE.connectionId)
    if (connectionId === undefined) throw new EarshotError('protocol-violation', 'the server names no connection')
    return this.#bind(connectionId, peer, signal)
  }

  /** Ends the allocation; connections end with it. Waits for the server for at most a second. Idempotent. */
  close(): Promise<void> {
    return this.#life.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A message of the server. */
  receive(bytes: Uint8Array): void {
    this.#life.heard()
    const message = readStunMessage(bytes)
    if (message === undefined || this.#grant.transactions.receive(message, this.serverAddress)) return
    const isAttempt = message.class === 'indication' && message.method === METHOD.connectionAttempt
    if (isAttempt && notUnderstood(message).length === 0) this.#onAttempt(message)
  }

  drained(): void {}

  /** The way to the server is gone. */
  fail(reason: EarshotError): void {
    this.#life.fail(reason)
  }

  /** RFC 6062 section 4.4: the server waits for 30 s; what is not accepted it closes by itself. */
  #onAttempt(message: ReceivedStunMessage): void {
    const connectionId = attributeOf(message, ATTRIBUTE.connectionId)
    const peer = peerIn(message)
    const permission = peer && this.#peers.permission(peer.address)
    const isWelcome = permission !== undefined && permission.state !== 'refused' && !this.#life.isClosed
    if (connectionId === undefined || !isWelcome || this.#pending >= MAX_TURN_CONNECTIONS_PENDING) return
    permission.isUsed = true
    this.#pending += 1
    this.#bind(connectionId, peer!, undefined)
      .then(connection => this.#handlers.onConnection(connection))
      .catch(error => this.#life.requestFailed(error))
      .finally(() => {
        this.#pending -= 1
      })
  }

  async #bind(connectionId: Uint8Array, peer: SocketAddress, signal: AbortSignal | undefined): Promise<DataConnection> {
    const { platform, tls, timeoutMs, requests } = this.#grant
    const { clock, random, network } = platform
    const connection = await network.connectTcp(this.serverAddress, {
      timeoutMs,
      ...(tls ? { tls } : {}),
      ...(signal ? { signal } : {}),
    })
    const transmit = (bytes: Uint8Array) => void connection.write(bytes)
    const transactions = new StunTransactions({ clock, random, transmit, delaysMs: [timeoutMs] })
    const { relayedAddress } = this
    const onClosed = (closed: DataConnection) => void this.#connections.delete(closed)
    const data = new DataConnection({ clock, connection, transactions, relayedAddress, peer, onClosed })
    this.#connections.add(data)
    try {
      const attributes = () => [{ type: ATTRIBUTE.connectionId, value: connectionId }]
      await requests.over(transactions).success({ method: METHOD.connectionBind, attributes, signal })
      return data
    } catch (error) {
      data.destroy()
      throw error
    }
  }
}
