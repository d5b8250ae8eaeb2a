/**
 * The port for reliable streams over UDP sockets that also send and receive plain datagrams, so that one socket does STUN,
 * hole punching and the stream. Congestion control is the implementation's.
 *
 * A stream has the shape of a TCP connection, but `keepAlive` only sends: that nobody answers is not noticed by every
 * implementation, and sessions have heartbeats of their own. Both sides open it, with each other's id: what the ids are, and that the path
 * between the two sockets is open, they must have settled before.
 */

import type { EarshotError } from '../errors.ts'
import type { SocketAddress, TcpConnection } from './network.ts'

/** Stream ids are whole numbers from 1 to this. */
export const MAX_STREAM_ID = 0xffff_fffe

export interface ReliableUdpOptions {
  /** The local address; `0.0.0.0` or `::` for all of that family (`::` is IPv6 only). */
  readonly address: string
  /** 0 for any free port. */
  readonly port: number
}

export interface ReliableUdpHandlers {
  /** A datagram that belongs to no stream. `bytes` belongs to the receiver. */
  onDatagram(bytes: Uint8Array, remote: SocketAddress): void
}

export interface ReliableStreamOptions {
  readonly remote: SocketAddress
  /** Unique among the streams of this process. */
  readonly localId: number
  readonly remoteId: number
}

export interface ReliableUdpSocket {
  readonly local: SocketAddress
  /** Sends one datagram; never throws, and loss is silent. */
  send(bytes: Uint8Array, remote: SocketAddress): void
  /**
   * Opens a stream. It can be written to at once. A side that pauses gets no back-pressure from every implementation: what
   * arrives meanwhile is kept up to `MAX_RELIABLE_UDP_UNREAD_BYTES`, and then the stream breaks with `limit-reached`. Throws
   * `closed` after `close`, RangeError for an id or address that is none.
   */
  openStream(options: ReliableStreamOptions): TcpConnection
  /** Ends the socket; streams that stand are destroyed. Idempotent; resolves when the port is free. */
  close(): Promise<void>
}

/** What a platform has of it. */
export type ReliableUdpSupport =
  | {
      readonly kind: 'available'
      open(options: ReliableUdpOptions, handlers: ReliableUdpHandlers): Promise<ReliableUdpSocket>
    }
  /** The error says why, and its hint what to do. */
  | { readonly kind: 'missing'; readonly reason: EarshotError }
