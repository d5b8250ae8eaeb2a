/** Messengers on a stage of `test/session`, each with what it was told. */

import type { EarshotError } from '../../src/errors.ts'
import { AnsweringBudget, type AnsweringShare } from '../../src/messaging/answering-budget.ts'
import { Deadlines } from '../../src/messaging/deadlines.ts'
import { Messenger, type MessengerHandlers } from '../../src/messaging/messenger.ts'
import type { ByteStream } from '../../src/messaging/open-stream.ts'
import type { AnswerFunction } from '../../src/messaging/received-questions.ts'
import type { AcceptFunction } from '../../src/messaging/streams.ts'
import { encodeValue } from '../../src/messaging/value.ts'
import type { FlowNetwork } from '../../src/session/datagram/datagram-flow.ts'
import { ReassemblyBudget } from '../../src/session/reassembly.ts'
import { Session, type SessionEnd, type SessionHandlers } from '../../src/session/session.ts'
import { asPath, type End, RawPeer, type Stage, type StageOptions, stage } from '../session/stage.ts'

export interface ReceivedMessage {
  readonly channel: string
  readonly data: unknown
  readonly length: number
  readonly receipt: number
}

/** What is asked and answered in tests; `from` is the name of the other side. */
export class RecordingMessenger implements MessengerHandlers<string> {
  readonly messenger: Messenger<string>
  readonly messages: ReceivedMessage[] = []
  readonly infos: string[] = []
  readonly presences: string[] = []
  readonly ends: SessionEnd[] = []
  readonly answering: AnsweringShare
  readonly acceptors: Map<string, AcceptFunction<string>> = new Map()
  readonly answers: Map<string, AnswerFunction<string>> = new Map()
  /** What the application does with a message. */
  onArrival: (message: ReceivedMessage) => void = () => {}

  constructor(end: End, from: string, budget: AnsweringBudget = new AnsweringBudget()) {
    this.answering = budget.share(from, '192.168.1.9')
    const open = (handlers: SessionHandlers) => new Session(asPath(end), end.clock, new ReassemblyBudget(), handlers)
    // No UDP here: all of it rides the session.
    const network: FlowNetwork = {
      clock: end.clock,
      keys: end.connection.datagramKeys!,
      remote: undefined,
      send: () => true,
      register() {},
      unregister() {},
    }
    this.messenger = new Messenger(open, from, new Deadlines(end.clock), this, network)
    this.messenger.session.start()
  }

  get session(): Session {
    return this.messenger.session
  }

  send(channel: string, value: unknown): Promise<void> | undefined {
    return this.messenger.send(channel, encodeValue(value))
  }

  sendWithReceipt(channel: string, value: unknown): Promise<void> {
    return this.messenger.sendWithReceipt(channel, encodeValue(value))
  }

  ask(name: string, question: unknown, { timeoutMs = 2_000, signal }: AskOptions = {}): Promise<unknown> {
    return this.messenger.ask(name, encodeValue(question), { timeoutMs, signal })
  }

  open(name: string, header?: unknown, signal?: AbortSignal): ByteStream {
    return this.messenger.open(name, encodeValue(header), signal)
  }

  askStream(name: string, question: unknown, options: AskOptions = {}): AsyncIterableIterator<unknown> {
    const { timeoutMs = 2_000, signal } = options
    return this.messenger.askStream(name, encodeValue(question), { timeoutMs, signal })
  }

  onMessage(channel: string, data: unknown, length: number, receipt: number): void {
    const message = { channel, data, length, receipt }
    this.messages.push(message)
    this.onArrival(message)
  }

  onLossyMessage(channel: string, data: unknown, length: number): void {
    this.onMessage(channel, data, length, 0)
  }

  answerer(name: string): AnswerFunction<string> | undefined {
    return this.answers.get(name)
  }

  onPresence(presence: string): void {
    this.presences.push(presence)
  }

  acceptor(name: string): AcceptFunction<string> | undefined {
    return this.acceptors.get(name)
  }

  onPath(): void {}

  onInfo(info: string): void {
    this.infos.push(info)
  }

  onClosed(end: SessionEnd): void {
    this.ends.push(end)
  }
}

export interface AskOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface MessengerPair extends Stage {
  readonly alice: RecordingMessenger
  readonly bert: RecordingMessenger
}

export async function messengers(options?: StageOptions): Promise<MessengerPair> {
  const set = await stage(options)
  return Object.assign(set, {
    alice: new RecordingMessenger(set.ada, 'bert'),
    bert: new RecordingMessenger(set.bob, 'alice'),
  })
}

/** A messenger whose other side keeps no rules. */
export async function besieged(
  budget?: AnsweringBudget,
): Promise<Stage & { readonly alice: RecordingMessenger; readonly raw: RawPeer }> {
  const set = await stage({ segmentation: 'as-written' })
  return Object.assign(set, { alice: new RecordingMessenger(set.ada, 'raw', budget), raw: new RawPeer(set.bob) })
}

/** What a promise rejects with. */
export function rejection(promise: Promise<unknown>): Promise<EarshotError> {
  return promise.then(
    value => {
      throw new Error(`it resolved with ${String(value)}`)
    },
    error => error,
  )
}
