/** `earshot send FILE... --to NAME`: files and folders into the inbox of a peer. */

import { statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { EarshotError, type Peer, type Room, type SentFile } from '../../index.ts'
import { formatBytes } from '../byte-count.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { formatDuration } from '../duration.ts'
import { errorEvent } from '../error-report.ts'
import { UsageError } from '../exit-code.ts'
import { findPeer } from '../find-peer.ts'
import { details } from '../help.ts'
import { PeerLabels } from '../peer-label.ts'
import { printableText } from '../printable.ts'
import { patienceMs } from '../settings.ts'
import { stderrTerminal } from '../stderr-terminal.ts'
import { TransferBoard } from '../transfer-board.ts'
import { visitRoom } from '../visit-room.ts'
import { showWarnings } from '../warnings.ts'

const EXAMPLES = `
The peer takes them with 'earshot receive'. A transfer that was broken off, also by Ctrl-C, goes on where it was when the
same command is given again. Links in a folder are not followed and not sent.

Examples:
  $ earshot send film.mkv --to Ada
  $ earshot send photos notes.txt --to Ada
  $ earshot send film.mkv --peer 192.168.0.2:4112`

interface SendCommandOptions {
  readonly to?: string
}

export function addSend(program: Command, run: RunCommand): void {
  program
    .command('send')
    .description('send files and folders to a peer')
    .argument('<file...>', 'files and folders')
    .option('--to <name>', 'name or id of the peer; not needed where --peer says its address')
    .addHelpText('after', details(EXAMPLES))
    .action((files: string[], options: SendCommandOptions, command: Command) =>
      run(command, context => send(context, files, options)),
    )
}

async function send(context: CommandContext, files: readonly string[], { to }: SendCommandOptions): Promise<void> {
  const { settings, output } = context
  if (to === undefined && settings.peers.length !== 1)
    throw new UsageError('who is it for? --to NAME, or --peer ADDRESS')
  // Before anybody is looked for: a typing error is found out at once.
  for (const file of files) checkThere(file)
  await visitRoom(context, { visible: false }, async room => {
    const board = new TransferBoard(output, stderrTerminal())
    showWarnings(room, output, text => board.note(text))
    const peer = await receiver(context, room, to)
    let failure: unknown
    for (const file of files) {
      try {
        await sendOne(context, board, peer, file)
      } catch (error) {
        if (!isAboutOne(error)) throw error
        if (failure !== undefined || file !== files.at(-1)) report(context, board, file, error)
        failure ??= error
      }
    }
    if (failure !== undefined) throw failure
  })
}

function receiver({ settings, interrupt }: CommandContext, room: Room, to: string | undefined): Promise<Peer> {
  const options = { timeoutMs: patienceMs(settings), signal: interrupt.signal }
  return to === undefined ? room.connect(settings.peers[0]!, options) : findPeer(room, to, options)
}

async function sendOne(
  { output, interrupt }: CommandContext,
  board: TransferBoard,
  peer: Peer,
  file: string,
): Promise<void> {
  const startedAt = performance.now()
  const name = basename(resolve(file))
  const fields = { path: file, to: peer.id, name: peer.name }
  const label = `${printableText(name)} to ${new PeerLabels().label(peer)}`
  output.event('offered', fields)
  board.note(`sending ${label}; it is asked whether it wants it`)
  const transfer = peer.sendFile(file, { signal: interrupt.signal })
  const following = board.follow(transfer, {
    label,
    fields,
    progress: ({ sentBytes, ...rest }) => ({ doneBytes: sentBytes, ...rest }),
  })
  let sent: SentFile
  try {
    sent = await transfer
  } finally {
    await following
  }
  const durationMs = performance.now() - startedAt
  output.event('sent', { ...fields, ...sent, durationMs })
  board.above(() => output.line(summary(label, sent, durationMs)))
}

function summary(label: string, { sizeBytes, resumedBytes }: SentFile, durationMs: number): string {
  const resumed = resumedBytes > 0 ? `, ${formatBytes(resumedBytes)} of it were there` : ''
  return `${label}: ${formatBytes(sizeBytes)} in ${formatDuration(durationMs)}${resumed}`
}

/** The other files may still go. */
function isAboutOne(error: unknown): boolean {
  if (!(error instanceof EarshotError)) return false
  return ['refused', 'invalid-data', 'not-found', 'permission-denied', 'too-large'].includes(error.code)
}

function report({ output }: CommandContext, board: TransferBoard, file: string, error: unknown): void {
  const failure = errorEvent(error)
  output.event('not-sent', { path: file, ...failure })
  board.note(`${printableText(file)}: ${printableText(String(failure['message']))}`)
}

function checkThere(file: string): void {
  if (statSync(file, { throwIfNoEntry: false }) !== undefined) return
  throw new EarshotError('not-found', `there is no file or folder '${file}'`)
}
