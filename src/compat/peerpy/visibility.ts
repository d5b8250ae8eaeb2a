/**
 * Answers those who look for peers, while the peer is visible. The port is shared with the other peerpy programs of the
 * machine, which all hear a broadcast.
 *
 * The program answers to whatever address a PING names. Here it must be the sender's: a PING with somebody else's address
 * would make us send where we were not asked from.
 */

import { asError, EarshotError } from '../../errors.ts'
import { MAX_PEERPY_DATAGRAMS_PER_SECOND, MAX_PEERPY_PONGS_PER_SECOND } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Network, SocketAddress, UdpSocket } from '../../platform/network.ts'
import { DISCOVERY_PORT, type DiscoveryPacket, decodeDiscovery, encodePong } from './discovery-packet.ts'
import { Rate } from './rate.ts'

export interface VisibilityOptions {
  readonly clock: Clock
  readonly network: Network
  /** Our name for a neighbour; undefined for one who is not to know. */
  readonly nameFor: (neighbour: string) => string | undefined
  readonly onWarning: (error: EarshotError) => void
}

export class Visibility {
  readonly #options: VisibilityOptions
  readonly #datagrams: Rate
  readonly #pongs: Rate
  #isVisible = false
  #socket: UdpSocket | undefined
  /** Opening and closing follow each other; only the last wish counts. */
  #work: Promise<void> = Promise.resolve()

  constructor(options: VisibilityOptions) {
    this.#options = options
    this.#datagrams = new Rate(options.clock, MAX_PEERPY_DATAGRAMS_PER_SECOND)
    this.#pongs = new Rate(options.clock, MAX_PEERPY_PONGS_PER_SECOND)
  }

  get isVisible(): boolean {
    return this.#isVisible
  }

  /** Takes effect at once when it hides. Resolves when it can be seen; where the port cannot be had, after a warning. */
  show(isVisible: boolean): Promise<void> {
    this.#isVisible = isVisible
    if (!isVisible) {
      this.#socket?.close()
      this.#socket = undefined
    }
    this.#work = this.#work.then(() => this.#reconcile())
    return this.#work
  }

  async #reconcile(): Promise<void> {
    if (!this.#isVisible || this.#socket !== undefined) return
    try {
      const socket = await this.#open()
      if (this.#isVisible) this.#socket = socket
      else socket.close()
    } catch (error) {
      if (this.#isVisible) this.#options.onWarning(notSeen(error))
    }
  }

  #open(): Promise<UdpSocket> {
    const { network, onWarning } = this.#options
    return network.openUdp(
      { address: '0.0.0.0', port: DISCOVERY_PORT, sharePort: true, broadcast: true },
      {
        onDatagram: (bytes, remote) => this.#onDatagram(bytes, remote),
        onError: error => this.#isVisible && onWarning(error),
      },
    )
  }

  #onDatagram(bytes: Uint8Array, remote: SocketAddress): void {
    if (!this.#isVisible || !this.#datagrams.take()) return
    let packet: DiscoveryPacket | undefined
    try {
      packet = decodeDiscovery(bytes)
    } catch {
      return // Ends a thread of the program; here it is nobody's business.
    }
    if (packet?.type !== 'PING' || packet.pinger.address !== remote.address) return
    const name = this.#options.nameFor(remote.address)
    if (name !== undefined && this.#pongs.take()) this.#socket?.send(encodePong(name), packet.pinger)
  }
}

function notSeen(error: unknown): EarshotError {
  const { message } = asError(error)
  const code = error instanceof EarshotError ? error.code : 'no-network'
  return new EarshotError(code, `nobody can discover this peer: ${message}`, {
    cause: error,
    hint: `UDP port ${DISCOVERY_PORT} is needed; who knows the address can connect all the same.`,
  })
}
