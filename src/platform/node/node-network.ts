/** The network port on Node: TCP, UDP, interfaces, and the system's resolver. */

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { guessGateways } from '../gateway-guess.ts'
import type {
  Gateway,
  Network,
  NetworkInterface,
  SocketAddress,
  TcpConnection,
  TcpConnectOptions,
  TcpListener,
  TcpListenOptions,
  UdpHandlers,
  UdpOptions,
  UdpSocket,
} from '../network.ts'
import { unmapped } from '../socket-address.ts'
import { InterfaceWatcher } from './interface-watcher.ts'
import { nodeError } from './node-error.ts'
import { systemInterfaces } from './node-interfaces.ts'
import { connectTcp, listenTcp } from './node-tcp.ts'
import { openUdp } from './node-udp.ts'
import { systemGateways } from './system-gateways.ts'

const FRESH_MS = 500

export class NodeNetwork implements Network {
  readonly #watcher = new InterfaceWatcher(() => this.#read())
  #known: { readonly interfaces: readonly NetworkInterface[]; readonly at: number } | undefined

  /** Asking the system takes half a millisecond, and callers may ask for every connection. */
  interfaces(): readonly NetworkInterface[] {
    const isFresh = this.#known !== undefined && performance.now() - this.#known.at < FRESH_MS
    return isFresh ? this.#known!.interfaces : this.#read()
  }

  watchInterfaces(onChange: () => void): () => void {
    return this.#watcher.watch(onChange)
  }

  gateways(): readonly Gateway[] {
    return systemGateways() ?? guessGateways(this.interfaces())
  }

  openUdp(options: UdpOptions, handlers: UdpHandlers): Promise<UdpSocket> {
    return openUdp(options, handlers, () => this.#read())
  }

  listenTcp(options: TcpListenOptions, onConnection: (connection: TcpConnection) => void): Promise<TcpListener> {
    return listenTcp(options, onConnection)
  }

  connectTcp(remote: SocketAddress, options: TcpConnectOptions): Promise<TcpConnection> {
    return connectTcp(remote, options)
  }

  async lookup(host: string): Promise<readonly string[]> {
    // A zone would not survive the resolver.
    if (isIP(host)) return [unmapped(host)]
    try {
      const found = await lookup(host, { all: true, verbatim: true })
      return [...new Set(found.map(({ address }) => unmapped(address)))]
    } catch (error) {
      throw nodeError(error, `cannot resolve ${host}`, 'unreachable')
    }
  }

  #read(): readonly NetworkInterface[] {
    const interfaces = systemInterfaces()
    this.#known = { interfaces, at: performance.now() }
    return interfaces
  }
}
