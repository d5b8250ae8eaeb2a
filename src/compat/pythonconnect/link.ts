/**
 * One TCP connection with another node. Both sides say their names at once, unasked; then frames go both ways, until one
 * side says `quitQUITquit` or just closes.
 */

import { EarshotError, protocolViolation } from '../../errors.ts'
import { CLOSE_FLUSH_MS, CLOSE_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { SocketAddress, TcpConnection } from '../../platform/network.ts'
import { decodeFrame, encodeFrame, encodeName, type Frame } from './frame.ts'
import { FramePacer, type OutgoingFrame } from './frame-pacer.ts'
import { FrameReader } from './frame-reader.ts'
import { nameProblem } from './node-name.ts'

/** The protocol has no sign of life of its own: of a device without power the system of this machine has to tell. */
const KEEP_ALIVE_MS = 15_000

export interface LinkOptions {
  readonly connection: TcpConnection
  readonly clock: Clock
  readonly ownName: string
  readonly paceMs: number
  readonly isDialled: boolean
  /** The other side has said its name. */
  onNamed(link: Link, name: string): void
  onFrame(link: Link, frame: Frame): void
  /** Once. `error` where it was not an orderly end: `lost`, `protocol-violation`, `timeout`. */
  onEnd(link: Link, error: EarshotError | undefined): void
}

/** `naming` → `open` → `closing` (we said goodbye) → `closed`; every state may lead to `closed`. */
type State = 'naming' | 'open' | 'closing' | 'closed'

export class Link {
  readonly remote: SocketAddress
  readonly isDialled: boolean
  readonly openedAt: number
  /** When bytes came last, on the clock. */
  heardAt: number
  /** When the application sent something last, on the clock. */
  usedAt: number = Number.NEGATIVE_INFINITY
  readonly #options: LinkOptions
  readonly #reader = new FrameReader()
  readonly #pacer: FramePacer
  /** Questions of the other side, by id, of which not more are kept than are answered at a time. */
  readonly #openAsks = new Set<number>()
  #asksOneByOne = true
  #timer: Timer | undefined
  #state: State = 'naming'
  #name = ''
  /** Resolves when the other side has said its name, with true, or has ended before that, with false. */
  readonly named: Promise<boolean>
  #resolveNamed!: (isNamed: boolean) => void
  #resolveClosed!: () => void
  readonly #closed: Promise<void>

  constructor(options: LinkOptions) {
    const { connection, clock, paceMs, isDialled } = options
    this.#options = options
    this.remote = connection.remote
    this.isDialled = isDialled
    this.openedAt = clock.now()
    this.heardAt = this.openedAt
    this.#closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    this.named = new Promise(resolve => {
      this.#resolveNamed = resolve
    })
    this.#pacer = new FramePacer({ clock, paceMs, write: bytes => connection.write(bytes) })
    connection.start({
      onData: bytes => this.#onData(bytes),
      onDrain: () => this.#pacer.onDrain(),
      onEnd: () => this.#end(undefined),
      onClose: error => this.#end(error),
    })
    connection.keepAlive(KEEP_ALIVE_MS)
    connection.write(encodeName(options.ownName))
    this.#timer = clock.setTimer(HANDSHAKE_TIMEOUT_MS, () => this.#end(nameless(this.remote)))
  }

  /** Of the other side; empty before it was said. */
  get name(): string {
    return this.#name
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** Throws `limit-reached`. Nothing becomes of it where the link is not open. */
  send(frame: OutgoingFrame): void {
    this.usedAt = this.#options.clock.now()
    this.#pacer.send(frame)
  }

  takeBack(frame: OutgoingFrame): void {
    this.#pacer.takeBack(frame)
  }

  onGivenUp(questionId: number): void {
    this.#pacer.onGivenUp(questionId)
  }

  /** A question of the other side was answered, or will not be. */
  onSettled(id: number): void {
    this.#openAsks.delete(id)
  }

  /** Asks for nothing: a node that has left without a word notices by it, and hangs up. */
  probe(): void {
    if (this.isOpen && this.#pacer.isEmpty)
      this.#pacer.send({ bytes: encodeFrame({ kind: 'answer', id: 0, text: '' }) })
  }

  /**
   * Sends what waits, at its pace and for at most 0.8 s, says goodbye and hangs up. Resolves when the other side has, too,
   * after a second at most.
   */
  quit(): Promise<void> {
    if (this.#state === 'naming') this.destroy()
    if (this.#state !== 'open') return this.#closed
    this.#state = 'closing'
    this.#timer = this.#options.clock.setTimer(CLOSE_FLUSH_MS, () => {
      this.#pacer.close(new EarshotError('closed', 'this node has left'))
      this.#sayGoodbye()
    })
    this.#pacer.whenEmpty(() => this.#sayGoodbye())
    return this.#closed
  }

  /** At once. `onEnd` is told. */
  destroy(error?: EarshotError): void {
    this.#end(error)
  }

  #onData(bytes: Uint8Array): void {
    this.heardAt = this.#options.clock.now()
    try {
      this.#reader.read(bytes, text => this.#onText(text))
    } catch (error) {
      if (!(error instanceof EarshotError)) throw error
      this.#end(error)
    }
  }

  #onText(text: string): void {
    if (this.#state === 'naming') this.#onName(text)
    else this.#onFrame(decodeFrame(text))
  }

  #onName(name: string): void {
    const problem = nameProblem(name)
    if (problem !== undefined) throw protocolViolation(`pythonConnect: a node says a name that ${problem}`)
    this.#timer?.cancel()
    this.#state = 'open'
    this.#name = name
    // Our own name may lie there unread.
    this.#pacer.onWritten()
    this.#resolveNamed(true)
    this.#options.onNamed(this, name)
  }

  #onFrame(frame: Frame): void {
    if (frame.kind === 'answer') this.#pacer.onAnswered(frame.id)
    if (frame.kind === 'question') this.#onAsked(frame.id)
    if (frame.kind === 'quit') this.#end(undefined)
    // Whoever leaves wants to hear nothing more, but what it has to say still goes at the other side's pace.
    else if (this.#state === 'open') this.#options.onFrame(this, frame)
  }

  #sayGoodbye(): void {
    this.#timer?.cancel()
    this.#options.connection.write(encodeFrame({ kind: 'quit' }))
    this.#options.connection.end()
    this.#timer = this.#options.clock.setTimer(CLOSE_TIMEOUT_MS - CLOSE_FLUSH_MS, () => this.#end(undefined))
  }

  #onAsked(id: number): void {
    if (this.#openAsks.size > 0) this.#asksOneByOne = false
    this.#openAsks.add(id)
    this.#pacer.onAsked(this.#asksOneByOne)
  }

  #end(error: EarshotError | undefined): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#timer?.cancel()
    this.#pacer.close(error ?? new EarshotError('closed', `'${this.#name}' is gone`))
    this.#hangUp(error)
    this.#resolveNamed(false)
    this.#resolveClosed()
    this.#options.onEnd(this, error)
  }

  #hangUp(error: EarshotError | undefined): void {
    const { connection } = this.#options
    // As the real program does, whoever began. Where nobody hears it, it goes nowhere.
    if (error?.code !== 'lost') connection.write(encodeFrame({ kind: 'quit' }))
    connection.destroy()
  }
}

function nameless({ address }: SocketAddress): EarshotError {
  return new EarshotError('timeout', `${address} did not say its name within ${HANDSHAKE_TIMEOUT_MS} ms`)
}
