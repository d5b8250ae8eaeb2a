/** A connection with something that lives as long as it does: a socket, a timer, a place in a list. */

import type { SocketAddress, TcpConnection, TcpHandlers } from '../../platform/network.ts'

export class OwnedConnection implements TcpConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly #connection: TcpConnection
  #onOver: (() => void) | undefined
  #isStarted = false

  /** `onOver` is called once, when the connection has closed. */
  constructor(connection: TcpConnection, onOver: () => void) {
    this.local = connection.local
    this.remote = connection.remote
    this.#connection = connection
    this.#onOver = onOver
  }

  start(handlers: TcpHandlers): void {
    this.#isStarted = true
    this.#connection.start({
      onData: bytes => handlers.onData(bytes),
      onDrain: () => handlers.onDrain(),
      onEnd: () => handlers.onEnd(),
      onClose: error => {
        this.#over()
        handlers.onClose(error)
      },
    })
  }

  write(bytes: Uint8Array): boolean {
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
    this.#connection.destroy()
    this.#overIfUnheard()
  }

  reset(): void {
    this.#connection.reset()
    this.#overIfUnheard()
  }

  /** Before `start` nobody would hear of its end. */
  #overIfUnheard(): void {
    if (!this.#isStarted) this.#over()
  }

  #over(): void {
    const onOver = this.#onOver
    this.#onOver = undefined
    onOver?.()
  }
}
