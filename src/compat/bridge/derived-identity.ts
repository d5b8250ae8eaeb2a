/**
 * The key under which a device is a peer of the room. It comes from the bridge's own, so that a device is the same peer
 * again when the bridge starts again under the same identity; nobody without that key can tell or make it.
 */

import { sha256 } from '../../crypto/sha256.ts'
import { Identity } from '../../identity/identity.ts'
import type { NetworkKind } from './foreign-network.ts'

/** Nothing else is signed that begins so. */
const CONTEXT = 'earshot bridge v1'

export function deriveIdentity(bridge: Identity, kind: NetworkKind, deviceId: string): Identity {
  const message = new TextEncoder().encode([CONTEXT, kind, deviceId].join('\0'))
  // Ed25519 signatures are a function of key and message (RFC 8032 section 5.1.6), and these never leave this program.
  return new Identity(sha256(bridge.sign(message)))
}
