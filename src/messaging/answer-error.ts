/** Why a question was not answered: one byte on the wire, with the words of the answering side. */

import { EarshotError, protocolViolation } from '../errors.ts'

export const AnswerErrorCode = { failed: 0, noAnswer: 1, limitReached: 2 } as const

/** The error that the asker gets. */
export function answerErrorFrom(code: number, reason: string, question: string): EarshotError {
  switch (code) {
    case AnswerErrorCode.failed:
      return new EarshotError('answer-failed', `the peer failed to answer '${question}': ${reason}`, {
        reason,
        hint: 'The answering function of the peer threw this.',
      })
    case AnswerErrorCode.noAnswer:
      return new EarshotError('no-answer', `the peer answers no questions called '${question}'`, {
        hint: `The peer must call room.answer('${question}', …) first.`,
      })
    case AnswerErrorCode.limitReached:
      return new EarshotError('limit-reached', `the peer is answering too many questions to take '${question}'`, {
        hint: 'Ask fewer questions at a time.',
      })
    default:
      throw protocolViolation(`an answer with the unknown error ${code}`)
  }
}
