/** `earshot answer QUESTION -- CMD [ARGS]`: answers questions by running a command. */

import type { Command } from 'commander'
import type { Peer } from '../../index.ts'
import { AnswerProgram } from '../answer-program.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { formatDuration } from '../duration.ts'
import { errorEvent } from '../error-report.ts'
import { details } from '../help.ts'
import { fromText, toJsonText } from '../json-value.ts'
import { PeerLabels, shortId } from '../peer-label.ts'
import { printableName, printableText } from '../printable.ts'
import { untilAborted } from '../until-aborted.ts'
import { visitRoom } from '../visit-room.ts'
import { showWarnings } from '../warnings.ts'

const EXAMPLES = `
The content of the question reaches the command as JSON on its standard input; what it writes to its standard output is
the answer: JSON where it is JSON, otherwise text. An exit code other than 0 tells the asker that there is no answer,
with the last line of the standard error as the reason. The command runs without a shell, and knows who asked from the
environment: EARSHOT_FROM (id), EARSHOT_FROM_NAME and EARSHOT_QUESTION.

Examples:
  $ earshot answer time -- date
  $ earshot answer add -- jq 'add'
  $ earshot answer weather --name Balcony -- ./thermometer.sh`

export function addAnswer(program: Command, run: RunCommand): void {
  program
    .command('answer')
    .description('answer questions by running a command')
    .usage('[options] <question> -- <command...>')
    .argument('<question>', 'the question to answer')
    .argument('<command...>', 'what to run for each, after --')
    .addHelpText('after', details(EXAMPLES))
    .action((question: string, line: string[], _options: unknown, command: Command) =>
      run(command, context => answer(context, question, line)),
    )
}

async function answer(context: CommandContext, question: string, line: readonly string[]): Promise<void> {
  const { output, interrupt } = context
  const [file, ...args] = line
  const program = new AnswerProgram(file!, args)
  await visitRoom(context, { visible: true }, async room => {
    showWarnings(room, context.output)
    const labels = new PeerLabels()
    room.answer(question, (content, { from, signal }) =>
      showing(context, question, { peer: from, label: labels.label(from) }, async () => {
        const input = {
          text: `${toJsonText(content)}\n`,
          env: environment(question, from),
          signal: AbortSignal.any([signal, interrupt.signal]),
        }
        return fromText(await program.run(input))
      }),
    )
    const { self, addresses } = room
    output.event('ready', { id: self.id, name: self.name, addresses })
    output.note(`answering '${question}' as ${printableName(self.name)} (${shortId(self.id)}); Ctrl-C ends`)
    await untilAborted(interrupt.signal)
  })
}

/** What strangers chose, made safe: the command may print it. */
function environment(question: string, { id, name }: Peer): Readonly<Record<string, string>> {
  return { EARSHOT_FROM: id, EARSHOT_FROM_NAME: printableName(name), EARSHOT_QUESTION: question }
}

interface Asker {
  readonly peer: Peer
  readonly label: string
}

async function showing(
  { output }: CommandContext,
  question: string,
  { peer, label }: Asker,
  run: () => Promise<unknown>,
): Promise<unknown> {
  const startedAt = performance.now()
  const fields = { from: peer.id, name: peer.name, question }
  output.event('question', fields)
  try {
    const value = await run()
    const durationMs = performance.now() - startedAt
    output.event('answered', { ...fields, durationMs })
    output.line(`${label} got an answer in ${formatDuration(durationMs)}`)
    return value
  } catch (error) {
    const { message } = errorEvent(error)
    output.event('failed', { ...fields, message })
    output.line(`${label} got no answer: ${printableText(String(message))}`)
    throw error
  }
}
