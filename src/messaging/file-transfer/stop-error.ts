/**
 * Why a transfer was stopped: a word in the reason with which its stream is reset, and an error on both sides of it.
 */

import { asError, EarshotError, type ErrorCode } from '../../errors.ts'

export type StopCode =
  | 'cancelled'
  | 'refused'
  | 'no-space'
  | 'changed'
  | 'mismatch'
  | 'limit-reached'
  | 'failed'
  | 'protocol-violation'
  | 'timeout'
  | 'no-inbox'

/** What each code means to the side that is told, and what can be done about it. */
const TOLD: Readonly<Record<StopCode, readonly [code: ErrorCode, words: string, hint: string]>> = {
  cancelled: ['cancelled', 'the other side called it off', 'Send it again to go on where it stopped.'],
  refused: ['refused', 'the other side does not want it', 'Ask whoever is there.'],
  'no-space': ['no-space', 'the disk of the other side is full', 'Make room there, and send it again.'],
  changed: ['invalid-data', 'what is sent was changed meanwhile', 'Send it again when nobody writes to it.'],
  mismatch: ['invalid-data', 'what arrived is not what was sent', 'Send it again: it begins anew.'],
  'limit-reached': ['limit-reached', 'the other side has too many transfers', 'Send it when others are through.'],
  failed: ['transfer-failed', 'the other side could not go on', 'The reason is what its system says.'],
  'protocol-violation': ['protocol-violation', 'the other side found a broken rule', 'Are both programs up to date?'],
  timeout: ['timeout', 'the other side heard nothing for too long', 'Send it again to go on where it stopped.'],
  'no-inbox': [
    'no-answer',
    'the other side takes no files',
    'The peer must call room.inbox(…), or run earshot receive.',
  ],
}

const CODES: Readonly<Partial<Record<ErrorCode, StopCode>>> = {
  refused: 'refused',
  'no-space': 'no-space',
  'limit-reached': 'limit-reached',
  'protocol-violation': 'protocol-violation',
  timeout: 'timeout',
  'no-answer': 'no-inbox',
  cancelled: 'cancelled',
  closed: 'cancelled',
}

/** An error that is told with this code, whatever its own code is to this side. */
export class StopError extends EarshotError {
  readonly stopCode: StopCode

  constructor(stopCode: StopCode, code: ErrorCode, message: string, hint: string) {
    super(code, message, { hint })
    this.stopCode = stopCode
  }
}

/**
 * What the stream is reset with: `no-space`, or `cancelled: too long a film`. Texts of this machine, which may have paths
 * in them, are not told; whoever called a transfer off chose the words for it.
 */
export function stopReason(error: unknown): { readonly code: string } {
  if (error instanceof StopError) return { code: error.stopCode }
  if (error instanceof EarshotError) {
    const code = CODES[error.code]
    if (code === undefined) return { code: `failed: ${error.code}` }
    return { code: error.reason ? `${code}: ${error.reason}` : code }
  }
  const { code, message } = asError(error) as { code?: unknown; message: string }
  return { code: `cancelled: ${typeof code === 'string' ? code : message}` }
}

/** The other side gave the stream up. */
export function isReset(error: unknown): error is EarshotError {
  return error instanceof EarshotError && error.code === 'reset'
}

/** The error for a side whose stream was reset by the other one; others are what they are. */
export function stopErrorFrom(error: unknown, subject: string): unknown {
  if (!isReset(error)) return error
  const [, word = '', rest = ''] = /^([a-z-]+)(?:: (.*))?$/s.exec(error.reason ?? '') ?? []
  // Words of later versions stop a transfer, too.
  const isKnown = Object.hasOwn(TOLD, word)
  const reason = isKnown ? rest : (error.reason ?? '')
  const [code, words, hint] = TOLD[isKnown ? (word as StopCode) : 'failed']
  const message = `${subject}: ${words}${reason && `: ${reason}`}`
  return new EarshotError(code, message, { hint, cause: error, ...(reason && { reason }) })
}

export function sourceChanged(name: string): StopError {
  return new StopError('changed', 'invalid-data', `'${name}' was changed while it was being sent`, TOLD.changed[2])
}

export function contentMismatch(name: string): StopError {
  return new StopError('mismatch', 'invalid-data', `'${name}' did not arrive as it was sent`, TOLD.mismatch[2])
}
