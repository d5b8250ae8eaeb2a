/** Who is relayed, and how much, at the bottom of a terminal; everything else that is written goes above it. */

import { formatBytes } from './byte-count.ts'
import { LiveView, type TerminalOutput } from './live-view.ts'
import type { Output } from './output.ts'
import type { RelayRow } from './relay-log.ts'
import { layoutTable } from './table.ts'

const COLUMNS = [
  { title: 'BETWEEN', dropOrder: 0 },
  { title: 'RELAYED', dropOrder: 0 },
  { title: 'NOW', dropOrder: 1 },
] as const

export interface RelayTotal {
  readonly bytes: number
  /** Undefined: no limit. */
  readonly budgetBytes: number | undefined
}

export class RelayBoard {
  readonly #output: Output
  readonly #terminal: TerminalOutput | undefined
  #view: LiveView | undefined
  #lines: readonly string[] = []

  /** @param terminal stderr, where it is a terminal: elsewhere only notes are written */
  constructor(output: Output, terminal: TerminalOutput | undefined) {
    this.#output = output
    this.#terminal = terminal
  }

  /** @param elapsedMs since the look before, for rates */
  show(rows: readonly Pick<RelayRow, 'names' | 'bytes' | 'newBytes'>[], total: RelayTotal, elapsedMs: number): void {
    if (!this.#terminal) return
    const cells = rows.map(({ names, bytes, newBytes }) => [names, formatBytes(bytes), rate(newBytes, elapsedMs)])
    const table = rows.length > 0 ? layoutTable(COLUMNS, cells, this.#terminal.columns) : []
    this.#lines = [...table, summary(rows.length, total)]
    this.#draw()
  }

  note(text: string): void {
    this.#view?.clear()
    this.#output.note(text)
    if (this.#view) this.#draw()
  }

  /** The cursor is visible again, and nothing is left of the table. */
  end(): void {
    this.#view?.clear()
    this.#view?.end()
    this.#view = undefined
  }

  #draw(): void {
    this.#view ??= new LiveView(this.#terminal!)
    this.#view.draw(this.#lines)
  }
}

/** `2 pairs; 12 MB of 10 GB relayed` */
export function summary(pairs: number, { bytes, budgetBytes }: RelayTotal): string {
  const who = pairs === 0 ? 'nobody is relayed' : pairs === 1 ? '1 pair' : `${pairs} pairs`
  const of = budgetBytes === undefined ? '' : ` of ${formatBytes(budgetBytes)}`
  return `${who}; ${formatBytes(bytes)}${of} relayed so far`
}

function rate(bytes: number, elapsedMs: number): string {
  return bytes === 0 || elapsedMs <= 0 ? '' : `${formatBytes((bytes * 1_000) / elapsedMs)}/s`
}
