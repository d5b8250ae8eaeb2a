/**
 * The UDP sockets of a room, one a family, on one port: that of its TCP listener where it is free. They find the
 * session of a datagram by its connection id, before any arithmetic; what belongs to none is dropped.
 */

import type { Network, SocketAddress, UdpSocket } from '../../platform/network.ts'
import { DATAGRAM_TYPE, MIN_DATAGRAM_BYTES } from './datagram-packet.ts'

/** One session, as its datagrams find it. */
export interface DatagramTarget {
  /** What its datagrams begin with, behind the type. */
  readonly connectionId: Uint8Array
  onDatagram(datagram: Uint8Array, from: SocketAddress): void
  /** The sockets take more after `send` returned false. */
  onSocketReady(): void
}

const WILDCARDS: Readonly<Record<string, readonly string[]>> = { '::': ['0.0.0.0', '::'] }

export class DatagramSockets {
  readonly #sockets: UdpSocket[] = []
  /** By the first 48 bits of their connection ids, as numbers: found without making a text of each. */
  readonly #targets = new Map<number, DatagramTarget>()
  #refused = 0
  #isClosed = false

  /**
   * Opens beside a TCP listener. Where that fails, as on a system without UDP or with another program on every port it
   * tries, it fails without a word: there are no datagrams then.
   */
  async open(network: Network, listener: SocketAddress): Promise<void> {
    const addresses = WILDCARDS[listener.address] ?? [listener.address]
    if (!(await this.#openAll(network, addresses, listener.port))) await this.#openAll(network, addresses, 0)
    if (this.#isClosed) this.close()
  }

  /** The port to announce, 0 for none. */
  get port(): number {
    return this.#sockets[0]?.local.port ?? 0
  }

  /** Datagrams that belonged to no session. */
  get refused(): number {
    return this.#refused
  }

  /** From now on datagrams with its connection id are for this one. */
  register(target: DatagramTarget): void {
    const key = keyAt(target.connectionId, 0)
    // Of two that begin alike, one in 2^48, the second has to do without.
    if (!this.#targets.has(key)) this.#targets.set(key, target)
  }

  unregister(target: DatagramTarget): void {
    const key = keyAt(target.connectionId, 0)
    if (this.#targets.get(key) === target) this.#targets.delete(key)
  }

  /** Sends one datagram. False: the system has enough for now, `onSocketReady` says when it takes more. */
  send(datagram: Uint8Array, remote: SocketAddress): boolean {
    const isIpv6 = remote.address.includes(':')
    const socket = this.#sockets.find(({ local }) => local.address.includes(':') === isIpv6)
    return socket?.send(datagram, remote) ?? true
  }

  /** Whether there is a socket from which datagrams get there. */
  reaches({ address }: SocketAddress): boolean {
    const isIpv6 = address.includes(':')
    return this.#sockets.some(({ local }) => local.address.includes(':') === isIpv6)
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true
    for (const socket of this.#sockets.splice(0)) socket.close()
    this.#targets.clear()
  }

  /** All on one port: the first takes the given one, the others the same. A missing family does not matter. */
  async #openAll(network: Network, addresses: readonly string[], port: number): Promise<boolean> {
    for (const address of addresses) {
      const samePort = this.port || port
      const socket = await this.#open(network, address, samePort)
      if (socket) this.#sockets.push(socket)
    }
    return this.#sockets.length > 0
  }

  async #open(network: Network, address: string, port: number): Promise<UdpSocket | undefined> {
    try {
      return await network.openUdp(
        { address, port, sharePort: false },
        {
          onDatagram: (bytes, from) => this.#onDatagram(bytes, from),
          // Loss, as everywhere in UDP: the validation of paths notices what lasts.
          onError() {},
          onDrain: () => this.#onDrain(),
        },
      )
    } catch {
      return undefined
    }
  }

  #onDatagram(bytes: Uint8Array, from: SocketAddress): void {
    const target =
      bytes.length >= MIN_DATAGRAM_BYTES && bytes[0] === DATAGRAM_TYPE ? this.#targets.get(keyAt(bytes, 1)) : undefined
    if (target && hasIdAt(bytes, 1, target.connectionId)) target.onDatagram(bytes, from)
    else this.#refused++
  }

  #onDrain(): void {
    for (const target of [...this.#targets.values()]) target.onSocketReady()
  }
}

/** 48 bits of a connection id. */
function keyAt(bytes: Uint8Array, at: number): number {
  const high = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
  const low = (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!
  return high * 0x100_0000 + low
}

function hasIdAt(bytes: Uint8Array, at: number, connectionId: Uint8Array): boolean {
  return connectionId.every((byte, index) => bytes[at + index] === byte)
}
