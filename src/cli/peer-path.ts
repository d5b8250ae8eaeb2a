/** How a path to a peer is shown. */

import type { PeerPath } from '../index.ts'
import { printableName } from './printable.ts'

/** `lan tcp 192.168.0.2:4112 via eth0`, `relay tcp 198.51.100.7:4112 over 203.0.113.1:3478` */
export function describePath({ kind, transport, relay, remote, interface: interfaceName }: PeerPath): string {
  const over = relay === undefined ? '' : ` over ${printableName(relay)}`
  const via = interfaceName === undefined ? '' : ` via ${printableName(interfaceName)}`
  return `${kind} ${transport} ${remote}${over}${via}`
}
