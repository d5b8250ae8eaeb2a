/** What travels between simulated hosts. */

import type { IpAddress } from './ip-address.ts'
import type { TcpSegment } from './tcp-segment.ts'

interface IpPacket {
  readonly source: IpAddress
  readonly sourcePort: number
  readonly destination: IpAddress
  readonly destinationPort: number
}

export interface UdpPacket extends IpPacket {
  readonly protocol: 'udp'
  readonly bytes: Uint8Array
}

export interface TcpPacket extends IpPacket {
  readonly protocol: 'tcp'
  readonly segment: TcpSegment
}

export type Packet = UdpPacket | TcpPacket

/** One packet as somebody who listens on the sender's interface sees it (`net.trace`). */
export interface TracedPacket {
  /** Virtual time since the simulation began, in milliseconds. */
  readonly at: number
  /** The sending host and its interface: `'ada'`, `'eth0'`. */
  readonly host: string
  readonly interface: string
  readonly protocol: 'udp' | 'tcp'
  /** `'192.168.1.2:5353'`, `'[fe80::1]:5353'`. */
  readonly from: string
  readonly to: string
  /** The payload; empty for a TCP segment that only opens, acknowledges or closes. */
  readonly bytes: Uint8Array
  /** For TCP: `'syn'`, `'syn ack'`, `'ack'`, `'fin ack'`, `'rst'`. */
  readonly flags?: string
}
