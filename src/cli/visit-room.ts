/** Joins a room the way all commands do: under the user's identity, with the shared options, and left politely. */

import { type JoinOptions, join, type Room } from '../index.ts'
import type { CommandContext } from './command-context.ts'
import { UsageError } from './exit-code.ts'
import { internetOptions } from './internet-flags.ts'
import { warnOfMissingInterfaces } from './missing-interfaces.ts'
import { DEFAULT_ROOM } from './settings.ts'
import { withUserIdentity } from './with-user-identity.ts'

export type VisitOptions = Pick<
  JoinOptions,
  'visible' | 'internet' | 'discovery' | 'peers' | 'admit' | 'maxPeers' | 'listen' | 'relay'
>

/** Joins, runs `visit`, and says goodbye whatever happens. The room is the one of the settings. */
export async function visitRoom(
  context: CommandContext,
  options: VisitOptions,
  visit: (room: Room) => Promise<void>,
): Promise<void> {
  const { settings, output, interrupt } = context
  warnOfMissingInterfaces(context)
  await withUserIdentity(output, async identity => {
    // Who is reached at an address may bring us together with others.
    const byPeers = settings.peers.length > 0 ? { mapPorts: false } : undefined
    const internet = internetOptions(settings.internet) ?? byPeers
    const room = await joinAs(settings.room ?? DEFAULT_ROOM, {
      identity,
      ...(internet && { internet }),
      ...(settings.name !== undefined && { name: settings.name }),
      ...(settings.secret !== undefined && { secret: settings.secret }),
      ...(settings.interfaces.length > 0 && { interfaces: { include: settings.interfaces } }),
      peers: settings.peers,
      ...options,
    })
    try {
      interrupt.signal.throwIfAborted()
      await visit(room)
    } finally {
      await room.close()
    }
  })
}

/** What the library says about a wrong argument is about what the user typed. */
async function joinAs(room: string, options: JoinOptions): Promise<Room> {
  try {
    return await join(room, options)
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(error.message)
    throw error
  }
}
