/** Where a prompt and the line typed behind it stand on a terminal. */

import { textWidth } from './text-width.ts'

export interface InputLayout {
  /** At most `columns` wide each. */
  readonly rows: readonly string[]
  /** From 0, within `rows`. */
  readonly cursorRow: number
  /** From 0. */
  readonly cursorColumn: number
}

export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/**
 * Breaks prompt and text into rows. Rows are broken here and not by the terminal, because terminals differ in where the
 * cursor is after the last column. Of a text with more rows than the terminal only those around the cursor are shown.
 */
export function layoutInput(prompt: string, text: string, cursor: number, size: TerminalSize): InputLayout {
  const rows = ['']
  let width = 0
  let at = { cursorRow: 0, cursorColumn: 0 }
  const cursorIndex = prompt.length + cursor
  const breakRow = () => {
    rows.push('')
    width = 0
  }
  for (const { segment, index } of graphemes.segment(prompt + text)) {
    const segmentWidth = textWidth(segment)
    if (width + segmentWidth > size.columns) breakRow()
    if (index === cursorIndex) at = { cursorRow: rows.length - 1, cursorColumn: width }
    rows[rows.length - 1] += segment
    width += segmentWidth
  }
  if (cursorIndex === prompt.length + text.length) {
    if (width >= size.columns) breakRow()
    at = { cursorRow: rows.length - 1, cursorColumn: width }
  }
  return visiblePart(rows, at, size)
}

function visiblePart(
  rows: readonly string[],
  { cursorRow, cursorColumn }: Omit<InputLayout, 'rows'>,
  size: TerminalSize,
): InputLayout {
  const first = Math.max(0, cursorRow - size.rows + 1)
  return { rows: rows.slice(first, first + size.rows), cursorRow: cursorRow - first, cursorColumn }
}
