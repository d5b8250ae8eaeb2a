/** A running command that takes JSON lines on stdin and writes them on stdout. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Far longer than anything here takes. */
const PATIENCE_MS = 30_000

export type JsonLine = Readonly<Record<string, unknown>>

export class JsonProcess {
  readonly lines: JsonLine[] = []
  /** The exit code. */
  readonly ended: Promise<number | null>
  readonly #child: ChildProcess
  readonly #waiting = new Set<() => void>()

  constructor([file, ...args]: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } })
    this.#child.stdin!.on('error', () => {})
    createInterface({ input: this.#child.stdout! }).on('line', line => {
      this.lines.push(JSON.parse(line))
      for (const check of this.#waiting) check()
    })
    this.ended = new Promise(resolve => this.#child.once('close', resolve))
  }

  say(command: JsonLine): void {
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`)
  }

  /** The first line with these fields, written already or to come; from the `from`th line on. */
  line(fields: JsonLine, from = 0): Promise<JsonLine> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        this.#waiting.delete(check)
      }
      const check = () => {
        const found = this.lines.slice(from).find(line => matches(line, fields))
        if (!found) return
        end()
        resolve(found)
      }
      const timer = setTimeout(() => {
        end()
        reject(new Error(`no line like ${JSON.stringify(fields)}, only ${JSON.stringify(this.lines)}`))
      }, PATIENCE_MS)
      this.#waiting.add(check)
      check()
    })
  }

  /** The lines of one event. */
  all(event: string): JsonLine[] {
    return this.lines.filter(line => line['event'] === event)
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.#child.kill(signal)
    return this.ended
  }
}

function matches(line: JsonLine, fields: JsonLine): boolean {
  return Object.entries(fields).every(([name, value]) => JSON.stringify(line[name]) === JSON.stringify(value))
}
