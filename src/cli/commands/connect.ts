/** `earshot connect`: two people connect their programs by copying two texts, without any server. */

import type { Command } from 'commander'
import { EarshotError, type GoneCode, type Peer, type Room } from '../../index.ts'
import { chatInRoom, isOnTerminal } from '../chat-session.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { formatDuration } from '../duration.ts'
import { NobodyFoundError, UsageError } from '../exit-code.ts'
import { details } from '../help.ts'
import { InputLines } from '../input-lines.ts'
import { withServers } from '../internet-flags.ts'
import { isMisread, readPastedText } from '../pasted-text.ts'
import { shortId } from '../peer-label.ts'
import { describePath } from '../peer-path.ts'
import { printableName } from '../printable.ts'
import { DEFAULT_ROOM } from '../settings.ts'
import { type VisitOptions, visitRoom } from '../visit-room.ts'
import { showWarnings } from '../warnings.ts'

const DEFAULT_PATIENCE_MS = 600_000

const EXAMPLES = `
One side makes an offer, the other answers it: two texts of some hundred characters, brought over by mail, in a chat, or read
from a screen. Then both are connected, and talk as in 'earshot chat'. Each text lasts for ten minutes. Who reads them learns the
addresses of both, and could answer instead: compare the ids that are shown, or use --secret.

Through NATs it needs a STUN server on both sides, which is asked how it sees this machine. Without, it works in one LAN and
between public addresses. Where both NATs choose another port for each connection, it takes a TURN server as well.

Examples:
  $ earshot connect --offer --stun stun.example.org
  $ earshot connect --answer --stun stun.example.org
  $ earshot connect --offer --json`

interface ConnectOptions {
  readonly offer?: true
  /** True where the text is not among the arguments. */
  readonly answer?: true | string
}

export function addConnect(program: Command, run: RunCommand): void {
  program
    .command('connect')
    .description('connect with one other program by two texts, without any server')
    .option('--offer', 'make the first text, and wait for the other')
    .option('--answer [text]', 'answer an offer, by its text; without it, by what comes from stdin')
    .addHelpText('after', details(EXAMPLES))
    .action((options: ConnectOptions, command: Command) => run(command, context => connect(context, options)))
}

async function connect(context: CommandContext, { offer, answer }: ConnectOptions): Promise<void> {
  if ((offer === undefined) === (answer === undefined)) throw new UsageError('say either --offer or --answer')
  const { settings, output } = context
  await visitRoom(context, optionsOf(context), async room => {
    const { id, name } = room.self
    output.event('ready', { id, name, room: settings.room ?? DEFAULT_ROOM })
    showWarnings(room, output, text => output.note(text))
    if (settings.internet.stun.length === 0)
      output.note('Without --stun this works in one LAN, and between public addresses; a NAT is not passed.')
    const over = new AbortController()
    // The only one who was asked in: nobody else comes.
    room.on('peer-gone', ({ peer, code, reason }) => over.abort(goneError(peer, code, reason)))
    const lines = new InputLines(process.stdin)
    try {
      const peer = await withPatience(context, signal =>
        offer ? makeOffer(context, room, lines, signal) : answerOffer(context, room, lines, answer, signal),
      )
      const leaving = isOnTerminal(context) ? '; Ctrl-D leaves' : ''
      output.note(
        `connected with ${printableName(peer.name)} (${shortId(peer.id)}): ${describePath(peer.path)}${leaving}`,
      )
      output.event('path', { id: peer.id, path: peer.path })
      await chatInRoom(context, room, { lines, isIntroduced: true, until: over.signal })
    } finally {
      lines.close()
    }
    const { reason } = over.signal
    if (reason instanceof EarshotError && reason.code !== 'closed') throw reason
  })
}

/** Nobody but the one who was asked in. */
function optionsOf({ settings }: CommandContext): VisitOptions {
  return {
    visible: false,
    discovery: [],
    peers: [],
    maxPeers: 1,
    admit: caller => caller.deny('not-invited'),
    internet: withServers({ ...settings.internet, rendezvous: [] }),
  }
}

async function makeOffer(context: CommandContext, room: Room, lines: InputLines, signal: AbortSignal): Promise<Peer> {
  const { output } = context
  const offer = await room.offer({ signal })
  output.event('offer', { text: offer.text })
  output.line(offer.text)
  output.note('Bring this text to the other side, which runs: earshot connect --answer')
  output.note('Then put its answer here. Ctrl-C ends.')
  const options = { what: 'answer', isOnTerminal: isOnTerminal(context), output, signal }
  // Once it is closed the text was right, and the way is not.
  return readPastedText(lines, { ...options, isAboutText: () => offer.isOpen }, text => offer.accept(text, { signal }))
}

async function answerOffer(
  context: CommandContext,
  room: Room,
  lines: InputLines,
  given: true | string | undefined,
  signal: AbortSignal,
): Promise<Peer> {
  const { output } = context
  const answerTo = (text: string) => room.answerOffer(text, { signal })
  const isPasted = typeof given !== 'string'
  if (isPasted && isOnTerminal(context)) output.note('Put the offer of the other side here. Ctrl-C ends.')
  const options = { what: 'offer', isOnTerminal: isOnTerminal(context), output, signal }
  const answer = isPasted
    ? await readPastedText(lines, { ...options, isAboutText }, answerTo)
    : await answerTo(given).catch(asUsageError)
  const { text, from, peer } = answer
  output.event('answer', { text, from })
  output.line(text)
  const who = `${printableName(from.name)} (${shortId(from.id)})`
  output.note(`Bring this answer back to ${who}, whose program waits for it. Ctrl-C ends.`)
  return peer
}

/** Another offer may do. */
function isAboutText({ code }: EarshotError): boolean {
  return code !== 'limit-reached' && code !== 'closed'
}

function asUsageError(error: unknown): never {
  throw error instanceof EarshotError && isMisread(error) ? new UsageError(error.message) : error
}

/** As long as a text lasts, or as the user says. */
async function withPatience<Value>(
  { settings, interrupt }: CommandContext,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const timeoutMs = settings.timeoutMs ?? DEFAULT_PATIENCE_MS
  const controller = new AbortController()
  const giveUp = (): void =>
    controller.abort(new NobodyFoundError(`the other side did not come within ${formatDuration(timeoutMs)}`))
  const timer = setTimeout(giveUp, timeoutMs)
  try {
    return await work(AbortSignal.any([interrupt.signal, controller.signal]))
  } finally {
    clearTimeout(timer)
  }
}

function goneError({ name }: Peer, code: GoneCode, reason: string): EarshotError {
  const message = `'${name}' is gone${reason ? `: ${reason}` : ''}`
  if (code === 'closed') return new EarshotError('closed', message)
  return code === 'kicked' ? new EarshotError('refused', message, { reason }) : new EarshotError('lost', message)
}
