/** A chat in a room, until the user leaves: on a terminal, or through pipes. */

import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { Room } from '../index.ts'
import { sendLines } from './chat-lines.ts'
import { type ChatView, jsonView, pipeView, terminalView } from './chat-view.ts'
import type { CommandContext } from './command-context.ts'
import { InputLines } from './input-lines.ts'
import { LineTerminal } from './line-terminal.ts'
import { shortId } from './peer-label.ts'
import { printableName } from './printable.ts'
import { DEFAULT_ROOM } from './settings.ts'
import { showWarnings } from './warnings.ts'

export interface ChatOptions {
  /** Lines of stdin of which some were read already. @default all of them */
  readonly lines?: InputLines
  /** The room was introduced already, and its warnings are shown. @default false */
  readonly isIntroduced?: boolean
  /** Aborting ends the chat in good order. */
  readonly until?: AbortSignal
}

/** How long lines from a pipe that has ended wait for somebody to hear them. */
const DEFAULT_WAIT_MS = 30_000

/** Resolves when the user has left, by the end of the input or by Ctrl-C. */
export async function chatInRoom(context: CommandContext, room: Room, options: ChatOptions = {}): Promise<void> {
  const { interrupt } = context
  const signal = options.until ? AbortSignal.any([interrupt.signal, options.until]) : interrupt.signal
  try {
    if (isOnTerminal(context)) await chatOnTerminal(context, room, options, signal)
    else await chatThroughPipes(context, room, options, signal)
  } catch (error) {
    if (error !== options.until?.reason) throw error
  }
}

export function isOnTerminal({ settings }: CommandContext): boolean {
  return process.stdin.isTTY && process.stdout.isTTY && !settings.json
}

async function chatThroughPipes(
  context: CommandContext,
  room: Room,
  options: ChatOptions,
  signal: AbortSignal,
): Promise<void> {
  const { settings, output } = context
  const lines = options.lines ?? new InputLines(process.stdin)
  const close = (): void => lines.close()
  signal.addEventListener('abort', close, { once: true })
  const hide = show(room, settings.json ? jsonView(output) : pipeView(output), context, options)
  try {
    const timeoutMs = settings.timeoutMs ?? DEFAULT_WAIT_MS
    await sendLines(room, lines, { signal, ended: lines.ended, timeoutMs, onWaiting: () => {} })
  } finally {
    hide()
    lines.close()
  }
}

async function chatOnTerminal(
  context: CommandContext,
  room: Room,
  options: ChatOptions,
  signal: AbortSignal,
): Promise<void> {
  const { output, interrupt } = context
  options.lines?.close()
  const lines = new PassThrough({ objectMode: true })
  const ended = once(lines, 'finish')
  const terminal = new LineTerminal(process.stdin, process.stdout, '> ', {
    onLine: line => line !== '' && lines.write(line),
    onInterrupt: () => interrupt.trigger(),
    onEnd: () => lines.end(),
  })
  signal.addEventListener('abort', () => lines.end(), { once: true })
  const view = terminalView(output, terminal)
  const hide = show(room, view, context, options)
  try {
    const onWaiting = (): void => view.note('nobody is here yet: your lines wait')
    // Who has typed Ctrl-D wants to leave now.
    await sendLines(room, lines, { signal, ended, timeoutMs: 0, onWaiting })
  } finally {
    hide()
    terminal.close()
  }
}

/** Shows what happens until the returned function is called: when we leave, it is not the others who go. */
function show(
  room: Room,
  view: ChatView,
  { settings, output }: CommandContext,
  { isIntroduced = false }: ChatOptions,
): () => void {
  if (!isIntroduced) {
    const { self, addresses } = room
    const name = settings.room ?? DEFAULT_ROOM
    output.event('ready', { id: self.id, name: self.name, room: name, addresses })
    view.note(`in the room '${name}' as ${printableName(self.name)} (${shortId(self.id)})`)
    showWarnings(room, output, view.note)
  }
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
