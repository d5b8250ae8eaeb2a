/** Error responses of STUN and TURN servers as errors that a user can act on (RFC 8489 section 14.8, RFC 8656 section 19). */

import { EarshotError, type ErrorCode } from '../../errors.ts'
import { MAX_REASON_BYTES } from '../../limits.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { boundText } from '../../wire/bound-text.ts'
import { errorCodeIn } from './attribute.ts'
import type { StunMessage } from './message.ts'

/** RFC 8656 section 7.4: after 486 and 508 a client waits for at least a minute. */
const CAPACITY_RETRY_MS = 60_000
/** '401 ' before the reason phrase. */
const CODE_LENGTH = 4

interface Meaning {
  readonly code: ErrorCode
  readonly hint: string
  readonly retryAfterMs?: number
}

const MEANINGS: Readonly<Record<number, Meaning>> = {
  300: { code: 'refused', hint: 'The server sends its clients to another one that cannot be used.' },
  400: { code: 'protocol-violation', hint: 'The server does not understand the request: is it a STUN or TURN server?' },
  401: { code: 'refused', hint: 'Check the user name and the password of the server.' },
  403: { code: 'refused', hint: 'The server does not allow this, by its configuration.' },
  405: { code: 'refused', hint: 'Something between here and the server does not allow this.' },
  420: { code: 'refused', hint: 'The server does not know an option that was asked for.' },
  437: { code: 'lost', hint: 'The server does not know the allocation: it may have been restarted.' },
  440: { code: 'refused', hint: 'The server does not relay for that version of IP.' },
  441: { code: 'refused', hint: 'Check the user name and the password of the server.' },
  442: { code: 'refused', hint: 'The server does not relay that protocol.' },
  443: { code: 'refused', hint: 'The peer has another version of IP than the relayed address.' },
  446: { code: 'refused', hint: 'There is a connection to this peer already.' },
  447: { code: 'unreachable', hint: 'The server could not connect to the peer, or the peer is gone.' },
  486: {
    code: 'limit-reached',
    hint: 'This user has as many allocations as the server allows.',
    retryAfterMs: CAPACITY_RETRY_MS,
  },
  508: { code: 'limit-reached', hint: 'The server has no room left.', retryAfterMs: CAPACITY_RETRY_MS },
}

const OTHERWISE: Meaning = { code: 'refused', hint: 'The server could not do it; another one may.' }

export function stunError(message: StunMessage, from: SocketAddress): EarshotError {
  const server = formatSocketAddress(from)
  const error = errorCodeIn(message)
  if (error === undefined)
    return new EarshotError('protocol-violation', `${server} answered with an error that has no code`)
  const { code, ...options } = MEANINGS[error.code] ?? OTHERWISE
  const reason = boundText(error.reason.replaceAll(/\p{Cc}/gu, ' ').trim(), MAX_REASON_BYTES - CODE_LENGTH)
  const shown = reason === '' ? `${error.code}` : `${error.code} ${reason}`
  return new EarshotError(code, `${server} answered ${shown}`, { ...options, reason: shown })
}
