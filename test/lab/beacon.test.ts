/** Rooms that find each other by the beacon alone: on a machine with only loopback, and on real hosts of one LAN. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Lab, Program } from './lab.ts'

const ALONE = ['unshare', '-n', '-p', '-f', '--kill-child', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh']
/** Owed: from `join` to the first message, where a peer already is. */
const OWED_MS = 500

/** A peer that tells whom it meets, where, and what it hears, until it is told to leave by a message. */
function peerProgram(name: string, { discovery = "['beacon']", prelude = '' } = {}): string {
  return `
    import { join } from 'DIST/index.js'
    ${prelude}
    const tell = value => console.log(JSON.stringify(value))
    const startedAt = Date.now()
    const room = await join('lab', { name: '${name}', discovery: ${discovery} })
    room.on('warning', ({ code, message }) => tell({ warning: code, message }))
    room.on('peer-gone', ({ peer, code }) => tell({ gone: peer.name, code }))
    room.on('message', async ({ data, from }) => {
      tell({ heard: data, from: from.name, afterMs: Date.now() - startedAt })
      if (data === 'leave') await room.close()
    })
    room.on('peer', peer => {
      tell({ peer: peer.name, interface: peer.path.interface, afterMs: Date.now() - startedAt })
      peer.send('hello').catch(() => {})
      if ('${name}' === 'bob') peer.send('leave').catch(() => {})
    })
    tell('joined')
    process.on('exit', () => tell('ended'))`
}

interface Told {
  readonly peer?: string
  readonly heard?: string
  readonly gone?: string
  readonly code?: string
  readonly warning?: string
  readonly interface?: string
  readonly afterMs?: number
}

const warningsOf = (program: Program) => (program.lines as Told[]).flatMap(({ warning }) => warning ?? [])

test('processes on a machine with only loopback', async () => {
  const both = `
    const { spawn } = await import('node:child_process')
    for (const source of ${JSON.stringify([peerProgram('ada'), peerProgram('bob')])}) {
      spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: 'inherit' })
    }`
  const program = new Program(ALONE, both)
  try {
    const met = await program.until<Told>(({ peer }) => peer === 'bob')
    expect(met).toMatchObject({ interface: 'lo' })
    expect(met.afterMs).toBeLessThan(2_000)
    await program.until<Told>(({ gone, code }) => gone === 'ada' && code === 'closed')
    await program.until(line => line === 'ended') // Ada's process, which had nothing left to wait for.
    expect(warningsOf(program)).toEqual([])
  } finally {
    program.stop()
  }
})

describe.each([
  ['', "['beacon']", ''],
  [' that passes no multicast', "['mdns', 'beacon']", ' no-multicast'],
])('hosts of a LAN%s', (_, discovery, flags) => {
  let lab: Lab

  beforeAll(() => {
    lab = new Lab(`site home port-restricted hosts=ada,bob${flags}`)
  })
  afterAll(() => lab.close())

  test('find each other and talk at once, and hear who leaves', async () => {
    const ada = lab.start('ada', peerProgram('ada', { discovery }))
    await ada.until(line => line === 'joined')
    const bob = lab.start('bob', peerProgram('bob', { discovery }))
    const heard = await bob.until<Told>(told => told.heard === 'hello')
    expect(heard.afterMs).toBeLessThan(OWED_MS)
    await bob.until<Told>(({ gone, code }) => gone === 'ada' && code === 'closed')
    await ada.until(line => line === 'ended')
    expect([...warningsOf(ada), ...warningsOf(bob)]).toEqual([])
    bob.stop()
  })
})

test('hosts of a LAN find each other where another program holds port 5353', async () => {
  const lab = new Lab('site home port-restricted hosts=ada,bob')
  try {
    const prelude = `
      const { createSocket } = await import('node:dgram')
      const greedy = createSocket('udp4')
      await new Promise(resolve => greedy.bind(5353, resolve))`
    const discovery = "['mdns', 'beacon']"
    const ada = lab.start('ada', peerProgram('ada', { discovery, prelude }))
    await ada.until(line => line === 'joined')
    const bob = lab.start('bob', peerProgram('bob', { discovery }))
    const heard = await bob.until<Told>(told => told.heard === 'hello')
    expect(heard.afterMs).toBeLessThan(OWED_MS)
    expect(warningsOf(ada)).toEqual(['address-in-use'])
  } finally {
    lab.close()
  }
})
