/**
 * A prompt at the bottom of the terminal with a line being typed, and other lines appearing above it. What is half typed
 * stays, wherever the cursor is in it. (The editor of node:readline does not keep track of the rows of a pasted line, so
 * nothing could be printed above it; only its decoding of keys is used.)
 */

import { emitKeypressEvents } from 'node:readline'
import { layoutInput } from './input-layout.ts'
import { type Key, LineEditor } from './line-editor.ts'
import { textWidth } from './text-width.ts'

/** What is needed of `process.stdin` where it is a terminal. */
export interface TerminalInput extends NodeJS.ReadableStream {
  setRawMode?(raw: boolean): unknown
}

/** What is needed of `process.stdout` where it is a terminal. */
export interface TerminalOutput extends NodeJS.EventEmitter {
  readonly columns: number
  readonly rows: number
  write(text: string): unknown
}

export interface LineTerminalHandlers {
  /** A line was typed and sent with Enter. */
  onLine(line: string): void
  /** Ctrl-C. */
  onInterrupt(): void
  /** Ctrl-D on an empty line, or the terminal went away. */
  onEnd(): void
}

const CLEAR_BELOW = '\u001b[J'

export class LineTerminal {
  readonly #input: TerminalInput
  readonly #output: TerminalOutput
  readonly #prompt: string
  readonly #handlers: LineTerminalHandlers
  readonly #editor: LineEditor = new LineEditor()
  /** The rows of the prompt that stand above the one with the cursor. */
  #rowsAbove: readonly string[] = []
  #isRedrawDue = false
  #isClosed = false

  constructor(input: TerminalInput, output: TerminalOutput, prompt: string, handlers: LineTerminalHandlers) {
    this.#input = input
    this.#output = output
    this.#prompt = prompt
    this.#handlers = handlers
    emitKeypressEvents(input)
    input.setRawMode?.(true)
    input.on('keypress', this.#onKey)
    input.on('end', handlers.onEnd)
    output.on('resize', this.#redraw)
    this.#redraw()
    input.resume()
  }

  /** Shows `line` above the prompt. */
  print(line: string): void {
    if (this.#isClosed) this.#output.write(`${line}\n`)
    else this.#draw(`${line}\n`)
  }

  /** Gives the terminal back as it was; lines printed later follow below. Idempotent. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#input.removeListener('keypress', this.#onKey)
    this.#input.removeListener('end', this.#handlers.onEnd)
    this.#output.removeListener('resize', this.#redraw)
    this.#output.write(this.#toTop() + CLEAR_BELOW)
    this.#input.setRawMode?.(false)
    this.#input.pause()
  }

  readonly #onKey = (characters: string | undefined, key: Key): void => {
    const effect = this.#editor.press(characters, key)
    if (effect === 'entered') this.#enter()
    else if (effect === 'interrupt') this.#handlers.onInterrupt()
    else if (effect === 'end') this.#handlers.onEnd()
    else if (effect === 'edited') this.#redrawSoon()
  }

  /** The entered line stays on the screen as it was typed. */
  #enter(): void {
    const line = this.#editor.take()
    this.#draw(`${this.#prompt}${line}\n`)
    this.#handlers.onLine(line)
  }

  /** A pasted text is a thousand keys in one turn: it is drawn once. */
  #redrawSoon(): void {
    if (this.#isRedrawDue) return
    this.#isRedrawDue = true
    queueMicrotask(() => {
      this.#isRedrawDue = false
      if (!this.#isClosed) this.#redraw()
    })
  }

  readonly #redraw = (): void => this.#draw('')

  /** Draws `above`, which ends with a line feed, where the prompt was, and the prompt below. One write: no flicker. */
  #draw(above: string): void {
    const { text, cursor } = this.#editor
    const { rows, cursorRow, cursorColumn } = layoutInput(this.#prompt, text, cursor, this.#output)
    const up = rows.length - 1 - cursorRow
    const toCursor = `${cursorUp(up)}\u001b[${cursorColumn + 1}G`
    this.#output.write(`${this.#toTop()}${CLEAR_BELOW}${above}${rows.join('\n')}${toCursor}`)
    this.#rowsAbove = rows.slice(0, cursorRow)
  }

  /** To the first column of the prompt. A terminal made narrower since has wrapped the rows above the cursor. */
  #toTop(): string {
    const up = this.#rowsAbove.reduce(
      (sum, row) => sum + Math.max(1, Math.ceil(textWidth(row) / this.#output.columns)),
      0,
    )
    return `\r${cursorUp(up)}`
  }
}

/** CSI 0 A would go up one row as well. */
function cursorUp(rows: number): string {
  return rows > 0 ? `\u001b[${rows}A` : ''
}
