/** Questions that wait for answers: one id stands for one text asked of one node or of several. */

import { EarshotError } from '../../errors.ts'
import { MAX_PYTHONCONNECT_OPEN_QUESTIONS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import { MAX_QUESTION_ID } from './frame.ts'

interface OpenQuestion {
  readonly missing: Set<string>
  onAnswer(name: string, answer: string): void
  /** Nobody will answer any more. */
  onDone(): void
  fail(reason: unknown): void
}

export interface QuestionLimits {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

export class AskedQuestions {
  readonly #clock: Clock
  readonly #open = new Map<number, OpenQuestion>()
  #lastId: number

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#lastId = Math.floor(random.fraction() * MAX_QUESTION_ID)
  }

  /**
   * Ids that stand for no open question, in turn: one comes back after ten thousand others, when a late answer to its first
   * question does not come any more. Throws `limit-reached`.
   */
  *freeIds(): Generator<number, void, undefined> {
    if (this.#open.size >= MAX_PYTHONCONNECT_OPEN_QUESTIONS) {
      throw new EarshotError('limit-reached', `${MAX_PYTHONCONNECT_OPEN_QUESTIONS} questions are open already`, {
        hint: 'Await answers before asking more.',
      })
    }
    for (let step = 1; step <= MAX_QUESTION_ID; step++) {
      const id = ((this.#lastId + step - 1) % MAX_QUESTION_ID) + 1
      if (!this.#open.has(id)) yield id
    }
  }

  /**
   * Resolves with the answers, by name, when all have answered or the time is up; those who have not are `null`. Rejects
   * with `signal.reason`. `onEnd` runs in every case, with those who have not answered.
   */
  wait(
    id: number,
    names: readonly string[],
    { timeoutMs, signal }: QuestionLimits,
    onEnd: (missing: ReadonlySet<string>) => void,
  ): Promise<Map<string, string | null>> {
    this.#lastId = id
    return new Promise((resolve, reject) => {
      const answers = new Map<string, string | null>(names.map(name => [name, null]))
      const missing = new Set(names)
      const end = () => {
        timer?.cancel()
        signal?.removeEventListener('abort', onAbort)
        this.#open.delete(id)
        onEnd(missing)
      }
      const onDone = () => {
        end()
        resolve(answers)
      }
      const fail = (reason: unknown) => {
        end()
        reject(reason)
      }
      const onAbort = () => fail(signal?.reason)
      const timer = timeoutMs === Number.POSITIVE_INFINITY ? undefined : this.#clock.setTimer(timeoutMs, onDone)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#open.set(id, { missing, onAnswer: (name, answer) => answers.set(name, answer), onDone, fail })
    })
  }

  /** An answer that nobody waits for, or a second one, goes nowhere. */
  onAnswer(name: string, id: number, answer: string): void {
    const question = this.#open.get(id)
    if (!question?.missing.has(name)) return
    question.onAnswer(name, answer)
    this.#settle(question, name)
  }

  /** Whoever is gone answers nothing any more. */
  onGone(name: string): void {
    for (const question of [...this.#open.values()]) if (question.missing.has(name)) this.#settle(question, name)
  }

  /** It cannot be asked. */
  fail(id: number, reason: unknown): void {
    this.#open.get(id)?.fail(reason)
  }

  close(reason: unknown): void {
    for (const { fail } of [...this.#open.values()]) fail(reason)
  }

  #settle(question: OpenQuestion, name: string): void {
    question.missing.delete(name)
    if (question.missing.size === 0) question.onDone()
  }
}
