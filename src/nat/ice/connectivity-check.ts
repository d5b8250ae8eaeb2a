/**
 * Connectivity checks (RFC 8445 section 7): binding requests signed with the credentials of the session. The controlling
 * side names the pair that is to be used with USE-CANDIDATE, and for UDP the stream that goes over it.
 */

import { protocolViolation } from '../../errors.ts'
import type { SocketAddress } from '../../platform/network.ts'
import { MAX_STREAM_ID } from '../../platform/reliable-udp.ts'
import {
  mappedAddressIn,
  textAttribute,
  textIn,
  uint32Attribute,
  uint32In,
  xorAddressAttribute,
} from '../stun/attribute.ts'
import { ATTRIBUTE } from '../stun/attribute-type.ts'
import { hasValidIntegrity } from '../stun/integrity.ts'
import {
  attributeOf,
  encodeStunMessage,
  METHOD,
  notUnderstood,
  type ReceivedStunMessage,
  type StunAttribute,
} from '../stun/message.ts'
import { type CredentialPair, type Credentials, integrityOf, usernameFor } from './credentials.ts'

/** Comprehension-optional, of the range for private use by agreement (RFC 8489 section 18.3). */
const STREAM_ID = 0xc0e5

/** What the controlling side decides about a pair. */
export interface Nomination {
  /** Over UDP: even; the controlling side's stream has this id, the other's the next one. Over TCP 2, of no meaning. */
  readonly streamId: number
}

export interface CheckRequest {
  readonly nomination: Nomination | undefined
}

/** Attributes of a request to the other side. */
export function checkAttributes(
  local: Credentials,
  remote: Credentials,
  nomination: Nomination | undefined,
): readonly StunAttribute[] {
  const attributes = [textAttribute(ATTRIBUTE.username, usernameFor(remote.sessionId, local.sessionId))]
  if (nomination === undefined) return attributes
  return [
    ...attributes,
    { type: ATTRIBUTE.useCandidate, value: new Uint8Array() },
    uint32Attribute(STREAM_ID, nomination.streamId),
  ]
}

/**
 * What a request of the other side says. Undefined: it is none of this session, or forged, and is not answered: what is
 * answered to anybody could be aimed at anybody.
 */
export function readCheck(message: ReceivedStunMessage, { local, remote }: CredentialPair): CheckRequest | undefined {
  if (message.class !== 'request' || message.method !== METHOD.binding) return undefined
  if (!hasValidIntegrity(message, integrityOf(local)) || notUnderstood(message).length > 0) return undefined
  const username = textIn(message, ATTRIBUTE.username)
  const own = usernameFor(local.sessionId, new Uint8Array())
  if (username === undefined || !username.startsWith(own)) return undefined
  // Of an older session of the other side, or of one that it has not told of yet.
  if (remote !== undefined && username !== usernameFor(local.sessionId, remote.sessionId)) return undefined
  return { nomination: readNomination(message) }
}

function readNomination(message: ReceivedStunMessage): Nomination | undefined {
  if (attributeOf(message, ATTRIBUTE.useCandidate) === undefined) return undefined
  const streamId = uint32In(message, STREAM_ID)
  if (streamId === undefined || streamId === 0 || streamId >= MAX_STREAM_ID || streamId % 2 !== 0) {
    throw protocolViolation(`A nomination names an even stream id below ${MAX_STREAM_ID}, not ${streamId}`)
  }
  return { streamId }
}

/** The answer to a valid request: where it came from, signed. */
export function encodeCheckAnswer(request: ReceivedStunMessage, from: SocketAddress, local: Credentials): Uint8Array {
  const { transactionId } = request
  return encodeStunMessage(
    {
      class: 'success',
      method: METHOD.binding,
      transactionId,
      attributes: [xorAddressAttribute(ATTRIBUTE.xorMappedAddress, from, transactionId)],
    },
    { integrity: integrityOf(local) },
  )
}

/** RFC 8445 section 11: keeps mappings alive, and wants no answer. */
export function encodeKeepAlive(transactionId: Uint8Array): Uint8Array {
  return encodeStunMessage({ class: 'indication', method: METHOD.binding, transactionId, attributes: [] })
}

/** How the other side saw us. */
export function reflexiveIn(answer: ReceivedStunMessage): SocketAddress | undefined {
  return mappedAddressIn(answer)
}
