/**
 * URLs that a device gives of itself. They must lead to the device: one that points elsewhere would have us ask third parties,
 * or this machine, in its name.
 */

import { protocolViolation } from '../../../errors.ts'
import { canonicalIp, parseIp } from '../../../platform/ip-address.ts'
import type { SocketAddress } from '../../../platform/network.ts'

export interface DeviceUrl {
  /** With the zone of the address that it was learned from. */
  readonly to: SocketAddress
  readonly path: string
}

/** Longer than those of any router, and short enough for a request line. */
const MAX_URL_LENGTH = 1_024
const HTTP_PORT = 80

/**
 * `url`, which may be relative to `base`, on the device at `address`; `isItsAddress` knows what else is an address of it.
 * Throws `protocol-violation`.
 */
export function deviceUrl(
  url: string,
  address: string,
  {
    base,
    isItsAddress = () => false,
  }: { readonly base?: string; readonly isItsAddress?: (host: string) => boolean } = {},
): DeviceUrl {
  if (url.length > MAX_URL_LENGTH)
    throw protocolViolation(`a URL of a device is longer than ${MAX_URL_LENGTH} characters`)
  let parsed: URL
  try {
    parsed = new URL(url, base)
  } catch (cause) {
    throw protocolViolation('a URL of a device is none', cause)
  }
  const { protocol, hostname, port, pathname, search, username, password } = parsed
  if (protocol !== 'http:' || username !== '' || password !== '')
    throw protocolViolation(`the device at ${address} has a URL that is not plain http`)
  const host = hostname.replace(/^\[|\]$/g, '')
  const to = { address: canonicalIp(host) === canonicalIp(address) ? address : host, port: Number(port || HTTP_PORT) }
  if (parseIp(host) === undefined || !(to.address === address || isItsAddress(host)))
    throw protocolViolation(`the device at ${address} has a URL on another host`)
  return { to, path: `${pathname}${search}` }
}
