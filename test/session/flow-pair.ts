/**
 * The datagrams of two sessions, between them a path for datagrams that can lose, double, delay and swap them, and a
 * session which loses nothing but takes its time. In virtual time.
 */

import type { EarshotError } from '../../src/errors.ts'
import type { Clock } from '../../src/platform/clock.ts'
import type { SocketAddress } from '../../src/platform/network.ts'
import { DatagramFlow, type FlowNetwork, type FlowSession } from '../../src/session/datagram/datagram-flow.ts'
import { DATAGRAM_KEYS_BYTES, DatagramKeys } from '../../src/session/datagram/datagram-keys.ts'
import { Payload } from '../../src/session/frame.ts'
import { type SimulatedNetwork, simulate } from '../../src/testing/index.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'

export interface PathOptions {
  /** The share of datagrams lost. */
  loss: number
  /** The share of datagrams that come twice. */
  doubled: number
  /** One way, in milliseconds. */
  delayMs: number
  /** Up to so much more. */
  jitterMs: number
  /** The session takes frames; otherwise they have to wait. */
  isSessionReady: boolean
  /** One way, on the session. */
  sessionDelayMs: number
}

export interface HeardMessage {
  readonly label: number
  readonly kind: number
  readonly body: Uint8Array
}

export interface FlowEnd {
  readonly flow: DatagramFlow
  readonly heard: HeardMessage[]
  readonly violations: EarshotError[]
  /** Datagrams that this side has sent. */
  readonly sent: { readonly datagram: Uint8Array; readonly to: SocketAddress }[]
  /** Frames that it has sent on the session. */
  readonly carried: { readonly type: number; readonly label: number; readonly sequence: number }[]
  /** The labels it has been told. */
  labels: number
  /** Where it thinks the other side is. */
  remote: SocketAddress | undefined
  /** What the socket says to a datagram. */
  isSocketReady: boolean
}

export interface FlowPair {
  readonly net: SimulatedNetwork
  readonly path: PathOptions
  readonly ada: FlowEnd
  readonly bob: FlowEnd
}

export const ADA: SocketAddress = { address: '192.168.1.2', port: 1_111 }
export const BOB: SocketAddress = { address: '192.168.1.3', port: 2_222 }

export function flowPair(options: Partial<PathOptions> = {}, seed = 1): FlowPair {
  const net = simulate({ seed })
  const { clock } = net.host('both').network
  const random = new SeededRandom(`chance ${seed}`)
  const path: PathOptions = {
    loss: 0,
    doubled: 0,
    delayMs: 1,
    jitterMs: 0,
    isSessionReady: true,
    sessionDelayMs: 1,
    ...options,
  }
  const derived = derivedKeys(seed)
  const end = (role: 'initiator' | 'responder', own: SocketAddress, remote: SocketAddress, other: () => FlowEnd) =>
    flowEnd({ clock, random, path, keys: new DatagramKeys(derived, role), own, remote, other })
  const ada: FlowEnd = end('initiator', ADA, BOB, () => bob)
  const bob: FlowEnd = end('responder', BOB, ADA, () => ada)
  return { net, path, ada, bob }
}

/** What both sides of the pair of that seed have their keys from. */
export function derivedKeys(seed: number): Uint8Array {
  return new SeededRandom(`keys ${seed}`).bytes(DATAGRAM_KEYS_BYTES)
}

interface EndParts {
  readonly clock: Clock
  readonly random: SeededRandom
  readonly path: PathOptions
  readonly keys: DatagramKeys
  readonly own: SocketAddress
  readonly remote: SocketAddress
  readonly other: () => FlowEnd
}

function flowEnd({ clock, random, path, keys, own, remote, other }: EndParts): FlowEnd {
  const arrive = (datagram: Uint8Array) => {
    if (random.fraction() < path.loss) return
    clock.setTimer(path.delayMs + random.fraction() * path.jitterMs, () =>
      other().flow.onDatagram(datagram.slice(), own),
    )
  }
  const network: FlowNetwork = {
    clock,
    keys,
    get remote() {
      return end.remote
    },
    send: (datagram, to) => {
      end.sent.push({ datagram: datagram.slice(), to })
      const isThere = to.address === remote.address && to.port === remote.port
      for (let i = random.fraction() < path.doubled ? 2 : 1; i > 0 && isThere; i--) arrive(datagram.slice())
      return end.isSocketReady
    },
    register() {},
    unregister() {},
  }
  const session: FlowSession = {
    get labelCount() {
      return end.labels
    },
    carry: (type, label, sequence, body) => {
      if (!path.isSessionReady) return false
      end.carried.push({ type, label, sequence })
      const bytes = body.slice()
      const kind = type - Payload.unreliable
      clock.setTimer(path.sessionDelayMs, () => other().flow.onCarried(label, sequence, kind, bytes))
      return true
    },
    onLossyMessage: (label, kind, body) => end.heard.push({ label, kind, body }),
    onViolation: error => end.violations.push(error),
  }
  const end: FlowEnd = {
    heard: [],
    violations: [],
    sent: [],
    carried: [],
    labels: 0,
    remote,
    isSocketReady: true,
    flow: new DatagramFlow(network, session),
  }
  return end
}
