import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { EarshotProcess, earshot, freshFolder, freshRoom } from './earshot-process.ts'

async function ready(config: string, room: string): Promise<{ process: EarshotProcess; id: unknown }> {
  const process = earshot(['chat', room, '--json'], { XDG_CONFIG_HOME: config })
  const { id } = JSON.parse(await process.stdout.line(/"ready"/))
  return { process, id }
}

test('a user is the same peer in every run, and the key is for the owner only', async () => {
  const [config, room] = [freshFolder(), freshRoom()]
  const first = await ready(config, room)
  first.process.endInput()
  expect(await first.process.exitCode).toBe(0)
  const second = await ready(config, room)
  expect(second.id).toBe(first.id)
  const file = join(config, 'earshot', 'identity')
  expect(readFileSync(file, 'utf8')).toContain(String(first.id))
  if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('a second process beside the first has a key of its own, and both meet', async () => {
  const [config, room] = [freshFolder(), freshRoom()]
  const first = await ready(config, room)
  const second = await ready(config, room)
  expect(second.id).not.toBe(first.id)
  await first.process.stdout.line(new RegExp(`"peer".*${second.id}`))
})

test('a process that was killed does not keep the identity from the next one', async () => {
  const [config, room] = [freshFolder(), freshRoom()]
  const first = await ready(config, room)
  await first.process.stop()
  expect((await ready(config, room)).id).toBe(first.id)
})

test('a folder that cannot be used costs a note, not the chat', async () => {
  const config = join(freshFolder(), 'file')
  writeFileSync(config, '')
  const { process } = await ready(config, freshRoom())
  await process.stderr.line(/cannot keep an identity in .*; using one for this run only/)
})

test('a damaged identity is told, and never overwritten', async () => {
  const config = freshFolder()
  const { process } = await ready(config, freshRoom())
  process.endInput()
  await process.exitCode
  const file = join(config, 'earshot', 'identity')
  writeFileSync(file, 'precious?')
  const again = earshot(['chat', freshRoom()], { XDG_CONFIG_HOME: config })
  expect(await again.exitCode).toBe(1)
  expect(again.stderr.text).toMatch(/hint: /)
  expect(readFileSync(file, 'utf8')).toBe('precious?')
})

test('of many processes that start at once over a stale lock, exactly one takes it', async () => {
  const path = join(freshFolder(), 'lock')
  writeFileSync(path, JSON.stringify({ pid: 0, started: '', nonce: 'stale' }))
  const module = new URL('../../dist/cli/process-lock.js', import.meta.url).href
  const source = `
    const { takeProcessLock } = await import(${JSON.stringify(module)})
    console.log('loaded')
    process.stdin.once('data', () => console.log(takeProcessLock(${JSON.stringify(path)}) ? 'taken' : 'held'))`
  const takers = Array.from(
    { length: 6 },
    () => new EarshotProcess([process.execPath, '--input-type=module', '-e', source], {}),
  )
  await Promise.all(takers.map(({ stdout }) => stdout.line(/loaded/)))
  for (const taker of takers) taker.type('go\n')
  const results = await Promise.all(takers.map(({ stdout }) => stdout.line(/taken|held/)))
  expect(results.filter(result => result === 'taken')).toHaveLength(1)
})
