/** Looks for visible peers: one PING to everybody on each link, and what answers. */

import type { EarshotError } from '../../errors.ts'
import { MAX_PEERPY_DATAGRAMS_PER_SECOND, MAX_PEERPY_DISCOVERY_MS, MAX_PEERPY_FOUND } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { subnetBroadcast } from '../../platform/ip-address.ts'
import type { Network, UdpHandlers, UdpSocket } from '../../platform/network.ts'
import { DISCOVERY_PORT, type DiscoveryPacket, decodeDiscovery, encodePing } from './discovery-packet.ts'
import type { OwnNames, Place } from './own-names.ts'
import { Rate } from './rate.ts'

const LIMITED_BROADCAST = '255.255.255.255'

export interface DiscoveryOptions {
  readonly clock: Clock
  readonly network: Network
  readonly names: OwnNames
  /** It ends when nobody has answered for so long. */
  readonly quietMs: number
  /** Aborting ends it, without an error. */
  readonly signal: AbortSignal | undefined
  readonly onWarning: (error: EarshotError) => void
}

export class Discovery {
  readonly #options: DiscoveryOptions
  readonly #known = new Set<string>()
  /** Found, and not yet told. */
  #news: string[] = []
  readonly #sockets: UdpSocket[] = []
  readonly #datagrams: Rate
  #quiet: Timer | undefined
  #longest: Timer | undefined
  #isOver = false
  #wake: () => void = () => {}

  constructor(options: DiscoveryOptions) {
    this.#options = options
    this.#datagrams = new Rate(options.clock, MAX_PEERPY_DATAGRAMS_PER_SECOND)
  }

  /** Asks everywhere, and gives what answers, once. Rejects where asking is possible nowhere. */
  async *found(): AsyncGenerator<string, void> {
    const { signal } = this.#options
    if (signal?.aborted) return
    const onAbort = () => this.stop()
    signal?.addEventListener('abort', onAbort)
    try {
      await this.#ask()
      for (;;) {
        yield* this.#news.splice(0)
        if (this.#isOver) return
        await new Promise<void>(resolve => {
          this.#wake = resolve
          if (this.#isOver || this.#news.length > 0) resolve()
        })
      }
    } finally {
      this.stop()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Idempotent. */
  stop(): void {
    this.#isOver = true
    this.#quiet?.cancel()
    this.#longest?.cancel()
    for (const socket of this.#sockets.splice(0)) socket.close()
    this.#wake()
  }

  async #ask(): Promise<void> {
    const { clock, names } = this.#options
    const { places } = names
    const asked = await Promise.allSettled(places.map(place => this.#askOn(place, places.length > 1)))
    const failures = asked.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
    if (failures.length > 0 && failures.length === places.length) throw failures[0]
    for (const failure of failures) this.#options.onWarning(failure)
    if (this.#isOver) return
    this.#longest = clock.setTimer(MAX_PEERPY_DISCOVERY_MS, () => this.stop())
    this.#restartQuiet()
  }

  async #askOn(place: Place, isOneOfSeveral: boolean): Promise<void> {
    const socket = await this.#open(place.address.address)
    if (this.#isOver) {
      socket.close()
      return
    }
    this.#sockets.push(socket)
    const ping = encodePing({ address: place.address.address, port: socket.local.port })
    for (const address of everybodyOn(place, isOneOfSeveral)) socket.send(ping, { address, port: DISCOVERY_PORT })
  }

  /** From the port of discovery, as the program does, for which firewalls may be open; else from any: it is told. */
  async #open(address: string): Promise<UdpSocket> {
    const { network, onWarning } = this.#options
    const options = { address, port: DISCOVERY_PORT, sharePort: true, broadcast: true }
    const handlers: UdpHandlers = {
      onDatagram: bytes => this.#onDatagram(bytes),
      onError: error => this.#isOver || onWarning(error),
    }
    try {
      return await network.openUdp(options, handlers)
    } catch {
      return network.openUdp({ ...options, port: 0, sharePort: false }, handlers)
    }
  }

  #onDatagram(bytes: Uint8Array): void {
    if (this.#isOver || !this.#datagrams.take()) return
    let packet: DiscoveryPacket | undefined
    try {
      packet = decodeDiscovery(bytes)
    } catch {
      return
    }
    if (packet?.type !== 'PONG' || this.#options.names.includes(packet.ponger)) return
    this.#restartQuiet()
    if (this.#known.has(packet.ponger) || this.#known.size >= MAX_PEERPY_FOUND) return
    this.#known.add(packet.ponger)
    this.#news.push(packet.ponger)
    this.#wake()
  }

  #restartQuiet(): void {
    this.#quiet?.cancel()
    this.#quiet = this.#options.clock.setTimer(this.#options.quietMs, () => this.stop())
  }
}

/**
 * The program uses the limited broadcast address, which leaves by the interface of the socket's address on Linux; on other
 * systems by one interface only, so that with several the subnet's address is used as well. Loopback has only that.
 */
function everybodyOn({ interface: link, address }: Place, isOneOfSeveral: boolean): string[] {
  const subnet = subnetBroadcast(address)
  const limited = link.kind === 'loopback' ? [] : [LIMITED_BROADCAST]
  return [...limited, ...(subnet !== undefined && (isOneOfSeveral || limited.length === 0) ? [subnet] : [])]
}
