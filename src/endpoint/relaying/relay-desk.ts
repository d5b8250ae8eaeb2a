/**
 * Relays streams between two peers who cannot reach each other, as a volunteer: end-to-end encrypted, so that it sees how much
 * goes and when. What goes is counted, and has a budget.
 */

import { asError, EarshotError } from '../../errors.ts'
import { MAX_RELAYED_STREAMS, MAX_RELAYED_STREAMS_PER_PEER } from '../../limits.ts'
import type { ByteStream } from '../../messaging/open-stream.ts'
import type { RelayBudget } from '../internet/relay-budget.ts'
import { readId } from './words.ts'

export interface RelayDeskRoom {
  /** Whether a peer is here on a connection that is not relayed itself: who relays is reached directly. */
  isDirect(id: string): boolean
  openRelayed(id: string, fromId: string): ByteStream
  onRelay(state: 'begun' | 'ended', pair: RelayedPair): void
}

/** Two peers, and what has gone between them over one stream, in both directions. */
export interface RelayedPair {
  readonly fromId: string
  readonly toId: string
  readonly bytes: number
}

interface Relayed {
  readonly fromId: string
  readonly toId: string
  bytes: number
  end(error: EarshotError): void
}

export class RelayDesk {
  readonly #room: RelayDeskRoom
  readonly #budget: RelayBudget
  readonly #relayed = new Set<Relayed>()

  constructor(budget: RelayBudget, room: RelayDeskRoom) {
    this.#budget = budget
    this.#room = room
  }

  /** What is being relayed. */
  get pairs(): readonly RelayedPair[] {
    return [...this.#relayed].map(pairOf)
  }

  /** Takes a stream to another peer. Rejects with why it has ended, where that was not orderly. */
  async relay(stream: ByteStream, fromId: string, header: unknown): Promise<void> {
    const toId = readId(header, 'to')
    this.#check(fromId, toId)
    const beyond = this.#room.openRelayed(toId, fromId)
    const stop = new AbortController()
    const relayed: Relayed = { fromId, toId, bytes: 0, end: error => stop.abort(error) }
    const count = (chunk: Uint8Array): void => {
      relayed.bytes += chunk.length
      this.#budget.count(chunk.length)
    }
    this.#relayed.add(relayed)
    this.#room.onRelay('begun', pairOf(relayed))
    try {
      await Promise.all([
        pass(stream.readable, beyond.writable, count, stop.signal),
        pass(beyond.readable, stream.writable, count, stop.signal),
      ])
    } catch (error) {
      stop.abort(error)
      throw error
    } finally {
      this.#relayed.delete(relayed)
      this.#room.onRelay('ended', pairOf(relayed))
    }
  }

  /** The budget is spent. */
  endAll(error: EarshotError): void {
    for (const relayed of [...this.#relayed]) relayed.end(error)
  }

  /** Who is not reached directly any more is not relayed: its way could lead through the other one, and so in a circle. */
  endOf(id: string): void {
    const error = new EarshotError('unreachable', 'this relay does not reach the peer directly any more')
    for (const relayed of [...this.#relayed]) if (isOf(relayed, id)) relayed.end(error)
  }

  #check(fromId: string, toId: string): void {
    if (this.#budget.isSpent) throw new EarshotError('limit-reached', 'the budget of this relay is used up')
    if (toId === fromId) throw new EarshotError('refused', 'a relay leads to somebody else')
    if (!this.#room.isDirect(toId)) throw new EarshotError('unknown-peer', 'this relay does not reach that peer')
    if (!this.#room.isDirect(fromId)) throw new EarshotError('refused', 'relays are not chained')
    const all = [...this.#relayed]
    const mostOfOne = Math.max(...[fromId, toId].map(id => all.filter(each => isOf(each, id)).length))
    if (all.length >= MAX_RELAYED_STREAMS || mostOfOne >= MAX_RELAYED_STREAMS_PER_PEER)
      throw new EarshotError('limit-reached', 'this relay has no room for more')
  }
}

function pairOf({ fromId, toId, bytes }: Relayed): RelayedPair {
  return { fromId, toId, bytes }
}

function isOf({ fromId, toId }: Relayed, id: string): boolean {
  return id === fromId || id === toId
}

/** One direction: its end and its failures pass on. */
async function pass(
  from: ReadableStream<Uint8Array>,
  to: WritableStream<Uint8Array>,
  count: (chunk: Uint8Array) => void,
  signal: AbortSignal,
): Promise<void> {
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      count(chunk)
      controller.enqueue(chunk)
    },
  })
  try {
    await from.pipeThrough(counted, { signal }).pipeTo(to, { signal })
  } catch (error) {
    throw error instanceof EarshotError ? error : new EarshotError('reset', asError(error).message)
  }
}
