/** Where progress is drawn. */

import type { TerminalOutput } from './live-view.ts'

/** stderr where it is a terminal that can redraw lines. */
export function stderrTerminal(): TerminalOutput | undefined {
  return process.stderr.isTTY && process.env['TERM'] !== 'dumb' ? process.stderr : undefined
}
