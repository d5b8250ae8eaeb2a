/** `earshot broker` as a process of its own, over loopback. */

import { expect, test } from 'vitest'
import { nodePlatform } from '../../src/platform/node/node-platform.ts'
import { mqttRendezvous } from '../../src/rendezvous/mqtt/mqtt-rendezvous.ts'
import { formatTopic } from '../../src/rendezvous/topic.ts'
import { state } from '../contract/rendezvous.ts'
import { earshot } from './earshot-process.ts'

const LOCAL = ['--host', '127.0.0.1', '--port', '0']
const TOPIC = formatTopic(new Uint8Array(20))

/** Publishes a byte to itself. */
async function useRendezvous(url: string): Promise<Uint8Array> {
  const { clock, random } = nodePlatform()
  const rendezvous = mqttRendezvous({ url, clock, random })
  await state(rendezvous, 'up')
  const received = new Promise<Uint8Array>(resolve => rendezvous.subscribe(TOPIC, resolve))
  await rendezvous.publish(TOPIC, Uint8Array.of(7))
  const bytes = await received
  await rendezvous.close()
  return bytes
}

test('it prints where it is, serves peers there, and ends politely', async () => {
  const broker = earshot(['broker', ...LOCAL, '--ws-port', '0'])
  const [mqtt, ws] = await Promise.all([broker.stdout.line(/^mqtt:/), broker.stdout.line(/^ws:/)])
  await broker.stderr.line(/Ctrl-C/)
  expect(broker.stdout.lines).toEqual([mqtt, ws])
  for (const url of [mqtt, ws]) expect(await useRendezvous(url)).toEqual(Uint8Array.of(7))
  broker.signal('SIGINT')
  expect(await broker.exitCode).toBe(130)
})

test('with --json, and a user from the environment', async () => {
  const broker = earshot(['broker', ...LOCAL, '--json'], { EARSHOT_BROKER_USER: 'ada:tea' })
  await broker.stdout.line(/ready/)
  const [{ event, urls }] = broker.stdout.events as [{ event: string; urls: string[] }]
  expect(event).toBe('ready')
  expect(await useRendezvous(urls[0]!.replace('//', '//ada:tea@'))).toEqual(Uint8Array.of(7))
  broker.signal('SIGTERM')
  expect(await broker.exitCode).toBe(130)
})

test('a port in use ends it with an error and a hint', async () => {
  const first = earshot(['broker', ...LOCAL, '--json'])
  await first.stdout.line(/ready/)
  const [{ urls }] = first.stdout.events as [{ urls: string[] }]
  const second = earshot(['broker', '--host', '127.0.0.1', '--port', new URL(urls[0]!).port, '--json'])
  expect(await second.exitCode).toBe(1)
  expect(second.stdout.events).toMatchObject([{ event: 'error', code: 'address-in-use' }])
})
