/** A TCP connection of the network port as a stream of Node, which is what libraries of servers take. */

import { Duplex } from 'node:stream'
import type { EarshotError } from '../errors.ts'
import type { TcpConnection } from '../platform/network.ts'

export interface ConnectionStreamOptions {
  readonly connection: TcpConnection
  /** Sees what arrives before the reader does. */
  onBytes(bytes: Uint8Array): void
}

type Callback = (error?: Error | null) => void

export class ConnectionStream extends Duplex {
  readonly #connection: TcpConnection
  #onDrain: Callback | undefined

  /** Must be made in the turn in which the connection was handed over. */
  constructor({ connection, onBytes }: ConnectionStreamOptions) {
    super({ allowHalfOpen: true })
    this.#connection = connection
    connection.start({
      onData: bytes => {
        onBytes(bytes)
        if (!this.destroyed && !this.push(bytes)) connection.pause()
      },
      onDrain: () => this.#drained(),
      onEnd: () => this.push(null),
      onClose: error => this.#onClose(error),
    })
  }

  override _read(): void {
    this.#connection.resume()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    if (this.#connection.write(chunk)) callback()
    else this.#onDrain = callback
  }

  override _final(callback: Callback): void {
    this.#connection.end()
    callback()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#connection.destroy()
    callback(error)
  }

  #drained(error?: Error): void {
    const callback = this.#onDrain
    this.#onDrain = undefined
    callback?.(error)
  }

  #onClose(error: EarshotError | undefined): void {
    if (this.#onDrain) this.#drained(error ?? new Error('the connection has ended'))
    this.destroy(error)
  }
}
