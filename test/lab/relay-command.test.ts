/** `earshot relay` on a public host brings two together across real NATs that let no direct path through. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { EarshotProcess, freshFolder, MAIN } from '../cli/earshot-process.ts'
import { Lab } from './lab.ts'

const RELAY = '203.0.113.10:4113'

let lab: Lab | undefined
afterEach(() => lab?.close())

function earshot(host: string, args: readonly string[]): EarshotProcess {
  const command = [...lab!.prefix(host), process.execPath, MAIN, ...args]
  return new EarshotProcess(command, { XDG_CONFIG_HOME: freshFolder(), EARSHOT_SECRET: 'correct horse' })
}

test('a file goes through it, and what went is told, with a warning before the budget ends', async () => {
  lab = new Lab('site a symmetric; site b symmetric')
  const relay = earshot('server', ['relay', '--budget', '1MB', '--json'])
  const { id, addresses } = JSON.parse(await relay.stdout.line(/^{"event":"ready"/))
  expect(addresses).toContain(RELAY)

  const folder = freshFolder()
  const file = join(freshFolder(), 'photo.jpg')
  writeFileSync(file, Buffer.alloc(850_000, 'earshot'))
  const bob = earshot('b1', ['receive', folder, '--name', 'Bob', '--peer', RELAY, '--accept', 'all'])
  await bob.stderr.line(/^receiving into/)

  const ping = earshot('a1', ['ping', 'Bob', '--count', '1', '--peer', RELAY, '--timeout', '20s'])
  expect(await ping.exitCode).toBe(0)
  expect(ping.stdout.lines[0]).toMatch(new RegExp(`^Bob: [\\d.]+ m?s, relay tcp .*over ${id}`))

  const ada = earshot('a1', ['send', file, '--to', 'Bob', '--name', 'Ada', '--peer', RELAY, '--timeout', '20s'])
  expect(await ada.exitCode).toBe(0)
  await bob.stdout.line(/photo\.jpg from Ada/)
  expect(readFileSync(join(folder, 'photo.jpg')).equals(readFileSync(file))).toBe(true)

  await relay.stdout.line(/^{"event":"warning","code":"limit-reached"/)
  bob.signal('SIGINT')
  await bob.exitCode
  const relayed = relay.stdout.line(/^{"event":"relayed".*"bytes":[89]\d{5}}/)
  expect(JSON.parse(await relayed)).toMatchObject({ from: expect.any(String), to: expect.any(String) })
  const events = relay.stdout.events.map(({ event }) => event).filter(event => event !== 'progress')
  expect(events).toEqual(['ready', 'relaying', 'relayed', 'relaying', 'warning', 'relayed'])
  relay.signal('SIGINT')
  expect(await relay.exitCode).toBe(130)
  expect(relay.stderr.lines.at(-1)).toMatch(/^[89]\d\d kB relayed$/)
}, 90_000)

test('whoever lacks the secret of its room is not relayed', async () => {
  lab = new Lab('site a symmetric')
  const relay = earshot('server', ['relay', 'kitchen'])
  await relay.stderr.line(/^relaying as/)
  const eve = earshot('a1', ['ping', RELAY, '--room', 'kitchen', '--secret', 'tea', '--timeout', '5s'])
  expect(await eve.exitCode).toBe(4)
  relay.signal('SIGINT')
  expect(await relay.exitCode).toBe(130)
  expect(relay.stderr.lines.at(-1)).toBe('0 B relayed')
}, 30_000)
