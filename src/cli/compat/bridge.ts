/** `earshot compat bridge NETWORK`: a room and the devices of another program as one. */

import { Argument, type Command } from 'commander'
import { type BridgeOptions, bridge, type NetworkKind, type RoomBridge } from '../../compat/bridge.ts'
import type { Identity } from '../../index.ts'
import type { CommandContext, RunCommand } from '../command-context.ts'
import { errorEvent } from '../error-report.ts'
import { UsageError } from '../exit-code.ts'
import { details } from '../help.ts'
import { warnOfMissingInterfaces } from '../missing-interfaces.ts'
import type { Output } from '../output.ts'
import { printableName, printableText } from '../printable.ts'
import { DEFAULT_ROOM } from '../settings.ts'
import { untilAborted } from '../until-aborted.ts'
import { withUserIdentity } from '../with-user-identity.ts'

const DETAILS = `
Each device becomes a peer of the room, marked as neither authenticated nor encrypted; each peer of the room becomes a
device. Messages go both ways. Questions of pythonConnect, which have no names, are the question 'question' in the room, or
that of --question; peerpy has none. Ctrl-C ends it.

Examples:
  $ earshot compat bridge pythonconnect --room home
  $ earshot ask sensor question '"temperature?"' --room home
  $ earshot compat bridge peerpy --room home --json`

interface BridgeCommandOptions {
  readonly question?: string
}

export function addBridge(group: Command, run: RunCommand): void {
  group
    .command('bridge')
    .description('a room and the devices of peerpy or pythonConnect as one')
    .addArgument(new Argument('<network>', 'where the devices are').choices(['peerpy', 'pythonconnect']))
    .option('-q, --question <name>', "the question of the room that stands for those of devices (default: 'question')")
    .addHelpText('after', details(DETAILS))
    .action((network: NetworkKind, options: BridgeCommandOptions, command: Command) =>
      run(command, context => openBridge(context, network, options)),
    )
}

async function openBridge(context: CommandContext, network: NetworkKind, options: BridgeCommandOptions): Promise<void> {
  const { settings, output, interrupt } = context
  const room = settings.room ?? DEFAULT_ROOM
  warnOfMissingInterfaces(context)
  await withUserIdentity(output, async identity => {
    await using opened = await openAs(room, network, bridgeOptions(context, identity, options))
    const { self, addresses } = opened
    tellEvents(opened, output)
    output.event('ready', { id: self.id, name: self.name, room, network, addresses })
    output.note(`'${room}' and the devices of ${network} are one, by ${printableName(self.name)}; Ctrl-C ends`)
    await untilAborted(interrupt.signal)
  })
}

function bridgeOptions(
  { settings }: CommandContext,
  identity: Identity,
  { question }: BridgeCommandOptions,
): BridgeOptions {
  const { name, secret, interfaces, peers } = settings
  return {
    identity,
    peers,
    ...(name !== undefined && { name }),
    ...(secret !== undefined && { secret }),
    ...(interfaces.length > 0 && { interfaces: { include: interfaces } }),
    ...(question !== undefined && { question }),
  }
}

/** What the library says about a wrong argument is about what the user typed. */
async function openAs(room: string, network: NetworkKind, options: BridgeOptions): Promise<RoomBridge> {
  try {
    return await bridge(room, network, options)
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(error.message)
    throw error
  }
}

function tellEvents(opened: RoomBridge, output: Output): void {
  const tell = (event: string, fields: Readonly<Record<string, unknown>>, line: string): void => {
    output.event(event, fields)
    output.line(line)
  }
  opened.on('device', ({ name, address, peerId }) =>
    tell('device', { id: peerId, name, address }, `${printableName(name)} (${address}) is in the room`),
  )
  opened.on('device-gone', ({ name, peerId }) =>
    tell('device-gone', { id: peerId, name }, `${printableName(name)} is gone from the devices`),
  )
  opened.on('peer', ({ id, name, as }) =>
    tell('peer', { id, name, as }, `${printableName(name)} is a device, called ${printableName(as)}`),
  )
  opened.on('peer-gone', ({ id, name }) => tell('peer-gone', { id, name }, `${printableName(name)} has left the room`))
  opened.on('warning', error => {
    output.event('warning', errorEvent(error))
    output.note(printableText(error.message))
  })
}
