/** Lines that are redrawn in place at the bottom of a terminal. */

import { cutToWidth, textWidth } from './text-width.ts'

/** What is needed of `process.stdout` where it is a terminal. */
export interface TerminalOutput {
  readonly columns: number
  readonly rows: number
  write(text: string): unknown
}

const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'

export class LiveView {
  readonly #terminal: TerminalOutput
  #drawn: readonly string[] = []

  constructor(terminal: TerminalOutput) {
    this.#terminal = terminal
    terminal.write(HIDE_CURSOR)
  }

  /** Replaces what was drawn before. Lines that do not fit the terminal are cut, and the last line says so. */
  draw(lines: readonly string[]): void {
    const { columns } = this.#terminal
    const shown = this.#fit(lines).map(line => cutToWidth(line, columns))
    this.#terminal.write(`${this.#toFirstLine()}${shown.map(line => `${line}${CLEAR_LINE}\n`).join('')}${CLEAR_BELOW}`)
    this.#drawn = shown
  }

  /** Takes the lines away, so that something else can be written where they were. */
  clear(): void {
    this.#terminal.write(`${this.#toFirstLine()}${CLEAR_BELOW}`)
    this.#drawn = []
  }

  /** Leaves the last lines standing, and the cursor visible below. */
  end(): void {
    this.#terminal.write(SHOW_CURSOR)
  }

  /** The row below the last line is where the cursor waits; what scrolls off the top could not be redrawn. */
  #fit(lines: readonly string[]): readonly string[] {
    const room = Math.max(1, this.#terminal.rows - 1)
    if (lines.length <= room) return lines
    return [...lines.slice(0, room - 1), `… and ${lines.length - room + 1} more`]
  }

  /** A terminal made narrower since has wrapped the lines drawn before, and one that shows ^C has moved the cursor. */
  #toFirstLine(): string {
    const { columns } = this.#terminal
    const rows = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(textWidth(line) / columns)), 0)
    return rows > 0 ? `\r\u001b[${rows}A` : ''
  }
}
