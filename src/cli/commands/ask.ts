/** `earshot ask NAME QUESTION [JSON]`: one answer, or one of everybody with `--all`. */

import type { Command } from 'commander'
import { EarshotError, type Peer } from '../../index.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { errorEvent } from '../error-report.ts'
import { UsageError } from '../exit-code.ts'
import { findPeer } from '../find-peer.ts'
import { gatherPeers } from '../gather-peers.ts'
import { details } from '../help.ts'
import { toText } from '../json-value.ts'
import { PeerLabels } from '../peer-label.ts'
import { printableLines, printableText } from '../printable.ts'
import { patienceMs } from '../settings.ts'
import { visitRoom } from '../visit-room.ts'
import { showWarnings } from '../warnings.ts'

/** With `--all`: nobody new for this long means that all are here. Peers that are there answer much sooner. */
const QUIET_MS = 500

const EXAMPLES = `
The question is sent with the JSON as its content; the answer goes to stdout: a text as it is, anything else as JSON.

Examples:
  $ earshot ask Ada weather
  $ earshot ask Ada add '[1, 2]'
  $ earshot ask Ada greet '"a text needs quotes of its own"'
  $ earshot ask --all weather --timeout 2s`

export function addAsk(program: Command, run: RunCommand): void {
  program
    .command('ask')
    .description('ask a peer, or everybody, a question')
    .usage('[options] <name> <question> [json]\n       earshot ask --all [options] <question> [json]')
    .argument('[words...]', 'name, id or address of the peer (not with --all), the question, and its content as JSON')
    .option('-a, --all', 'ask everybody in the room', false)
    .addHelpText('after', details(EXAMPLES))
    .action((words: string[], { all }: { all: boolean }, command: Command) =>
      run(command, context => (all ? askAll(context, readQuestion(words)) : askOne(context, words))),
    )
}

interface Question {
  readonly name: string
  readonly content: unknown
}

function readQuestion(words: readonly string[]): Question {
  const [name, json, ...rest] = words
  if (name === undefined) throw new UsageError('the question is missing')
  if (rest.length > 0) throw new UsageError(`too many words after the question '${name}'; quote the JSON`)
  return { name, content: json === undefined ? undefined : parseJson(json) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(
      `'${text}' is not JSON (${(error as Error).message}); a text needs quotes of its own: '"text"'`,
    )
  }
}

async function askOne(context: CommandContext, [nameOrId, ...words]: readonly string[]): Promise<void> {
  if (nameOrId === undefined) throw new UsageError('who is asked, and the question, are missing')
  const question = readQuestion(words)
  const { output, interrupt, settings } = context
  const options = { timeoutMs: patienceMs(settings), signal: interrupt.signal }
  await visitRoom(context, { visible: false }, async room => {
    showWarnings(room, context.output)
    const peer = await findPeer(room, nameOrId, options)
    const value = await room.ask(peer, question.name, question.content, options)
    output.event('answer', { id: peer.id, name: peer.name, value })
    output.line(printableLines(toText(value)))
  })
}

async function askAll(context: CommandContext, question: Question): Promise<void> {
  const { interrupt, settings } = context
  const timeoutMs = patienceMs(settings)
  await visitRoom(context, { visible: false }, async room => {
    showWarnings(room, context.output)
    await gatherPeers(room, { timeoutMs, quietMs: QUIET_MS, signal: interrupt.signal })
    const labels = new PeerLabels()
    let answered = 0
    const options = { timeoutMs, signal: interrupt.signal }
    for await (const { peer, ...outcome } of room.askAll(question.name, question.content, options)) {
      if (outcome.ok) answered += 1
      showOutcome(context, peer, labels.label(peer), outcome)
    }
    if (answered === 0) throw new EarshotError('no-answer', `nobody answered '${question.name}'`)
  })
}

type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

function showOutcome({ output }: CommandContext, { id, name }: Peer, label: string, outcome: Outcome): void {
  if (outcome.ok) {
    output.event('answer', { id, name, value: outcome.value })
    output.line(`${output.style.stable(label, id)}: ${printableText(toText(outcome.value))}`)
  } else {
    const failure = errorEvent(outcome.error)
    output.event('no-answer', { id, name, ...failure })
    output.note(`${label}: ${printableText(String(failure['message']))}`)
  }
}
