/** Whether a gateway's answer makes sense: hosts elsewhere will be told to send there. */

import { EarshotError } from '../../errors.ts'
import { addressScope } from '../../platform/address-scope.ts'
import { canonicalIp, parseIp } from '../../platform/ip-address.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import type { MappingGrant, MappingService } from './mapping-service.ts'

/** The grant; throws `protocol-violation` where it is for no port, no time, or an address that nobody can have outside. */
export function checkGrant(service: MappingService, grant: MappingGrant): MappingGrant {
  const { external, lifetimeMs } = grant
  if (external.port > 0 && lifetimeMs > 0 && isOutside(external.address)) return grant
  const what = `${formatSocketAddress(external)} for ${lifetimeMs} ms`
  throw new EarshotError('protocol-violation', `${service.gateway} granted ${what}, which is no mapping`)
}

function isOutside(address: string): boolean {
  const bytes = parseIp(address)
  if (bytes === undefined) return false
  // RFC 1122 section 3.2.1.3, RFC 1112: "this network", multicast and above. RFC 4291: unspecified, multicast.
  const isUnicast =
    bytes.length === 4 ? bytes[0]! > 0 && bytes[0]! < 224 : bytes.some(byte => byte > 0) && bytes[0] !== 0xff
  const scope = addressScope(canonicalIp(address))
  return isUnicast && scope !== 'loopback' && scope !== 'link-local'
}
