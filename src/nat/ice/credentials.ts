/**
 * Short-term credentials (RFC 8489 section 9.1, RFC 8445 section 5.3): each side makes them anew for a session and tells them
 * over the signalling channel. So only the two can check paths, and neither can be made to check for somebody else.
 */

import type { StunIntegrity } from '../stun/integrity.ts'

export const SESSION_ID_BYTES = 16
export const PASSWORD_BYTES = 16

export interface Credentials {
  /** Random; names the session, and is the fragment of the user name. */
  readonly sessionId: Uint8Array
  readonly password: Uint8Array
}

/** What both sides know of each other. */
export interface CredentialPair {
  readonly local: Credentials
  /** Undefined until the other side has told. */
  readonly remote: Credentials | undefined
}

/** USERNAME of a request (RFC 8445 section 7.2.2): the receiver's fragment, then the sender's. */
export function usernameFor(receiver: Uint8Array, sender: Uint8Array): string {
  return `${fragmentOf(receiver)}:${fragmentOf(sender)}`
}

/** Requests and their answers are signed with the password of whoever gets the request. */
export function integrityOf({ password }: Credentials): StunIntegrity {
  return { algorithm: 'sha256', key: password }
}

function fragmentOf(sessionId: Uint8Array): string {
  return Array.from(sessionId, byte => byte.toString(16).padStart(2, '0')).join('')
}
