/**
 * A TCP connection of peerpy's protocol, from its first byte to its last. Whoever reads from it changes: first HELLO is
 * awaited, or its answer, then messages. What comes between the two waits in the queue.
 *
 * The program takes no notice of FIN, and goes on reading at full speed for ever: a link closes with RST, which it does
 * notice. FIN of the other side is the end for both directions, since no peer of this protocol goes on after it.
 */

import { EarshotError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { SocketAddress, TcpConnection } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { ByteQueue } from '../../wire/byte-queue.ts'
import { decodeHeader, encodeHeader, HEADER_BYTES, type Header } from './header.ts'

export interface LinkReader {
  /** There is more in the queue. */
  onBytes(): void
  onDrain?(): void
  /** The other side has closed: `error` says why where it was not by FIN. Exactly once. */
  onClosed(error: EarshotError | undefined): void
}

export interface ReadHeaderOptions {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

const NOBODY: LinkReader = { onBytes() {}, onClosed() {} }

export class Link {
  readonly queue: ByteQueue = new ByteQueue()
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly #tcp: TcpConnection
  #reader: LinkReader = NOBODY
  #closed: { readonly error: EarshotError | undefined } | undefined

  constructor(tcp: TcpConnection) {
    this.local = tcp.local
    this.remote = tcp.remote
    this.#tcp = tcp
    tcp.start({
      onData: bytes => {
        if (this.#closed) return
        this.queue.push(bytes)
        this.#reader.onBytes()
      },
      onDrain: () => this.#reader.onDrain?.(),
      onEnd: () => this.#close(undefined),
      onClose: error => this.#close(error),
    })
  }

  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  /** From now on this one is told; what came before waits in the queue. */
  readBy(reader: LinkReader): void {
    this.#reader = reader
    if (this.#closed) reader.onClosed(this.#closed.error)
  }

  /** False: wait for `onDrain` before more. */
  write(bytes: Uint8Array): boolean {
    return this.#tcp.write(bytes)
  }

  pause(): void {
    this.#tcp.pause()
  }

  resume(): void {
    this.#tcp.resume()
  }

  /** At once, and nobody is told here. Idempotent. */
  reset(): void {
    this.#reader = NOBODY
    this.#close(undefined)
    this.#tcp.reset()
  }

  /** What is written is sent, then FIN: for DENY, after which the other side hangs up by itself, or is cut off. */
  end(clock: Clock, timeoutMs: number): void {
    const timer = clock.setTimer(timeoutMs, () => this.#tcp.reset())
    this.readBy({
      onBytes: () => this.queue.drop(this.queue.length),
      onClosed: () => {
        timer.cancel()
        this.#tcp.destroy()
      },
    })
    this.#tcp.end()
  }

  /**
   * Gives up a dial whose HELLO has no answer yet. A reset now would end the program's thread that accepts connections, as
   * soon as it answers, and after FIN it would take the connection for one that stands. So it is told DENY, which says
   * nothing to it and enough to peers of this library, and the reset comes when it has answered.
   */
  abandon(onOver: () => void): void {
    this.readBy({
      onBytes: () => {
        if (this.queue.length < HEADER_BYTES) return
        this.reset()
        onOver()
      },
      onClosed: () => {
        this.reset()
        onOver()
      },
    })
    if (!this.isClosed) this.write(encodeHeader('DENY'))
  }

  /** Closes at once, as the system sees fit. Nobody is told here. */
  destroy(): void {
    this.#reader = NOBODY
    this.#close(undefined)
    this.#tcp.destroy()
  }

  /** The next header. Rejects with `timeout`, `protocol-violation`, `lost` where the other side hangs up, or the signal's reason. */
  readHeader({ clock, timeoutMs, signal }: ReadHeaderOptions): Promise<Header> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        timer.cancel()
        signal?.removeEventListener('abort', onAbort)
        this.#reader = NOBODY
      }
      const fail = (reason: unknown) => {
        settle()
        reject(reason)
      }
      const onAbort = () => fail(signal?.reason)
      const onBytes = () => {
        if (this.queue.length < HEADER_BYTES) return
        settle()
        try {
          resolve(decodeHeader(this.queue.take(HEADER_BYTES)))
        } catch (error) {
          reject(error)
        }
      }
      const timer = clock.setTimer(timeoutMs, () => fail(this.#silent(timeoutMs)))
      signal?.addEventListener('abort', onAbort)
      this.readBy({ onBytes, onClosed: error => fail(error ?? this.#hungUp()) })
      if (signal?.aborted) onAbort()
      else if (!this.isClosed) onBytes()
    })
  }

  #silent(timeoutMs: number): EarshotError {
    return new EarshotError('timeout', `${formatSocketAddress(this.remote)} said nothing within ${timeoutMs} ms`, {
      hint: 'It may have as many connections as it takes, or not be a peerpy peer.',
    })
  }

  #hungUp(): EarshotError {
    return new EarshotError('lost', `${formatSocketAddress(this.remote)} hung up before it had said anything`)
  }

  #close(error: EarshotError | undefined): void {
    if (this.#closed) return
    this.#closed = { error }
    this.#reader.onClosed(error)
  }
}
