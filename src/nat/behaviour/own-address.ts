import { canonicalIp } from '../../platform/ip-address.ts'
import type { SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'

/** Whether a mapped address is the local one: this port on an address of this machine. Then there is no NAT. */
export function isOwnAddress({ network }: Platform, localPort: number): (mapped: SocketAddress) => boolean {
  const own = new Set(
    network.interfaces().flatMap(({ addresses }) => addresses.map(({ address }) => canonicalIp(address))),
  )
  return ({ address, port }) => port === localPort && own.has(address)
}
