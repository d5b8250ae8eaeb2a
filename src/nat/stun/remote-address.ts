/**
 * Which addresses that a server names are asked. A server may lie: what it names must not be the machine itself or, from a
 * server on the Internet, somebody in the private network; nor everybody.
 */

import { addressScope } from '../../platform/address-scope.ts'
import { parseIp } from '../../platform/ip-address.ts'
import type { SocketAddress } from '../../platform/network.ts'

/** Whether `named`, by a server at `server`, may be sent to. */
export function mayBeAsked(named: SocketAddress, server: SocketAddress): boolean {
  const [ip, own] = [parseIp(named.address), parseIp(server.address)]
  if (ip === undefined || own === undefined || ip.length !== own.length) return false
  return named.port > 0 && isUnicast(ip) && addressScope(named.address) === addressScope(server.address)
}

/** RFC 1112 section 4 and what is above it, RFC 1122 section 3.2.1.3, RFC 4291 section 2.7. */
function isUnicast(ip: Uint8Array): boolean {
  if (ip.length === 4) return ip[0]! > 0 && ip[0]! < 224
  return ip[0] !== 0xff && ip.some(byte => byte !== 0)
}
