/**
 * Hears gateways that say they were started again, or have another external address (RFC 6886 section 3.2.1, RFC 6887 section
 * 14.1.3). Anybody on the link could say so in their name; therefore what is said only makes us ask the gateway itself.
 */

import { onLinkTest } from '../../platform/ip-address.ts'
import type { AddressFamily, NetworkInterface, SocketAddress, UdpSocket } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { decodeNatPmpResponse } from './nat-pmp-message.ts'
import { decodePcpResponse } from './pcp-message.ts'

const CLIENT_PORT = 5_350
/** All hosts on the link. */
const GROUPS = { ipv4: '224.0.0.1', ipv6: 'ff02::1' } as const
const WILDCARDS = { ipv4: '0.0.0.0', ipv6: '::' } as const

export interface AnnouncementOptions {
  readonly platform: Platform
  readonly link: NetworkInterface
  readonly family: AddressFamily
  /** A gateway has announced itself. */
  readonly onAnnouncement: (gateway: string) => void
}

export class Announcements {
  readonly #options: AnnouncementOptions
  readonly #isOnLink: (source: string) => boolean
  #socket: UdpSocket | undefined
  #isClosed = false

  constructor(options: AnnouncementOptions) {
    this.#options = options
    this.#isOnLink = onLinkTest(options.link)
  }

  /** Without the port, renewals find out what announcements would have told. */
  async start(): Promise<void> {
    const { platform, link, family } = this.#options
    try {
      const socket = await platform.network.openUdp(
        { address: WILDCARDS[family], port: CLIENT_PORT, sharePort: true, multicastInterface: link.name },
        { onDatagram: (bytes, remote) => this.#receive(bytes, remote), onError() {} },
      )
      this.#socket = socket
      if (this.#isClosed) socket.close()
      else socket.joinGroup(GROUPS[family])
    } catch {
      // Another program has the port for itself, or the interface is gone.
    }
  }

  close(): void {
    this.#isClosed = true
    this.#socket?.close()
  }

  #receive(bytes: Uint8Array, { address }: SocketAddress): void {
    if (this.#isOnLink(address) && isAnnouncement(bytes)) this.#options.onAnnouncement(address)
  }
}

/** An answer that nobody asked for: PCP's to ANNOUNCE, NAT-PMP's with the external address. */
export function isAnnouncement(bytes: Uint8Array): boolean {
  try {
    if (bytes[0] === 0) return decodeNatPmpResponse(bytes).kind === 'external-address'
    const { opcode, result } = decodePcpResponse(bytes)
    return opcode === 'announce' && result === 'success'
  } catch {
    return false
  }
}
