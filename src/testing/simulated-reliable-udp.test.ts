import { reliableUdpContract } from '../../test/contract/reliable-udp.ts'
import { type LanOptions, simulate } from './index.ts'

reliableUdpContract('simulated', () => makePair({}))
reliableUdpContract('simulated, on a LAN that loses a tenth', () => makePair({ loss: 0.1, delayMs: 20, jitterMs: 10 }))

async function makePair(lan: LanOptions) {
  const net = simulate({ seed: 3 })
  net.lan('home', lan)
  const [a, b] = [net.host('ada'), net.host('bob')]
  return {
    a: await a.network.reliableUdp(),
    b: await b.network.reliableUdp(),
    addressOfA: a.addresses[0]!,
    addressOfB: b.addresses[0]!,
    until: <T>(promise: Promise<T>) => net.until(promise),
  }
}
