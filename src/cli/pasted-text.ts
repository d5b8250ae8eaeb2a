/** Reads a text that a person pastes: in one line or in several, and again where it was wrong. */

import { EarshotError } from '../index.ts'
import { UsageError } from './exit-code.ts'
import type { InputLines } from './input-lines.ts'
import type { Output } from './output.ts'
import { printableText } from './printable.ts'

export interface PastedTextOptions {
  /** What it is, for people. */
  readonly what: string
  readonly output: Output
  /** A person can be asked again. */
  readonly isOnTerminal: boolean
  /** Whether another text would help. */
  readonly isAboutText: (error: EarshotError) => boolean
  readonly signal: AbortSignal
}

/** What `take` makes of the text. Rejects with a UsageError where a pipe brings another one, or ends. */
export async function readPastedText<Value>(
  lines: InputLines,
  { what, output, isOnTerminal, isAboutText, signal }: PastedTextOptions,
  take: (text: string) => Promise<Value>,
): Promise<Value> {
  const close = (): void => lines.close()
  signal.addEventListener('abort', close, { once: true })
  let text = ''
  let missing: EarshotError | undefined
  try {
    for (;;) {
      const line = await lines.next()
      signal.throwIfAborted()
      if (line === undefined) throw new UsageError(missing?.message ?? `there is no ${what} in the input`)
      // A person who sees that something is missing may begin anew.
      if (isOnTerminal && line.trim() === '') text = ''
      if (line.trim() === '') continue
      text += `${line}\n`
      try {
        return await take(text)
      } catch (error) {
        if (!(error instanceof EarshotError) || !isAboutText(error)) throw error
        const isCutOff = error.reason === 'cut-off'
        missing = isCutOff ? error : undefined
        if (!isOnTerminal && !isCutOff) throw isMisread(error) ? new UsageError(error.message) : error
        if (isOnTerminal) output.note(complaint(error, what))
        if (!isCutOff) text = ''
      }
    }
  } finally {
    signal.removeEventListener('abort', close)
  }
}

/** It is not even a text of ours: whoever typed it has to look. */
export function isMisread({ code }: EarshotError): boolean {
  return code === 'invalid-data' || code === 'version-mismatch'
}

function complaint({ message, hint, reason }: EarshotError, what: string): string {
  const advice =
    reason === 'cut-off' ? 'Put the rest here, or an empty line and then all of it.' : `Put the ${what} here again.`
  return printableText([`${message}.`, hint, advice].filter(part => part !== undefined).join(' '))
}
