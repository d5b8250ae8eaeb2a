/** A program on a simulated host: the platform it runs on, from its start until it is killed. */

import type { Clock } from '../platform/clock.ts'
import type { Files } from '../platform/files.ts'
import type { Network } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'
import type { Random } from '../platform/random.ts'
import type { ReliableUdpSupport } from '../platform/reliable-udp.ts'
import type { IpStack } from './ip-stack.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedFiles } from './simulated-files.ts'
import { type HostView, SimulatedNetworkPort } from './simulated-network-port.ts'
import { simulatedReliableUdp } from './simulated-reliable-udp.ts'
import { VirtualClock } from './virtual-clock.ts'
import type { EventOwner } from './virtual-time.ts'

export class SimulatedProgram implements Platform, EventOwner {
  readonly takesTurns = true
  readonly hostName: string
  readonly random: Random
  readonly files: Files
  readonly #ip: IpStack
  readonly #clock: VirtualClock
  readonly #network: SimulatedNetworkPort
  #isKilled = false

  constructor(ip: IpStack, host: HostView, random: SeededRandom) {
    this.hostName = host.name
    this.random = random
    this.#ip = ip
    this.#clock = new VirtualClock(ip.time, this, () => host.wallOffsetMs)
    this.files = new SimulatedFiles(host.disk, ip.time, this, this.#clock)
    this.#network = new SimulatedNetworkPort(ip, host, this)
  }

  get clock(): Clock {
    return this.#clock
  }

  get network(): Network {
    return this.#network
  }

  async reliableUdp(): Promise<ReliableUdpSupport> {
    return simulatedReliableUdp(this.#ip, this)
  }

  get condition(): EventOwner['condition'] {
    return this.#isKilled ? 'dead' : this.#ip.condition
  }

  /**
   * Ends it as SIGKILL does: none of its code runs again, and the system closes what it had open. Connections end for
   * the other side, ports refuse.
   */
  kill(): void {
    if (this.#isKilled) return
    this.#isKilled = true
    this.#clock.cancelAll()
    const isOwn = ({ program }: { program: EventOwner }) => program === this
    for (const socket of this.#ip.udp.sockets.filter(isOwn)) socket.abandon()
    for (const listener of this.#ip.tcp.listeners.filter(isOwn)) void listener.close()
    for (const endpoint of this.#ip.tcp.endpoints.filter(isOwn)) endpoint.abandon()
  }

  /** Its timers and watchers: what the system does not know of. */
  get timersDueAt(): readonly number[] {
    return this.#clock.pending
  }

  get watcherCount(): number {
    return this.#network.watcherCount
  }

  onInterfaceChange(): void {
    this.#network.onInterfaceChange()
  }
}
