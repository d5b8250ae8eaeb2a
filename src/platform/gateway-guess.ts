/** Where a router mostly is, for systems that do not tell their routes. */

import { parseIp } from './ip-address.ts'
import type { Gateway, InterfaceAddress, NetworkInterface } from './network.ts'

/** So short a prefix has no first address that is not an end of the link (RFC 3021). */
const LONGEST_PREFIX = 30

/** The first address of each IPv4 subnet on a cable or Wi-Fi, unless it is this machine's own. */
export function guessGateways(interfaces: readonly NetworkInterface[]): readonly Gateway[] {
  return interfaces
    .filter(({ isUp, kind }) => isUp && (kind === 'wired' || kind === 'wireless'))
    .flatMap(({ name, addresses }) =>
      addresses.flatMap(own => {
        const address = firstOf(own)
        const isOwn = addresses.some(other => other.address === address)
        return address === undefined || isOwn ? [] : [{ address, family: 'ipv4' as const, interface: name }]
      }),
    )
}

function firstOf({ address, family, prefixLength, scope }: InterfaceAddress): string | undefined {
  const bytes = family === 'ipv4' && scope !== 'link-local' && prefixLength <= LONGEST_PREFIX && parseIp(address)
  if (!bytes) return undefined
  const first = bytes.map((byte, at) => byte & (0xff << (8 - Math.min(8, Math.max(0, prefixLength - 8 * at)))))
  first[3]!++
  return first.join('.')
}
