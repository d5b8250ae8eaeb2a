/**
 * Hairpinning (RFC 4787 section 6, RFC 5780 section 4.5 has the same in short): do packets between two hosts behind the NAT
 * arrive when they are sent to the mapped addresses? Two sockets send to each other's; that opens their filters as well.
 */

import { EarshotError } from '../../errors.ts'
import type { AddressFamily } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { textAttribute } from '../stun/attribute.ts'
import { ATTRIBUTE } from '../stun/attribute-type.ts'
import { attributeOf, type ReceivedStunMessage } from '../stun/message.ts'
import { withStunSockets } from './stun-socket.ts'
import { type KnownServer, probeDelays } from './survey.ts'

export type Hairpinning = 'yes' | 'no' | 'unknown'

const TOKEN_BYTES = 16

interface HairpinningOptions {
  readonly family: AddressFamily
  readonly signal: AbortSignal | undefined
}

export async function findHairpinning(
  platform: Platform,
  servers: readonly KnownServer[],
  { family, signal }: HairpinningOptions,
): Promise<Hairpinning> {
  const [server] = servers
  if (server === undefined) return 'unknown'
  const arrived = new AbortController()
  const token = [...platform.random.bytes(TOKEN_BYTES)].map(byte => byte.toString(16).padStart(2, '0')).join('')
  const onOther = (message: ReceivedStunMessage) => {
    if (carries(message, token)) arrived.abort()
  }
  const socket = { family, delaysMs: probeDelays(server.rttMs), onOther }
  try {
    await withStunSockets(platform, [socket, socket], async sockets => {
      const [a, b] = await Promise.all(sockets.map(each => each.bind(server.address, { signal })))
      const options = {
        attributes: [textAttribute(ATTRIBUTE.software, token)],
        signal: signal ? AbortSignal.any([signal, arrived.signal]) : arrived.signal,
      }
      await Promise.allSettled([sockets[0]!.bind(b!.mapped, options), sockets[1]!.bind(a!.mapped, options)])
    })
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof EarshotError)) throw error
    return 'unknown' // The server does not answer any more.
  }
  signal?.throwIfAborted()
  return arrived.signal.aborted ? 'yes' : 'no'
}

/** Others may send requests too, the server for one. */
function carries(message: ReceivedStunMessage, token: string): boolean {
  const value = attributeOf(message, ATTRIBUTE.software)
  return value !== undefined && new TextDecoder().decode(value) === token
}
