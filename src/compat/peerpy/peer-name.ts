/** What peerpy calls the name of a peer: the IPv4 address and port at which it listens, `192.168.0.2:51002`. */

import { protocolViolation } from '../../errors.ts'
import { parseIp } from '../../platform/ip-address.ts'
import type { SocketAddress } from '../../platform/network.ts'

const NAME = /^(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})$/

/** Undefined where the text is none. One peer has one name: zeros in front are refused. */
export function parsePeerName(text: string): SocketAddress | undefined {
  const [, address = '', digits = ''] = NAME.exec(text) ?? []
  const port = Number(digits)
  if (parseIp(address)?.join('.') !== address || String(port) !== digits) return undefined
  return port > 0 && port < 65_536 ? { address, port } : undefined
}

/** A name that came from the network, in the field of that name. */
export function decodePeerName(field: string, text: string): SocketAddress {
  const name = parsePeerName(text)
  if (name === undefined) throw protocolViolation(`${field} is ${JSON.stringify(text)}, not an IPv4 address and a port`)
  return name
}
