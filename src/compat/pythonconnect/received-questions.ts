/** Questions of others: one function answers them all, and only so many at a time. */

import type { Disposer } from '../../emitter.ts'
import { asError, EarshotError } from '../../errors.ts'
import { MAX_PYTHONCONNECT_RECEIVED_QUESTIONS } from '../../limits.ts'
import type { PythonConnectPeer } from './events.ts'

export interface AnswerContext {
  readonly from: PythonConnectPeer
  /** Aborts when the asker is gone, or this node leaves. */
  readonly signal: AbortSignal
}

/** The answer; `undefined` for none, and then the asker waits until its time is up. */
export type AnswerFunction = (
  question: string,
  context: AnswerContext,
) => string | undefined | Promise<string | undefined>

interface Asker {
  readonly controller: AbortController
  open: number
}

export class ReceivedQuestions {
  readonly #onWarning: (error: EarshotError) => void
  readonly #askers = new Map<PythonConnectPeer, Asker>()
  #answer: AnswerFunction | undefined

  constructor({ onWarning }: { onWarning(error: EarshotError): void }) {
    this.#onWarning = onWarning
  }

  setAnswer(fn: AnswerFunction): Disposer {
    if (typeof fn !== 'function') throw new TypeError('answer takes a function')
    if (this.#answer) throw new RangeError('questions are answered already by this node')
    this.#answer = fn
    const off = () => {
      if (this.#answer === fn) this.#answer = undefined
    }
    return Object.assign(off, { [Symbol.dispose]: off })
  }

  /** Undefined where there is none: the format knows no refusal, the asker waits until its time is up. Never rejects. */
  async answer(from: PythonConnectPeer, question: string): Promise<string | undefined> {
    if (!this.#answer) return undefined
    const asker = this.#askers.get(from) ?? { controller: new AbortController(), open: 0 }
    if (asker.open >= MAX_PYTHONCONNECT_RECEIVED_QUESTIONS) {
      this.#onWarning(
        new EarshotError('limit-reached', `'${from.name}' asks faster than it is answered; a question is dropped`),
      )
      return undefined
    }
    this.#askers.set(from, asker)
    asker.open++
    try {
      return await this.#answer(question, { from, signal: asker.controller.signal })
    } catch (error) {
      if (!asker.controller.signal.aborted) this.onFailed(from, error)
      return undefined
    } finally {
      asker.open--
    }
  }

  onFailed({ name }: PythonConnectPeer, thrown: unknown): void {
    const { message } = asError(thrown)
    const code = thrown instanceof EarshotError ? thrown.code : 'answer-failed'
    const error = new EarshotError(code, `'${name}' got no answer: ${message}`, { cause: thrown })
    this.#onWarning(error)
  }

  onGone(peer: PythonConnectPeer): void {
    this.#askers.get(peer)?.controller.abort(new EarshotError('closed', `'${peer.name}' is gone`))
    this.#askers.delete(peer)
  }

  close(): void {
    for (const peer of [...this.#askers.keys()]) this.onGone(peer)
  }
}
