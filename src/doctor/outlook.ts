/** How likely a direct path is with each kind of NAT on the other side, and what would make it likelier. Pure. */

import type { NatBehaviour } from '../nat/behaviour/discover.ts'
import {
  type Chance,
  COMMON_NATS,
  type CommonNat,
  type Likelihood,
  likelihood,
  natTraits,
  withMappedPort,
} from '../nat/ice/likelihood.ts'
import { adviceFor } from '../nat/ice/nat-summary.ts'

export interface OutlookRow extends Likelihood {
  /** What the other side has. */
  readonly remote: CommonNat
}

export interface Outlook {
  readonly rows: readonly OutlookRow[]
  /** What would improve it here, a sentence each; empty where nothing can. */
  readonly advice: readonly string[]
}

export interface OutlookOptions {
  readonly behaviour: NatBehaviour
  /** The router maps ports, and its address is a public one. */
  readonly isPortMapped: boolean
  /** Here; the other side is taken to have what we have. */
  readonly hasReliableUdp: boolean
}

const GOOD: readonly Chance[] = ['certain', 'unknown']

export function outlook({ behaviour, isPortMapped, hasReliableUdp }: OutlookOptions): Outlook {
  const measured = natTraits(behaviour)
  // Rooms map the port of their listener and of their UDP socket.
  const local = isPortMapped ? withMappedPort(measured, ['udp', 'tcp']) : measured
  const rows = (Object.keys(COMMON_NATS) as CommonNat[]).map(remote => ({
    remote,
    ...likelihood(local, remote, { hasReliableUdp }),
  }))
  if (rows.every(({ chance }) => GOOD.includes(chance))) return { rows, advice: [] }
  // Against one that asks for nothing itself: what is said is about this side.
  return { rows, advice: adviceFor({ local, remote: natTraits('restricted'), hasReliableUdp }) }
}
