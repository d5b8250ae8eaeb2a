/** Where the datagrams of one peer go and come from: the sockets of the room, and the path of the peer's session. */

import type { Clock } from '../platform/clock.ts'
import type { SocketAddress } from '../platform/network.ts'
import type { FlowNetwork } from '../session/datagram/datagram-flow.ts'
import type { DatagramKeys } from '../session/datagram/datagram-keys.ts'
import type { DatagramSockets, DatagramTarget } from '../session/datagram/datagram-sockets.ts'
import type { Peer } from './peer.ts'

export class PeerUdp implements FlowNetwork {
  readonly clock: Clock
  readonly keys: DatagramKeys
  readonly #sockets: DatagramSockets
  readonly #peer: Peer

  /** @param keys those of the connection that began the session */
  constructor(clock: Clock, sockets: DatagramSockets, peer: Peer, keys: DatagramKeys) {
    this.clock = clock
    this.keys = keys
    this.#sockets = sockets
    this.#peer = peer
  }

  /** Only where an authenticated connection of the session leads: no datagram goes to anybody else. */
  get remote(): SocketAddress | undefined {
    const { messenger, udpPort } = this.#peer
    const { session } = messenger
    if (udpPort === 0 || session.paths.length === 0) return undefined
    const { connection } = session.path
    // A NAT or a relay has no such port of the peer: what is sent there would be other people's.
    if (connection.route.kind !== 'lan') return undefined
    const remote = { address: connection.remote.address, port: udpPort }
    return this.#sockets.reaches(remote) ? remote : undefined
  }

  send(datagram: Uint8Array, remote: SocketAddress): boolean {
    return this.#sockets.send(datagram, remote)
  }

  register(target: DatagramTarget): void {
    this.#sockets.register(target)
  }

  unregister(target: DatagramTarget): void {
    this.#sockets.unregister(target)
  }
}
