/**
 * The network port: interfaces, UDP sockets and TCP connections, as small as the layers above can live with, so that a
 * whole network can be simulated (`testing/`) and nothing above knows which one it runs on.
 *
 * It costs nothing on the hot path: bytes cross it as the `Uint8Array` that the system delivered, by plain calls to
 * handlers given at construction. Whoever receives bytes owns them; whoever sends bytes must not change them afterwards.
 *
 * Addresses are texts: `192.168.0.2`, `2001:db8::1`, and with their zone `fe80::1%eth0`. IPv4-mapped IPv6 addresses
 * (`::ffff:192.168.0.2`) never appear: an implementation turns them into IPv4. Errors are `EarshotError`s; the system's
 * own codes are translated behind the port and kept as `cause`.
 */

import type { EarshotError } from '../errors.ts'

/** The `reason` of an `unreachable` error where the other machine answered: no program listens on that port. */
export const NOBODY_LISTENS = 'nobody-listens'
/** The `reason` of a `lost` error where the other machine broke the connection off. */
export const CONNECTION_RESET = 'connection-reset'

export type AddressFamily = 'ipv4' | 'ipv6'

export interface SocketAddress {
  /** An IP address; a link-local IPv6 one carries its zone: `fe80::1%eth0`. */
  readonly address: string
  readonly port: number
}

export type InterfaceKind = 'wired' | 'wireless' | 'loopback' | 'virtual' | 'tunnel'

export type AddressScope = 'global' | 'private' | 'link-local' | 'loopback'

export interface InterfaceAddress {
  /** Without zone: `fe80::1`. */
  readonly address: string
  readonly family: AddressFamily
  readonly prefixLength: number
  readonly scope: AddressScope
  /** The zone's number, for link-local IPv6 addresses; otherwise 0. */
  readonly scopeId: number
}

export interface NetworkInterface {
  readonly name: string
  readonly index: number
  readonly kind: InterfaceKind
  /** Administratively up and with a carrier. */
  readonly isUp: boolean
  /** False where the interface cannot send multicast, for example most tunnels. */
  readonly supportsMulticast: boolean
  readonly addresses: readonly InterfaceAddress[]
  /** Order of preference, 0 first. */
  readonly rank: number
}

/** A router through which everything leaves that is not on one of the machine's own links. */
export interface Gateway {
  /** With its zone where it is a link-local IPv6 address, as it mostly is (RFC 4861 section 6.3.4). */
  readonly address: string
  readonly family: AddressFamily
  /** The interface that leads to it, by name. */
  readonly interface: string
}

export interface UdpOptions {
  /** The local address; `0.0.0.0` or `::` for all of that family (`::` is IPv6 only here). */
  readonly address: string
  /** 0 for any free port. */
  readonly port: number
  /** Share the port with other sockets and programs that also set it, as mDNS needs. */
  readonly sharePort: boolean
  /** Send multicast through this interface (by name) and allow joining groups there. */
  readonly multicastInterface?: string
  /** Time to live (hop limit) of sent multicast. @default 1 */
  readonly multicastTtl?: number
  /** Allow sending to broadcast addresses. @default false */
  readonly broadcast?: boolean
}

export interface UdpHandlers {
  /** A datagram arrived. `bytes` belongs to the receiver. */
  onDatagram(bytes: Uint8Array, remote: SocketAddress): void
  /**
   * A send or receive failed, for example because the interface went away. The socket stays open until `close()`;
   * an error which ends the socket is followed by `onClose`.
   */
  onError(error: EarshotError): void
  /** The system has taken what was sent, after `send` returned false. */
  onDrain?(): void
  /** Exactly once, after `close()` or because the system closed the socket. */
  onClose?(): void
}

export interface UdpSocket {
  readonly local: SocketAddress
  /**
   * Sends one datagram; never throws. Failures reach `onError`, loss is silent, as everywhere in UDP. False: so many
   * wait for the system that who sends a lot should wait for `onDrain`.
   */
  send(bytes: Uint8Array, remote: SocketAddress): boolean
  /** Joins a multicast group on `multicastInterface`. Throws an EarshotError where the interface is gone. */
  joinGroup(group: string): void
  /** Idempotent. */
  close(): void
}

export interface TcpHandlers {
  /** Bytes in order. `bytes` belongs to the receiver. */
  onData(bytes: Uint8Array): void
  /** The send buffer is empty again after `write` returned false. */
  onDrain(): void
  /** The remote side will send no more. */
  onEnd(): void
  /** Exactly once: nothing follows. `error` says why where it was not an orderly end. */
  onClose(error: EarshotError | undefined): void
}

export interface TcpConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** Must be called once, in the turn in which the connection was handed over; no event comes before. */
  start(handlers: TcpHandlers): void
  /** Queues bytes. False: the send buffer is full, wait for `onDrain` before writing more. */
  write(bytes: Uint8Array): boolean
  /**
   * The same for several pieces in a row, where the system can send them without a copy into one. Their memory is the
   * connection's from now on.
   */
  writeAll?(pieces: readonly Uint8Array[]): boolean
  /**
   * Nobody uses these bytes any more, which arrived here: their memory is given back at once, where the system can do so.
   * At a high rate the garbage collector comes too late for buffers outside its heap.
   */
  release?(bytes: Uint8Array): void
  /** Stops reading, so that the sender feels back-pressure; `resume` goes on. */
  pause(): void
  resume(): void
  /**
   * Has the system ask for a sign of life after this long without one (RFC 9293 section 3.8.4), in whole seconds. Where none
   * comes for some 10 s more, the connection ends with `lost`; how long exactly is the system's choice.
   */
  keepAlive(idleMs: number): void
  /** Sends what is queued, then FIN. */
  end(): void
  /** Closes at once; what is queued may be lost. Idempotent. */
  destroy(): void
  /**
   * Closes at once with RST (RFC 9293 section 3.10.5): the other side gets an error, `lost`, instead of an end. What was
   * written shortly before may be lost too. For peers that take no notice of FIN. Idempotent.
   */
  reset(): void
}

export interface TcpListenOptions {
  /** `::` listens on both families where the system has IPv6, `0.0.0.0` on IPv4 only. */
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
}

export interface TcpListener {
  readonly local: SocketAddress
  /** Stops accepting; accepted connections live on. Idempotent; resolves when the port is free. */
  close(): Promise<void>
}

export interface TcpConnectOptions {
  /** For all of it, TLS included. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  /**
   * Connect from this port. Several connections to different remotes may share it, but not with a listener that is there
   * already; one may open on it afterwards. Two sides that connect to each other's ports at the same time meet
   * (simultaneous open, RFC 9293 section 3.5). @default any free port
   */
  readonly localPort?: number
  /** Connect from this address of the machine. @default as the system's routes have it */
  readonly localAddress?: string
  /** Speak TLS, as its client. @default plain TCP */
  readonly tls?: TlsOptions
}

export interface TlsOptions {
  /** The host name or IP address that the certificate must be for. */
  readonly serverName: string
  /** Certificates in PEM that are trusted. @default those that the system or Node trusts */
  readonly trustedCertificates?: readonly string[]
}

export interface Network {
  /** Every interface of the system now, in order of rank, those that are down and loopback too. */
  interfaces(): readonly NetworkInterface[]

  /**
   * Calls `onChange` whenever `interfaces()` has changed, at the latest 5 s afterwards. The returned function stops it.
   * Watching alone does not keep the process alive.
   */
  watchInterfaces(onChange: () => void): () => void

  /**
   * The routers of the default routes, best first. Where the system does not tell (everywhere but on Linux), a guess for
   * each interface: the first address of its IPv4 subnet, as home routers mostly have it. So nobody may be there.
   */
  gateways(): readonly Gateway[]

  openUdp(options: UdpOptions, handlers: UdpHandlers): Promise<UdpSocket>

  listenTcp(options: TcpListenOptions, onConnection: (connection: TcpConnection) => void): Promise<TcpListener>

  /**
   * Rejects with `unreachable` (the hint says how: refused, no route, …), `timeout`, `permission-denied`, `address-in-use`
   * (of `localPort`) or, for TLS, `untrusted-peer`; or with `signal.reason`.
   */
  connectTcp(remote: SocketAddress, options: TcpConnectOptions): Promise<TcpConnection>

  /** The addresses of a host name, resolved by the system. Rejects with `unreachable`. */
  lookup(host: string): Promise<readonly string[]>
}
