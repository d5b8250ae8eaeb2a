/** `earshot doctor` on the loopback interface; what NATs do is in src/doctor/ and test/lab/doctor.test.ts. */

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Broker, startBroker } from '../../src/broker.ts'
import { Identity } from '../../src/index.ts'
import { nodePlatform } from '../../src/platform/node/node-platform.ts'
import { StunServer } from '../nat/stun-server.ts'
import { earshot, freshFolder } from './earshot-process.ts'

const closers: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** Another pair of ports than the test of `earshot nat` has, which may run beside this one. */
async function stunServer(): Promise<string> {
  const port = 40_000 + 2 * (process.pid % 10_000)
  const server = await StunServer.start(nodePlatform(), { addresses: ['127.0.0.1'], ports: [port, port + 1] })
  closers.push(() => server.close())
  return `127.0.0.1:${port}`
}

async function broker(): Promise<Broker> {
  const started = await startBroker({ host: '127.0.0.1', port: 0 })
  closers.push(() => started.close())
  return started
}

test('on a machine that is well it says so, line by line, and ends with 0', async () => {
  const process = earshot(['doctor'])
  expect(await process.exitCode).toBe(0)
  expect(process.stderr.text).toBe('')
  expect(process.stdout.text).toMatch(/^ok {7}Node {22}v\d/m)
  expect(process.stdout.text).toMatch(/^ok {7}identity {18}none yet/m)
  expect(process.stdout.text).toMatch(/^ok {7}package mqtt {14}loads$/m)
  expect(process.stdout.text).toMatch(/^ok {7}interface lo0? +is used: loopback, 127\.0\.0\.1/m)
  expect(process.stdout.text).toMatch(/^ok {7}mDNS lo0? IPv4 +port 5353 is shared, multicast leaves and comes back/m)
  expect(process.stdout.text).toMatch(/^ok {7}beacon lo0? 127\.0\.0\.1 +port 24327 is shared/m)
  expect(process.stdout.text).toMatch(/^ok {7}listener +a TCP port can be opened, and answers at 127\.0\.0\.1:\d+$/m)
  expect(process.stdout.lines.at(-1)).toMatch(/^no problems, /)
})

test('as JSON every finding is an object, and there is nothing else', async () => {
  const process = earshot(['doctor', '--json'])
  expect(await process.exitCode).toBe(0)
  const { events } = process.stdout
  expect(events.at(-1)).toMatchObject({ event: 'summary', problems: 0 })
  for (const event of events.slice(0, -1))
    expect(event).toMatchObject({
      event: 'finding',
      check: expect.any(String),
      verdict: expect.stringMatching(/^(ok|note)$/),
    })
  expect(events.map(({ check }) => check)).toEqual(
    expect.arrayContaining([
      'node',
      'identity',
      'package',
      'interface',
      'multicast',
      'beacon',
      'ipv6',
      'listener',
      'firewall',
    ]),
  )
})

test('what is wrong is a problem with a hint, and the exit code is 1', async () => {
  const folder = join(freshFolder(), 'earshot')
  mkdirSync(folder)
  await Identity.load(join(folder, 'identity'))
  chmodSync(join(folder, 'identity'), 0o644)
  const open = earshot(['doctor'], { XDG_CONFIG_HOME: join(folder, '..') })
  expect(await open.exitCode).toBe(1)
  expect(open.stdout.text).toMatch(/^problem {2}identity +others on this machine can read the key/m)
  expect(open.stdout.text).toMatch(/^ +→ chmod 600 .*identity$/m)
  expect(open.stderr.text).toContain('there is a problem')
  writeFileSync(join(folder, 'identity'), 'no key')
  const damaged = earshot(['doctor', '--json'], { XDG_CONFIG_HOME: join(folder, '..') })
  expect(await damaged.exitCode).toBe(1)
  expect(damaged.stdout.events.filter(({ verdict }) => verdict === 'problem')).toMatchObject([
    { check: 'identity', hint: expect.stringContaining('move it away') },
  ])
})

test('without udx-native the rest is as well as ever, and it says what is missing', async () => {
  const process = earshot(['doctor', '--json'], { NODE_OPTIONS: withoutPackage('udx-native') })
  expect(await process.exitCode).toBe(0)
  const packages = process.stdout.events.filter(({ check }) => check === 'package')
  expect(packages.map(({ subject, verdict }) => `${verdict} ${subject}`)).toEqual([
    'note udx-native',
    'ok mqtt',
    'ok aedes',
    'ok ws',
  ])
  expect(packages[0]).toMatchObject({
    message: 'is not installed. Without it paths between NATs are TCP or relays.',
    hint: 'npm install udx-native',
  })
})

test('with --internet servers and brokers are tried, and it says how likely a direct path is', async () => {
  const server = await stunServer()
  const [url] = (await broker()).urls
  const args = ['doctor', '--internet', '--stun', server, '--rendezvous', url!, '--no-lifetime', '--timeout', '1s']
  const process = earshot(args)
  expect(await process.exitCode).toBe(0)
  expect(process.stdout.text).toMatch(
    /^ok {7}STUN stun:127\.0\.0\.1:\d+\n? +answers over UDP in \d+ ms, over TCP in \d+ ms$/m,
  )
  expect(process.stdout.text).toMatch(/^ok {7}UDP +UDP passes; outside it is 127\.0\.0\.1:\d+$/m)
  expect(process.stdout.text).toMatch(
    /^ok {7}broker mqtt:\/\/127\.0\.0\.1:\d+\n? +up in \d+ ms, a message comes back in \d+ ms$/m,
  )
  expect(process.stdout.text).toMatch(/^note {5}port mapping +/m)
  expect(process.stdout.text).toMatch(/^THE OTHER SIDE HAS +A DIRECT PATH IS +BY$/m)
  expect(process.stdout.text).toMatch(/^no NAT +certain +UDP$/m)
})

test('servers that fail are problems; the password may come from the environment', async () => {
  const args = ['doctor', '--internet', '--turn', 'turn:ada@127.0.0.1:9', '--json', '--timeout', '300ms']
  const process = earshot(args, {
    EARSHOT_TURN_PASSWORD: 'tea',
    EARSHOT_RENDEZVOUS: 'mqtt://127.0.0.1:9 ws://127.0.0.1:9/m',
  })
  expect(await process.exitCode).toBe(1)
  const problems = process.stdout.events.filter(({ verdict }) => verdict === 'problem')
  expect(problems.map(({ check, subject }) => `${check} ${subject}`).sort()).toEqual([
    'relay turn:127.0.0.1:9?transport=tcp',
    'rendezvous mqtt://127.0.0.1:9',
    'rendezvous ws://127.0.0.1:9/m',
  ])
  for (const { hint } of problems) expect(hint).toMatch(/\S/)
  expect(process.stdout.text + process.stderr.text).not.toContain('tea')
})

test.each([
  [['--internet', '--turn', 'turn:a.example'], 'EARSHOT_TURN_USER'],
  [['--internet', '--stun', 'bad host'], 'is no URI'],
  [['--internet', '--turn', 'stun:a.example'], 'is a STUN server'],
  [['--internet', '--rendezvous', 'http://a.example'], 'URL of a broker'],
  [['--internet', '--timeout', '1ms'], 'timeoutMs'],
  [['--stun', 'a.example'], '--stun is of use with --internet only'],
  [['--internet', '--lifetime', 'soon'], 'is not a duration'],
])('bad usage ends with 2: %j', async (args, said) => {
  const process = earshot(['doctor', ...args])
  expect(await process.exitCode).toBe(2)
  expect(process.stdout.text).toBe('')
  expect(process.stderr.text).toContain(said)
})

test('Ctrl-C ends it with 130', async () => {
  const args = ['doctor', '--internet', '--stun', '127.0.0.1:9', '--timeout', '30s']
  const process = earshot(args)
  await process.stderr.line(/Looking across the Internet/)
  process.signal('SIGINT')
  expect(await process.exitCode).toBe(130)
})

/** Options of Node with which a package seems not to be installed. */
function withoutPackage(name: string): string {
  const asUrl = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`
  const hook = `export async function resolve(specifier, context, next) {
    if (specifier !== '${name}') return next(specifier, context)
    throw Object.assign(new Error("Cannot find package '${name}'"), { code: 'ERR_MODULE_NOT_FOUND' })
  }`
  return `--import=${asUrl(`import { register } from 'node:module'; register('${asUrl(hook).replaceAll("'", '%27')}')`)}`
}
