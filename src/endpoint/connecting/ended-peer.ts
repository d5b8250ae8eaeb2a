/** Whether a peer that is away will be back. Pure: what a dial told goes in, the answer comes out. */

import { EarshotError } from '../../errors.ts'
import { NOBODY_LISTENS } from '../../platform/network.ts'
import type { Peer } from '../peer.ts'
import { formatAddress } from './address.ts'

/**
 * A firewall may answer for a program that listens. But such a program would dial by itself, within this time: then
 * its machine is believed.
 */
const BELIEVED_AFTER_MS = 8_000

/** True where a dial that failed with `error` shows that the program of this peer has ended. */
export function hasEnded(peer: Peer, error: unknown, now: number): boolean {
  if (peer.state !== 'away' || !(error instanceof EarshotError)) return false
  const { session } = peer.messenger
  const { connection, isInitiator, wasClosedByPeer } = session.path
  // Behind a NAT, and at a relay, other ports are other people's.
  if (connection.route.kind !== 'lan') return false
  const listener = formatAddress({ address: connection.remote.address, port: peer.port })
  const isGone = error.attempts.some(attempt => attempt.address === listener && answersWithoutPeer(attempt))
  return isGone && (isInitiator || wasClosedByPeer || session.awayMs(now) >= BELIEVED_AFTER_MS)
}

/** Nobody is there, or somebody else who proves it. Alerts prove nothing: anybody on the way can forge one. */
function answersWithoutPeer({ code, reason }: { readonly code: string; readonly reason?: string }): boolean {
  return reason === NOBODY_LISTENS || code === 'untrusted-peer'
}
