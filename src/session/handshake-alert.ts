/**
 * Alerts (docs/protocol.md, "Alerts"): one byte that says why a side ends the handshake. It follows a frame length of 0
 * and is not authenticated: somebody in between can forge one, but gains no more than by cutting the connection.
 */

import { EarshotError, type ErrorCode, protocolViolation } from '../errors.ts'

export type Alert = 'version-mismatch' | 'wrong-service' | 'wrong-secret' | 'protocol-violation' | 'busy' | 'internal'

interface AlertMeaning {
  readonly code: number
  /** How the other side sees it. */
  readonly error: ErrorCode
  readonly message: string
  readonly hint: string
}

const MEANINGS: Record<Alert, AlertMeaning> = {
  'version-mismatch': {
    code: 1,
    error: 'version-mismatch',
    message: 'The peer speaks no version of the protocol that this program speaks',
    hint: 'Update earshot on the older of the two sides.',
  },
  'wrong-service': {
    code: 2,
    error: 'wrong-service',
    message: 'The peer is in a room of another service',
    hint: 'Join both sides with the same service name.',
  },
  'wrong-secret': {
    code: 3,
    error: 'wrong-secret',
    message: 'The peer does not accept the secret of this room',
    hint: 'Join both sides with the same secret, or both without one.',
  },
  'protocol-violation': {
    code: 4,
    error: 'protocol-violation',
    message: 'The peer could not make sense of the handshake',
    hint: 'Check that the address is that of an earshot room and that nothing in between changes the bytes.',
  },
  busy: {
    code: 5,
    error: 'limit-reached',
    message: 'The peer has too many connections that are just being made',
    hint: 'Try again in a few seconds.',
  },
  internal: {
    code: 6,
    error: 'closed',
    message: 'The peer ended the handshake because of an error of its own',
    hint: 'Look at the messages of the program on the other side.',
  },
}

/** The bytes to send before hanging up. */
export function encodeAlert(alert: Alert): Uint8Array {
  return Uint8Array.of(0, 0, MEANINGS[alert].code)
}

/** The error that an alert from the other side means here. */
export function alertError(code: number): EarshotError {
  const meaning = Object.values(MEANINGS).find(candidate => candidate.code === code)
  if (meaning === undefined) return protocolViolation(`The peer ended the handshake with the unknown alert ${code}`)
  return new EarshotError(meaning.error, meaning.message, { hint: meaning.hint })
}
