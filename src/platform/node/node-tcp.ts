/**
 * TCP on `node:net`. Bytes reach the handlers as the system delivered them. A process may hold thousands of idle
 * connections, so a connection is one object beside its socket: the listeners are shared functions that find it there.
 */

import { createServer, isIP, Socket } from 'node:net'
import { EarshotError } from '../../errors.ts'
import {
  NOBODY_LISTENS,
  type SocketAddress,
  type TcpConnection,
  type TcpConnectOptions,
  type TcpHandlers,
  type TcpListener,
  type TcpListenOptions,
} from '../network.ts'
import { formatSocketAddress, unmapped } from '../socket-address.ts'
import { onGarbage } from './collector-pressure.ts'
import { nodeError, systemCodeOf } from './node-error.ts'

/** About one record is queued behind the kernel's own buffer: an urgent frame waits for no more than that. */
const SEND_BUFFER_BYTES = 65_536
/** What arrives at a high rate comes in chunks of 64 KiB. */
const LONG_CHUNK_BYTES = 16_384
type Tls = typeof import('node:tls')

const SOCKET_OPTIONS = { allowHalfOpen: true, noDelay: true, highWaterMark: SEND_BUFFER_BYTES }

export async function connectTcp(remote: SocketAddress, options: TcpConnectOptions): Promise<TcpConnection> {
  // Few programs need it, and it takes 3 MB.
  const tls = options.tls && (await import('node:tls'))
  return connect(remote, options, tls)
}

function connect(remote: SocketAddress, options: TcpConnectOptions, tls: Tls | undefined): Promise<TcpConnection> {
  const { timeoutMs, signal } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const target = formatSocketAddress(remote)
    let socket: Socket
    try {
      socket = dial(remote, options, tls)
    } catch (error) {
      return reject(nodeError(error, `cannot connect to ${target}`, 'unreachable'))
    }
    const timer = setTimeout(() => fail(connectTimeout(target, timeoutMs)), timeoutMs)
    const onAbort = () => fail(signal?.reason)
    const onError = (error: Error) => fail(nodeError(error, `cannot connect to ${target}`, 'unreachable'))

    const settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.off('error', onError)
    }
    const fail = (reason: unknown) => {
      settle()
      socket.on('error', ignore).destroy()
      reject(reason)
    }
    signal?.addEventListener('abort', onAbort)
    socket.on('error', onError)
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      settle()
      const connection = openConnection(socket)
      if (!connection) reject(new EarshotError('lost', `the connection to ${target} broke as soon as it stood`))
      else if (isOwnEcho(connection)) reject(nobodyListens(connection, target))
      else resolve(connection)
    })
  })
}

/** A socket that connects; what goes wrong it tells later. Throws for arguments that the system does not take. */
function dial({ address: host, port }: SocketAddress, options: TcpConnectOptions, tls: Tls | undefined): Socket {
  const { localPort, localAddress } = options
  const from = {
    ...(localPort === undefined ? {} : { localPort }),
    ...(localAddress === undefined ? {} : { localAddress }),
  }
  // An address needs no resolver, and must not wait for one.
  const target = { host, port, noDelay: true, lookup: literal, ...from }
  if (tls === undefined || options.tls === undefined) return new Socket(SOCKET_OPTIONS).connect(target)
  const { serverName, trustedCertificates } = options.tls
  return tls.connect({
    ...SOCKET_OPTIONS,
    ...target,
    // RFC 6066 section 3: the name that is sent must not be an address.
    ...(isIP(serverName) ? {} : { servername: serverName }),
    ...(trustedCertificates === undefined ? {} : { ca: [...trustedCertificates] }),
    checkServerIdentity: (_, certificate) => tls.checkServerIdentity(serverName, certificate),
  })
}

export async function listenTcp(
  options: TcpListenOptions,
  onConnection: (connection: TcpConnection) => void,
): Promise<TcpListener> {
  try {
    return await listen(options, onConnection)
  } catch (error) {
    if (options.host !== '::' || !isWithoutIpv6(error)) throw error
    return listen({ ...options, host: '0.0.0.0' }, onConnection)
  }
}

function listen(
  { host, port }: TcpListenOptions,
  onConnection: (connection: TcpConnection) => void,
): Promise<TcpListener> {
  return new Promise((resolve, reject) => {
    const server = createServer(SOCKET_OPTIONS, socket => {
      const connection = openConnection(socket)
      if (connection) onConnection(connection)
    })
    const onError = (error: Error) =>
      reject(nodeError(error, `cannot listen on ${formatSocketAddress({ address: host, port })}`, 'no-network'))
    server.once('error', onError)
    server.listen({ host, port, exclusive: true }, () => {
      // An accept that fails, for want of file descriptors, costs the caller its connection, not us the listener.
      server.off('error', onError).on('error', ignore)
      const bound = server.address() as { address: string; port: number }
      const local = { address: bound.address, port: bound.port }
      // The port is free as soon as the handle is closed; Node's callback would wait for every connection to end.
      const close = async () => void server.close()
      resolve({ local, close })
    })
  })
}

/** A connection for a socket that is connected, or `undefined` where the other side has already reset it. */
function openConnection(socket: Socket): TcpConnection | undefined {
  const { localAddress, localPort, remoteAddress, remotePort } = socket
  socket.on('error', onSocketError)
  if (
    localAddress === undefined ||
    localPort === undefined ||
    remoteAddress === undefined ||
    remotePort === undefined
  ) {
    socket.destroy()
    return undefined
  }
  const local = { address: unmapped(localAddress), port: localPort }
  const remote = { address: unmapped(remoteAddress), port: remotePort }
  return new NodeTcpConnection(socket as OwnedSocket, local, remote)
}

interface OwnedSocket extends Socket {
  owner?: NodeTcpConnection
}

class NodeTcpConnection implements TcpConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly #socket: OwnedSocket
  handlers: TcpHandlers | undefined
  error: EarshotError | undefined

  constructor(socket: OwnedSocket, local: SocketAddress, remote: SocketAddress) {
    this.local = local
    this.remote = remote
    this.#socket = socket
    socket.owner = this
  }

  start(handlers: TcpHandlers): void {
    const socket = this.#socket
    this.handlers = handlers
    socket.on('end', onSocketEnd).on('drain', onSocketDrain).on('close', onSocketClose)
    // What happened before is told now, but not within `start`. Data has waited in the socket: reading begins here.
    if (socket.closed) process.nextTick(() => onSocketClose.call(socket))
    else if (socket.readableEnded) process.nextTick(() => onSocketEnd.call(socket))
    socket.on('data', onSocketData)
  }

  write(bytes: Uint8Array): boolean {
    // After `end` or the end of the socket bytes go nowhere; `onClose` tells, waiting for `onDrain` would be for ever.
    return !this.#socket.writable || this.#socket.write(bytes)
  }

  writeAll(pieces: readonly Uint8Array[]): boolean {
    if (!this.#socket.writable) return true
    this.#socket.cork()
    const last = pieces.length - 1
    for (let i = 0; i < last; i++) this.#socket.write(pieces[i]!)
    const takesMore = this.#socket.write(pieces[last]!, () => {
      for (const piece of pieces) this.release(piece)
    })
    this.#socket.uncork()
    return takesMore
  }

  release(bytes: Uint8Array): void {
    onGarbage(bytes.length)
    const buffer: ArrayBufferLike & { transfer?(byteLength: number): unknown } = bytes.buffer
    // A short chunk shares its memory with others. Before Node 21 the garbage collector has to do.
    if (bytes.length === buffer.byteLength && bytes.length >= LONG_CHUNK_BYTES) buffer.transfer?.(0)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  keepAlive(idleMs: number): void {
    this.#socket.setKeepAlive(true, idleMs)
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  reset(): void {
    this.#socket.resetAndDestroy()
  }
}

function onSocketData(this: OwnedSocket, bytes: Uint8Array): void {
  // A stream may hand out what it had buffered even after `destroy`.
  if (!this.destroyed) this.owner?.handlers?.onData(bytes)
}

function onSocketDrain(this: OwnedSocket): void {
  this.owner?.handlers?.onDrain()
}

function onSocketEnd(this: OwnedSocket): void {
  if (!this.destroyed) this.owner?.handlers?.onEnd()
}

/** Node always follows an 'error' by a 'close'; here it only has to be remembered, and must have a listener. */
function onSocketError(this: OwnedSocket, error: Error): void {
  const { owner } = this
  if (owner) owner.error = connectionError(error, owner.remote)
}

function onSocketClose(this: OwnedSocket): void {
  const { owner } = this
  if (!owner?.handlers) return
  const { handlers, error } = owner
  owner.handlers = undefined
  handlers.onClose(error)
}

function connectionError(error: Error, remote: SocketAddress): EarshotError {
  const attempt = `the connection to ${formatSocketAddress(remote)} broke`
  // The kernel's retransmissions gave up: for a connection that stood, that is a loss and not a question of patience.
  if (systemCodeOf(error) === 'ETIMEDOUT') return new EarshotError('lost', `${attempt}: ETIMEDOUT`, { cause: error })
  return nodeError(error, attempt, 'lost')
}

function connectTimeout(target: string, timeoutMs: number): EarshotError {
  return new EarshotError('timeout', `cannot connect to ${target}: no answer within ${timeoutMs} ms`, {
    hint: 'The machine may be off or asleep, or a firewall drops the packets.',
  })
}

/**
 * Dialling a port of this machine where nobody listens can succeed: the system may choose that very port as the local
 * one, and the SYN then meets its own sender (simultaneous open, RFC 9293 section 3.5).
 */
function isOwnEcho({ local, remote }: TcpConnection): boolean {
  return local.port === remote.port && local.address === remote.address
}

function nobodyListens(connection: TcpConnection, target: string): EarshotError {
  connection.destroy()
  return new EarshotError('unreachable', `cannot connect to ${target}: nobody listens`, {
    hint: 'The machine is there but nobody listens on that port: has the program ended?',
    reason: NOBODY_LISTENS,
  })
}

function isWithoutIpv6(error: unknown): boolean {
  const systemCode = error instanceof EarshotError ? systemCodeOf(error.cause) : undefined
  return systemCode === 'EAFNOSUPPORT' || systemCode === 'EADDRNOTAVAIL' || systemCode === 'EINVAL'
}

function literal(host: string): never {
  throw new TypeError(`${host} is not an IP address`)
}

function ignore(): void {}
