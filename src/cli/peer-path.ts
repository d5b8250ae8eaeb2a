/** How a path to a peer is shown. */

import type { PeerPath } from '../index.ts'
import { printableName } from './printable.ts'

/** `lan tcp 192.168.0.2:4112 via eth0`; where a relay hides who is behind it, `relay tcp over 203.0.113.1:49160` */
export function describePath({ kind, transport, relay, remote, interface: interfaceName }: PeerPath): string {
  const over = relay === undefined ? '' : ` over ${printableName(relay)}`
  const where = relay === remote ? '' : ` ${remote}`
  const via = interfaceName === undefined ? '' : ` via ${printableName(interfaceName)}`
  return `${kind} ${transport}${where}${over}${via}`
}
