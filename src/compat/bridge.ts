/**
 * `earshot/compat/bridge`: a room and the devices of peerpy or pythonConnect as one, so that they can be moved one at a time.
 * `docs/compat.md` has examples.
 */

import { keepProcessAlive } from '../platform/node/keep-process-alive.ts'
import { nodePlatform } from '../platform/node/node-platform.ts'
import type { NetworkKind } from './bridge/foreign-network.ts'
import type { BridgeOptions } from './bridge/options.ts'
import { RoomBridge } from './bridge/room-bridge.ts'

/**
 * Joins the room of a service and the devices of another program. Resolves when the bridge is in both, after about a second.
 *
 * @param service RFC 6335 service name of the room
 * @param kind the network on the other side
 * @throws rejects with TypeError or RangeError for wrong arguments, with `address-in-use` or `permission-denied`
 */
export async function bridge(service: string, kind: NetworkKind, options: BridgeOptions = {}): Promise<RoomBridge> {
  const platform = options?.network ?? nodePlatform()
  return RoomBridge.open({ platform, service, kind, options, hold: keepProcessAlive })
}

export type { Disposer, OnceOptions } from '../emitter.ts'
export { EarshotError, type ErrorCode } from '../errors.ts'
export type { BridgedDevice, BridgedPeer, BridgeEvents } from './bridge/events.ts'
export type { NetworkKind } from './bridge/foreign-network.ts'
export type { BridgeOptions } from './bridge/options.ts'
export type { RoomBridge } from './bridge/room-bridge.ts'
