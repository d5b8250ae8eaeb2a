/** A real process that joined a room on the loopback interface, and what it tells. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('peer-program.js', import.meta.url))

let services = 0

/** The name of a service that no other test uses. */
export function uniqueService(): string {
  return `t${process.pid}-${services++}`
}

export interface Told {
  readonly joined?: string
  readonly peer?: string
  /** How many peers there are with this one. */
  readonly of?: number
  readonly gone?: string
  readonly code?: string
  readonly message?: string
  readonly from?: string
  /** What still keeps the process busy after `close`. */
  readonly closed?: readonly string[]
  /** The exit code; -1 for a signal. */
  readonly exit?: number
  /** When it was heard, in milliseconds (`performance.now`). */
  readonly at: number
}

export class PeerProcess implements Disposable {
  readonly name: string
  readonly told: Told[] = []
  readonly #child: ChildProcess
  readonly #waiting = new Set<() => void>()

  constructor(service: string, name: string) {
    this.name = name
    this.#child = spawn(process.execPath, [PROGRAM, service, name], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.#child.stdout! }).on('line', line => this.#hear(JSON.parse(line)))
    this.#child.on('exit', code => this.#hear({ exit: code ?? -1 }))
  }

  /** The first thing told that fits, already or to come. */
  until(fits: (told: Told) => boolean): Promise<Told> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const found = this.told.find(fits)
        const hasEnded = this.told.some(({ exit }) => exit !== undefined)
        if (!found && !hasEnded) return
        this.#waiting.delete(check)
        if (found) resolve(found)
        else reject(new Error(`${this.name} ended after it had told ${JSON.stringify(this.told)}`))
      }
      this.#waiting.add(check)
      check()
    })
  }

  tell(command: string): void {
    this.#child.stdin!.write(`${command}\n`)
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]()
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL')
  }

  #hear(told: Omit<Told, 'at'>): void {
    this.told.push({ ...told, at: performance.now() })
    for (const check of [...this.#waiting]) check()
  }
}
