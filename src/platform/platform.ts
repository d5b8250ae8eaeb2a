/** The ports a program runs on. `platform/node` is the real one, `testing` simulates one per host. */

import type { Clock } from './clock.ts'
import type { Files } from './files.ts'
import type { Network } from './network.ts'
import type { Random } from './random.ts'
import type { ReliableUdpSupport } from './reliable-udp.ts'

export interface Platform {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly files: Files
  /** What the system calls this machine: the default display name. */
  readonly hostName: string
  /** Reliable streams over UDP. Never rejects: that a platform has none is an answer. */
  reliableUdp(): Promise<ReliableUdpSupport>
}
