/**
 * Reliable streams over UDP on `udx-native`, an optional package with sockets and congestion control (BBR) of its own. It is
 * loaded when it is first asked for: without it everything else works, and whoever asked learns why.
 */

import { isIP } from 'node:net'
import type Udx from 'udx-native'
import type { UdxSocket, UdxStream } from 'udx-native'
import { EarshotError } from '../../errors.ts'
import { MAX_RELIABLE_UDP_UNREAD_BYTES } from '../../limits.ts'
import type { SocketAddress, TcpConnection, TcpHandlers } from '../network.ts'
import {
  MAX_STREAM_ID,
  type ReliableStreamOptions,
  type ReliableUdpHandlers,
  type ReliableUdpOptions,
  type ReliableUdpSocket,
  type ReliableUdpSupport,
} from '../reliable-udp.ts'
import { formatSocketAddress } from '../socket-address.ts'
import { nodeError } from './node-error.ts'

let support: Promise<ReliableUdpSupport> | undefined

/** Of this process; the package is loaded once. */
export function nodeReliableUdp(): Promise<ReliableUdpSupport> {
  support ??= loadReliableUdp(() => import('udx-native'))
  return support
}

export async function loadReliableUdp(load: () => Promise<unknown>): Promise<ReliableUdpSupport> {
  try {
    const { default: Implementation } = (await load()) as { readonly default: new () => Udx }
    const udx = new Implementation()
    return { kind: 'available', open: async (options, handlers) => new NodeReliableUdpSocket(udx, options, handlers) }
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    const reason = new EarshotError('no-network', `reliable UDP is missing: udx-native does not load: ${message}`, {
      hint: '`npm install udx-native` adds it; without it paths between NATs are TCP or relays.',
      cause,
    })
    return { kind: 'missing', reason }
  }
}

class NodeReliableUdpSocket implements ReliableUdpSocket {
  readonly local: SocketAddress
  readonly #udx: Udx
  readonly #socket: UdxSocket
  readonly #streams = new Set<UdxConnection>()
  #closing: Promise<void> | undefined

  /** Throws `address-in-use` and what else binding may end in. */
  constructor(udx: Udx, { address, port }: ReliableUdpOptions, handlers: ReliableUdpHandlers) {
    this.#udx = udx
    this.#socket = udx.createSocket({ ipv6Only: isIP(address) === 6 })
    try {
      this.#socket.bind(port, address)
    } catch (error) {
      void this.#socket.close()
      throw nodeError(error, `cannot open UDP ${formatSocketAddress({ address, port })}`, 'no-network')
    }
    this.local = { address, port: this.#socket.address().port }
    this.#socket.on('message', (bytes, { host, port }) => {
      // A copy: the package hands out pieces of one large buffer, and whoever keeps one would keep all of it.
      if (!this.#closing) handlers.onDatagram(new Uint8Array(bytes), { address: host, port })
    })
  }

  send(bytes: Uint8Array, { address, port }: SocketAddress): void {
    if (this.#closing || !isPort(port) || !isIP(address)) return
    try {
      this.#socket.trySend(bytes, port, address)
    } catch {
      // No route, or a full buffer: a datagram lost, like any other.
    }
  }

  openStream({ remote, localId, remoteId }: ReliableStreamOptions): TcpConnection {
    if (this.#closing) throw new EarshotError('closed', 'the UDP socket is closed')
    checkId('localId', localId)
    checkId('remoteId', remoteId)
    if (!isPort(remote.port) || !isIP(remote.address))
      throw new RangeError(`remote must be an IP address and a port, not ${formatSocketAddress(remote)}`)
    const stream = this.#udx.createStream(localId)
    const connection = new UdxConnection(stream, this.local, remote, () => this.#streams.delete(connection))
    this.#streams.add(connection)
    stream.connect(this.#socket, remoteId, remote.port, remote.address)
    return connection
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      for (const stream of this.#streams) stream.destroy()
      this.#closing = this.#socket.close()
    }
    return this.#closing
  }
}

class UdxConnection implements TcpConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly #stream: UdxStream
  #handlers: TcpHandlers | undefined
  #error: EarshotError | undefined
  #isEnding = false
  #isOver = false
  #isPaused = false
  /** What came while nobody read, and the end where that came too. */
  readonly #unread: Uint8Array[] = []
  #unreadBytes = 0
  #hasEnded = false

  constructor(stream: UdxStream, local: SocketAddress, remote: SocketAddress, onClosed: () => void) {
    this.local = local
    this.remote = remote
    this.#stream = stream
    stream
      .on('error', error => {
        this.#error ??= nodeError(error, `the connection to ${formatSocketAddress(remote)} broke`, 'lost')
      })
      .on('close', () => {
        onClosed()
        this.#isOver = true
        const handlers = this.#handlers
        this.#handlers = undefined
        handlers?.onClose(this.#error)
      })
  }

  start(handlers: TcpHandlers): void {
    if (this.#isOver) {
      process.nextTick(() => handlers.onClose(this.#error))
      return
    }
    this.#handlers = handlers
    this.#stream
      .on('drain', () => this.#handlers?.onDrain())
      .on('end', () => this.#onEnd())
      .on('data', bytes => this.#onData(bytes))
  }

  write(bytes: Uint8Array): boolean {
    // After `end` or the end of the stream bytes go nowhere; `onClose` tells, waiting for `onDrain` would be for ever.
    return this.#isEnding || this.#isOver || this.#stream.destroyed || this.#stream.write(bytes)
  }

  /** The package has no flow control for its reader, so what comes is kept here, up to a limit. */
  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    process.nextTick(() => this.#readOn())
  }

  keepAlive(idleMs: number): void {
    if (!this.#isOver) this.#stream.setKeepalive(idleMs)
  }

  end(): void {
    if (this.#isEnding || this.#isOver) return
    this.#isEnding = true
    this.#stream.end()
  }

  destroy(): void {
    this.#stream.destroy()
  }

  /** The package knows no other way to end at once, and the other side gets an error by it. */
  reset(): void {
    this.#stream.destroy()
  }

  #onData(bytes: Uint8Array): void {
    // A stream may hand out what it had buffered even after `destroy`.
    if (this.#stream.destroyed) return
    if (!this.#isPaused && this.#unread.length === 0) {
      this.#handlers?.onData(bytes)
      return
    }
    this.#unread.push(bytes)
    this.#unreadBytes += bytes.length
    if (this.#unreadBytes <= MAX_RELIABLE_UDP_UNREAD_BYTES) return
    const text = `more than ${MAX_RELIABLE_UDP_UNREAD_BYTES} bytes from ${formatSocketAddress(this.remote)} wait unread`
    this.#error = new EarshotError('limit-reached', text)
    this.#stream.destroy()
  }

  #onEnd(): void {
    this.#hasEnded = true
    this.#readOn()
  }

  #readOn(): void {
    while (!this.#isPaused && this.#unread.length > 0 && !this.#stream.destroyed) {
      const bytes = this.#unread.shift()!
      this.#unreadBytes -= bytes.length
      this.#handlers?.onData(bytes)
    }
    if (this.#isPaused || !this.#hasEnded || this.#stream.destroyed) return
    this.#hasEnded = false
    this.#handlers?.onEnd()
  }
}

function checkId(name: string, id: number): void {
  if (!Number.isInteger(id) || id < 1 || id > MAX_STREAM_ID)
    throw new RangeError(`${name} must be a whole number from 1 to ${MAX_STREAM_ID}, not ${id}`)
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536
}
