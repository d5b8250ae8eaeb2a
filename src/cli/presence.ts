/** Who is around, in which room: what the table of `earshot` shows. */

import type { Json, PeerPath } from '../index.ts'
import { formatDuration } from './duration.ts'
import { shortId } from './peer-label.ts'
import { printableName, printableText } from './printable.ts'
import { layoutTable } from './table.ts'

export interface PresentPeer {
  readonly room: string
  readonly id: string
  readonly name: string
  readonly info: Json | undefined
  /** `'ip:port'`, the most promising first. */
  readonly addresses: readonly string[]
  readonly via: string | undefined
  /** How it is connected, now; undefined where it was only seen. */
  path(): PeerPath | undefined
}

export type PresenceChange = 'found' | 'updated'

const COLUMNS = [
  { title: 'ROOM', dropOrder: 0 },
  { title: 'NAME', dropOrder: 0 },
  { title: 'ID', dropOrder: 3 },
  { title: 'ADDRESS', dropOrder: 0 },
  { title: 'PATH', dropOrder: 2 },
  { title: 'RTT', dropOrder: 1 },
] as const

export class Presence {
  readonly #peers: Map<string, PresentPeer> = new Map()

  /** Adds a peer, or replaces what was known of it. */
  set(peer: PresentPeer): PresenceChange {
    const key = keyOf(peer)
    const change = this.#peers.has(key) ? 'updated' : 'found'
    this.#peers.set(key, peer)
    return change
  }

  /** The peer that was there, if it was. */
  remove(place: Pick<PresentPeer, 'room' | 'id'>): PresentPeer | undefined {
    const peer = this.#peers.get(keyOf(place))
    this.#peers.delete(keyOf(place))
    return peer
  }

  get isEmpty(): boolean {
    return this.#peers.size === 0
  }

  /** A table of at most `maxWidth` columns, by room and name, and a line that counts. */
  table(maxWidth: number): string[] {
    const peers = [...this.#peers.values()].sort(
      (a, b) => compare(a.room, b.room) || compare(a.name, b.name) || compare(a.id, b.id),
    )
    if (peers.length === 0) return ['nobody is around yet']
    const rooms = new Set(peers.map(({ room }) => room)).size
    return [
      ...layoutTable(COLUMNS, peers.map(row), maxWidth),
      `${count(peers.length, 'peer')} in ${count(rooms, 'room')}`,
    ]
  }
}

/** The fields of the events of `--json`. */
export function presenceEvent({ path, ...peer }: PresentPeer): Readonly<Record<string, unknown>> {
  return { ...peer, path: path() }
}

function row({ room, id, name, addresses, via, path }: PresentPeer): string[] {
  const { kind, interface: interfaceName, remote, rttMs } = path() ?? {}
  // There nobody says where they are.
  const nowhere = via === 'rendezvous' ? 'over the rendezvous' : via === 'peer' ? 'by a common peer' : ''
  const [first = nowhere, ...others] = remote === undefined ? addresses : [remote]
  return [
    printableName(room),
    printableName(name),
    shortId(printableText(id)),
    printableText(others.length > 0 ? `${first} +${others.length}` : first),
    [kind, interfaceName].filter(part => part !== undefined).join(' '),
    rttMs === undefined ? '' : formatDuration(rttMs),
  ]
}

function keyOf({ room, id }: Pick<PresentPeer, 'room' | 'id'>): string {
  return `${room} ${id}`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
