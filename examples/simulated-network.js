/**
 * Test a program on a simulated network: two hosts in one LAN, in virtual time. Nothing here takes real time, and with
 * the same seed the same happens in every run.
 *
 *   npm run build
 *   node examples/simulated-network.js
 */

import { join } from 'earshot'
import { simulate } from 'earshot/testing'

const net = simulate({ seed: 7 })
const [here, there] = [net.host('here'), net.host('there')]

await net.run(async () => {
  const ada = await join('example-test', { name: 'Ada', network: here.network })
  const bob = await join('example-test', { name: 'Bob', network: there.network })
  bob.answer('double', number => 2 * number)

  const peer = await ada.once('peer')
  console.log(`they met after ${Math.round(net.now)} virtual milliseconds`)
  console.log(`21 doubled is ${await ada.ask(peer, 'double', 21)}`)

  // Somebody pulls the plug: no goodbye.
  there.stop()
  const { code } = await ada.once('peer-gone')
  console.log(`${peer.name} is gone (${code}) after ${Math.round(net.now / 1_000)} virtual seconds`)
  await ada.close()
})
