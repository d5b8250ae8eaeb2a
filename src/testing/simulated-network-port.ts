/** The network port of one program on a simulated host. */

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
} from '../platform/network.ts'
import { formatIpAddress, parseIpAddress } from './ip-address.ts'
import type { IpStack } from './ip-stack.ts'
import type { SimulatedDisk } from './simulated-disk.ts'
import { systemError } from './system-error.ts'
import type { EventOwner } from './virtual-time.ts'

/** How long after a change of the interfaces programs learn of it; about half the period of a poll. */
const INTERFACE_NEWS_DELAY_MS = 500

/** What a program sees of its host. */
export interface HostView {
  readonly name: string
  readonly wallOffsetMs: number
  readonly disk: SimulatedDisk
  interfaces(): readonly NetworkInterface[]
  gateways(): readonly Gateway[]
  /** Addresses of a host by name. */
  resolve(name: string): readonly string[]
}

export class SimulatedNetworkPort implements Network {
  readonly #ip: IpStack
  readonly #host: HostView
  readonly #program: EventOwner
  readonly #watchers = new Set<{ readonly onChange: () => void }>()
  #newsIsPending = false

  constructor(ip: IpStack, host: HostView, program: EventOwner) {
    this.#ip = ip
    this.#host = host
    this.#program = program
  }

  get watcherCount(): number {
    return this.#watchers.size
  }

  interfaces(): readonly NetworkInterface[] {
    return this.#host.interfaces()
  }

  watchInterfaces(onChange: () => void): () => void {
    const watcher = { onChange }
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  gateways(): readonly Gateway[] {
    return this.#host.gateways()
  }

  async openUdp(options: UdpOptions, handlers: UdpHandlers): Promise<UdpSocket> {
    if (this.#program.condition !== 'awake') await this.#untilAwake()
    return this.#ip.udp.open(options, handlers, this.#program)
  }

  async listenTcp(options: TcpListenOptions, onConnection: (connection: TcpConnection) => void): Promise<TcpListener> {
    if (this.#program.condition !== 'awake') await this.#untilAwake()
    return this.#ip.tcp.listen(options, onConnection, this.#program)
  }

  async connectTcp(remote: SocketAddress, options: TcpConnectOptions): Promise<TcpConnection> {
    if (this.#program.condition !== 'awake') await this.#untilAwake()
    return this.#ip.tcp.connect(remote, options, this.#program)
  }

  async lookup(host: string): Promise<readonly string[]> {
    if (this.#program.condition !== 'awake') await this.#untilAwake()
    const literal = parseIpAddress(host)
    if (literal !== undefined) return [formatIpAddress(literal)]
    const addresses = this.#host.resolve(host)
    if (addresses.length === 0) throw systemError('ENOTFOUND', `cannot resolve ${host}`)
    return addresses
  }

  onInterfaceChange(): void {
    if (this.#newsIsPending || this.#watchers.size === 0) return
    this.#newsIsPending = true
    this.#ip.time.schedule(INTERFACE_NEWS_DELAY_MS, this.#program, () => {
      this.#newsIsPending = false
      for (const { onChange } of [...this.#watchers]) onChange()
    })
  }

  /** A program that sleeps goes on when its host wakes; one that is dead never does. */
  #untilAwake(): Promise<void> {
    return new Promise(resolve => void this.#ip.time.schedule(0, this.#program, resolve))
  }
}
