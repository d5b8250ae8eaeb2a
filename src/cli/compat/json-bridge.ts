/**
 * A bridge of JSON lines, so that a program in any language can use a peer: commands come on stdin, one JSON object a
 * line with the name of the operation in `op`; events go to stdout. What goes wrong with one command is an `error` event,
 * and the bridge goes on.
 */

import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { CommandContext } from '../command-context.ts'
import { errorEvent } from '../error-report.ts'
import { UsageError } from '../exit-code.ts'
import { toJsonText } from '../json-value.ts'
import type { Output } from '../output.ts'
import { printableText } from '../printable.ts'
import type { BridgeCommand } from './command-fields.ts'

/**
 * What a command does. Operations start in the order of their lines, and none waits for the one before: what takes time
 * returns a promise. What they throw or reject with becomes an `error` event.
 */
export type Operation = (command: BridgeCommand) => unknown

export interface JsonBridgeOptions {
  /** By the text of `op`. `close` is known to every bridge: it ends it, as the end of the input does. */
  readonly operations: Readonly<Record<string, Operation>>
  /** The code that an `error` event has instead of that of the library: `{ refused: 'denied' }`. */
  readonly errorCodes?: Readonly<Record<string, string>>
}

export class JsonBridge {
  readonly #context: CommandContext
  readonly #operations: Readonly<Record<string, Operation>>
  readonly #errorCodes: Readonly<Record<string, string>>
  readonly #pending = new Set<Promise<void>>()

  constructor(context: CommandContext, { operations, errorCodes = {} }: JsonBridgeOptions) {
    this.#context = context
    this.#operations = operations
    this.#errorCodes = errorCodes
  }

  /** Obeys until `close`, the end of the input or Ctrl-C. In the first two cases all that was begun is done then. */
  async run(input: Readable = process.stdin): Promise<void> {
    const { signal } = this.#context.interrupt
    const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
    const closed = once(lines, 'close')
    const close = (): void => lines.close()
    signal.addEventListener('abort', close, { once: true })
    if (signal.aborted) close()
    let isOver = false
    lines.on('line', line => {
      if (isOver || signal.aborted || line.trim() === '') return
      isOver = this.#obey(line) === 'close'
      if (isOver) close()
    })
    await closed
    // Closed in the middle of a chunk, readline leaves the input flowing: it would keep the process.
    input.destroy()
    signal.removeEventListener('abort', close)
    if (signal.aborted) return
    await Promise.race([this.#allDone(), untilAborted(signal)])
  }

  /** Tells the reader of stdout: one JSON object with `--json`, a short line otherwise. */
  tell(event: string, fields: Readonly<Record<string, unknown>>): void {
    tell(this.#context.output, event, fields)
  }

  tellError(error: unknown): void {
    const { code, message, hint } = errorEvent(asUsage(error))
    this.tell('error', { code: this.#errorCodes[String(code)] ?? code, message, hint })
  }

  /** Starts what the line asks for, and returns the name of the operation. */
  #obey(line: string): string | undefined {
    try {
      const command = parseCommand(line)
      const { op } = command
      if (op === 'close') return op
      const operation = typeof op === 'string' && Object.hasOwn(this.#operations, op) ? this.#operations[op] : undefined
      if (operation === undefined) throw new UsageError(`op must be one of ${this.#names}, not ${toJsonText(op)}`)
      this.#track(Promise.resolve(operation(command)))
      return op as string
    } catch (error) {
      this.tellError(error)
      return undefined
    }
  }

  get #names(): string {
    return [...Object.keys(this.#operations), 'close'].join(', ')
  }

  #track(work: Promise<unknown>): void {
    const { signal } = this.#context.interrupt
    const done = work
      .then(
        () => {},
        // Who leaves does not want to hear what leaving has cut off.
        error => signal.aborted || this.tellError(error),
      )
      .then(() => void this.#pending.delete(done))
    this.#pending.add(done)
  }

  async #allDone(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending)
  }
}

function tell(output: Output, event: string, fields: Readonly<Record<string, unknown>>): void {
  output.event(event, fields)
  const words = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : `${name} ${typeof value === 'string' ? value : toJsonText(value)}`,
  )
  output.line(printableText(`${event}: ${words.join(', ')}`))
}

function parseCommand(line: string): BridgeCommand {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new UsageError(`a line is one JSON object: ${(cause as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(`a line is one JSON object, not ${toJsonText(value)}`)
  return value as BridgeCommand
}

/** What the library says about a wrong argument is about what stood in the line. */
function asUsage(error: unknown): unknown {
  return error instanceof TypeError || error instanceof RangeError ? new UsageError(error.message) : error
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return once(signal, 'abort').then(() => {})
}
