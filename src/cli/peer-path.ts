/** How a path to a peer is shown. */

import type { PeerPath } from '../index.ts'
import { printableName } from './printable.ts'

/** `lan tcp 192.168.0.2:4112 via eth0` */
export function describePath({ kind, transport, remote, interface: interfaceName }: PeerPath): string {
  const via = interfaceName === undefined ? '' : ` via ${printableName(interfaceName)}`
  return `${kind} ${transport} ${remote}${via}`
}
