/**
 * One end of a simulated TCP connection. It follows RFC 9293 where programs can tell: the handshake, order, windows,
 * half-close, reset, retransmission with back-off, giving up after long silence. It has no congestion control.
 *
 *     connect ─► syn-sent ──────┐                     FIN both ways, or `destroy`
 *                               ├─► established ────► lingering (the program is done) ────► closed
 *     accept ──► syn-received ──┘        └──── reset, long silence ───────────────────────►
 */

import { EarshotError } from '../errors.ts'
import type { SocketAddress, TcpConnection, TcpHandlers } from '../platform/network.ts'
import { formatSocketAddress } from '../platform/socket-address.ts'
import type { IpStack } from './ip-stack.ts'
import { RetransmissionTimer } from './retransmission-timer.ts'
import { systemError } from './system-error.ts'
import { TcpKeepAlive } from './tcp-keep-alive.ts'
import { TcpReceiver } from './tcp-receiver.ts'
import { NO_BYTES, segmentEnd, type TcpSegment } from './tcp-segment.ts'
import { TcpSender } from './tcp-sender.ts'
import type { EventOwner, ScheduledEvent } from './virtual-time.ts'

type State = 'syn-sent' | 'syn-received' | 'established' | 'lingering' | 'closed'

/**
 * Linux: tcp_syn_retries, tcp_synack_retries and tcp_retries2. That is 127 s and 63 s for a connection that is being
 * opened and, on a fast network, 924.6 s for one that stands.
 */
const MAX_RETRANSMISSIONS: Readonly<Record<State, number>> = {
  'syn-sent': 6,
  'syn-received': 5,
  established: 15,
  lingering: 15,
  closed: 0,
}
/** Node reads this much at a time. */
const MAX_READ_BYTES = 65_536
/** With random segmentation: how long the rest may be on its way after the first piece. */
const LONGEST_PIECE_DELAY_MS = 2

export interface TcpEndpointParts {
  readonly ip: IpStack
  readonly program: EventOwner
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly send: (segment: TcpSegment) => void
  /** The connection stands; at most once. */
  readonly onEstablished: (endpoint: TcpEndpoint) => void
  /** It could not be opened; the system's name for the reason. */
  readonly onRefused: (systemCode: string) => void
  /** The system has forgotten it; once. */
  readonly onForgotten: () => void
}

export class TcpEndpoint implements TcpConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly program: EventOwner
  readonly #parts: TcpEndpointParts
  readonly #ip: IpStack
  readonly #retransmission: RetransmissionTimer
  readonly #keepAlive: TcpKeepAlive
  readonly #receiver = new TcpReceiver()
  readonly #sender = new TcpSender((sequence, bytes, isLast) => this.#send('ack', sequence, bytes, isLast))
  #state: State
  #handlers: TcpHandlers | undefined
  /** What `onClose` tells, once that is known. */
  #outcome: { readonly error: EarshotError | undefined } | undefined
  #isPaused = false
  #endWasTold = false
  #flush: ScheduledEvent | undefined
  #read: ScheduledEvent | undefined
  #echo = -1

  constructor(parts: TcpEndpointParts, state: 'syn-sent' | 'syn-received') {
    this.local = parts.local
    this.remote = parts.remote
    this.program = parts.program
    this.#parts = parts
    this.#ip = parts.ip
    this.#retransmission = new RetransmissionTimer(parts.ip.time, parts.ip, unanswered => this.#retransmit(unanswered))
    this.#keepAlive = new TcpKeepAlive(parts.ip.time, parts.ip, {
      // What is on its way is the retransmission's business.
      isIdle: () => this.#state === 'established' && !this.#isOutstanding,
      probe: () => this.#probe(),
      giveUp: () => this.#giveUp(),
    })
    this.#state = state
  }

  get isOpen(): boolean {
    return this.#state === 'established' && this.#outcome === undefined
  }

  /** Whether its program has it open, or is opening it. */
  get isHeld(): boolean {
    return this.#state === 'syn-sent' || this.isOpen
  }

  connect(): void {
    this.#send('syn', 0, NO_BYTES, false)
    this.#awaitAnswer()
  }

  /** Without a handshake: both sides know by other means that the path between them is open. */
  openWithWindow(window: number): void {
    this.#sender.acknowledge(0, window)
    this.#establish()
  }

  start(handlers: TcpHandlers): void {
    this.#handlers = handlers
    if (this.#outcome !== undefined) this.#tellClose()
    else this.#scheduleRead()
  }

  write(bytes: Uint8Array): boolean {
    // After `end` or the end of the connection bytes go nowhere; `onClose` tells, waiting for `onDrain` would be for ever.
    if (!this.isOpen || this.#sender.isFinishing) return true
    // A copy: the sender must not change its bytes, and here it could not even change what is on the way.
    const hasRoom = this.#sender.write(new Uint8Array(bytes))
    this.#scheduleFlush()
    return hasRoom
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#scheduleRead()
  }

  keepAlive(idleMs: number): void {
    if (this.isOpen) this.#keepAlive.start(idleMs)
  }

  end(): void {
    if (!this.isOpen || this.#sender.isFinishing) return
    this.#sender.finish()
    this.#scheduleFlush()
  }

  destroy(): void {
    if (this.#outcome !== undefined) return
    if (this.#read !== undefined) this.#ip.time.cancel(this.#read)
    this.#close(undefined)
    this.abandon()
  }

  reset(): void {
    if (this.#outcome !== undefined) return
    if (this.#read !== undefined) this.#ip.time.cancel(this.#read)
    this.#close(undefined)
    this.#reset()
  }

  /** What the system does when nobody holds the connection any more: reset if bytes were left unread, otherwise FIN. */
  abandon(): void {
    if (this.#state === 'syn-sent') this.#forget()
    else if (this.#state === 'syn-received' || this.#receiver.unreadBytes > 0) this.#reset()
    else if (this.#state === 'established') this.#linger()
  }

  receive(segment: TcpSegment): void {
    this.#retransmission.heard()
    this.#keepAlive.heard()
    if (segment.kind === 'rst') this.#onReset()
    else if (segment.kind === 'syn') this.#onSyn(segment)
    // An acknowledgement of what was never sent belongs to an older connection (RFC 9293 section 3.10.7.3).
    else if (segment.kind === 'ack' && this.#state === 'syn-sent') this.#send('rst', 0, NO_BYTES, false)
    else this.#onSynchronized(segment)
  }

  /** In syn-sent the other side dials at the same time (RFC 9293 section 3.5); otherwise it has not heard us. */
  #onSyn({ sentAt }: TcpSegment): void {
    this.#echo = sentAt
    if (this.#state === 'syn-sent') this.#state = 'syn-received'
    if (this.#state === 'syn-received') this.#send('syn ack', 0, NO_BYTES, false)
    else this.#acknowledge()
    this.#awaitAnswer()
  }

  #onSynchronized(segment: TcpSegment): void {
    this.#echo = segment.sentAt
    if (this.#state === 'syn-sent' || this.#state === 'syn-received') this.#establish()
    this.#onAcknowledgement(segment)
    if (segment.kind === 'syn ack') this.#acknowledge()
    else if (this.#state === 'lingering' && this.#isUnwanted(segment)) this.#reset()
    else if (this.#state !== 'closed') this.#onContent(segment)
  }

  #establish(): void {
    this.#state = 'established'
    this.#retransmission.restart()
    this.#parts.onEstablished(this)
  }

  #onReset(): void {
    if (this.#state === 'syn-sent') this.#parts.onRefused('ECONNREFUSED')
    else this.#fail('ECONNRESET')
    this.#forget()
  }

  #onAcknowledgement({ acknowledged, window, echo }: TcpSegment): void {
    if (echo >= 0) this.#retransmission.measure(this.#ip.time.now - echo)
    const { progressed, drained } = this.#sender.acknowledge(acknowledged, window)
    if (drained) this.#ip.time.schedule(0, this.program, () => this.isOpen && this.#handlers?.onDrain())
    if (progressed) this.#retransmission.restart()
    this.#transmit()
  }

  #onContent(segment: TcpSegment): void {
    const hasContent = segmentEnd(segment) > segment.sequence
    const isProbe = !hasContent && segment.sequence < this.#receiver.expected
    if (hasContent) this.#receiver.accept(segment)
    if (hasContent || isProbe) this.#acknowledge()
    this.#scheduleRead()
  }

  /** New bytes, for a connection that nobody reads any more. */
  #isUnwanted(segment: TcpSegment): boolean {
    return segment.bytes.length > 0 && segmentEnd(segment) > this.#receiver.expected
  }

  /** What is written in one turn leaves at its end, together. */
  #scheduleFlush(): void {
    this.#flush ??= this.#ip.time.schedule(0, this.program, () => {
      this.#flush = undefined
      this.#transmit()
    })
  }

  #transmit(): void {
    if (this.#state !== 'established' && this.#state !== 'lingering') return
    this.#sender.transmit()
    this.#awaitAnswer()
    this.#leaveIfDone()
  }

  #acknowledge(): void {
    this.#send('ack', this.#sender.position, NO_BYTES, false)
  }

  #send(kind: TcpSegment['kind'], sequence: number, bytes: Uint8Array, isLast: boolean): void {
    const acknowledged = this.#receiver.expected
    const window = this.#receiver.announce()
    const sentAt = this.#ip.time.now
    this.#parts.send({ kind, sequence, bytes, isLast, acknowledged, window, sentAt, echo: this.#echo })
  }

  #awaitAnswer(): void {
    if (this.#isOutstanding) this.#retransmission.start()
  }

  get #isOutstanding(): boolean {
    if (this.#state === 'closed') return false
    if (this.#state === 'syn-sent' || this.#state === 'syn-received') return true
    return this.#sender.hasUnacknowledged || this.#sender.isBlocked
  }

  #retransmit(unanswered: number): void {
    if (!this.#isOutstanding) return
    if (unanswered > MAX_RETRANSMISSIONS[this.#state]) this.#giveUp()
    else if (this.#state === 'syn-sent') this.#send('syn', 0, NO_BYTES, false)
    else if (this.#state === 'syn-received') this.#send('syn ack', 0, NO_BYTES, false)
    else if (this.#sender.isBlocked) this.#probe()
    else this.#sender.retransmit()
    this.#awaitAnswer()
  }

  /** One byte before the window, which the other side must answer with its window (RFC 9293 section 3.8.6.1). */
  #probe(): void {
    this.#send('ack', this.#sender.position - 1, NO_BYTES, false)
  }

  #giveUp(): void {
    if (this.#state === 'syn-sent') this.#parts.onRefused('ETIMEDOUT')
    else this.#fail('ETIMEDOUT')
    this.#forget()
  }

  #scheduleRead(): void {
    if (this.#read !== undefined || this.#isPaused || this.#handlers === undefined || !this.isOpen) return
    if (this.#receiver.unreadBytes === 0 && !this.#endIsNews) return
    this.#read = this.#ip.time.schedule(this.#pieceDelay(), this.program, () => {
      this.#read = undefined
      if (!this.#isPaused) this.#tellNews()
    })
  }

  get #endIsNews(): boolean {
    return this.#receiver.hasEnd && !this.#endWasTold
  }

  #tellNews(): void {
    if (this.#receiver.unreadBytes > 0) {
      const bytes = this.#receiver.read(this.#pieceLength())
      if (this.#receiver.shouldAnnounce && this.isOpen) this.#acknowledge()
      this.#handlers?.onData(bytes)
      this.#scheduleRead()
    } else if (this.#endIsNews) {
      this.#endWasTold = true
      this.#handlers?.onEnd()
      this.#leaveIfDone()
    }
  }

  #pieceLength(): number {
    if (!this.#ip.splitsRandomly()) return MAX_READ_BYTES
    return this.#ip.random.integer(1, Math.min(this.#receiver.unreadBytes, MAX_READ_BYTES))
  }

  #pieceDelay(): number {
    if (!this.#ip.splitsRandomly() || this.#ip.random.fraction() < 0.5) return 0
    return this.#ip.random.fraction() * LONGEST_PIECE_DELAY_MS
  }

  /** Both sides have said all: for the program it is over, while the system still sees its FIN through. */
  #leaveIfDone(): void {
    if (this.isOpen && this.#endWasTold && this.#sender.isFinished) {
      this.#state = 'lingering'
      this.#close(undefined)
    }
    if (this.#state === 'lingering' && this.#sender.isAcknowledged) this.#forget()
  }

  #linger(): void {
    this.#state = 'lingering'
    this.#sender.finish()
    this.#transmit()
  }

  #reset(): void {
    this.#send('rst', this.#sender.position, NO_BYTES, false)
    this.#forget()
  }

  #fail(systemCode: 'ECONNRESET' | 'ETIMEDOUT'): void {
    if (this.#outcome !== undefined) return
    const attempt = `the connection to ${formatSocketAddress(this.remote)} broke`
    // For a connection that stood, silence is a loss and not a question of patience.
    this.#close(
      systemCode === 'ETIMEDOUT' ? new EarshotError('lost', `${attempt}: ETIMEDOUT`) : systemError(systemCode, attempt),
    )
  }

  #close(error: EarshotError | undefined): void {
    this.#outcome = { error }
    this.#tellClose()
  }

  #tellClose(): void {
    const handlers = this.#handlers
    if (handlers === undefined) return
    this.#ip.time.schedule(0, this.program, () => {
      this.#handlers = undefined
      handlers.onClose(this.#outcome?.error)
    })
  }

  #forget(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#retransmission.stop()
    this.#keepAlive.stop()
    this.#parts.onForgotten()
  }
}
