/** What happens to a bridge, each event with its one payload. */

import type { EarshotError } from '../../errors.ts'

/** A device of the other network, as a peer of the room. */
export interface BridgedDevice {
  /** What it calls itself: its name, or for peerpy its address. Nothing is proven. */
  readonly name: string
  /** `'ip'`, or for peerpy `'ip:port'` */
  readonly address: string
  /** The id of the peer that stands for it in the room. */
  readonly peerId: string
}

/** A peer of the room, as a device of the other network. */
export interface BridgedPeer {
  readonly id: string
  readonly name: string
  /** What the devices know it by: a name, or for peerpy an address. */
  readonly as: string
}

export interface BridgeEvents {
  device: BridgedDevice
  'device-gone': BridgedDevice
  peer: BridgedPeer
  'peer-gone': BridgedPeer
  /** Something did not get through, or does not work, while the rest goes on. */
  warning: EarshotError
}
