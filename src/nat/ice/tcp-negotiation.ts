/**
 * A TCP connection between peers, however it came to be, before it is given out. The controlled side sends a check first: so the
 * controlling one knows that it has not met a stranger at an address of the other side's network. Later, or never, the
 * controlling side sends a check with its nomination, and all bytes after the answer are the program's. STUN messages frame
 * themselves.
 *
 *     controlling                     controlled
 *          ◄──────── check ──────────────          nobody is obliged to answer
 *          ───────── check, USE-CANDIDATE ►
 *          ◄──────── answer ─────────────
 *          ◄════════ the program's bytes ═►
 */

import { EarshotError, protocolViolation } from '../../errors.ts'
import { MAX_ICE_NEGOTIATION_BYTES } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { SocketAddress, TcpConnection, TcpHandlers } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import {
  encodeStunMessage,
  METHOD,
  type ReceivedStunMessage,
  readStunMessage,
  TRANSACTION_ID_BYTES,
} from '../stun/message.ts'
import { nextFrame } from '../stun/stream-frames.ts'
import { StunTransactions } from '../stun/transactions.ts'
import { checkAttributes, encodeCheckAnswer, readCheck } from './connectivity-check.ts'
import { type CredentialPair, integrityOf } from './credentials.ts'

export interface NegotiationOptions {
  readonly platform: Platform
  readonly credentials: () => CredentialPair
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Over TCP the connection is the stream. */
const TCP_NOMINATION = { streamId: 2 }

/** Negotiates over one connection, which is destroyed where that fails. */
export class TcpNegotiation {
  readonly #options: NegotiationOptions
  readonly #connection: NegotiatedConnection

  /** `connection` is started. */
  constructor(connection: TcpConnection, options: NegotiationOptions) {
    this.#options = options
    this.#connection = new NegotiatedConnection(connection, options.platform.clock)
  }

  /** Resolves when the connection has ended, unless it was used. */
  get broken(): Promise<void> {
    return this.#connection.broken
  }

  /** Of the controlling side: resolves when the other side has shown that it is. */
  untilProven(): Promise<void> {
    return this.#until<void>('did not say who it is', (message, resolve) => {
      if (this.#read(message)) resolve()
      return false
    })
  }

  /** Of the controlling side: resolves to the connection, not started, when the other side has agreed. */
  async nominate(): Promise<TcpConnection> {
    const { platform, credentials, timeoutMs, signal } = this.#options
    const { local, remote } = credentials()
    const connection = this.#connection
    if (remote === undefined) throw this.#fail(new EarshotError('closed', 'the other side has started again'))
    const transmit = (bytes: Uint8Array) => void connection.write(bytes)
    const transactions = new StunTransactions({
      clock: platform.clock,
      random: platform.random,
      transmit,
      delaysMs: [timeoutMs],
    })
    connection.negotiate({
      onMessage: message => message.class === 'success' && transactions.receive(message, connection.remote),
      onBroken: error => transactions.close(error),
    })
    try {
      const attributes = () => checkAttributes(local, remote, TCP_NOMINATION)
      const integrity = integrityOf(remote)
      await transactions.request({ method: METHOD.binding, attributes, to: connection.remote, integrity, signal })
      return connection
    } catch (error) {
      throw this.#fail(error)
    }
  }

  /** Of the controlled side: says who we are, and resolves to the connection, not started, when it is nominated. */
  untilNominated(): Promise<TcpConnection> {
    this.#sayWho()
    return this.#until<TcpConnection>('did not use the connection', (message, resolve) => {
      const check = this.#read(message)
      if (check?.nomination === undefined) return false
      const { remote } = this.#connection
      this.#connection.write(encodeCheckAnswer(message, remote, this.#options.credentials().local))
      resolve(this.#connection)
      return true
    })
  }

  destroy(): void {
    this.#connection.destroy()
  }

  #sayWho(): void {
    const { platform, credentials } = this.#options
    const { local, remote } = credentials()
    if (remote === undefined) return
    const transactionId = platform.random.bytes(TRANSACTION_ID_BYTES)
    const attributes = checkAttributes(local, remote, undefined)
    const message = { class: 'request', method: METHOD.binding, transactionId, attributes } as const
    this.#connection.write(encodeStunMessage(message, { integrity: integrityOf(remote) }))
  }

  /** Throws `untrusted-peer` for a request that is not of the other side. */
  #read(message: ReceivedStunMessage) {
    if (message.class !== 'request') return undefined
    const check = readCheck(message, this.#options.credentials())
    if (check) return check
    throw new EarshotError('untrusted-peer', `${formatSocketAddress(this.#connection.remote)} is not the other side`)
  }

  /** Waits for a message with which `take` resolves. */
  #until<Value>(
    silence: string,
    take: (message: ReceivedStunMessage, resolve: (value: Value) => void) => boolean,
  ): Promise<Value> {
    const { platform, timeoutMs, signal } = this.#options
    const connection = this.#connection
    return new Promise((resolve, reject) => {
      const onAbort = () => fail(signal.reason)
      const timer = platform.clock.setTimer(timeoutMs, () => {
        fail(new EarshotError('timeout', `${formatSocketAddress(connection.remote)} ${silence}`))
      })
      const settle = () => {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
      }
      const fail = (reason: unknown) => {
        settle()
        reject(this.#fail(reason))
      }
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort)
      connection.negotiate({
        onMessage: message =>
          take(message, value => {
            settle()
            connection.negotiate(undefined)
            resolve(value)
          }),
        onBroken: fail,
      })
    })
  }

  #fail(reason: unknown): unknown {
    this.#connection.destroy()
    return reason
  }
}

interface NegotiationHandlers {
  /** True: that was the last message, and all that follows is the program's. */
  onMessage(message: ReceivedStunMessage): boolean
  onBroken(error: EarshotError): void
}

class NegotiatedConnection implements TcpConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly broken: Promise<void>
  readonly #connection: TcpConnection
  readonly #clock: Clock
  #onBroken!: () => void
  #negotiation: NegotiationHandlers | undefined
  #broken: EarshotError | undefined
  #isNegotiated = false
  /** What is not yet a whole message; afterwards, what has come before `start`. */
  #early: Uint8Array = new Uint8Array()
  #handlers: TcpHandlers | undefined
  #hasEnded = false
  #closed: { readonly error: EarshotError | undefined } | undefined

  constructor(connection: TcpConnection, clock: Clock) {
    this.local = connection.local
    this.remote = connection.remote
    this.#connection = connection
    this.#clock = clock
    this.broken = new Promise(resolve => {
      this.#onBroken = resolve
    })
    connection.start({
      onData: bytes => this.#onData(bytes),
      onDrain: () => this.#handlers?.onDrain(),
      onEnd: () => this.#onEnd(),
      onClose: error => this.#onClose(error),
    })
  }

  /** Whom messages go to, those that have come already too. */
  negotiate(handlers: NegotiationHandlers | undefined): void {
    this.#negotiation = handlers
    if (handlers === undefined) return
    if (this.#broken) handlers.onBroken(this.#broken)
    else this.#negotiate()
  }

  start(handlers: TcpHandlers): void {
    this.#clock.afterTurn(() => {
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
  }

  reset(): void {
    this.#connection.reset()
  }

  #onData(bytes: Uint8Array): void {
    if (this.#handlers) {
      this.#handlers.onData(bytes)
      return
    }
    this.#keep(bytes)
    if (!this.#isNegotiated) this.#negotiate()
  }

  #negotiate(): void {
    try {
      while (!this.#isNegotiated && this.#negotiation !== undefined) {
        const frame = nextFrame(this.#early)
        if (frame === undefined) break
        this.#early = this.#early.subarray(frame.paddedLength)
        const message = readStunMessage(frame.bytes)
        if (message === undefined) throw protocolViolation('A check was expected')
        this.#isNegotiated = this.#negotiation.onMessage(message)
      }
      if (this.#isNegotiated)
        this.pause() // Nobody listens yet.
      else if (this.#early.length > MAX_ICE_NEGOTIATION_BYTES) throw protocolViolation('A check is shorter than this')
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error
      this.#break(error)
    }
  }

  #keep(bytes: Uint8Array): void {
    const whole = new Uint8Array(this.#early.length + bytes.length)
    whole.set(this.#early)
    whole.set(bytes, this.#early.length)
    this.#early = whole
  }

  #onEnd(): void {
    if (!this.#isNegotiated) this.#break(undefined)
    this.#hasEnded = true
    this.#handlers?.onEnd()
  }

  #onClose(error: EarshotError | undefined): void {
    if (!this.#isNegotiated) this.#break(error)
    this.#closed = { error }
    this.#handlers?.onClose(error)
  }

  #break(error: EarshotError | undefined): void {
    this.#broken ??= error ?? new EarshotError('lost', `${formatSocketAddress(this.remote)} closed the connection`)
    this.destroy()
    this.#onBroken()
    this.#negotiation?.onBroken(this.#broken)
  }
}
