/** Aligned columns that fit the terminal: wide ones are cut first, then the least important are left out. */

import { cutToWidth, padToWidth, textWidth } from './text-width.ts'

export interface Column {
  readonly title: string
  /** Columns with the highest number are left out first where the terminal is too narrow. 0: never. */
  readonly dropOrder: number
}

const GAP = '  '
/** No column is cut below this width: less could not be recognised. */
const MIN_CUT_WIDTH = 8

/**
 * The lines of a table: titles first, then one line a row. A row has one text for each column. No line is wider than
 * `maxWidth` columns of the terminal unless the columns that must stay need more.
 */
export function layoutTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  maxWidth: number,
): string[] {
  const cells = [columns.map(column => column.title), ...rows]
  const natural = columns.map((_, index) => Math.max(...cells.map(row => textWidth(row[index] ?? ''))))
  const shown = fitColumns(columns, natural, maxWidth)
  return cells.map(row =>
    shown
      .map(({ index, width }) => padToWidth(cutToWidth(row[index] ?? '', width), width))
      .join(GAP)
      .trimEnd(),
  )
}

interface ShownColumn {
  readonly index: number
  width: number
}

function fitColumns(columns: readonly Column[], natural: readonly number[], maxWidth: number): ShownColumn[] {
  let shown: ShownColumn[] = natural.map((width, index) => ({ index, width }))
  while (!shrinkToFit(shown, maxWidth)) {
    const leastImportant = Math.max(...shown.map(({ index }) => columns[index]!.dropOrder))
    if (leastImportant === 0) break
    shown = shown
      .filter(({ index }) => columns[index]!.dropOrder !== leastImportant)
      .map(({ index }) => ({ index, width: natural[index]! }))
  }
  return shown
}

/** Takes columns from the widest one until all fit. False: they cannot. */
function shrinkToFit(shown: readonly ShownColumn[], maxWidth: number): boolean {
  let excess = shown.reduce((sum, { width }) => sum + width, GAP.length * (shown.length - 1)) - maxWidth
  while (excess > 0) {
    const widest = shown.reduce((a, b) => (b.width > a.width ? b : a))
    if (widest.width <= MIN_CUT_WIDTH) return false
    widest.width -= 1
    excess -= 1
  }
  return true
}
