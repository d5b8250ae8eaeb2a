/** `earshot nat` against a STUN server on the loopback interface; what NATs do is in test/lab/nat.test.ts. */

import { afterEach, expect, test } from 'vitest'
import { nodePlatform } from '../../src/platform/node/node-platform.ts'
import { StunServer } from '../nat/stun-server.ts'
import { earshot } from './earshot-process.ts'

const servers: StunServer[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** Somewhere on loopback; a port that another test has is tried again elsewhere. */
async function serve(): Promise<string> {
  const port = 20_000 + 2 * (process.pid % 20_000)
  servers.push(await StunServer.start(nodePlatform(), { addresses: ['127.0.0.1'], ports: [port, port + 1] }))
  return `127.0.0.1:${port}`
}

test('shows the behaviour and the servers', async () => {
  const server = await serve()
  const process = earshot(['nat', '--stun', server])
  expect(await process.exitCode).toBe(0)
  expect(process.stdout.text).toMatch(/^mapping +none +none$/m)
  expect(process.stdout.text).toMatch(/^filtering +unknown$/m)
  expect(process.stdout.text).toMatch(/^port allocation +preserving +preserving$/m)
  expect(process.stdout.text).toMatch(new RegExp(`^stun:${server} +[\\d.]+ ?m?s +[\\d.]+ ?m?s$`, 'm'))
  expect(process.stderr.text).toBe('')
})

test('as JSON, with the servers from the environment', async () => {
  const server = await serve()
  const process = earshot(['nat', '--json', '--timeout', '300ms'], { EARSHOT_STUN: `${server} stun:127.0.0.1:9` })
  expect(await process.exitCode).toBe(0)
  expect(process.stdout.events).toMatchObject([
    {
      event: 'nat',
      family: 'ipv4',
      udpBlocked: 'no',
      udp: { mapping: 'none', mapped: { address: '127.0.0.1' }, servers: [{ server: `stun:${server}` }, {}] },
      tcp: { mapping: 'none' },
    },
  ])
})

test('says of each server why it is of no use, and fails where none answers', async () => {
  const process = earshot(['nat', '--stun', '127.0.0.1:9', '--timeout', '300ms', '--json'])
  expect(await process.exitCode).toBe(1)
  expect(process.stdout.events).toMatchObject([
    {
      event: 'nat',
      udp: { servers: [{ error: { code: 'timeout' } }] },
      tcp: { servers: [{ error: { code: 'unreachable' } }] },
    },
    { event: 'error', code: 'unreachable' },
  ])
  expect(process.stderr.text).toMatch(/no answer from stun:127\.0\.0\.1:9[\s\S]*hint:/)
})

test.each([
  [['--stun', 'bad host'], "'stun:bad host' is no URI"],
  [['--stun', 'turn:a.example'], 'is a TURN server'],
  [['--stun', ''], 'is no URI'],
])('what is no server is refused before anybody is asked: %j', async (args, said) => {
  const process = earshot(['nat', ...args, '--timeout', '300ms', '--json'])
  expect(await process.exitCode).toBe(2)
  expect(process.stdout.text).toBe('')
  expect(process.stderr.text).toContain(said)
})

test('the variable is refused as a whole where one of its servers is none', async () => {
  const process = earshot(['nat', '--json'], { EARSHOT_STUN: '127.0.0.1:9 stun:' })
  expect(await process.exitCode).toBe(2)
  expect(process.stderr.text).toContain("'stun:' is no URI")
})
