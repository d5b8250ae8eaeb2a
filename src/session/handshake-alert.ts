/**
 * Alerts (docs/protocol.md, "Alerts"): one byte that says why a side ends the handshake. It follows a frame length of 0
 * and is not authenticated: somebody in between can forge one, but gains no more than by cutting the connection.
 */

import { EarshotError, type ErrorCode, protocolViolation } from '../errors.ts'

export type Alert = 'version-mismatch' | 'wrong-service' | 'wrong-secret' | 'protocol-violation' | 'busy'

interface AlertMeaning {
  readonly byte: number
  /** What it is for the side that receives it. */
  readonly code: ErrorCode
  readonly message: string
  /** For both sides. */
  readonly hint: string
}

const MEANINGS: Record<Alert, AlertMeaning> = {
  'version-mismatch': {
    byte: 1,
    code: 'version-mismatch',
    message: 'The peer speaks no version of the protocol that this program speaks',
    hint: 'Update earshot on the older of the two sides.',
  },
  'wrong-service': {
    byte: 2,
    code: 'wrong-service',
    message: 'The peer is in a room of another service',
    hint: 'Join both sides with the same service name.',
  },
  'wrong-secret': {
    byte: 3,
    code: 'wrong-secret',
    message: 'The peer does not accept the secret of this room',
    hint: 'Join both sides with the same secret, or both without one.',
  },
  'protocol-violation': {
    byte: 4,
    code: 'protocol-violation',
    message: 'The peer could not make sense of the handshake',
    hint: 'Check that nothing in between changes the bytes, and that both sides run a released version.',
  },
  busy: {
    byte: 5,
    code: 'limit-reached',
    message: 'The peer has too many connections that are just being made',
    hint: 'Try again in a few seconds.',
  },
}

/** The bytes to send before hanging up. */
export function encodeAlert(alert: Alert): Uint8Array {
  return Uint8Array.of(0, 0, MEANINGS[alert].byte)
}

/** What an alert from the other side means here. */
export function alertError(byte: number): EarshotError {
  const meaning = Object.values(MEANINGS).find(candidate => candidate.byte === byte)
  if (meaning === undefined) return protocolViolation(`The peer ended the handshake with the unknown alert ${byte}`)
  return new EarshotError(meaning.code, meaning.message, { hint: meaning.hint })
}

/** An error of this side for which there is an alert. */
export function refusal(alert: Exclude<Alert, 'busy'>, message: string, cause?: unknown): EarshotError {
  return new EarshotError(alert, message, { hint: MEANINGS[alert].hint, ...(cause === undefined ? {} : { cause }) })
}

/** The alert that tells the other side of an error; `undefined` where it is none of its business. */
export function alertFor(code: ErrorCode): Alert | undefined {
  return code in MEANINGS ? (code as Alert) : undefined
}
