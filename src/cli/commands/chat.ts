/** `earshot chat [ROOM]`: talk line by line, on a terminal or through pipes. */

import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import type { Room } from '../../index.ts'
import { sendLines } from '../chat-lines.ts'
import { type ChatView, jsonView, pipeView, terminalView } from '../chat-view.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { details } from '../help.ts'
import { LineTerminal } from '../line-terminal.ts'
import { shortId } from '../peer-label.ts'
import { printableName } from '../printable.ts'
import { DEFAULT_ROOM } from '../settings.ts'
import { visitRoom } from '../visit-room.ts'
import { showWarnings } from '../warnings.ts'

/** How long lines from a pipe that has ended wait for somebody to hear them. */
const DEFAULT_WAIT_MS = 30_000

const EXAMPLES = `
On a terminal, Ctrl-D leaves. Through pipes, lines from stdin wait until somebody is here; stdout has the lines of the
others as 'name: text'; at the end of stdin everything is sent, and the chat is left. Lines that are left then wait for
somebody as long as --timeout says (default here: 30s).

Examples:
  $ earshot chat
  $ earshot chat kitchen --name Ada
  $ earshot chat --peer 192.168.0.2:4112
  $ make 2>&1 | tail -1 | earshot chat
  $ sleep 60 | earshot chat --json`

export function addChat(program: Command, run: RunCommand): void {
  program
    .command('chat')
    .description('talk to everybody in a room')
    .argument('[room]', 'the room, instead of --room')
    .addHelpText('after', details(EXAMPLES))
    .action((room: string | undefined, _options: unknown, command: Command) =>
      run(command, context =>
        chat({ ...context, settings: { ...context.settings, room: room ?? context.settings.room } }),
      ),
    )
}

async function chat(context: CommandContext): Promise<void> {
  const { json } = context.settings
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY && !json
  await visitRoom(context, { visible: true }, room =>
    isTerminal ? chatOnTerminal(context, room) : chatThroughPipes(context, room),
  )
}

async function chatThroughPipes({ settings, output, interrupt }: CommandContext, room: Room): Promise<void> {
  const { signal } = interrupt
  const input = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })
  const ended = once(input, 'close')
  signal.addEventListener('abort', () => input.close(), { once: true })
  // Lines that come before somebody iterates would be lost.
  const lines = input[Symbol.asyncIterator]()
  const hide = show(room, settings.json ? jsonView(output) : pipeView(output), { settings, output })
  try {
    const timeoutMs = settings.timeoutMs ?? DEFAULT_WAIT_MS
    await sendLines(room, lines, { signal, ended, timeoutMs, onWaiting: () => {} })
  } finally {
    hide()
    input.close()
  }
}

async function chatOnTerminal({ settings, output, interrupt }: CommandContext, room: Room): Promise<void> {
  const lines = new PassThrough({ objectMode: true })
  const ended = once(lines, 'finish')
  const terminal = new LineTerminal(process.stdin, process.stdout, '> ', {
    onLine: line => line !== '' && lines.write(line),
    onInterrupt: () => interrupt.trigger(),
    onEnd: () => lines.end(),
  })
  interrupt.signal.addEventListener('abort', () => lines.end(), { once: true })
  const view = terminalView(output, terminal)
  const hide = show(room, view, { settings, output })
  try {
    const onWaiting = (): void => view.note('nobody is here yet: your lines wait')
    // Who has typed Ctrl-D wants to leave now.
    await sendLines(room, lines, { signal: interrupt.signal, ended, timeoutMs: 0, onWaiting })
  } finally {
    hide()
    terminal.close()
  }
}

/** Shows what happens until the returned function is called: when we leave, it is not the others who go. */
function show(
  room: Room,
  view: ChatView,
  { settings, output }: Pick<CommandContext, 'settings' | 'output'>,
): () => void {
  const { self, addresses } = room
  const name = settings.room ?? DEFAULT_ROOM
  output.event('ready', { id: self.id, name: self.name, room: name, addresses })
  view.note(`in the room '${name}' as ${printableName(self.name)} (${shortId(self.id)})`)
  showWarnings(room, output, view.note)
  const listeners = [
    room.on('peer', view.joined),
    room.on('peer-gone', ({ peer, code, reason }) => view.left(peer, code, reason)),
    // Programs have channels of their own; a chat is what is said to the whole room.
    room.on('message', ({ data, from, channel }) => channel === '' && view.message(from, data)),
  ]
  return () => {
    for (const stop of listeners) stop()
  }
}
