/** Sends the lines of a chat to everybody, in order. A line waits until somebody is here to hear it. */

import type { Room } from '../index.ts'
import { formatDuration } from './duration.ts'
import { NobodyFoundError } from './exit-code.ts'
import { gatherPeers } from './gather-peers.ts'

/**
 * The first line waits this long for more peers after each that came: those who are here already are met within a few
 * milliseconds of each other, and all of them should hear it.
 */
const QUIET_MS = 100

export interface ChatLinesOptions {
  /** Aborts when no more lines are to be sent. */
  readonly signal: AbortSignal
  /** Resolves when the last line was read. */
  readonly ended: Promise<unknown>
  /** How long the lines that are left then wait for somebody, in milliseconds. */
  readonly timeoutMs: number
  /** A line has to wait: nobody is here. */
  onWaiting(): void
}

/** Resolves when all lines are sent. Rejects with a NobodyFoundError where nobody came to hear them. */
export async function sendLines(room: Room, lines: AsyncIterable<string>, options: ChatLinesOptions): Promise<void> {
  const patience = startPatience(options)
  try {
    let isGathered = false
    for await (const line of lines) {
      options.signal.throwIfAborted()
      if (room.peers.length === 0) options.onWaiting()
      if (room.peers.length === 0 || !isGathered) await gather(room, AbortSignal.any([options.signal, patience.signal]))
      isGathered = true
      await room.send(line, { signal: options.signal })
    }
  } finally {
    patience.end()
  }
}

function gather(room: Room, signal: AbortSignal): Promise<void> {
  return gatherPeers(room, { timeoutMs: Number.POSITIVE_INFINITY, quietMs: QUIET_MS, signal })
}

/** A signal that aborts some time after the last line was read. */
function startPatience({ ended, timeoutMs }: ChatLinesOptions): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  const giveUp = (): void =>
    controller.abort(new NobodyFoundError(`nobody came to hear the lines within ${formatDuration(timeoutMs)}`))
  ended.then(() => {
    if (!isOver) timer = setTimeout(giveUp, timeoutMs)
  })
  return {
    signal: controller.signal,
    end: () => {
      isOver = true
      clearTimeout(timer)
    },
  }
}
