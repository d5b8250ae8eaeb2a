/** `earshot relay [ROOM]`: a member of a room that others go through where they cannot reach each other. */

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { RoomEvents } from '../../index.ts'
import { formatBytes, parseBytes } from '../byte-count.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { details } from '../help.ts'
import type { Output } from '../output.ts'
import { shortId } from '../peer-label.ts'
import { printableName } from '../printable.ts'
import { RelayBoard } from '../relay-board.ts'
import { RelayLog } from '../relay-log.ts'
import { stderrTerminal } from '../stderr-terminal.ts'
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
    output.event('ready', { id: room.self.id, name: room.self.name, addresses: room.addresses })
    for (const address of room.addresses) output.line(address)
    output.note(`relaying as ${printableName(room.self.name)} (${shortId(room.self.id)}); Ctrl-C ends`)
    const board = new RelayBoard(output, stderrTerminal())
    showWarnings(room, output, text => board.note(text))
    const log = new RelayLog(id => room.peer(id)?.name)
    const stop = room.on('relay', event => tell(event, log, board, output))
    let lookedAt = performance.now()
    const look = (): void => {
      const elapsedMs = performance.now() - lookedAt
      lookedAt += elapsedMs
      log.look(room.relayed.pairs)
      for (const { fromId: from, toId: to, bytes, newBytes } of log.rows)
        if (newBytes > 0) output.event('progress', { from, to, bytes })
      board.show(log.rows, { bytes: room.relayed.bytes, budgetBytes: budget }, elapsedMs)
    }
    const timer = setInterval(look, LOOK_MS)
    try {
      look()
      await untilAborted(interrupt.signal)
    } finally {
      clearInterval(timer)
      stop()
      board.end()
      for (const { fromId: from, toId: to, bytes } of room.relayed.pairs) output.event('relayed', { from, to, bytes })
      output.note(`${formatBytes(room.relayed.bytes)} relayed`)
    }
  })
}

function tell(event: RoomEvents['relay'], log: RelayLog, board: RelayBoard, output: Output): void {
  const { state, fromId: from, toId: to, bytes } = event
  const names = log.names(event)
  if (state === 'begun') output.event('relaying', { from, to })
  else output.event('relayed', { from, to, bytes })
  board.note(state === 'begun' ? `relaying: ${names}` : `over: ${names}, ${formatBytes(bytes)}`)
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
