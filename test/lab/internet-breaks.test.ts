/** Rooms across the Internet while brokers and relays are killed, and a host moves: sessions go on, and nothing is lost. */

import { afterEach, expect, test } from 'vitest'
import { BROKER, InternetRoom, joinAll, SERVER, STUN, TURN, turnAt } from './internet-room.ts'
import { Lab } from './lab.ts'

let lab: Lab | undefined
afterEach(() => lab?.close())

function labOf(spec: string): Lab {
  lab = new Lab(spec)
  for (const service of ['mosquitto', 'coturn']) lab.natlab('service', service)
  return lab
}

/** Without a goodbye. */
function kill(lab: Lab, service: string): void {
  const { daemons } = JSON.parse(lab.natlab('status', '--json')) as { daemons: Record<string, { pid: number }> }
  process.kill(daemons[`${service}-server`]!.pid, 'SIGKILL')
}

/** A TURN server on a host with one address. */
function startTurn(lab: Lab, host: string): Promise<void> {
  const address = lab.address(host)
  const options = [
    `--listening-ip=${address}`,
    `--relay-ip=${address}`,
    '--lt-cred-mech',
    '--user=lab:lab',
    '--realm=lab',
  ]
  const files = [`--userdb=/run/natlab/${lab.name}/turn.db`, `--pidfile=/run/natlab/${lab.name}/turn.pid`]
  const only = ['-n', '--no-tls', '--no-dtls', '--no-cli', '--log-file=stdout']
  return lab.daemon(host, /SQLite DB connection success/, 'turnserver', ...only, ...options, ...files)
}

/** One side has sent numbers and the other has heard them all, once and in order, from one and the same object. */
async function expectAll(from: InternetRoom, to: InternetRoom): Promise<void> {
  const sent = await from.stopCounting()
  await to.until(told => told.from === from.name && told.heard === 'last')
  expect(to.heardFrom(from)).toEqual([...Array.from({ length: sent }, (_, i) => i), 'last'])
  expect(to.told.filter(({ isSameObject }) => isSameObject === false)).toEqual([])
  expect(to.told.filter(({ gone }) => gone !== undefined)).toEqual([])
}

test('a broker that is killed: sessions live on, and when it is back newcomers come; its health is told', async () => {
  const lab = labOf('site a port-restricted; site b port-restricted; site c port-restricted')
  const internet = { ...BROKER, ...STUN }
  const [a, b] = await joinAll(new InternetRoom(lab, 'a1', internet), new InternetRoom(lab, 'b1', internet))
  await Promise.all([a.path(b, 'direct'), b.path(a, 'direct')])
  const url = 'mqtt://203.0.113.10:1883'
  expect(await a.health()).toEqual([{ url, state: 'up' }])

  for (const side of [a, b]) side.startCounting()
  kill(lab, 'mosquitto')
  await Promise.all([a, b].map(side => side.until(({ warning, code }) => warning !== undefined && code === 'lost')))
  expect(await a.health()).toMatchObject([{ url, state: expect.not.stringMatching('up'), error: 'lost' }])
  const [c] = await joinAll(new InternetRoom(lab, 'c1', internet))
  await c.until(({ code }) => code === 'unreachable')
  const heard = b.heardFrom(a).length
  await b.until(({ heard: number }) => number === heard + 50)

  lab.natlab('service', 'mosquitto')
  await Promise.all([a.path(c, 'direct'), b.path(c, 'direct'), c.path(a, 'direct'), c.path(b, 'direct')])
  expect(await a.health()).toMatchObject([{ url, state: 'up' }])
  await expectAll(a, b)
  await expectAll(b, a)
})

test('a relay that is killed: the peer is away, and back when the relay is back, nothing lost', async () => {
  const lab = labOf('site a symmetric; site b symmetric')
  const internet = { ...BROKER, ...STUN, ...TURN }
  const [a, b] = await joinAll(new InternetRoom(lab, 'a1', internet), new InternetRoom(lab, 'b1', internet))
  await Promise.all([a.path(b, 'relay'), b.path(a, 'relay')])
  for (const side of [a, b]) side.startCounting()
  await Promise.all([a, b].map(side => side.until(({ heard }) => heard === 20)))
  kill(lab, 'coturn')
  await Promise.all([a, b].map(side => side.until(({ state }) => state === 'away')))
  const startedAt = Date.now()
  lab.natlab('service', 'coturn')
  const back = await Promise.all([a, b].map(side => side.until(({ state, at }) => state === 'here' && at >= startedAt)))
  console.info(`back after ${Math.max(...back.map(({ at }) => at)) - startedAt} ms`)
  await Promise.all([expectAll(a, b), expectAll(b, a)])
})

test('a relay that is killed while there is another: the session goes on over that one', async () => {
  const lab = labOf('site a symmetric; site b symmetric; host other')
  await startTurn(lab, 'other')
  const turn = [turnAt(SERVER), turnAt(lab.address('other'))]
  const internet = { ...BROKER, ...STUN, turn }
  const [a, b] = await joinAll(new InternetRoom(lab, 'a1', internet), new InternetRoom(lab, 'b1', internet))
  await Promise.all([a.path(b, 'relay'), b.path(a, 'relay')])
  for (const side of [a, b]) side.startCounting()
  await Promise.all([a, b].map(side => side.until(({ heard }) => heard === 20)))
  kill(lab, 'coturn')
  const heard = [b.heardFrom(a).length, a.heardFrom(b).length]
  await Promise.all([b, a].map((side, i) => side.until(({ heard: number }) => number === heard[i]! + 100)))
  await Promise.all([expectAll(a, b), expectAll(b, a)])
})

test('a host that gets another address, and moves to another site: the session goes with it, nothing lost', async () => {
  const lab = labOf('site a port-restricted; site b port-restricted; site cafe port-restricted')
  const internet = { ...BROKER, ...STUN, ...TURN }
  const [a, b] = await joinAll(new InternetRoom(lab, 'a1', internet), new InternetRoom(lab, 'b1', internet))
  await Promise.all([a.path(b, 'direct'), b.path(a, 'direct')])
  for (const side of [a, b]) side.startCounting()
  await Promise.all([a, b].map(side => side.until(({ heard }) => heard === 20)))
  const ip = (host: string, ...args: readonly string[]) => lab.run(host, 'ip', ...args)
  const isHeardAgain = async () => {
    const [movedAt, heard] = [Date.now(), [a.heardFrom(b).length, b.heardFrom(a).length]]
    const again = await Promise.all(
      [a, b].map((side, i) => side.until(({ heard: number }) => number === heard[i]! + 100)),
    )
    console.info(`after the change 100 numbers each took ${Math.max(...again.map(({ at }) => at)) - movedAt} ms`)
  }

  ip('a1', 'address', 'del', '192.168.1.10/24', 'dev', 'eth0')
  ip('a1', 'address', 'add', '192.168.1.77/24', 'dev', 'eth0')
  ip('a1', 'route', 'replace', 'default', 'via', '192.168.1.1')
  await isHeardAgain()

  const [cafe] = lab.prefix('cafe-gw').slice(3)
  ip('a1', 'link', 'delete', 'eth0')
  ip('a1', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'moved', 'netns', cafe!)
  ip('cafe-gw', 'link', 'set', 'moved', 'master', 'br-lan', 'up')
  ip('a1', 'address', 'add', '192.168.3.77/24', 'dev', 'eth0')
  ip('a1', 'link', 'set', 'eth0', 'up')
  ip('a1', 'route', 'add', 'default', 'via', '192.168.3.1')
  await isHeardAgain()
  const cafeOutside = lab.external('cafe')
  await b.until(({ kind, remote }) => kind === 'direct' && remote!.startsWith(cafeOutside))
  await Promise.all([expectAll(a, b), expectAll(b, a)])
})
