/** The addresses of this machine that can be candidates (RFC 8445 section 5.1.1.1). */

import type { Platform } from '../../platform/platform.ts'
import { candidateRefusal } from './candidate.ts'

/** Loopback is nobody else's, and link-local IPv6 addresses need a zone that only we know. */
export function hostAddresses({ network }: Platform): readonly string[] {
  const up = network.interfaces().filter(({ isUp, kind }) => isUp && kind !== 'loopback')
  const addresses = up.flatMap(each => each.addresses).map(({ address }) => address)
  return addresses.filter(address => candidateRefusal({ address, port: 1 }) === undefined)
}
