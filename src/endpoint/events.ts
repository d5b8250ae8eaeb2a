/** The events of a room, each with its one payload. */

import type { EarshotError } from '../errors.ts'
import type { GoneCode, Json, PeerPath, PeerState } from './options.ts'
import type { Peer } from './peer.ts'
import type { RelayedPair } from './relaying/relay-desk.ts'

export interface Message<T = unknown> {
  readonly data: T
  readonly from: Peer
  /** The name of the channel, empty for messages of the room itself. */
  readonly channel: string
}

/** Somebody who was seen and is not connected. Nothing of it is proven. */
export interface SeenPeer {
  readonly id: string
  readonly name: string
  readonly info: Json | undefined
  /** `'ip:port'` */
  readonly addresses: readonly string[]
  readonly via: string
}

export interface RoomEvents {
  /** A peer is connected. */
  peer: Peer
  /** A peer left, was kicked, was lost or came back as a new process. */
  'peer-gone': { readonly peer: Peer; readonly code: GoneCode; readonly reason: string }
  'peer-state': { readonly peer: Peer; readonly state: PeerState; readonly was: PeerState }
  /** Messages of the room and of all its channels. */
  message: Message
  /** This room, a volunteer, begins to relay between two of its peers, or has ceased to: `bytes` went in both directions. */
  relay: RelayedPair & { readonly state: 'begun' | 'ended' }
  path: { readonly peer: Peer; readonly path: PeerPath }
  /** Something does not work, or was dropped, while the rest goes on. */
  warning: EarshotError
  found: SeenPeer
  lost: SeenPeer
}
