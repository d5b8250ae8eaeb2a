/** How an error is shown to people: what was tried, what to do, and each path that failed. Never a stack trace. */

import { type ConnectAttempt, EarshotError } from '../errors.ts'
import { formatDuration } from './duration.ts'
import { EXIT_CODES, exitCodeOf, NobodyFoundError, UsageError } from './exit-code.ts'
import { printableText } from './printable.ts'
import type { Style } from './style.ts'
import { layoutTable } from './table.ts'

const ATTEMPT_COLUMNS = [
  { title: 'ADDRESS', dropOrder: 0 },
  { title: 'FOUND BY', dropOrder: 2 },
  { title: 'TOOK', dropOrder: 1 },
  { title: 'WHY NOT', dropOrder: 0 },
] as const

/** So many lines are read; a failed path over the Internet has dozens. */
const MAX_SINGLE_ATTEMPTS = 8

/** Codes of errors that only the command knows, by the exit code that they lead to. */
const EVENT_CODES: Readonly<Partial<Record<number, string>>> = {
  [EXIT_CODES.usage]: 'usage',
  [EXIT_CODES.nobody]: 'nobody-found',
}

/** Errors quote what peers say, so every line is made safe for a terminal. */
export function reportError(error: unknown, style: Style, maxWidth: number): string[] {
  const message = error instanceof Error ? error.message : String(error)
  const lines = [`${style.red('earshot:')} ${printableText(message)}`]
  const hint = hintOf(error)
  if (hint !== undefined) lines.push(`  hint: ${printableText(hint)}`)
  if (error instanceof EarshotError && error.attempts.length > 0)
    lines.push('  tried:', ...attemptTable(error.attempts, maxWidth - 4).map(line => `    ${line}`))
  return lines
}

/** The fields of the `error` event of `--json`. */
export function errorEvent(error: unknown): Readonly<Record<string, unknown>> {
  const message = error instanceof Error ? error.message : String(error)
  if (!(error instanceof EarshotError)) return { code: EVENT_CODES[exitCodeOf(error)] ?? 'failed', message }
  const { code, hint, reason, retryAfterMs, attempts } = error
  return { code, message, hint, reason, retryAfterMs, attempts: attempts.length > 0 ? attempts : undefined }
}

function hintOf(error: unknown): string | undefined {
  if (error instanceof UsageError) return "'earshot --help' and 'earshot <command> --help' show how it is used."
  return error instanceof EarshotError || error instanceof NobodyFoundError ? error.hint : undefined
}

/** Each attempt, or where there are many, those that failed alike in one line; with `--json` there are all. */
function attemptTable(attempts: readonly ConnectAttempt[], maxWidth: number): string[] {
  const groups = attempts.length > MAX_SINGLE_ATTEMPTS ? groupAlike(attempts) : attempts.map(one => [one])
  const rows = groups.map(group => rowOf(group).map(cell => printableText(cell)))
  return layoutTable(ATTEMPT_COLUMNS, rows, maxWidth)
}

function rowOf(group: readonly ConnectAttempt[]): string[] {
  const { address, via, code, message } = group[0]!
  const addresses = new Set(group.map(one => one.address)).size
  const longestMs = Math.max(...group.map(({ durationMs }) => durationMs))
  const where = addresses === 1 ? address : `${address} +${addresses - 1}`
  return [where, via, formatDuration(longestMs), `${code}: ${message}`]
}

function groupAlike(attempts: readonly ConnectAttempt[]): ConnectAttempt[][] {
  const groups = new Map<string, ConnectAttempt[]>()
  for (const attempt of attempts) {
    const { address, via, code, message } = attempt
    // Messages that name the address are alike, too.
    const key = `${via}\n${code}\n${message.replaceAll(address, '')}`
    groups.set(key, [...(groups.get(key) ?? []), attempt])
  }
  return [...groups.values()]
}
