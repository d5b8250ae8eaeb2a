/**
 * Where a command's words go: results to stdout, one JSON object a line there with `--json` and then nothing else;
 * progress and notes to stderr.
 */

import { toJsonText } from './json-value.ts'
import { type Style, styleFor } from './style.ts'

/** What is needed of `process.stdout` and `process.stderr`. */
export interface OutputStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

export interface OutputOptions {
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly json: boolean
  readonly env: Readonly<Record<string, string | undefined>>
}

export class Output {
  readonly json: boolean
  /** Colours for what goes to stdout. */
  readonly style: Style
  /** Colours for what goes to stderr. */
  readonly noteStyle: Style
  readonly #stdout: OutputStream
  readonly #stderr: OutputStream

  constructor({ stdout, stderr, json, env }: OutputOptions) {
    this.json = json
    this.style = styleFor(stdout, env)
    this.noteStyle = styleFor(stderr, env)
    this.#stdout = stdout
    this.#stderr = stderr
  }

  /** Columns to lay out results for; a pipe has no width. */
  get columns(): number {
    return this.#stdout.columns ?? Number.POSITIVE_INFINITY
  }

  /** Columns to lay out notes for. */
  get noteColumns(): number {
    return this.#stderr.columns ?? Number.POSITIVE_INFINITY
  }

  /** With `--json` one object; otherwise nothing. */
  event(event: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.json) this.#stdout.write(`${toJsonText({ event, ...fields })}\n`)
  }

  /** A line of the result for people and pipes; with `--json` nothing. */
  line(line: string): void {
    if (!this.json) this.#stdout.write(`${line}\n`)
  }

  note(line: string): void {
    this.#stderr.write(`${line}\n`)
  }
}
