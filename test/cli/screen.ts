/**
 * What a person sees: a terminal reduced to the control sequences (ECMA-48) that a line editor and a live table use.
 * Anything else is an error of the program under test.
 */

import { PassThrough } from 'node:stream'
import { textWidth } from '../../src/cli/text-width.ts'

export class Screen extends PassThrough {
  readonly isTTY = true
  columns: number
  rows: number
  /** Each cell holds what is drawn there; the second column of a wide character holds ''. */
  readonly #cells: string[][] = [[]]
  #row = 0
  #column = 0

  constructor(columns: number, rows = 24) {
    super()
    this.columns = columns
    this.rows = rows
    this.setEncoding('utf8')
    this.on('data', (text: string) => this.#draw(text))
  }

  /** Everything drawn, line by line from the first, also what has scrolled away. */
  get lines(): string[] {
    return this.#cells.map(row => row.join('').trimEnd())
  }

  get cursor(): { row: number; column: number } {
    return { row: this.#row, column: this.#column }
  }

  #draw(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences are what this reads
    const tokens = text.matchAll(/\u001b\[(?<parameter>[\d?]*)(?<command>[a-zA-Z])|[\s\S]/gu)
    for (const { 0: token, groups } of tokens) {
      if (groups?.['command'] !== undefined) this.#control(groups['command'], groups['parameter'] ?? '')
      else if (token === '\r') this.#column = 0
      else if (token === '\n') this.#lineFeed()
      else this.#put(token)
    }
  }

  #control(command: string, parameter: string): void {
    const count = Number(parameter || '1')
    switch (command) {
      case 'A':
        if (count > this.#row) throw new Error(`cursor up ${count} from row ${this.#row}`)
        this.#row -= count
        return
      case 'B':
        this.#row = Math.min(this.#row + count, this.#cells.length - 1)
        return
      case 'C':
        this.#column = Math.min(this.#column + count, this.columns - 1)
        return
      case 'D':
        this.#column = Math.max(0, this.#column - count)
        return
      case 'G':
        this.#column = count - 1
        return
      case 'K':
        this.#cells[this.#row]!.length = Math.min(this.#cells[this.#row]!.length, this.#column)
        return
      case 'J':
        this.#cells.length = this.#row + 1
        this.#control('K', '')
        return
      case 'm':
      case 'h':
      case 'l':
        return
      default:
        throw new Error(`unexpected control sequence CSI ${parameter}${command}`)
    }
  }

  /** The terminal driver turns a line feed into carriage return and line feed. */
  #lineFeed(): void {
    this.#row += 1
    this.#column = 0
    this.#cells[this.#row] ??= []
  }

  #put(character: string): void {
    const width = textWidth(character)
    if (this.#column + width > this.columns) this.#lineFeed()
    const row = this.#cells[this.#row]!
    while (row.length < this.#column) row.push(' ')
    row[this.#column] = character
    if (width === 2) row[this.#column + 1] = ''
    this.#column += width
  }
}
