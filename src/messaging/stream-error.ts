/** Why one direction of a stream was given up: what is told to the other side, and what a program gets to see. */

import { EarshotError } from '../errors.ts'
import { MAX_OPEN_STREAMS, MAX_REASON_BYTES } from '../limits.ts'
import type { StreamCode } from '../session/frame.ts'
import { boundText } from '../wire/bound-text.ts'

/** What the other side gets to know of a reason: the code of an error, or else its message. */
export function reasonText(reason: unknown): string {
  const { code, message } = (reason ?? {}) as { code?: unknown; message?: unknown }
  const text = typeof code === 'string' ? code : typeof message === 'string' ? message : (reason ?? '')
  return boundText(String(text), MAX_REASON_BYTES)
}

/** The error for the side that was told. */
export function streamError(code: StreamCode, reason: string, name: string): EarshotError {
  switch (code) {
    case 'no-answer':
      return new EarshotError('no-answer', `the peer accepts no streams called '${name}'`, {
        hint: `The peer must call room.accept('${name}', …) first.`,
      })
    case 'reset':
      return new EarshotError('reset', `the peer gave up the stream '${name}'${reason && `: ${reason}`}`, {
        ...(reason !== '' && { reason }),
        hint: 'The program on the other side did this; its reason is its own.',
      })
  }
}

export function tooManyStreams(): EarshotError {
  return new EarshotError('limit-reached', `${MAX_OPEN_STREAMS} streams are open to this peer already`, {
    hint: 'A stream is over when both sides have closed their writable, or cancelled and aborted.',
  })
}
