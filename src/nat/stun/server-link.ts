/** The way to one STUN or TURN server, over UDP, TCP or TLS: whole messages out and in. */

import { EarshotError } from '../../errors.ts'
import { CLOSE_TIMEOUT_MS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { SocketAddress, TcpConnection, TlsOptions } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { StreamFrames } from './stream-frames.ts'
import type { ServerTransport } from './stun-uri.ts'

export interface ServerLink {
  readonly transport: ServerTransport
  /** Over UDP the wildcard address, with the port. */
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** Sends a message. False: it waits in a full buffer; until `onDrain` nothing should be sent that can be done without. */
  send(message: Uint8Array): boolean
  /** Idempotent. Nothing follows. */
  close(): void
}

export interface ServerLinkHandlers {
  /** A STUN message or ChannelData, or over UDP any datagram from the server's address. */
  onMessage(bytes: Uint8Array): void
  onDrain?(): void
  /** It broke by itself; over UDP a network that is gone. */
  onBroken(error: EarshotError): void
}

export interface ServerLinkOptions {
  readonly transport: ServerTransport
  readonly remote: SocketAddress
  /** @default any free port */
  readonly localPort?: number | undefined
  /** Of a connection, TLS included. */
  readonly connectTimeoutMs: number
  /** Needed for 'tls'. */
  readonly tls?: TlsOptions | undefined
  readonly signal?: AbortSignal | undefined
}

/** Rejects as `connectTcp` and `openUdp` of the network do. */
export function openServerLink(
  platform: Platform,
  options: ServerLinkOptions,
  handlers: ServerLinkHandlers,
): Promise<ServerLink> {
  return options.transport === 'udp'
    ? openDatagramLink(platform, options, handlers)
    : openStreamLink(platform, options, handlers)
}

async function openDatagramLink(
  { network }: Platform,
  { remote, localPort = 0, signal }: ServerLinkOptions,
  handlers: ServerLinkHandlers,
): Promise<ServerLink> {
  signal?.throwIfAborted()
  const address = remote.address.includes(':') ? '::' : '0.0.0.0'
  let isClosed = false
  const socket = await network.openUdp(
    { address, port: localPort, sharePort: false },
    {
      onDatagram(bytes, from) {
        const isServer = from.port === remote.port && from.address === remote.address
        if (isServer && !isClosed) handlers.onMessage(bytes)
      },
      // A send that failed is a datagram lost: what waits for an answer will see.
      onError() {},
      onClose() {
        if (!isClosed) handlers.onBroken(new EarshotError('no-network', 'the system closed the UDP socket'))
      },
    },
  )
  const close = () => {
    isClosed = true
    socket.close()
  }
  const send = (message: Uint8Array) => {
    socket.send(message, remote)
    return true
  }
  return { transport: 'udp', local: socket.local, remote, send, close }
}

async function openStreamLink(
  { network, clock }: Platform,
  { transport, remote, localPort, connectTimeoutMs, tls, signal }: ServerLinkOptions,
  handlers: ServerLinkHandlers,
): Promise<ServerLink> {
  const connection = await network.connectTcp(remote, {
    timeoutMs: connectTimeoutMs,
    ...(signal ? { signal } : {}),
    ...(localPort === undefined ? {} : { localPort }),
    ...(tls ? { tls } : {}),
  })
  return new StreamLink(transport, connection, handlers, clock)
}

class StreamLink implements ServerLink {
  readonly transport: ServerTransport
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly #connection: TcpConnection
  readonly #handlers: ServerLinkHandlers
  readonly #clock: Clock
  #isClosed = false

  constructor(transport: ServerTransport, connection: TcpConnection, handlers: ServerLinkHandlers, clock: Clock) {
    this.transport = transport
    this.local = connection.local
    this.remote = connection.remote
    this.#connection = connection
    this.#handlers = handlers
    this.#clock = clock
    const frames = new StreamFrames(frame => this.#isClosed || handlers.onMessage(frame))
    connection.start({
      onData: bytes => this.#attempt(() => frames.push(bytes)),
      onDrain: () => this.#isClosed || handlers.onDrain?.(),
      onEnd: () => this.#break(new EarshotError('lost', `${formatSocketAddress(this.remote)} closed the connection`)),
      onClose: error =>
        this.#break(
          error ?? new EarshotError('lost', `the connection to ${formatSocketAddress(this.remote)} is closed`),
        ),
    })
  }

  send(message: Uint8Array): boolean {
    return this.#connection.write(message)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    // What was written, such as a last request, still leaves; the server then closes, or is not waited for.
    this.#connection.end()
    this.#clock.setTimer(CLOSE_TIMEOUT_MS, () => this.#connection.destroy())
  }

  #attempt(read: () => void): void {
    if (this.#isClosed) return
    try {
      read()
    } catch (error) {
      if (!(error instanceof EarshotError && error.code === 'protocol-violation')) throw error
      this.#break(error)
    }
  }

  #break(error: EarshotError): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#connection.destroy()
    this.#handlers.onBroken(error)
  }
}
