/** Asks the person at the terminal. */

import { createInterface } from 'node:readline'

/** True for a yes. Undefined where the signal aborts before there is an answer; the end of the input is a no. */
export function askYesOrNo(question: string, signal: AbortSignal): Promise<boolean | undefined> {
  return new Promise(resolve => {
    const lines = createInterface({ input: process.stdin, terminal: false })
    const end = (answer: boolean | undefined): void => {
      signal.removeEventListener('abort', onAbort)
      lines.removeAllListeners()
      lines.close()
      process.stdin.pause()
      resolve(answer)
    }
    const onAbort = (): void => {
      process.stderr.write('\n')
      end(undefined)
    }
    process.stderr.write(`${question} [y/N] `)
    lines.once('line', line => end(/^\s*(y|yes)\s*$/i.test(line)))
    lines.once('close', () => end(false))
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}
