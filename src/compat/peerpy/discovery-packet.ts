/** The two datagrams of discovery: `PING|pinger=ip:port`, to everybody, and `PONG|ponger=ip:port`, to the pinger. */

import type { SocketAddress } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { decodeDatagram, encodeHeader, requiredField } from './header.ts'
import { decodePeerName } from './peer-name.ts'

/** Constant in the program, too. */
export const DISCOVERY_PORT = 1_024

export type DiscoveryPacket =
  /** Where the answer is to go. */
  | { readonly type: 'PING'; readonly pinger: SocketAddress }
  /** The name of a peer. */
  | { readonly type: 'PONG'; readonly ponger: string }

export function encodePing(pinger: SocketAddress): Uint8Array {
  return encodeHeader('PING', { pinger: formatSocketAddress(pinger) })
}

export function encodePong(ponger: string): Uint8Array {
  return encodeHeader('PONG', { ponger })
}

/** Undefined for what is no packet of discovery. @throws EarshotError `protocol-violation` */
export function decodeDiscovery(bytes: Uint8Array): DiscoveryPacket | undefined {
  const header = decodeDatagram(bytes)
  if (header.type === 'PING') return { type: 'PING', pinger: decodePeerName('pinger', requiredField(header, 'pinger')) }
  if (header.type !== 'PONG') return undefined
  const ponger = requiredField(header, 'ponger')
  decodePeerName('ponger', ponger)
  return { type: 'PONG', ponger }
}
