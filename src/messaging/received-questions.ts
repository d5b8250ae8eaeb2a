/**
 * Questions of one peer, being answered. A question that its asker gave up aborts the signal its function was given; a
 * function that does not care goes on, and is counted for as long as it does.
 */

import { asError, EarshotError, protocolViolation } from '../errors.ts'
import { ANSWER_ITEM_WINDOW, MAX_REASON_BYTES } from '../limits.ts'
import { Payload } from '../session/frame.ts'
import { NO_LANE } from '../session/send-queue.ts'
import type { Session } from '../session/session.ts'
import { boundText } from '../wire/bound-text.ts'
import { AnswerErrorCode } from './answer-error.ts'
import { itemCost } from './answer-items.ts'
import type { AnsweringShare } from './answering-budget.ts'
import { decodeValue, encodeValue } from './value.ts'

/** Answers one question: a value, a promise of one, or an async iterable of the items of a streamed answer. */
export type AnswerFunction<From> = (question: unknown, context: AnswerContext<From>) => unknown

export interface AnswerContext<From> {
  readonly from: From
  /** Aborted when the asker gives up or is gone. */
  readonly signal: AbortSignal
}

export class ReceivedQuestions<From> {
  readonly #session: Session
  readonly #from: From
  readonly #answering: AnsweringShare
  /** Those whose asker waits. */
  readonly #open = new Map<number, OpenQuestion<From>>()

  constructor(session: Session, from: From, answering: AnsweringShare) {
    this.#session = session
    this.#from = from
    this.#answering = answering
  }

  /** What is not answered is not decoded either. */
  onQuestion(id: number, kind: number, body: Uint8Array, answer: AnswerFunction<From> | undefined): void {
    if (!answer) {
      this.#fail(id, AnswerErrorCode.noAnswer, '')
      return
    }
    if (!this.#answering.hasRoom(body.length)) {
      this.#fail(id, AnswerErrorCode.limitReached, '')
      return
    }
    if (this.#open.has(id)) throw protocolViolation(`question ${id} is open already`)
    const question = decodeValue(kind, body)
    const open = new OpenQuestion(this.#from, body.length)
    try {
      const result = answer(question, open)
      if (isPromise(result)) {
        this.#begin(id, open)
        result.then(
          value => this.#settle(id, open, value),
          error => this.#reject(id, open, error),
        )
      } else this.#settle(id, open, result)
    } catch (error) {
      this.#reject(id, open, error)
    }
  }

  onCancel(id: number): void {
    const open = this.#open.get(id)
    if (!open) return
    this.#open.delete(id)
    open.abort(new EarshotError('closed', 'the asker gave up'))
  }

  onPull(id: number, count: number): void {
    this.#open.get(id)?.allow(count)
  }

  /** The session has ended: nobody waits for these answers. */
  close(error: EarshotError): void {
    for (const open of this.#open.values()) open.abort(error)
    this.#open.clear()
  }

  /** The function does not answer at once. */
  #begin(id: number, open: OpenQuestion<From>): void {
    this.#open.set(id, open)
    if (!open.isCounted) this.#answering.begin(open.length)
    open.isCounted = true
  }

  /** The function has ended. */
  #end(id: number, open: OpenQuestion<From>): void {
    // The number of one that was given up may be that of another question by now.
    if (this.#open.get(id) === open) this.#open.delete(id)
    if (open.isCounted) this.#answering.end(open.length)
    open.isCounted = false
  }

  #settle(id: number, open: OpenQuestion<From>, value: unknown): void {
    if (isAsyncIterable(value) && !open.isAborted) {
      this.#begin(id, open)
      this.#stream(id, open, value).catch(error => this.#reject(id, open, error))
      return
    }
    this.#end(id, open)
    if (open.isAborted) return
    try {
      const { kind, bytes } = encodeValue(value)
      this.#session.send(NO_LANE, Payload.answer | kind, id, 0, bytes)?.catch(error => this.#reject(id, open, error))
    } catch (error) {
      this.#reject(id, open, error)
    }
  }

  async #stream(id: number, open: OpenQuestion<From>, items: AsyncIterable<unknown>): Promise<void> {
    for await (const item of items) {
      if (open.isAborted) break
      const { kind, bytes } = encodeValue(item)
      await open.turn(itemCost(bytes.length))
      if (open.isAborted) break
      await this.#session.send(NO_LANE, Payload.answerItem | kind, id, 0, bytes)
    }
    this.#end(id, open)
    if (open.isAborted) return
    await this.#session.send(NO_LANE, Payload.answerEnd, id, 0, new Uint8Array(0))
  }

  #reject(id: number, open: OpenQuestion<From>, thrown: unknown): void {
    this.#end(id, open)
    if (open.isAborted || !this.#session.isOpen) return
    const error = asError(thrown)
    const { code } = error as { code?: unknown }
    this.#fail(id, AnswerErrorCode.failed, typeof code === 'string' ? code : String(error.message))
  }

  #fail(id: number, code: number, reason: string): void {
    const text = new TextEncoder().encode(boundText(reason, MAX_REASON_BYTES))
    this.#session.send(NO_LANE, Payload.answerError, id, code, text)?.catch(error => {
      // Not even that fits into the queue: who asks and does not take the answers has no use for a session.
      if (this.#session.isOpen) this.#session.abort(error)
    })
  }
}

/** What the answering function is given. The AbortController is made when somebody looks at the signal. */
class OpenQuestion<From> implements AnswerContext<From> {
  readonly from: From
  /** Of the encoded question, in bytes. */
  readonly length: number
  /** Its function is running, and counted. */
  isCounted = false
  #controller: AbortController | undefined
  #reason: EarshotError | undefined
  #allowed: number = ANSWER_ITEM_WINDOW
  #wake: (() => void) | undefined

  constructor(from: From, length: number) {
    this.from = from
    this.length = length
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  get isAborted(): boolean {
    return this.#reason !== undefined
  }

  abort(reason: EarshotError): void {
    this.#reason = reason
    this.#controller?.abort(reason)
    this.#wake?.()
  }

  /** The asker takes `count` more items. */
  allow(count: number): void {
    this.#allowed += count
    this.#wake?.()
  }

  /** Waits until the asker takes an item of this cost, or gives up. */
  async turn(cost: number): Promise<void> {
    while (this.#allowed < cost && !this.isAborted) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    this.#allowed -= cost
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return (
    typeof (value as { [Symbol.asyncIterator]?: unknown } | null | undefined)?.[Symbol.asyncIterator] === 'function'
  )
}
