/** A stream over a peer that relays, as a connection to the one behind it. */

import { asError, EarshotError } from '../../errors.ts'
import type { ByteStream } from '../../messaging/open-stream.ts'
import type { SocketAddress, TcpConnection, TcpHandlers } from '../../platform/network.ts'

export class StreamConnection implements TcpConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #onBroken: (error: EarshotError) => void
  #handlers: TcpHandlers | undefined
  #isPaused = false
  #resumed: (() => void) | undefined
  #hasEnded = false
  #hasSentEnd = false
  #isClosed = false

  /**
   * @param ends the addresses of the connection to the relay
   * @param onBroken is told why it ended, where that was not in order
   */
  constructor(
    { readable, writable }: ByteStream,
    ends: { local: SocketAddress; remote: SocketAddress },
    onBroken: (error: EarshotError) => void = ignore,
  ) {
    this.#onBroken = onBroken
    this.local = ends.local
    this.remote = ends.remote
    this.#reader = readable.getReader()
    this.#writer = writable.getWriter()
    // What goes wrong is told by reading.
    this.#writer.closed.catch(ignore)
    this.#reader.closed.catch(ignore)
  }

  start(handlers: TcpHandlers): void {
    this.#handlers = handlers
    void this.#read(handlers)
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isClosed || this.#hasSentEnd) return true
    this.#writer.write(bytes).catch(error => this.#close(error))
    if ((this.#writer.desiredSize ?? 0) > 0) return true
    this.#writer.ready.then(() => this.#handlers?.onDrain(), ignore)
    return false
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#resumed?.()
    this.#resumed = undefined
  }

  /** The session with the relay has its own signs of life. */
  keepAlive(): void {}

  end(): void {
    if (this.#hasSentEnd || this.#isClosed) return
    this.#hasSentEnd = true
    this.#writer.close().then(
      () => this.#closeIfOver(),
      error => this.#close(error),
    )
  }

  destroy(): void {
    this.#close(undefined)
  }

  reset(): void {
    this.#close(undefined)
  }

  async #read(handlers: TcpHandlers): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read()
        // Also when it was paused while nothing came.
        while (this.#isPaused && !this.#isClosed) await this.#untilResumed()
        if (this.#isClosed) return
        if (done) break
        handlers.onData(value)
      }
    } catch (error) {
      this.#close(error)
      return
    }
    this.#hasEnded = true
    handlers.onEnd()
    this.#closeIfOver()
  }

  #untilResumed(): Promise<void> {
    return new Promise(resolve => {
      this.#resumed = resolve
    })
  }

  #closeIfOver(): void {
    if (this.#hasEnded && this.#hasSentEnd) this.#close(undefined)
  }

  #close(reason: unknown): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.resume()
    const error = reason === undefined ? undefined : asEarshotError(reason)
    if (error) this.#onBroken(error)
    const word = error ?? new EarshotError('closed', 'the connection was closed')
    if (!this.#hasEnded) this.#reader.cancel(word).catch(ignore)
    this.#writer.abort(word).catch(ignore)
    // Not within the call that closes it.
    void Promise.resolve().then(() => this.#handlers?.onClose(error))
  }
}

function asEarshotError(thrown: unknown): EarshotError {
  if (thrown instanceof EarshotError) return thrown
  return new EarshotError('lost', `the relayed connection broke: ${asError(thrown).message}`, { cause: thrown })
}

function ignore(): void {}
