/** The simulated network keeps the contract that the real one keeps. */

import { type NetworkPair, networkContract } from '../../test/contract/network.ts'
import { type LanOptions, type SimulationOptions, simulate } from './index.ts'

networkContract('simulated', () => makePair({}, {}))
networkContract('simulated, slow and in pieces', () => {
  return makePair({ segmentation: 'random' }, { delayMs: 20, jitterMs: 10 })
})

async function makePair(simulation: SimulationOptions, lan: LanOptions): Promise<NetworkPair> {
  const net = simulate(simulation)
  net.lan('home', { ...lan, ipv6: 'global' })
  const [a, b] = [net.host('ada'), net.host('bob')]
  const globalOf = ({ addresses }: { addresses: readonly string[] }) => addresses.find(each => each.startsWith('2001'))!
  return {
    a: a.network.network,
    b: b.network.network,
    families: [
      { wildcard: '0.0.0.0', a: a.addresses[0]!, b: b.addresses[0]!, group: '239.1.2.3' },
      { wildcard: '::', a: globalOf(a), b: globalOf(b), group: 'ff02::1234' },
      { wildcard: '::', a: 'fe80::1:0:1:2%eth0', b: 'fe80::1:0:1:3%eth0', group: undefined },
    ],
    interfaceOfA: 'eth0',
    interfaceOfB: 'eth0',
    broadcast: '255.255.255.255',
    silent: { address: '192.168.1.99', port: 9 },
    until: promise => net.until(promise),
    settle: () => net.advance(5_000),
    close: async () => {},
  }
}
