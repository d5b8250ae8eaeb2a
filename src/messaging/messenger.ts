/** Messages, receipts, questions, answers and streams with one peer: what the payload frames of its session mean. */

import { EarshotError, protocolViolation } from '../errors.ts'
import { MAX_LATEST_BYTES, MAX_REASON_BYTES, MAX_UNRELIABLE_BYTES } from '../limits.ts'
import { DatagramFlow, type FlowNetwork, type FlowSession } from '../session/datagram/datagram-flow.ts'
import { MESSAGE_POOL, Payload, type StreamFrame } from '../session/frame.ts'
import type { Presence, Session, SessionEnd, SessionHandlers } from '../session/session.ts'
import type { AnsweringShare } from './answering-budget.ts'
import { AskedQuestions, type AskLimits } from './asked-questions.ts'
import type { Deadlines } from './deadlines.ts'
import { withinLimits } from './limited.ts'
import type { ByteStream } from './open-stream.ts'
import { type AnswerFunction, ReceivedQuestions } from './received-questions.ts'
import { type AcceptFunction, Streams } from './streams.ts'
import { decodeValue, type EncodedValue } from './value.ts'

/** What became of a message that wanted a receipt. */
export const ReceiptOutcome = { delivered: 0, dropped: 1, invalid: 2 } as const

export interface MessengerHandlers<From> {
  /** `length` is what the message costs of the sender's credit; `receipt` is 0 where none is wanted. */
  onMessage(channel: string, data: unknown, length: number, receipt: number): void
  /** A message of 'unreliable' or 'latest': it costs no credit, and what is not read may be dropped. */
  onLossyMessage(channel: string, data: unknown, length: number): void
  answerer(name: string): AnswerFunction<From> | undefined
  /** What the answering functions of this peer's questions hold. */
  readonly answering: AnsweringShare
  onPresence(presence: Presence): void
  /** What is sent leaves on another connection than before. */
  onPath(): void
  acceptor(name: string): AcceptFunction<From> | undefined
  /** The peer changed its public data: JSON text, empty for none. */
  onInfo(info: string): void
  onClosed(end: SessionEnd): void
}

/** How a message is delivered that may get lost. */
export type LossyDelivery = 'latest' | 'unreliable'

const KIND_BITS = 0x03
const reasonDecoder = new TextDecoder()

export class Messenger<From> implements SessionHandlers, FlowSession {
  readonly session: Session
  readonly #flow: DatagramFlow
  readonly #handlers: MessengerHandlers<From>
  readonly #deadlines: Deadlines
  readonly #asked: AskedQuestions
  readonly #received: ReceivedQuestions<From>
  readonly #from: From
  /** Made with the first stream: most sessions never have one. */
  #streams: Streams<From> | undefined
  /** Made with the first receipt: most sessions never want one. */
  #receipts: Map<number, { resolve: () => void; reject: (error: unknown) => void }> | undefined
  #nextReceipt = 1

  constructor(
    open: (handlers: SessionHandlers) => Session,
    from: From,
    deadlines: Deadlines,
    handlers: MessengerHandlers<From>,
    network: FlowNetwork,
  ) {
    this.#handlers = handlers
    this.#deadlines = deadlines
    this.#from = from
    this.session = open(this)
    this.#flow = new DatagramFlow(network, this)
    this.#asked = new AskedQuestions(this.session, deadlines)
    this.#received = new ReceivedQuestions(this.session, from, handlers.answering)
  }

  /** Sends a message. Undefined: accepted at once; otherwise a promise that resolves when flow control accepts it. */
  send(channel: string, { kind, bytes }: EncodedValue): Promise<void> | undefined {
    const label = this.session.label(channel)
    return this.session.send(label, Payload.message | kind, label, 0, bytes)
  }

  /** Sends a message and resolves when the receiving application has it. */
  sendWithReceipt(channel: string, { kind, bytes }: EncodedValue): Promise<void> {
    const label = this.session.label(channel)
    const number = this.#nextReceipt++
    return new Promise((resolve, reject) => {
      this.#receipts ??= new Map()
      this.#receipts.set(number, { resolve, reject })
      this.session.send(label, Payload.message | kind, label, number, bytes)?.catch(error => {
        this.#receipts?.delete(number)
        reject(error)
      })
    })
  }

  /** Sends a message that may get lost: see `checkLossySize`. Throws `closed` after the end of the session. */
  sendLossy(channel: string, { kind, bytes }: EncodedValue, delivery: LossyDelivery): void {
    if (!this.session.isOpen) throw new EarshotError('closed', 'the session has ended')
    const label = this.session.label(channel)
    if (delivery === 'latest') this.#flow.sendLatest(label, kind, bytes)
    else this.#flow.sendUnreliable(label, kind, bytes)
  }

  get datagrams(): DatagramFlow {
    return this.#flow
  }

  ask(name: string, question: EncodedValue, limits: AskLimits): Promise<unknown> {
    return this.#asked.ask(name, question, limits)
  }

  askStream(name: string, question: EncodedValue, limits: AskLimits): AsyncIterableIterator<unknown> {
    return this.#asked.askStream(name, question, limits)
  }

  /**
   * Opens a stream. Throws `closed`, `limit-reached`, or `signal.reason`; where the peer does not take it, its halves
   * fail.
   */
  open(name: string, header: EncodedValue, signal: AbortSignal | undefined): ByteStream {
    return this.#openStreams().open(name, header, signal)
  }

  /** Tells the sender what became of a message that wanted a receipt. */
  receipt(number: number, outcome: number): void {
    if (number !== 0) this.session.receipt(number, outcome)
  }

  /** The application has not read a message of this length yet. */
  hold(length: number): void {
    this.session.hold(MESSAGE_POOL, length)
  }

  release(length: number): void {
    this.session.release(MESSAGE_POOL, length)
  }

  /** One round trip, in milliseconds. */
  ping(limits: AskLimits): Promise<number> {
    return withinLimits(this.session.ping(), limits, this.#deadlines)
  }

  // What the session tells --------------------------------------------------------------------------------------------

  onPayload(type: number, a: number, b: number, body: Uint8Array, length: number): void {
    const kind = type & KIND_BITS
    switch (type & ~KIND_BITS) {
      case Payload.message:
        this.#handlers.onMessage(this.session.labelName(a), decodeValue(kind, body), length, b)
        return
      case Payload.question: {
        const answer = this.#handlers.answerer(this.session.labelName(b))
        this.#received.onQuestion(a, kind, body, answer)
        return
      }
      case Payload.answer:
        this.#asked.onAnswer(a, kind, body)
        return
      case Payload.answerItem:
        this.#asked.onItem(a, kind, body)
        return
      case Payload.answerEnd:
        this.#asked.onEnd(a)
        return
      case Payload.answerError:
        this.#asked.onError(a, b, decodeReason(body))
        return
      case Payload.streamData:
        this.#openStreams().onData(a, body)
        return
      case Payload.streamOpen: {
        const name = this.session.labelName(b)
        this.#openStreams().onOpen(a, kind, body, name, this.#handlers.acceptor(name))
        return
      }
      case Payload.unreliable:
        this.#flow.onCarried(a, b, kind, body)
        return
      default:
        throw protocolViolation(`a payload frame of unknown type ${type}`)
    }
  }

  onReceipt(number: number, outcome: number): void {
    const waiting = this.#receipts?.get(number)
    if (!waiting) return
    this.#receipts?.delete(number)
    if (outcome === ReceiptOutcome.delivered) waiting.resolve()
    else waiting.reject(undelivered(outcome))
  }

  onCancel(question: number): void {
    this.#received.onCancel(question)
  }

  onPull(question: number, count: number): void {
    this.#received.onPull(question, count)
  }

  onPresence(presence: Presence): void {
    this.#handlers.onPresence(presence)
  }

  onPath(): void {
    this.#handlers.onPath()
  }

  onStreamFrame(frame: StreamFrame): void {
    this.#openStreams().onFrame(frame)
  }

  onWritable(): void {
    this.#streams?.onWritable()
  }

  onInfo(info: string): void {
    this.#handlers.onInfo(info)
  }

  onSpare(): void {
    this.#flow?.onSessionReady()
  }

  // What the datagrams tell and ask -----------------------------------------------------------------------------------

  get labelCount(): number {
    return this.session.labelCount
  }

  carry(type: number, label: number, sequence: number, body: Uint8Array): boolean {
    return this.session.sendNow(type, label, sequence, body)
  }

  onViolation(error: EarshotError): void {
    this.session.abort(error)
  }

  onLossyMessage(label: number, kind: number, body: Uint8Array): void {
    this.#handlers.onLossyMessage(this.session.labelName(label), decodeValue(kind, body), body.length)
  }

  onClosed(end: SessionEnd): void {
    const error =
      end.error ??
      new EarshotError('closed', `the peer is gone: ${end.code}`, end.reason === '' ? {} : { reason: end.reason })
    this.#flow.close()
    this.#asked.close(error)
    this.#received.close(error)
    this.#streams?.close(error)
    for (const { reject } of this.#receipts?.values() ?? []) reject(error)
    this.#receipts = undefined
    this.#handlers.onClosed(end)
  }

  #openStreams(): Streams<From> {
    this.#streams ??= new Streams(this.session, this.#from, () => this.#deadlines.now())
    return this.#streams
  }
}

/** Throws `too-large` for what does not go in that way, whether by datagrams or on the session. */
export function checkLossySize({ bytes: { length } }: EncodedValue, delivery: LossyDelivery): void {
  const limit = delivery === 'latest' ? MAX_LATEST_BYTES : MAX_UNRELIABLE_BYTES
  if (length <= limit) return
  throw new EarshotError('too-large', `this is ${length} bytes, at most ${limit} go with delivery '${delivery}'`, {
    hint:
      length <= MAX_LATEST_BYTES
        ? "Send it with delivery 'latest' or 'reliable', or make it smaller."
        : "Send it with delivery 'reliable', or make it smaller.",
  })
}

function decodeReason(body: Uint8Array): string {
  if (body.length > MAX_REASON_BYTES) throw protocolViolation(`a reason of ${body.length} bytes`)
  return reasonDecoder.decode(body)
}

function undelivered(outcome: number): EarshotError {
  return outcome === ReceiptOutcome.invalid
    ? new EarshotError('invalid-data', "the message does not fit the schema of the receiver's channel")
    : new EarshotError('limit-reached', 'the receiving application did not take the message: nobody listens there', {
        hint: 'The receiver must listen with room.on or a channel.',
      })
}
