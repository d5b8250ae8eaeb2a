/**
 * Questions asked to one peer, waiting for their answers. Answers are matched by number; a question that is settled
 * for any reason (answer, time-out, abort, end of the session) is forgotten at once, and an answer that comes too late
 * is dropped.
 */

import { EarshotError } from '../errors.ts'
import { Payload } from '../session/frame.ts'
import { NO_LANE } from '../session/send-queue.ts'
import type { Session } from '../session/session.ts'
import { answerErrorFrom } from './answer-error.ts'
import { AnswerItems } from './answer-items.ts'
import { type Deadlines, Expiring } from './deadlines.ts'
import { OpenTable } from './open-table.ts'
import { decodeValue, type EncodedValue } from './value.ts'

export interface AskLimits {
  /** How long to wait for the answer, or for the next item of a streamed one. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

export class AskedQuestions {
  readonly #session: Session
  readonly #deadlines: Deadlines
  readonly #open = new OpenTable<AskedQuestion>()

  constructor(session: Session, deadlines: Deadlines) {
    this.#session = session
    this.#deadlines = deadlines
  }

  ask(name: string, question: EncodedValue, limits: AskLimits): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#ask(name, question, limits, resolve, reject, undefined)
    })
  }

  /** The answer as a sequence; a single answer is a sequence of one. */
  askStream(name: string, question: EncodedValue, limits: AskLimits): AsyncIterableIterator<unknown> {
    let asked: AskedQuestion | undefined
    const items = new AnswerItems({
      onPull: count => asked && this.#open.get(asked.id) && this.#session.pull(asked.id, count),
      onEmpty: () => asked && this.#open.get(asked.id) && this.#deadlines.add(asked, asked.timeoutMs),
      onReturn: () => asked?.cancel(undefined),
    })
    const resolve = (value: unknown) => items.finish(value)
    asked = this.#ask(name, question, limits, resolve, error => items.end(error), items)
    return items.queue
  }

  #ask(
    name: string,
    { kind, bytes }: EncodedValue,
    { timeoutMs, signal }: AskLimits,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
    items: AnswerItems | undefined,
  ): AskedQuestion | undefined {
    if (signal?.aborted) {
      reject(signal.reason)
      return undefined
    }
    const id = this.#open.nextId()
    const asked = new AskedQuestion(this, id, name, timeoutMs, resolve, reject, items)
    if (signal) asked.endWith(signal)
    this.#open.add(asked)
    this.#deadlines.add(asked, timeoutMs)
    try {
      const sent = this.#session.send(NO_LANE, Payload.question | kind, id, this.#session.label(name), bytes)
      sent?.catch(error => asked.fail(error))
    } catch (error) {
      asked.fail(error)
    }
    return asked
  }

  // What the session tells --------------------------------------------------------------------------------------------

  // Looked up first, decoded second: what nobody waits for costs nothing.

  onAnswer(id: number, kind: number, body: Uint8Array): void {
    const asked = this.#open.get(id)
    if (!asked) return
    const value = decodeValue(kind, body)
    this.forget(asked)
    asked.resolve(value)
  }

  onItem(id: number, kind: number, body: Uint8Array): void {
    const asked = this.#open.get(id)
    if (!asked) return
    const { items } = asked
    if (!items) {
      asked.cancel(isStream(asked.name))
      return
    }
    const value = decodeValue(kind, body)
    // Time counts again when the reader has everything: a slow reader is not a slow peer.
    this.#deadlines.remove(asked)
    items.push(value, body.length)
  }

  onEnd(id: number): void {
    const asked = this.#open.get(id)
    if (!asked) return
    this.forget(asked)
    const { items } = asked
    if (items) items.end()
    else asked.reject(isStream(asked.name))
  }

  onError(id: number, code: number, reason: string): void {
    const asked = this.#open.get(id)
    asked?.fail(answerErrorFrom(code, reason, asked.name))
  }

  /** The session has ended: every open question fails with `error`. */
  close(error: EarshotError): void {
    for (const asked of this.#open.drain()) asked.fail(error)
  }

  /** @internal */
  forget(asked: AskedQuestion): void {
    this.#open.delete(asked.id)
    this.#deadlines.remove(asked)
    asked.stopListening()
  }

  /** @internal */
  tellCancelled(id: number): void {
    this.#session.cancel(id)
  }
}

/** One question, with no object beside it: hundreds of thousands are asked in a second. */
class AskedQuestion extends Expiring {
  readonly id: number
  readonly name: string
  readonly timeoutMs: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** Where the items of a streamed answer go. */
  readonly items: AnswerItems | undefined
  readonly #questions: AskedQuestions
  #signal: AbortSignal | undefined
  #onAbort: (() => void) | undefined

  constructor(
    questions: AskedQuestions,
    id: number,
    name: string,
    timeoutMs: number,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
    items: AnswerItems | undefined,
  ) {
    super()
    this.#questions = questions
    this.id = id
    this.name = name
    this.timeoutMs = timeoutMs
    this.resolve = resolve
    this.reject = reject
    this.items = items
  }

  endWith(signal: AbortSignal): void {
    this.#signal = signal
    this.#onAbort = () => this.cancel(signal.reason)
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  stopListening(): void {
    if (this.#onAbort) this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  override expire(): void {
    this.cancel(
      new EarshotError('timeout', `no answer to '${this.name}' within ${this.timeoutMs} ms`, {
        hint: 'Give more time with timeoutMs, or look at what the answering side is doing.',
      }),
    )
  }

  /** Nobody waits any more: the answering side is told, and may stop its work. */
  cancel(error: unknown): void {
    this.#questions.tellCancelled(this.id)
    this.fail(error)
  }

  fail(error: unknown): void {
    this.#questions.forget(this)
    this.reject(error)
  }
}

function isStream(name: string): EarshotError {
  return new EarshotError('invalid-data', `the answer to '${name}' is a stream`, { hint: 'Use askStream.' })
}
