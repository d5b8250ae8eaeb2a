/** The peer that a user names on the command line. */

import { EarshotError, type Peer, type Room } from '../index.ts'
import { formatDuration } from './duration.ts'
import { NobodyFoundError, UsageError } from './exit-code.ts'
import { printableName } from './printable.ts'

export interface FindPeerOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Rejects with a NobodyFoundError that names those who are there, or with what kept the peer from being connected. */
export async function findPeer(room: Room, nameOrId: string, options: FindPeerOptions): Promise<Peer> {
  try {
    return await room.connect(nameOrId, options)
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message)
    if (!(error instanceof EarshotError) || error.code !== 'unknown-peer') throw error
    const namesakes = room.peers.filter(({ name }) => name === nameOrId)
    if (namesakes.length > 1) throw new UsageError(`${error.message}; use the id of the one you mean`)
    const waited = formatDuration(options.timeoutMs)
    throw new NobodyFoundError(`nobody called '${nameOrId}' was found within ${waited}`, whoIsHere(room))
  }
}

function whoIsHere(room: Room): string {
  const names = room.peers.map(({ name }) => printableName(name))
  if (names.length > 0) return `here are: ${names.join(', ')}`
  return "nobody else is in this room; 'earshot' shows who is around, in every room"
}
