/** `earshot relay` as a process of its own, over loopback. */

import { expect, test } from 'vitest'
import { uniqueService } from '../process/peer-process.ts'
import { earshot } from './earshot-process.ts'

const LOCAL = ['--interface', 'lo', '--port', '0']

test('it prints its addresses, and ends politely', async () => {
  const relay = earshot(['relay', uniqueService(), ...LOCAL, '--budget', '1GB'])
  await relay.stderr.line(/Ctrl-C/)
  expect(relay.stdout.lines).toContainEqual(expect.stringMatching(/^127\.0\.0\.1:\d+$/))
  relay.signal('SIGINT')
  expect(await relay.exitCode).toBe(130)
  expect(relay.stderr.lines).toContainEqual('0 B relayed')
})

test('with --json; a budget that is none is a wrong argument', async () => {
  const relay = earshot(['relay', uniqueService(), ...LOCAL, '--json'])
  await relay.stdout.line(/ready/)
  const [{ event, id, addresses }] = relay.stdout.events as [{ event: string; id: string; addresses: string[] }]
  expect({ event, idLength: id.length, count: addresses.length > 0 }).toEqual({
    event: 'ready',
    idLength: 52,
    count: true,
  })
  relay.signal('SIGINT')
  expect(await relay.exitCode).toBe(130)
  const wrong = earshot(['relay', '--budget', 'much'])
  expect(await wrong.exitCode).toBe(2)
})
