/**
 * A connection that an agent has given out, and which its turn has not come for yet: it is started, since it has to be, and
 * not read. What goes through it may be counted.
 */

import type { SocketAddress, TcpConnection, TcpHandlers } from '../../platform/network.ts'

export class WaitingConnection implements TcpConnection {
  readonly #connection: TcpConnection
  readonly #count: (bytes: number) => void
  #handlers: TcpHandlers | undefined
  #hasEnded = false
  /** By our own wish: what is still under way is dropped. */
  #isOver = false
  #closed: { readonly error: Parameters<TcpHandlers['onClose']>[0] } | undefined

  /** @param count is told of bytes in either direction, before they are sent or handed on */
  constructor(connection: TcpConnection, count: (bytes: number) => void) {
    this.#connection = connection
    this.#count = count
    connection.start({
      onData: bytes => {
        if (this.#isOver) return
        count(bytes.length)
        this.#handlers?.onData(bytes)
      },
      onDrain: () => this.#handlers?.onDrain(),
      onEnd: () => {
        this.#hasEnded = true
        this.#handlers?.onEnd()
      },
      onClose: error => {
        this.#closed = { error }
        this.#handlers?.onClose(error)
      },
    })
    connection.pause()
  }

  get local(): SocketAddress {
    return this.#connection.local
  }

  get remote(): SocketAddress {
    return this.#connection.remote
  }

  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  start(handlers: TcpHandlers): void {
    this.#handlers = handlers
    if (this.#hasEnded) handlers.onEnd()
    if (this.#closed) handlers.onClose(this.#closed.error)
    else this.#connection.resume()
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isOver) return true
    this.#count(bytes.length)
    return this.#connection.write(bytes)
  }

  pause(): void {
    this.#connection.pause()
  }

  resume(): void {
    this.#connection.resume()
  }

  keepAlive(idleMs: number): void {
    this.#connection.keepAlive(idleMs)
  }

  end(): void {
    this.#connection.end()
  }

  destroy(): void {
    this.#isOver = true
    this.#connection.destroy()
  }

  reset(): void {
    this.#isOver = true
    this.#connection.reset()
  }
}
