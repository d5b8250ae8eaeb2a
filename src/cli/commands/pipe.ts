/** `earshot pipe [NAME]`: standard input there, standard output here; without a name, wait for one who calls. */

import type { Command } from 'commander'
import { type AcceptedStream, type ByteStream, EarshotError, type Peer, type Room } from '../../index.ts'
import { drained, pumpBytes } from '../byte-pump.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { formatDuration } from '../duration.ts'
import { NobodyFoundError } from '../exit-code.ts'
import { findPeer } from '../find-peer.ts'
import { details } from '../help.ts'
import { shortId } from '../peer-label.ts'
import { printableName } from '../printable.ts'
import { patienceMs } from '../settings.ts'
import { visitRoom } from '../visit-room.ts'
import { showWarnings } from '../warnings.ts'

/** What streams of this command are called: both sides mean the same. */
const STREAM = 'pipe'

const EXAMPLES = `
One side waits: 'earshot pipe'. The other calls it by name. What either reads from its standard input the other writes
to its standard output, byte for byte, and the end of one is the end of the other; it is over when both have ended. On
a terminal, Ctrl-D ends the input, and so does the end of what comes from the other side. The first who calls is taken,
whoever it is: close the room with --secret where that matters. The side that waits does so for ever, or as long as
--timeout says.

Examples:
  $ earshot pipe --name Ada > film.mkv
  $ earshot pipe Ada < film.mkv
  $ tar c photos | earshot pipe Ada
  $ earshot pipe --name Ada | tar x`

export function addPipe(program: Command, run: RunCommand): void {
  program
    .command('pipe')
    .description('standard input there, standard output here')
    .argument('[name]', 'name or id of the peer that waits; without it, wait for one who calls')
    .addHelpText('after', details(EXAMPLES))
    .action((name: string | undefined, _options: unknown, command: Command) =>
      run(command, context => (name === undefined ? waitForCaller(context) : call(context, name))),
    )
}

async function call(context: CommandContext, name: string): Promise<void> {
  const { signal } = context.interrupt
  const timeoutMs = patienceMs(context.settings)
  await visitRoom(context, { visible: false }, async room => {
    showWarnings(room, context.output)
    const peer = await findPeer(room, name, { timeoutMs, signal })
    context.output.event('open', { id: peer.id, name: peer.name })
    try {
      await pump(context, peer.open(STREAM))
    } catch (error) {
      throw error instanceof EarshotError && error.code === 'no-answer' ? nobodyWaits(peer, error) : error
    }
  })
}

async function waitForCaller(context: CommandContext): Promise<void> {
  const { output } = context
  await visitRoom(context, { visible: true }, async room => {
    showWarnings(room, output)
    const calling = nextCaller(context, room)
    const { self, addresses } = room
    output.event('ready', { id: self.id, name: self.name, addresses })
    output.note(`waiting as ${printableName(self.name)} (${shortId(self.id)}) for one who calls; Ctrl-C ends`)
    const stream = await calling
    const { from } = stream
    output.event('open', { id: from.id, name: from.name })
    output.note(`${printableName(from.name)} (${shortId(from.id)}) is here`)
    await pump(context, stream)
  })
}

/** The first one; whoever calls then finds nobody waiting. */
function nextCaller({ settings, interrupt }: CommandContext, room: Room): Promise<AcceptedStream<Peer>> {
  const { timeoutMs } = settings
  const { signal } = interrupt
  return new Promise((resolve, reject) => {
    const stop = room.accept(STREAM, stream => {
      settled()
      resolve(stream)
    })
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => fail(nobodyCalled(timeoutMs)), timeoutMs)
    const settled = (): void => {
      stop()
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
    const fail = (error: unknown): void => {
      settled()
      reject(error)
    }
    const onAbort = (): void => fail(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

async function pump({ output, interrupt }: CommandContext, stream: ByteStream): Promise<void> {
  const { signal } = interrupt
  let receivedBytes = 0
  await pumpBytes(stream, {
    input: process.stdin,
    onBytes: bytes => {
      receivedBytes += bytes.length
      if (output.json) output.event('data', { bytes: Buffer.from(bytes).toString('base64') })
      else process.stdout.write(bytes)
      return drained(process.stdout, signal)
    },
    signal,
  })
  output.event('end', { receivedBytes })
}

function nobodyWaits(peer: Peer, cause: EarshotError): EarshotError {
  return new EarshotError('no-answer', `${printableName(peer.name)} does not wait for a pipe`, {
    hint: "Run 'earshot pipe' there first.",
    cause,
  })
}

function nobodyCalled(timeoutMs: number): NobodyFoundError {
  return new NobodyFoundError(`nobody called within ${formatDuration(timeoutMs)}`)
}
