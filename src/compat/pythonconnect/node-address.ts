/** Where a node is: an IPv4 address, with the port where it is not the usual one. */

import { parseIp } from '../../platform/ip-address.ts'
import type { SocketAddress } from '../../platform/network.ts'

const ADDRESS = /^(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}))?$/

/** Throws a TypeError or RangeError. */
export function parseNodeAddress(text: string, defaultPort: number): SocketAddress {
  if (typeof text !== 'string') throw new TypeError(`connect takes an address, not ${String(text)}`)
  const [, address = '', digits] = ADDRESS.exec(text) ?? []
  const port = digits === undefined ? defaultPort : Number(digits)
  if (parseIp(address) === undefined || port < 1 || port > 65_535) {
    throw new RangeError(`connect takes 'ip' or 'ip:port' with an IPv4 address, not '${text.slice(0, 80)}'`)
  }
  return { address, port }
}
