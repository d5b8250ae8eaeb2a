/** How an error is shown to people: what was tried, what to do, and each path that failed. Never a stack trace. */

import { type ConnectAttempt, EarshotError } from '../errors.ts'
import { formatDuration } from './duration.ts'
import { NobodyFoundError, UsageError } from './exit-code.ts'
import { printableText } from './printable.ts'
import type { Style } from './style.ts'
import { layoutTable } from './table.ts'

const ATTEMPT_COLUMNS = [
  { title: 'ADDRESS', dropOrder: 0 },
  { title: 'FOUND BY', dropOrder: 2 },
  { title: 'TOOK', dropOrder: 1 },
  { title: 'WHY NOT', dropOrder: 0 },
] as const

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

function hintOf(error: unknown): string | undefined {
  if (error instanceof UsageError) return "'earshot --help' and 'earshot <command> --help' show how it is used."
  return error instanceof EarshotError || error instanceof NobodyFoundError ? error.hint : undefined
}

function attemptTable(attempts: readonly ConnectAttempt[], maxWidth: number): string[] {
  const rows = attempts.map(({ address, via, durationMs, code, message }) =>
    [address, via, formatDuration(durationMs), `${code}: ${message}`].map(cell => printableText(cell)),
  )
  return layoutTable(ATTEMPT_COLUMNS, rows, maxWidth)
}
