/** The platform that programs run on unless a test gives them another one. */

import { hostname } from 'node:os'
import type { Platform } from '../platform.ts'
import { NodeClock } from './node-clock.ts'
import { NodeFiles } from './node-files.ts'
import { NodeNetwork } from './node-network.ts'
import { NodeRandom } from './node-random.ts'
import { nodeReliableUdp } from './node-reliable-udp.ts'

let platform: Platform | undefined

/** One for the whole process: all rooms share the pool of random bytes and the watch over the interfaces. */
export function nodePlatform(): Platform {
  platform ??= {
    clock: new NodeClock(),
    random: new NodeRandom(),
    network: new NodeNetwork(),
    files: new NodeFiles(),
    hostName: hostname().replace(/\.local$/, ''),
    reliableUdp: nodeReliableUdp,
  }
  return platform
}
