/**
 * The built command as a real process: what it writes line by line, and how it ends. Everything happens on the loopback
 * interface. Waiting is bounded, and says what came instead.
 */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'

/** The built command. */
export const MAIN: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Far longer than anything here takes; a test that waits this long has failed. */
const PATIENCE_MS = 10_000

export const LOOPBACK: string = loopbackInterface()

const running = new Set<EarshotProcess>()
const folders: string[] = []
let rooms = 0

afterEach(async () => {
  await Promise.all([...running].map(process => process.stop()))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A room that no other test uses. */
export function freshRoom(): string {
  rooms += 1
  return `t${process.pid}-${rooms}`
}

/** A folder that is removed after the test. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-cli-'))
  folders.push(folder)
  return folder
}

/** Starts `earshot` with these arguments, on the loopback interface, as a user of its own. */
export function earshot(args: readonly string[], env: Readonly<Record<string, string>> = {}): EarshotProcess {
  return new EarshotProcess([process.execPath, MAIN, '--interface', LOOPBACK, ...args], {
    XDG_CONFIG_HOME: freshFolder(),
    ...env,
  })
}

export class EarshotProcess {
  readonly stdout: LineLog
  readonly stderr: LineLog
  /** The exit code, when the process has ended and all of its output was read. */
  readonly exitCode: Promise<number | null>
  readonly #child: ChildProcessWithoutNullStreams
  readonly #chunks: Buffer[] = []

  constructor([file, ...args]: readonly string[], env: Readonly<Record<string, string>>) {
    this.#child = spawn(file!, args, { env: { ...process.env, NO_COLOR: '1', ...env } })
    this.#child.stdin.on('error', () => {})
    this.#child.stdout.on('data', chunk => this.#chunks.push(Buffer.from(chunk)))
    this.stdout = new LineLog('stdout', this.#child.stdout)
    this.stderr = new LineLog('stderr', this.#child.stderr)
    running.add(this)
    this.exitCode = new Promise(resolve => {
      this.#child.once('close', code => {
        running.delete(this)
        resolve(code)
      })
    })
  }

  type(text: string): void {
    this.#child.stdin.write(text)
  }

  /** Everything that goes to stdout, as bytes. */
  async output(): Promise<Buffer> {
    await this.exitCode
    return Buffer.concat(this.#chunks)
  }

  endInput(text: string | Uint8Array = ''): void {
    this.#child.stdin.end(text)
  }

  /** The reader of the output goes away, as `head` does. */
  closeOutput(): void {
    this.#child.stdout.destroy()
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exitCode
  }
}

interface Waiter {
  readonly pattern: RegExp
  readonly resolve: (line: string) => void
}

export class LineLog {
  readonly lines: string[] = []
  readonly #name: string
  #waiters: Waiter[] = []
  #rest = ''

  constructor(name: string, stream: NodeJS.ReadableStream) {
    this.#name = name
    const decoder = new StringDecoder('utf8')
    stream.on('data', (chunk: Buffer) => this.#onText(decoder.write(chunk)))
  }

  get text(): string {
    return this.lines.map(line => `${line}\n`).join('') + this.#rest
  }

  /** Every line as JSON; throws for one which is something else. */
  get events(): Record<string, unknown>[] {
    return this.lines.map(line => JSON.parse(line))
  }

  /** The first line that matches, whether it came already or is yet to come. */
  line(pattern: RegExp): Promise<string> {
    const known = this.lines.find(line => pattern.test(line))
    if (known !== undefined) return Promise.resolve(known)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`no line like ${pattern} on ${this.#name}, only:\n${this.text}`))
      }, PATIENCE_MS)
      this.#waiters.push({
        pattern,
        resolve: line => {
          clearTimeout(timer)
          resolve(line)
        },
      })
    })
  }

  #onText(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#onLine(line)
  }

  #onLine(line: string): void {
    this.lines.push(line)
    const done = this.#waiters.filter(({ pattern }) => pattern.test(line))
    this.#waiters = this.#waiters.filter(({ pattern }) => !pattern.test(line))
    for (const { resolve } of done) resolve(line)
  }
}

/** `lo` on Linux, `lo0` on macOS. */
function loopbackInterface(): string {
  const [name] = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.[0]?.internal) ?? []
  if (name === undefined) throw new Error('this machine has no loopback interface')
  return name
}
