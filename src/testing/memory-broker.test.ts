/** The broker in memory keeps the contract that real ones keep. */

import { type RendezvousPlace, rendezvousContract } from '../../test/contract/rendezvous.ts'
import { simulate } from './index.ts'
import { MemoryBroker } from './memory-broker.ts'

rendezvousContract('in memory', () => makePlace(0))
rendezvousContract('in memory, slow', () => makePlace(300))

async function makePlace(delayMs: number): Promise<RendezvousPlace> {
  const net = simulate()
  const host = net.host('broker').network
  const broker = new MemoryBroker({ clock: host.clock, random: host.random, delayMs })
  let peers = 0
  return {
    open: () => broker.rendezvous(net.host(`peer${peers++}`).network),
    until: promise => net.until(promise),
    settle: () => net.advance(1_000),
    stop: async () => broker.stop(),
    start: async () => broker.start(),
    close: async () => {},
  }
}
