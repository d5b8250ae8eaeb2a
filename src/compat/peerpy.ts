/**
 * `earshot/compat/peerpy`: a peer among those of the Python program peerpy, on its own protocol. Neither encrypted nor
 * authenticated, as that is. `docs/compat.md` has examples.
 */

import { nodePlatform } from '../platform/node/node-platform.ts'
import { checkPeerOptions, type PeerpyPeerOptions } from './peerpy/options.ts'
import { PeerpyPeer as PeerOnPlatform } from './peerpy/peerpy-peer.ts'

export type { PeerpyClose, PeerpyConnectionEvents, PeerpyEvents, PeerpyMessage, PeerpyOffer } from './peerpy/events.ts'
export type { ConnectionTerms, DataType } from './peerpy/hello.ts'
export type { PeerpyAdmit, PeerpyConnectOptions, PeerpyPeerOptions } from './peerpy/options.ts'
export type { PeerpyConnection } from './peerpy/peerpy-connection.ts'
export type { PeerpyDelivery, PeerpyDiscoverOptions } from './peerpy/peerpy-peer.ts'
export { Tuple } from './peerpy/tuple.ts'

/** A peer; made by `PeerpyPeer.listen`. */
export class PeerpyPeer extends PeerOnPlatform {
  /**
   * A peer that listens and, unless `invisible`, answers those who look for peers.
   *
   * @throws rejects with TypeError or RangeError for wrong arguments; EarshotError `address-in-use`, `no-network`,
   *   `permission-denied` where it cannot listen; `signal.reason`
   */
  static async listen(options: PeerpyPeerOptions = {}): Promise<PeerpyPeer> {
    const peer = new PeerpyPeer(options.network ?? nodePlatform(), checkPeerOptions(options))
    await peer.start()
    return peer
  }
}
