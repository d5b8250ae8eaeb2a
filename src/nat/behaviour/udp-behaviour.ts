/**
 * How the NAT treats UDP: mapping first, then ports, while nothing else makes mappings; then filtering and hairpinning, which
 * wait for silence, at the same time.
 */

import type { AddressFamily, SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { retransmissionDelaysWithin } from '../stun/retransmission.ts'
import type { StunUri } from '../stun/stun-uri.ts'
import {
  classifyPortAllocation,
  type FilteringBehaviour,
  type MappingBehaviour,
  type PortAllocation,
  type PortObservation,
} from './classification.ts'
import { findFiltering } from './filtering.ts'
import { findHairpinning, type Hairpinning } from './hairpinning.ts'
import { withLocalPort } from './local-port.ts'
import { isOwnAddress } from './own-address.ts'
import { StunSocket } from './stun-socket.ts'
import { type KnownServer, probeDelays, type ServerReport, survey } from './survey.ts'

export interface UdpBehaviour {
  readonly mapping: MappingBehaviour
  readonly filtering: FilteringBehaviour
  readonly hairpinning: Hairpinning
  readonly portAllocation: PortAllocation
  /** Of `localPort`, as the fastest server saw it. Undefined where none answered. */
  readonly mapped: SocketAddress | undefined
  readonly localPort: number
  /** In the order in which they were given. */
  readonly servers: readonly ServerReport[]
}

export interface TransportOptions {
  readonly servers: readonly StunUri[]
  readonly family: AddressFamily
  readonly timeoutMs: number
  readonly localPort: number | undefined
  readonly trustedCertificates: readonly string[] | undefined
  readonly signal: AbortSignal | undefined
}

/** How many mappings are made to see how ports are chosen. */
export const PORT_PROBES = 6

/** `onMappingsMade` is called when the order of mappings does not matter any more: until then others should make none. */
export async function discoverUdp(
  platform: Platform,
  options: TransportOptions,
  onMappingsMade: () => void,
): Promise<UdpBehaviour> {
  const { family, timeoutMs, localPort, signal } = options
  const socket = await StunSocket.open(platform, { family, localPort, delaysMs: retransmissionDelaysWithin(timeoutMs) })
  try {
    const { mapping, known, reports } = await survey({
      ...options,
      platform,
      servers: options.servers.filter(({ transport }) => transport === 'udp'),
      ask: (to, _, binding) => socket.bind(to, binding),
      isLocal: isOwnAddress(platform, socket.port),
      needsOther: true,
    })
    const portAllocation = classifyPortAllocation(await observePorts(platform, known, options))
    onMappingsMade()
    const [filtering, hairpinning] = await Promise.all([
      findFiltering(platform, known, { family, signal }),
      findHairpinning(platform, known, { family, signal }),
    ])
    const mapped = known[0]?.mapped
    return { mapping, filtering, hairpinning, portAllocation, mapped, localPort: socket.port, servers: reports }
  } finally {
    socket.close()
  }
}

/** New mappings towards the fastest server, in a known order. */
async function observePorts(
  platform: Platform,
  [server]: readonly KnownServer[],
  { family, signal }: TransportOptions,
): Promise<readonly PortObservation[]> {
  if (server === undefined) return []
  const delaysMs = probeDelays(server.rttMs)
  const sockets: StunSocket[] = []
  try {
    for (let i = 0; i < PORT_PROBES; i++) {
      const open = (localPort: number) => StunSocket.open(platform, { family, localPort, delaysMs })
      sockets.push(await withLocalPort(platform.random, open))
    }
    const bindings = await Promise.allSettled(sockets.map(socket => socket.bind(server.address, { signal })))
    signal?.throwIfAborted()
    return bindings.flatMap((binding, i) => {
      // The order of one that had to be repeated is not known.
      if (binding.status === 'rejected' || binding.value.requests > 1) return []
      return [{ localPort: sockets[i]!.port, mappedPort: binding.value.mapped.port }]
    })
  } finally {
    for (const socket of sockets) socket.close()
  }
}
