/** What the command tells the shell. A closed list, documented in docs/command.md. */

import { EarshotError } from '../errors.ts'

export const EXIT_CODES = { done: 0, failed: 1, usage: 2, nobody: 3, refused: 4, interrupted: 130 } as const

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES]

/** The user asked for something that makes no sense: shown with a pointer to the help. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Nobody to talk to was there in time. */
export class NobodyFoundError extends Error {
  override readonly name = 'NobodyFoundError'
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** The user (Ctrl-C) or the system asked the command to stop. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}

/** Whoever read the output, for example `head -1`, has had enough: that is no failure. */
export class OutputClosedError extends Error {
  override readonly name = 'OutputClosedError'
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return EXIT_CODES.usage
  if (error instanceof NobodyFoundError) return EXIT_CODES.nobody
  if (error instanceof InterruptedError) return EXIT_CODES.interrupted
  if (error instanceof OutputClosedError) return EXIT_CODES.done
  return error instanceof EarshotError ? exitCodeOfCode(error) : EXIT_CODES.failed
}

function exitCodeOfCode({ code }: EarshotError): ExitCode {
  switch (code) {
    case 'unknown-peer':
      return EXIT_CODES.nobody
    case 'refused':
    case 'wrong-secret':
    case 'untrusted-peer':
      return EXIT_CODES.refused
    default:
      return EXIT_CODES.failed
  }
}
