/** The command across real NATs: by two texts, over a broker, over a relay, and where there is no way. */

import { afterEach, expect, test } from 'vitest'
import { EarshotProcess, freshFolder, MAIN } from '../cli/earshot-process.ts'
import { Lab } from './lab.ts'

const SERVER = '203.0.113.10'

let lab: Lab | undefined
afterEach(() => lab?.close())

function earshot(host: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): EarshotProcess {
  const command = [...lab!.prefix(host), process.execPath, MAIN, ...args]
  return new EarshotProcess(command, { XDG_CONFIG_HOME: freshFolder(), EARSHOT_STUN: SERVER, ...env })
}

/** The field of the first event of this kind. */
async function told(from: EarshotProcess, event: string, field: string): Promise<string> {
  const line = await from.stdout.line(new RegExp(`^{"event":"${event}"`))
  return JSON.parse(line)[field]
}

test('two people connect by two texts, without a broker, and chat', async () => {
  lab = new Lab('site a port-restricted; site b port-restricted')
  lab.natlab('service', 'coturn')
  const ada = earshot('a1', ['connect', '--offer', '--name', 'Ada'])
  const offer = await ada.stdout.line(/^earshot:/)
  const bob = earshot('b1', ['connect', '--answer', offer, '--name', 'Bob'])
  const answer = await bob.stdout.line(/^earshot:/)
  await bob.stderr.line(/^Bring this answer back to Ada \(\w{8}\)/)
  expect([offer.length, answer.length].every(length => length < 600)).toBe(true)
  // As mail programs do.
  ada.type(`${answer.match(/.{1,72}/g)!.join('\n')}\n`)
  await ada.stderr.line(/^connected with Bob \(\w{8}\): direct (udp|tcp) 203\.0\.113\.\d+:\d+/)
  await bob.stderr.line(/^connected with Ada \(\w{8}\): direct (udp|tcp)/)
  ada.type('hello\n')
  bob.type('hi\n')
  await Promise.all([ada.stdout.line(/^Bob: hi$/), bob.stdout.line(/^Ada: hello$/)])
  ada.endInput('goodbye\n')
  expect([await ada.exitCode, await bob.exitCode]).toEqual([0, 0])
  expect(ada.stdout.lines).toEqual([offer, 'Bob: hi'])
  expect(bob.stdout.lines).toEqual([answer, 'Ada: hello', 'Ada: goodbye'])
})

test('the same as JSON, from stdin, in one LAN and without any server', async () => {
  lab = new Lab('site home symmetric hosts=ada,bob')
  const nowhere = { EARSHOT_STUN: '' }
  const ada = earshot('ada', ['connect', '--offer', '--name', 'Ada', '--json'], nowhere)
  const bob = earshot('bob', ['connect', '--answer', '--name', 'Bob', '--json'], nowhere)
  await ada.stderr.line(/^Without --stun this works in one LAN/)
  bob.type(`${await told(ada, 'offer', 'text')}\n`)
  ada.type(`${await told(bob, 'answer', 'text')}\nhello\n`)
  await bob.stdout.line(/"message"/)
  bob.endInput()
  expect([await ada.exitCode, await bob.exitCode]).toEqual([0, 0])
  expect(ada.stdout.events).toMatchObject([
    { event: 'ready', name: 'Ada', room: 'lobby' },
    { event: 'offer' },
    { event: 'path', path: { kind: 'lan' } },
    { event: 'peer', name: 'Bob' },
    { event: 'gone', name: 'Bob', code: 'closed' },
  ])
  expect(bob.stdout.events).toMatchObject([
    { event: 'ready' },
    { event: 'answer', from: { name: 'Ada' } },
    { event: 'path', path: { kind: 'lan' } },
    { event: 'peer', name: 'Ada' },
    { event: 'message', name: 'Ada', data: 'hello' },
  ])
})

test('an offer that is answered by garbage in a pipe is bad usage', async () => {
  lab = new Lab('site a none')
  lab.natlab('service', 'coturn')
  const ada = earshot('a1', ['connect', '--offer'])
  const offer = await ada.stdout.line(/^earshot:/)
  ada.type('what do you mean?\n')
  expect(await ada.exitCode).toBe(2)
  expect(ada.stderr.text).toMatch(/^earshot: there is no 'earshot:…' in the text$/m)
  const eve = earshot('a1', ['connect', '--offer'])
  await eve.stdout.line(/^earshot:/)
  eve.endInput(offer.slice(0, 100))
  expect(await eve.exitCode).toBe(2)
  expect(eve.stderr.text).toMatch(/^earshot: the text is cut off: 100 of \d+ characters are there$/m)
  const cyd = earshot('a1', ['connect', '--offer', '--timeout', '4s'])
  await cyd.stdout.line(/^earshot:/)
  expect(await cyd.exitCode).toBe(3)
  expect(cyd.stderr.text).toMatch(/the other side did not come within 4\.0 s/)
  const dan = earshot('a1', ['connect', '--offer'])
  await dan.stdout.line(/^earshot:/)
  dan.signal('SIGINT')
  expect(await dan.exitCode).toBe(130)
})

test('ping over a broker: directly, over a relay, and why not', async () => {
  lab = new Lab('site a symmetric; site b symmetric')
  lab.natlab('service', 'coturn')
  lab.natlab('service', 'mosquitto')
  const broker = { EARSHOT_RENDEZVOUS: `mqtt://${SERVER}`, EARSHOT_SECRET: 'correct horse' }
  const turn = { EARSHOT_TURN: `turn:${SERVER}`, EARSHOT_TURN_USER: 'lab', EARSHOT_TURN_PASSWORD: 'lab' }
  const bob = earshot('b1', ['chat', '--name', 'Bob', '--json', '--direct', 'only'], broker)
  const id = await told(bob, 'ready', 'id')

  const who = earshot('a1', ['who', '--room', 'lobby', '--for', '4s'], broker)
  expect(await who.exitCode).toBe(0)
  expect(who.stdout.text).toMatch(/^lobby +Bob +\w{8} +over the rendezvous *$/m)

  const why = earshot('a1', ['ping', id], broker)
  expect(await why.exitCode).toBe(1)
  expect(why.stderr.text).toMatch(
    /^earshot: no path to \w{8} over the Internet: here the NAT's mapping is .*, there the NAT's/m,
  )
  expect(why.stderr.text).toMatch(/^ {2}hint: A TURN server/m)
  const [, tried = ''] = why.stderr.text.split('  tried:\n')
  expect(tried).toMatch(/direct udp check/)
  expect(tried.split('\n').length).toBeLessThan(20)

  const relayed = earshot('b1', ['chat', '--name', 'Cyd', '--json'], { ...broker, ...turn })
  await told(relayed, 'ready', 'id')
  const ping = earshot('a1', ['ping', 'Cyd', '--count', '1'], { ...broker, ...turn })
  expect(await ping.exitCode).toBe(0)
  // The server relays at either of its addresses.
  expect(ping.stdout.lines[0]).toMatch(/^Cyd: [\d.]+ m?s, relay tcp over (203\.0\.113|198\.51\.100)\.10:\d+/)
}, 120_000)
