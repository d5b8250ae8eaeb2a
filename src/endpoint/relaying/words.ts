/** What peers say to each other about carrying and relaying (docs/relaying.md): names of questions and streams, and their bodies. */

import { EarshotError } from '../../errors.ts'
import { parsePeerId } from '../../identity/peer-id.ts'
import { MAX_RENDEZVOUS_PACKET_BYTES } from '../../limits.ts'
import { isTopic } from '../../rendezvous/topic.ts'

/** A volunteer says that it relays. Who answers wants to be told of others. */
export const VOLUNTEER = 'earshot:volunteer'
/** A volunteer says that one of those of whom it told is gone. */
export const GONE = 'earshot:gone'
/** Carry this to whom it concerns. */
export const CARRY = 'earshot:carry'
/** Somebody else's, for you. */
export const CARRIED = 'earshot:carried'
/** A stream to a relay, for another of its peers. */
export const RELAY = 'earshot:relay'
/** The other end of it. */
export const RELAYED = 'earshot:relayed'

/** A sealed packet of the rendezvous: who carries it learns whom it concerns, and nothing of what it says. */
export interface Letter {
  readonly topic: string
  readonly packet: Uint8Array
}

/** Throws `invalid-data`. */
export function readLetter(value: unknown): Letter {
  const { topic, packet } = fieldsOf(value)
  const isLetter = typeof topic === 'string' && isTopic(topic) && packet instanceof Uint8Array
  if (!isLetter || packet.length > MAX_RENDEZVOUS_PACKET_BYTES) throw malformed('a letter')
  return { topic, packet }
}

/** The id in the header of a stream, or in a question. Throws `invalid-data`. */
export function readId(header: unknown, field: 'to' | 'from' | 'id'): string {
  const id = fieldsOf(header)[field]
  if (typeof id !== 'string' || parsePeerId(id) === undefined) throw malformed('the id of a peer')
  return id
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function malformed(what: string): EarshotError {
  return new EarshotError('invalid-data', `${what} is malformed`)
}
