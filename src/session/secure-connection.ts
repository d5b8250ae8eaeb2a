/**
 * A TCP connection with the handshake done: whole, authentic records in both directions. The bytes that the peer sends
 * end this connection at worst, with a code: a record that is not authentic becomes the reason.
 */

import { EarshotError } from '../errors.ts'
import { CLOSE_TIMEOUT_MS } from '../limits.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { SocketAddress, TcpConnection, TcpHandlers } from '../platform/network.ts'
import type { DatagramKeys } from './datagram/datagram-keys.ts'
import type { HandshakeStep, SecureChannel } from './handshake.ts'
import { DIALLED, type Route } from './route.ts'

/** Who takes the records: first the greeting, then the session. */
export interface RecordReceiver {
  /** The plaintext belongs to the receiver. */
  onRecord(plaintext: Uint8Array): void
  /** The connection takes more after `sendRecord` returned false. */
  onWritable(): void
  /** Exactly once. `error` is undefined where the peer hung up in an orderly way. */
  onClosed(error: EarshotError | undefined): void
}

/** The two sides of a handshake: `InitiatorHandshake` or `ResponderHandshake`. */
export interface Handshake {
  push(chunk: Uint8Array): HandshakeStep
}

type State =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'handshake'; readonly handshake: Handshake; readonly settle: Settle }
  | { readonly kind: 'open'; readonly channel: SecureChannel }
  | { readonly kind: 'closed' }

/** A record with so much in it is sent in pieces, which is cheaper than a copy. */
const LONG_RECORD_BYTES = 4_096

interface Settle {
  resolve(): void
  reject(error: EarshotError): void
}

export class SecureConnection implements TcpHandlers {
  readonly route: Route
  readonly #tcp: TcpConnection
  readonly #onPlaintext = (plaintext: Uint8Array): void => this.#receiver!.onRecord(plaintext)
  readonly #clock: Clock
  #state: State = { kind: 'fresh' }
  #receiver: RecordReceiver | undefined
  #endTimer: Timer | undefined
  #isOver = false
  #lastMessage: Uint8Array | undefined
  #channel: SecureChannel | undefined
  /** What arrived behind the handshake, until a receiver is there. */
  #early: Uint8Array[] = []

  constructor(tcp: TcpConnection, clock: Clock, route: Route = DIALLED) {
    this.#tcp = tcp
    this.route = route
    this.#clock = clock
  }

  /**
   * Runs the handshake. `first` is what the initiator sends to begin with. To be called in the turn in which `tcp` was
   * handed over. Resolves when the peer is authenticated; rejects with why it is not. What arrives from then on waits
   * for `receive`.
   */
  open(handshake: Handshake, first?: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#state = { kind: 'handshake', handshake, settle: { resolve, reject } }
      this.#tcp.start(this)
      if (first) this.#tcp.write(first)
    })
  }

  get local(): SocketAddress {
    return this.#tcp.local
  }

  get remote(): SocketAddress {
    return this.#tcp.remote
  }

  /** Whose share of what all peers have together it uses: the host's, or behind a relay the peer's own. */
  get origin(): string {
    return this.route.kind === 'relay' ? this.remoteId : this.remote.address
  }

  /** The peer's id, proven by the handshake; empty before. */
  get remoteId(): string {
    return this.#channel?.remoteId ?? ''
  }

  /** Names this connection on both sides, and no other connection ever; empty before the handshake is done. */
  get handshakeHash(): Uint8Array {
    return this.#channel?.handshakeHash ?? new Uint8Array(0)
  }

  /** For the session that this connection begins; known when the handshake is done. */
  get datagramKeys(): DatagramKeys | undefined {
    return this.#channel?.datagramKeys
  }

  /** Hands every record to `receiver` from now on, those that arrived already first. */
  receive(receiver: RecordReceiver): void {
    this.#receiver = receiver
    if (this.#state.kind === 'closed') {
      receiver.onClosed(new EarshotError('closed', 'the connection ended before anybody took it over'))
    }
    for (const chunk of this.#early.splice(0)) this.onData(chunk)
  }

  /** Seals and sends one record. False: wait for `onWritable`. What is sent after the end is dropped. */
  sendRecord(plaintext: Uint8Array): boolean {
    if (this.#state.kind !== 'open') return true
    const { sealer } = this.#state.channel
    if (plaintext.length >= LONG_RECORD_BYTES && !this.#lastMessage && this.#tcp.writeAll) {
      return this.#tcp.writeAll(sealer.sealInPieces(plaintext))
    }
    const record = sealer.seal(plaintext)
    if (this.#lastMessage) {
      this.#tcp.write(join(this.#lastMessage, record))
      this.#lastMessage = undefined
      return true
    }
    return this.#tcp.write(record)
  }

  /** Sends what is queued, then hangs up; a peer that does not hang up too is cut off. */
  end(): void {
    if (this.#isOver) return
    this.#sendLastMessage()
    this.#tcp.end()
    this.#endTimer ??= this.#clock.setTimer(CLOSE_TIMEOUT_MS, () => this.#tcp.destroy())
  }

  /** Closes at once. `error` says why, where it was not our own wish. */
  abort(error?: EarshotError): void {
    this.#endTimer?.cancel()
    this.#close(error)
    this.#tcp.destroy()
  }

  // What the network tells --------------------------------------------------------------------------------------------

  onData(chunk: Uint8Array): void {
    const state = this.#state
    try {
      if (state.kind === 'handshake') this.#shake(state, chunk)
      else if (state.kind !== 'open') return
      else if (this.#receiver) {
        state.channel.opener.push(chunk, this.#onPlaintext)
        this.#tcp.release?.(chunk)
      } else this.#early.push(chunk)
    } catch (error) {
      this.#fail(error)
    }
  }

  onDrain(): void {
    this.#receiver?.onWritable()
  }

  onEnd(): void {
    // Nothing is sent to somebody who has hung up: half-open connections have no use here.
    this.end()
  }

  onClose(error: EarshotError | undefined): void {
    this.#isOver = true
    this.#endTimer?.cancel()
    this.#close(error)
  }

  #shake({ handshake, settle }: Extract<State, { kind: 'handshake' }>, chunk: Uint8Array): void {
    const step = handshake.push(chunk)
    if (step.kind === 'established') this.#holdBack(step.send)
    else if (step.send) this.#tcp.write(step.send)
    if (step.kind === 'waiting') return
    if (step.kind === 'failed') {
      this.#state = { kind: 'closed' }
      this.end()
      settle.reject(step.error)
      return
    }
    this.#channel = step.channel
    this.#state = { kind: 'open', channel: step.channel }
    if (step.rest.length > 0) this.#early.push(step.rest)
    settle.resolve()
  }

  /** The last message of the handshake leaves together with the first record: each write costs a system call. */
  #holdBack(message: Uint8Array | undefined): void {
    if (!message) return
    this.#lastMessage = message
    this.#clock.afterTurn(() => this.#sendLastMessage())
  }

  #sendLastMessage(): void {
    if (this.#lastMessage) this.#tcp.write(this.#lastMessage)
    this.#lastMessage = undefined
  }

  /** What arrived is no authentic record, so nothing that follows can be one. */
  #fail(thrown: unknown): void {
    if (!(thrown instanceof EarshotError)) throw thrown
    this.#close(thrown)
    this.end()
  }

  #close(error: EarshotError | undefined): void {
    const state = this.#state
    if (state.kind === 'closed') return
    this.#state = { kind: 'closed' }
    this.#early = []
    if (state.kind === 'handshake') {
      state.settle.reject(error ?? new EarshotError('closed', 'the peer hung up during the handshake'))
    } else this.#receiver?.onClosed(error)
  }
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length)
  joined.set(first)
  joined.set(second, first.length)
  return joined
}
