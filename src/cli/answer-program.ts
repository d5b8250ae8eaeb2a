/** Runs one command for each question: input on its stdin, the answer on its stdout, trouble on its stderr. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Longest answer taken from a command. One that writes without end is stopped. */
const MAX_ANSWER_BYTES = 4 * 1_024 * 1_024
/** Of stderr only the last line is told; this much of its end is kept. */
const MAX_COMPLAINT_BYTES = 4_096
/** Commands that run at a time. Strangers ask; they must not start processes as fast as they can send. */
const MAX_RUNNING = 8
/** Questions that wait for their turn; the next one is refused. */
const MAX_WAITING = 64

export interface AnswerInput {
  readonly text: string
  /** Added to the environment of this process. */
  readonly env: Readonly<Record<string, string>>
  /** Aborting ends the command. */
  readonly signal: AbortSignal
}

export class AnswerProgram {
  readonly #file: string
  readonly #args: readonly string[]
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(file: string, args: readonly string[]) {
    this.#file = file
    this.#args = args
  }

  /**
   * What the command wrote, without the line break at the end. Rejects with an Error whose message says why there is
   * no answer, or with `signal.reason`.
   */
  async run(input: AnswerInput): Promise<string> {
    await this.#takeTurn()
    try {
      input.signal.throwIfAborted()
      return await this.#run(input)
    } finally {
      this.#running -= 1
      this.#waiting.shift()?.()
    }
  }

  async #takeTurn(): Promise<void> {
    if (this.#running >= MAX_RUNNING) {
      if (this.#waiting.length >= MAX_WAITING) throw new Error('too many questions at a time')
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
    this.#running += 1
  }

  async #run({ text, env, signal }: AnswerInput): Promise<string> {
    const child = spawn(this.#file, this.#args, { env: { ...process.env, ...env }, signal, windowsHide: true })
    // A command that reads nothing, like `date`, closes its stdin early: not an error.
    child.stdin.on('error', () => {})
    child.stdin.end(text)
    const answer = gather(child)
    const complaint = gatherEnd(child)
    const [code, killedBy] = await end(child, signal)
    if (code === 0) return answer().replace(/\r?\n$/, '')
    throw new Error(lastLine(complaint()) ?? (killedBy ? `the command was ended by ${killedBy}` : `exit code ${code}`))
  }
}

/** Exit code or signal; rejects where the command cannot be started. */
async function end(
  child: ChildProcessWithoutNullStreams,
  signal: AbortSignal,
): Promise<[code: number | null, killedBy: NodeJS.Signals | null]> {
  try {
    const [code, killedBy] = await once(child, 'close')
    return [code, killedBy]
  } catch (cause) {
    signal.throwIfAborted()
    const { code } = cause as NodeJS.ErrnoException
    throw new Error(code === 'ENOENT' ? 'the command was not found' : 'the command cannot be started', { cause })
  }
}

function gather(child: ChildProcessWithoutNullStreams): () => string {
  const chunks: Buffer[] = []
  let bytes = 0
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= MAX_ANSWER_BYTES) chunks.push(chunk)
    else child.kill()
  })
  return () => Buffer.concat(chunks).toString()
}

function gatherEnd(child: ChildProcessWithoutNullStreams): () => string {
  let kept = Buffer.alloc(0)
  child.stderr.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-MAX_COMPLAINT_BYTES)
  })
  return () => kept.toString()
}

function lastLine(text: string): string | undefined {
  return text.trimEnd().split('\n').at(-1)?.trim() || undefined
}
