/** The rendezvous at a real broker, mosquitto: over TCP, TLS and websockets, and between peers behind NATs. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nodePlatform } from '../../src/platform/node/node-platform.ts'
import { mqttRendezvous } from '../../src/rendezvous/mqtt/mqtt-rendezvous.ts'
import { mqttPlace } from '../contract/mqtt-place.ts'
import { rendezvousContract, state } from '../contract/rendezvous.ts'
import { Lab } from './lab.ts'

const folder = mkdtempSync(join(tmpdir(), 'earshot-mosquitto-'))
const HOST = '127.0.0.1'

class Mosquitto {
  readonly ports: Readonly<Record<'mqtt' | 'mqtts' | 'ws' | 'wss', number>>
  #process: ChildProcess | undefined

  constructor(ports: readonly number[]) {
    this.ports = { mqtt: ports[0]!, mqtts: ports[1]!, ws: ports[2]!, wss: ports[3]! }
  }

  async start(): Promise<void> {
    const { mqtt, mqtts, ws, wss } = this.ports
    const tls = [`certfile ${folder}/cert.pem`, `keyfile ${folder}/key.pem`]
    const lines = [
      'allow_anonymous true',
      'persistence false',
      'log_dest stderr',
      'user root',
      ...[`listener ${mqtt} ${HOST}`],
      ...[`listener ${mqtts} ${HOST}`, ...tls],
      ...[`listener ${ws} ${HOST}`, 'protocol websockets'],
      ...[`listener ${wss} ${HOST}`, 'protocol websockets', ...tls],
    ]
    const config = join(folder, `${mqtt}.conf`)
    writeFileSync(config, `${lines.join('\n')}\n`)
    const PATH = `${process.env['PATH']}:/usr/sbin`
    const child = spawn('mosquitto', ['-c', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, PATH },
    })
    this.#process = child
    let log = ''
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => {
        log += chunk
        if (/ running$/m.test(log)) resolve()
      })
      child.once('exit', () => reject(new Error(`mosquitto ended:\n${log}`)))
    })
  }

  async stop(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (!child || child.exitCode !== null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }
}

/** Ports that nobody uses, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  await Promise.all(servers.map(server => new Promise<void>(resolve => server.listen(0, HOST, resolve))))
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

beforeAll(() => {
  const subject = ['-subj', '/CN=earshot', '-addext', `subjectAltName=IP:${HOST}`]
  const out = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')]
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', ...kind, ...subject, ...out], { stdio: 'ignore' })
})

afterAll(() => rmSync(folder, { recursive: true }))

for (const scheme of ['mqtt', 'mqtts', 'ws', 'wss'] as const) {
  rendezvousContract(`at mosquitto, ${scheme}`, async () => {
    const mosquitto = new Mosquitto(await freePorts(4))
    await mosquitto.start()
    return mqttPlace({
      url: `${scheme}://${HOST}:${mosquitto.ports[scheme]}`,
      ...(scheme.endsWith('s') && scheme !== 'ws' && { ca: readFileSync(join(folder, 'cert.pem'), 'utf8') }),
      start: () => mosquitto.start(),
      stop: () => mosquitto.stop(),
      close: () => mosquitto.stop(),
    })
  })
}

test.each(['mqtts', 'wss'] as const)(
  'over %s a broker whose certificate nobody vouches for is not used',
  async scheme => {
    const mosquitto = new Mosquitto(await freePorts(4))
    await mosquitto.start()
    const { clock, random } = nodePlatform()
    const rendezvous = mqttRendezvous({ url: `${scheme}://${HOST}:${mosquitto.ports[scheme]}`, clock, random })
    await state(rendezvous, 'down')
    expect(rendezvous.health.lastError).toMatchObject({
      code: 'untrusted-peer',
      message: expect.stringMatching(/self.?signed/i),
    })
    await rendezvous.close()
    await mosquitto.stop()
  },
)

/** Finds the others of a group at the broker of the lab, and tells each of them how long that took. */
const PEER = `
  import { generateIdentity } from 'DIST/identity/identity.js'
  import { keepProcessAlive } from 'DIST/platform/node/keep-process-alive.js'
  import { nodePlatform } from 'DIST/platform/node/node-platform.js'
  import { mqttRendezvous } from 'DIST/rendezvous/mqtt/mqtt-rendezvous.js'
  import { RendezvousPool } from 'DIST/rendezvous/rendezvous-pool.js'
  import { deriveRoomKey } from 'DIST/rendezvous/room-key.js'
  import { Signalling } from 'DIST/rendezvous/signalling.js'
  const say = line => console.log(JSON.stringify(line))
  const { clock, random } = nodePlatform()
  const identity = generateIdentity(random)
  const roomKey = await deriveRoomKey('correct horse', 'lab')
  const startedAt = clock.now()
  const urls = ['mqtt://203.0.113.10', 'ws://203.0.113.10:9001']
  const rendezvous = new RendezvousPool({
    rendezvous: urls.map(url => mqttRendezvous({ url, clock, random })),
    clock,
    onWarning: ({ code, message }) => say({ warning: code, message }),
  })
  rendezvous.watchHealth(({ url, state, lastError }) => say({ url, state, error: lastError?.code }))
  const signalling = new Signalling({
    clock, random, identity, service: 'lab', roomKey, rendezvous,
    handlers: {
      onSighting: ({ id, name }) => {
        say({ found: name, afterMs: clock.now() - startedAt })
        void signalling.send(id, new TextEncoder().encode('hello from NAME'))
      },
      onLost: id => say({ lost: id }),
      onWarning: ({ code, message }) => say({ warning: code, message }),
      onMessage: (id, bytes) => say({ message: new TextDecoder().decode(bytes) }),
    },
  })
  signalling.advertise({ service: 'lab', id: identity.id, name: 'NAME', info: '', port: 1 })
  await signalling.start()
  say({ id: identity.id })
  // Without a broker no socket is open; a room has its listener.
  keepProcessAlive()
`

test('peers behind two NATs find each other, and again after the broker was away', async () => {
  const lab = new Lab('site a symmetric; site b port-restricted')
  lab.natlab('service', 'mosquitto')
  try {
    const ada = lab.start('a1', PEER.replaceAll('NAME', 'ada'))
    await ada.until<{ state?: string }>(({ state }) => state === 'up')
    const bob = lab.start('b1', PEER.replaceAll('NAME', 'bob'))
    type Line = Record<string, unknown>
    const found = await bob.until<Line>(line => line['found'] === 'ada')
    await ada.until<Line>(line => line['found'] === 'bob')
    await Promise.all([
      ada.until<Line>(line => line['message'] === 'hello from bob'),
      bob.until<Line>(line => line['message'] === 'hello from ada'),
    ])
    expect(found['afterMs']).toBeLessThan(2_000)
    lab.natlab('service', 'mosquitto', '--stop')
    await ada.until<Line>(line => line['state'] === 'down' && line['error'] === 'lost')
    lab.natlab('service', 'mosquitto')
    const cid = lab.start('b1', PEER.replaceAll('NAME', 'cid'))
    await Promise.all([ada, bob].map(each => each.until<Line>(line => line['found'] === 'cid')))
    await Promise.all(['ada', 'bob'].map(name => cid.until<Line>(line => line['found'] === name)))
    const all = [ada, bob, cid].flatMap(({ lines }) => lines as Line[])
    expect(all.filter(line => 'warning' in line || 'lost' in line)).toEqual([])
  } finally {
    lab.close()
  }
})
