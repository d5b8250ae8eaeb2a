import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterAll } from 'vitest'
import { type FamilyAddresses, type NetworkPair, networkContract } from '../../../test/contract/network.ts'
import type { SocketAddress } from '../network.ts'
import { NodeNetwork } from './node-network.ts'

const network = new NodeNetwork()
const loopback = network.interfaces().find(({ kind }) => kind === 'loopback')!
const silent = await listenWithoutAccepting()
afterAll(() => silent.close())

networkContract('Node on loopback', async (): Promise<NetworkPair> => {
  const families: FamilyAddresses[] = [{ wildcard: '0.0.0.0', a: '127.0.0.1', b: '127.0.0.1', group: '239.255.77.1' }]
  // Linux has no route for IPv6 multicast on loopback (node-udp.ts).
  const group = process.platform === 'linux' ? undefined : 'ff02::114'
  const hasIpv6 = loopback.addresses.some(({ address }) => address === '::1')
  if (hasIpv6) families.push({ wildcard: '::', a: '::1', b: '::1', group })
  return {
    a: network,
    b: network,
    families,
    interfaceOfA: loopback.name,
    interfaceOfB: loopback.name,
    // Elsewhere the loopback interface has no broadcast address.
    broadcast: process.platform === 'linux' ? '127.255.255.255' : undefined,
    silent: silent.address,
    until: promise => promise,
    settle,
    close: async () => {},
  }
})

/** Loopback delivers within the call that sends: a few turns of the event loop, and everything has been read. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await setImmediate()
}

/** A program which was stopped while it listens: with its backlog full, a SYN gets no answer, even on loopback. */
async function listenWithoutAccepting(): Promise<{ address: SocketAddress; close: () => void }> {
  const program = `
    const server = require('node:net').createServer()
    server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => console.log(server.address().port))`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  child.kill('SIGSTOP')
  const address = { address: '127.0.0.1', port: Number(line) }
  const fillers: Socket[] = []
  for (let i = 0; i < 4; i++) fillers.push(connect({ host: address.address, port: address.port }).on('error', () => {}))
  await Promise.race(fillers.map(filler => once(filler, 'connect')))
  await settle()
  const close = () => {
    for (const filler of fillers) filler.destroy()
    child.kill('SIGKILL')
  }
  return { address, close }
}
