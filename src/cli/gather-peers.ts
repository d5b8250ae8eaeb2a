/** Waits for those who are already in a room: they are met one by one, within moments of each other. */

import { setTimeout as sleep } from 'node:timers/promises'
import { EarshotError, type Room } from '../index.ts'
import { formatDuration } from './duration.ts'
import { NobodyFoundError } from './exit-code.ts'

export interface GatherOptions {
  /** How long to wait for the first peer, in milliseconds; may be Infinity. */
  readonly timeoutMs: number
  /** Nobody new for this long, in milliseconds, means that all are here. */
  readonly quietMs: number
  readonly signal: AbortSignal
}

/** Where somebody new comes all the time there is no end to wait for. */
const MAX_ROUNDS = 5

/** Rejects with a NobodyFoundError, or with `signal.reason`. */
export async function gatherPeers(room: Room, { timeoutMs, quietMs, signal }: GatherOptions): Promise<void> {
  try {
    await room.once('peer', { timeoutMs, signal })
    for (let known = 0, rounds = 0; known < room.peers.length && rounds < MAX_ROUNDS; rounds++) {
      known = room.peers.length
      await sleep(quietMs, undefined, { signal })
    }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof EarshotError) || error.code !== 'timeout') throw error
    throw new NobodyFoundError(
      `nobody was found in the room within ${formatDuration(timeoutMs)}`,
      "'earshot' shows who is around, in every room.",
    )
  }
}
