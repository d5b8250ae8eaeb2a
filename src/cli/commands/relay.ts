/** `earshot relay [ROOM]`: a member of a room that others go through where they cannot reach each other. */

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Room } from '../../index.ts'
import { formatBytes, parseBytes } from '../byte-count.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { details } from '../help.ts'
import { RelayLog } from '../relay-log.ts'
import { untilAborted } from '../until-aborted.ts'
import { visitRoom } from '../visit-room.ts'
import { showWarnings } from '../warnings.ts'

const EXAMPLES = `
Peers of the room that have this address with --peer find each other by it, and go through it until they have a direct path,
or where there is none. What they say is encrypted from end to end. It is a member of the room: one with a secret needs
--secret here, too. It must be reachable for all of them: run it on a machine with a public address, or forward the port to it.

Examples:
  $ earshot relay                                  for the room 'lobby', on port 4113
  $ earshot relay kitchen --budget 10GB            relays so much, warns before, and then no more
  $ earshot relay --port 0 --json
  $ earshot chat --peer relay.example.org:4113     uses it`

const DEFAULT_PORT = 4113
const LOOK_MS = 1_000

interface Options {
  readonly port: number
  readonly budget?: number
}

export function addRelay(program: Command, run: RunCommand): void {
  program
    .command('relay')
    .description('relay for peers of a room that cannot reach each other')
    .argument('[room]', 'the room, instead of --room')
    .addOption(
      new Option('-p, --port <port>', 'the TCP port, 0 for any free one').default(DEFAULT_PORT).argParser(portArgument),
    )
    .addOption(
      new Option('--budget <size>', 'how much is relayed, like 500MB, 10GB')
        .default(undefined, 'no limit')
        .argParser(sizeArgument),
    )
    .addHelpText('after', details(EXAMPLES))
    .action((room: string | undefined, options: Options, command: Command) =>
      run(command, given => {
        const context = { ...given, settings: { ...given.settings, room: room ?? given.settings.room } }
        return relay(context, options)
      }),
    )
}

async function relay(context: CommandContext, { port, budget }: Options): Promise<void> {
  const { output, interrupt } = context
  const volunteer = { listen: { port }, relay: budget === undefined ? {} : { budgetBytes: budget } }
  await visitRoom(context, { visible: true, ...volunteer }, async room => {
    showWarnings(room, output)
    output.event('ready', { id: room.self.id, addresses: room.addresses })
    for (const address of room.addresses) output.line(address)
    output.note('peers of this room can go through here; Ctrl-C ends')
    const log = new RelayLog(id => room.peer(id)?.name)
    const look = (): void => tell(log, room, context)
    const timer = setInterval(look, LOOK_MS)
    try {
      await untilAborted(interrupt.signal)
    } finally {
      clearInterval(timer)
      look()
      output.note(`${formatBytes(room.relayed.bytes)} relayed`)
    }
  })
}

function tell(log: RelayLog, { relayed }: Room, { output }: CommandContext): void {
  for (const { kind, from, to, names, bytes } of log.look(relayed.pairs)) {
    output.event(kind, kind === 'relaying' ? { from, to } : { from, to, bytes })
    output.note(kind === 'relaying' ? `relaying: ${names}` : `over: ${names}, ${formatBytes(bytes)}`)
  }
}

function portArgument(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(port <= 65_535)) throw new InvalidArgumentError(`'${text}' is not a port from 0 to 65535`)
  return port
}

function sizeArgument(text: string): number {
  try {
    return parseBytes(text)
  } catch (error) {
    throw new InvalidArgumentError((error as RangeError).message)
  }
}
