/** A natlab of one test file: hosts in network namespaces, each program on them a process of its own. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const NATLAB = fileURLToPath(new URL('../../../shared/natlab/natlab', import.meta.url))
const DIST = new URL('../../dist/', import.meta.url).href

let labs = 0

export class Lab {
  /** Its files are in /run/natlab/NAME. */
  readonly name: string = `t${process.pid}x${labs++}`
  readonly #programs: Program[] = []
  readonly #daemons: ChildProcess[] = []
  readonly #namespaces: Readonly<Record<string, { readonly ns: string }>>

  /** Builds the hosts of a natlab spec, for example `site home none hosts=ada,bob`. */
  constructor(spec: string) {
    // With the owner's process the lab ends too, however that happens.
    const status = this.natlab('up', spec, '--json', '--owner', String(process.pid))
    this.#namespaces = (JSON.parse(status) as { nodes: Record<string, { ns: string }> }).nodes
  }

  natlab(...args: readonly string[]): string {
    return execFileSync(NATLAB, args, { encoding: 'utf8', env: { ...process.env, NATLAB: this.name } })
  }

  /** Runs a command on a host, to its end. */
  run(host: string, ...command: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.#namespace(host), ...command], { encoding: 'utf8' })
  }

  /** What stands before a command so that it runs on a host. */
  prefix(host: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#namespace(host)]
  }

  /** Starts a program on a host: a module that imports the built package as `DIST/…`, and prints JSON lines. */
  start(host: string, source: string): Program {
    const program = new Program(this.prefix(host), source)
    this.#programs.push(program)
    return program
  }

  /** The first IPv4 address of a host, as its neighbours see it. */
  address(host: string): string {
    const [, address] =
      /inet (\S+)\//.exec(this.run(host, 'ip', '-4', '-oneline', 'address', 'show', 'dev', 'eth0')) ?? []
    if (address === undefined) throw new Error(`${host} has no IPv4 address`)
    return address
  }

  /** The address of a site's router outside. */
  external(site: string): string {
    const [address] = /203\.0\.113\.\d+/.exec(this.run(`${site}-gw`, 'ip', '-4', '-oneline', 'address')) ?? []
    if (address === undefined) throw new Error(`the router of ${site} has no external address`)
    return address
  }

  /** Starts a command on a host, and resolves when it has printed something that fits. It ends with the lab. */
  daemon(host: string, isReady: RegExp, ...command: readonly string[]): Promise<void> {
    const child = spawn('ip', ['netns', 'exec', this.#namespace(host), ...command], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#daemons.push(child)
    return new Promise((resolve, reject) => {
      const lines: string[] = []
      createInterface({ input: child.stdout }).on('line', line => {
        lines.push(line)
        if (isReady.test(line)) resolve()
      })
      child.on('close', code => reject(new Error(`${command[0]} ended with ${code}:\n${lines.join('\n')}`)))
    })
  }

  close(): void {
    for (const daemon of this.#daemons) daemon.kill('SIGKILL')
    for (const program of this.#programs) program.stop()
    this.natlab('down')
  }

  #namespace(host: string): string {
    const node = this.#namespaces[host]
    if (!node) throw new Error(`no host ${host} in this lab`)
    return node.ns
  }
}

/** A running Node program that tells what happens to it, one JSON value a line. */
export class Program {
  readonly #child: ChildProcess
  readonly #lines: unknown[] = []
  readonly #waiting = new Set<() => void>()
  #ended = false

  constructor(prefix: readonly string[], source: string) {
    const [command, ...args] = [
      ...prefix,
      process.execPath,
      '--input-type=module',
      '-e',
      source.replaceAll('DIST/', DIST),
    ]
    this.#child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdin!.on('error', () => {}) // It has ended: `until` says so.
    createInterface({ input: this.#child.stdout! }).on('line', line => {
      this.#lines.push(JSON.parse(line))
      this.#changed()
    })
    this.#child.on('close', () => {
      this.#ended = true
      this.#changed()
    })
  }

  /** Everything printed so far. */
  get lines(): readonly unknown[] {
    return this.#lines
  }

  /** The first printed value that fits, already printed or to come. */
  until<T = unknown>(fits: (value: T) => boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const found = this.#lines.find(line => fits(line as T))
        if (found === undefined && !this.#ended) return
        this.#waiting.delete(check)
        if (found !== undefined) resolve(found as T)
        else reject(new Error(`the program ended after it had printed ${JSON.stringify(this.#lines)}`))
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** One JSON value a line, on its stdin. */
  say(value: unknown): void {
    this.#child.stdin!.write(`${JSON.stringify(value)}\n`)
  }

  /** Calls for each value, printed already or to come. */
  follow<T = unknown>(onValue: (value: T) => void): void {
    let told = 0
    const tell = () => {
      while (told < this.#lines.length) onValue(this.#lines[told++] as T)
    }
    this.#waiting.add(tell)
    tell()
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }

  #changed(): void {
    for (const check of [...this.#waiting]) check()
  }
}
