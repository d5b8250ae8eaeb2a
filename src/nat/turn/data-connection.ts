/**
 * A connection that a TURN server relays (RFC 6062 section 4.3): to the server, where it is bound to the connection between
 * server and peer. After the answer to that, all bytes are the peer's.
 */

import { EarshotError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { SocketAddress, TcpConnection, TcpHandlers } from '../../platform/network.ts'
import { METHOD, readStunMessage } from '../stun/message.ts'
import { nextFrame } from '../stun/stream-frames.ts'
import type { StunTransactions } from '../stun/transactions.ts'

export interface DataConnectionParts {
  readonly clock: Clock
  /** To the server, not started. */
  readonly connection: TcpConnection
  /** Of the request that binds it. */
  readonly transactions: StunTransactions
  readonly relayedAddress: SocketAddress
  readonly peer: SocketAddress
  /** Nothing follows. */
  readonly onClosed: (connection: DataConnection) => void
}

export class DataConnection implements TcpConnection {
  /** The relayed address: what the peer is connected to. */
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly #parts: DataConnectionParts
  #isBound = false
  /** Until it is bound, what is not yet a whole message; afterwards, what has arrived before `start`. */
  #early: Uint8Array = new Uint8Array()
  #handlers: TcpHandlers | undefined
  #hasEnded = false
  #closed: { readonly error: EarshotError | undefined } | undefined

  constructor(parts: DataConnectionParts) {
    this.#parts = parts
    this.local = parts.relayedAddress
    this.remote = parts.peer
    parts.connection.start({
      onData: bytes => this.#onData(bytes),
      onDrain: () => this.#handlers?.onDrain(),
      onEnd: () => this.#onEnd(),
      onClose: error => this.#onClose(error),
    })
  }

  start(handlers: TcpHandlers): void {
    this.#parts.clock.afterTurn(() => {
      this.#handlers = handlers
      const early = this.#early
      this.#early = new Uint8Array()
      if (early.length > 0) handlers.onData(early)
      if (this.#hasEnded) handlers.onEnd()
      if (this.#closed) handlers.onClose(this.#closed.error)
      else this.resume()
    })
  }

  write(bytes: Uint8Array): boolean {
    return this.#parts.connection.write(bytes)
  }

  pause(): void {
    this.#parts.connection.pause()
  }

  resume(): void {
    this.#parts.connection.resume()
  }

  end(): void {
    this.#parts.connection.end()
  }

  destroy(): void {
    this.#parts.connection.destroy()
  }

  reset(): void {
    this.#parts.connection.reset()
  }

  keepAlive(idleMs: number): void {
    this.#parts.connection.keepAlive(idleMs)
  }

  #onData(bytes: Uint8Array): void {
    if (this.#isBound) this.#handlers ? this.#handlers.onData(bytes) : this.#keep(bytes)
    else this.#onAnswer(bytes)
  }

  #onAnswer(bytes: Uint8Array): void {
    this.#keep(bytes)
    try {
      while (!this.#isBound) {
        const frame = nextFrame(this.#early)
        if (frame === undefined) return
        this.#early = this.#early.subarray(frame.paddedLength)
        this.#onMessage(frame.bytes)
      }
    } catch (error) {
      if (!(error instanceof EarshotError && error.code === 'protocol-violation')) throw error
      this.#parts.transactions.close(error)
      this.destroy()
    }
  }

  #onMessage(bytes: Uint8Array): void {
    const message = readStunMessage(bytes)
    const { transactions, connection } = this.#parts
    if (message === undefined || !transactions.receive(message, connection.remote)) return
    // An answer that is not signed as it should be does not settle the request: it ends in time, and so does this.
    if (message.class !== 'success' || message.method !== METHOD.connectionBind) return
    this.#isBound = true
    // Nobody listens yet.
    this.pause()
  }

  #keep(bytes: Uint8Array): void {
    const whole = new Uint8Array(this.#early.length + bytes.length)
    whole.set(this.#early)
    whole.set(bytes, this.#early.length)
    this.#early = whole
  }

  #onEnd(): void {
    this.#hasEnded = true
    this.#handlers?.onEnd()
  }

  #onClose(error: EarshotError | undefined): void {
    this.#closed = { error }
    this.#parts.onClosed(this)
    this.#parts.transactions.close(error ?? new EarshotError('lost', 'the TURN server closed the connection'))
    this.#handlers?.onClose(error)
  }
}
