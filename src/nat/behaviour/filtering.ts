/**
 * Filtering behaviour (RFC 5780 section 4.4): a server that was asked once is asked to answer from elsewhere. Silence counts
 * only where that other endpoint is known to answer: another socket, which may be heard by it, asks there directly.
 */

import { EarshotError } from '../../errors.ts'
import type { AddressFamily, SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { changeRequestAttribute } from '../stun/attribute.ts'
import { classifyFiltering, type FilteringBehaviour, type FilteringObservation } from './classification.ts'
import { type StunSocket, withStunSockets } from './stun-socket.ts'
import { type KnownServer, probeDelays } from './survey.ts'

/** More servers would not know more. */
const MAX_SERVERS = 3

type Evidence = FilteringObservation['fromOtherAddress']

interface FilteringOptions {
  readonly family: AddressFamily
  readonly signal: AbortSignal | undefined
}

export async function findFiltering(
  platform: Platform,
  servers: readonly KnownServer[],
  options: FilteringOptions,
): Promise<FilteringBehaviour> {
  const able = servers.filter(hasOther).slice(0, MAX_SERVERS)
  const observations = await Promise.all(able.map(server => observeFiltering(platform, server, options)))
  options.signal?.throwIfAborted()
  return classifyFiltering(observations)
}

type AbleServer = KnownServer & { readonly other: SocketAddress }

function hasOther(server: KnownServer): server is AbleServer {
  return server.other !== undefined
}

async function observeFiltering(
  platform: Platform,
  server: AbleServer,
  { family, signal }: FilteringOptions,
): Promise<FilteringObservation> {
  // New ports: what the survey has sent elsewhere has opened filters.
  const socket = { family, delaysMs: probeDelays(server.rttMs) }
  try {
    return await withStunSockets(platform, [socket, socket], async ([tested, control]) => {
      await tested!.bind(server.address, { signal })
      const { address, other } = server
      const test = { tested: tested!, control: control!, server: address, signal }
      const otherPort = { address: address.address, port: other.port }
      const [fromOtherAddress, fromOtherPort] = await Promise.all([
        observe({ ...test, from: other, change: { address: true, port: true } }),
        observe({ ...test, from: otherPort, change: { address: false, port: true } }),
      ])
      return { fromOtherAddress, fromOtherPort }
    })
  } catch (error) {
    if (!(signal?.aborted || error instanceof EarshotError)) throw error
    // It answers no more; what other servers see is not touched by that.
    return { fromOtherAddress: 'no-evidence', fromOtherPort: 'no-evidence' }
  }
}

interface Test {
  readonly tested: StunSocket
  readonly control: StunSocket
  readonly server: SocketAddress
  /** Where the answer has to come from. */
  readonly from: SocketAddress
  readonly change: { readonly address: boolean; readonly port: boolean }
  readonly signal: AbortSignal | undefined
}

async function observe({ tested, control, server, from, change, signal }: Test): Promise<Evidence> {
  const attributes = [changeRequestAttribute(change)]
  const [answer, direct] = await Promise.allSettled([
    tested.bind(server, { attributes, fromAnywhere: true, signal }),
    control.bind(from, { signal }),
  ])
  if (answer.status === 'fulfilled') {
    const { address, port } = answer.value.from
    // A server that answers from where it was asked does not know the request.
    return address === from.address && port === from.port ? 'came' : 'no-evidence'
  }
  const isSilence = (answer.reason as { code?: string }).code === 'timeout'
  return isSilence && direct.status === 'fulfilled' ? 'silence' : 'no-evidence'
}
