/**
 * Looks for gateways by SSDP: in the group, and the routers of the default routes alone as well, for networks where multicast
 * does not pass. Who answers must be on the link.
 */

import { MAX_SSDP_ANSWERS } from '../../../limits.ts'
import type { Timer } from '../../../platform/clock.ts'
import { onLinkTest } from '../../../platform/ip-address.ts'
import type { AddressFamily, NetworkInterface, SocketAddress, UdpSocket } from '../../../platform/network.ts'
import type { Platform } from '../../../platform/platform.ts'
import {
  decodeSsdpAnswer,
  encodeSsdpSearch,
  GATEWAY_DEVICES,
  SSDP_GROUP_IPV4,
  SSDP_GROUP_IPV6,
  SSDP_PORT,
} from './ssdp-message.ts'

export interface SsdpFinding {
  /** Who answered; a link-local IPv6 address with its zone. */
  readonly address: string
  readonly location: string
}

export interface SsdpSearchOptions {
  readonly platform: Platform
  readonly link: NetworkInterface
  readonly family: AddressFamily
  /** Asked alone, too. */
  readonly gateways: readonly string[]
  readonly onFound: (finding: SsdpFinding) => void
}

/** Datagrams get lost; a third time is left out, for devices answer every one. */
const REPEAT_MS = 500
const WILDCARDS = { ipv4: '0.0.0.0', ipv6: '::' } as const

export class SsdpSearch {
  readonly #options: SsdpSearchOptions
  readonly #isOnLink: (source: string) => boolean
  #socket: UdpSocket | undefined
  #repetition: Timer | undefined
  #answers = 0
  #isClosed = false

  constructor(options: SsdpSearchOptions) {
    this.#options = options
    this.#isOnLink = onLinkTest(options.link)
  }

  /** Asks; answers reach `onFound` until `close`. Rejects where the socket cannot be opened. */
  async start(): Promise<void> {
    const { platform, link, family } = this.#options
    const socket = await platform.network.openUdp(
      // A port of its own: answers come by unicast, and SSDP's port has other listeners.
      { address: WILDCARDS[family], port: 0, sharePort: false, multicastInterface: link.name, multicastTtl: 2 },
      {
        onDatagram: (bytes, remote) => this.#receive(bytes, remote),
        onError() {}, // The other ways go on; who asked has a time limit.
      },
    )
    if (this.#isClosed) return socket.close()
    this.#socket = socket
    this.#send()
    this.#repetition = platform.clock.setTimer(REPEAT_MS, () => this.#send())
  }

  close(): void {
    this.#isClosed = true
    this.#repetition?.cancel()
    this.#socket?.close()
  }

  #send(): void {
    const { family, gateways, link } = this.#options
    const group = family === 'ipv4' ? SSDP_GROUP_IPV4 : SSDP_GROUP_IPV6
    const groupAddress = family === 'ipv4' ? group : `${group}%${link.name}`
    for (const target of GATEWAY_DEVICES) {
      this.#socket?.send(encodeSsdpSearch(group, target), { address: groupAddress, port: SSDP_PORT })
      for (const address of gateways) {
        this.#socket?.send(encodeSsdpSearch(address, target), { address, port: SSDP_PORT })
      }
    }
  }

  #receive(bytes: Uint8Array, { address }: SocketAddress): void {
    if (this.#answers === MAX_SSDP_ANSWERS || !this.#isOnLink(address)) return
    this.#answers += 1
    try {
      const { location, searchTarget } = decodeSsdpAnswer(bytes)
      if ((GATEWAY_DEVICES as readonly string[]).includes(searchTarget)) this.#options.onFound({ address, location })
    } catch {
      // Anybody may answer, and anything: what is no answer is none.
    }
  }
}
