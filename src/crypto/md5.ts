/** MD5 (RFC 1321), only because STUN derives keys of long-term credentials with it (RFC 8489 section 18.5.1.1). */

import { createHash } from 'node:crypto'

export function md5(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('md5').update(bytes).digest())
}
