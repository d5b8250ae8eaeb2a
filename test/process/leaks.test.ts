import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { uniqueService } from './peer-process.ts'

const LIBRARY = fileURLToPath(new URL('../../dist/index.js', import.meta.url))

/** Joins and leaves over and over, and counts what is left: resources of the system, timers, listeners, and memory. */
const PROGRAM = `
  import { getEventListeners } from 'node:events'
  import { createHook } from 'node:async_hooks'
  import { join } from ${JSON.stringify(LIBRARY)}
  const [, service, folder] = process.argv
  const interfaces = { include: ['lo', 'lo0'] }
  const { signal } = new AbortController()
  // Timers that keep nobody awake are not among the active resources.
  const timers = new Set()
  createHook({
    init: (id, type) => type === 'Timeout' && timers.add(id),
    destroy: id => timers.delete(id),
  }).enable()
  const count = () => ({
    resources: process.getActiveResourcesInfo().filter(kind => !/^(Pipe|TTY)/.test(kind)),
    timers: timers.size,
    signal: getEventListeners(signal, 'abort').length,
    process: process.eventNames().map(name => [String(name), process.listenerCount(name)]),
  })
  const round = async () => {
    const rooms = await Promise.all(['ada', 'bob', 'eve'].map(name => join(service, { name, interfaces, signal })))
    await Promise.all(rooms.map(async room => {
      while (room.peers.length < 2) await room.once('peer-state', { timeoutMs: 5 }).catch(() => {})
    }))
    const [ada, bob] = rooms
    bob.answer('echo', text => text)
    bob.accept('echo', ({ readable, writable }) => readable.pipeTo(writable))
    const stream = ada.peer('bob').open('echo', { signal })
    const writer = stream.writable.getWriter()
    void writer.write(new Uint8Array(100_000)).then(() => writer.close())
    for await (const chunk of stream.readable);
    // One that is given up, and one that ends with the session.
    const aborted = ada.peer('bob').open('echo', { signal: AbortSignal.any([signal]) })
    await aborted.writable.abort('enough')
    await aborted.readable.cancel()
    const left = ada.peer('bob').open('nobody', { signal }).readable.getReader().read().catch(() => {})
    // A file that arrives, and one that is called off.
    bob.inbox(folder, { overwrite: true }).on('transfer', transfer => transfer.catch(() => {}))
    await ada.peer('bob').sendFile(new Blob(['a file']), { name: 'file', signal })
    const calledOff = ada.peer('bob').sendFile(new Blob(['x'.repeat(300_000)]), { name: 'other', signal })
    calledOff.cancel()
    await calledOff.catch(() => {})
    await ada.ask('bob', 'echo', 'x'.repeat(100_000))
    await ada.send('y', { receipt: false })
    for (let i = 0; i < 3; i++) {
      await ada.send(new Uint8Array(9), { delivery: 'unreliable' })
      await ada.send('z', { delivery: 'latest' })
      await bob.ask('ada', 'nothing').catch(() => {})
    }
    await ada.connect('bob')
    await Promise.all(rooms.map(room => room.close()))
    await left
  }
  const settle = async () => {
    for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve))
    globalThis.gc()
  }
  // The first rounds make the engine's own code and caches.
  for (let i = 0; i < 15; i++) await round()
  await settle()
  const before = count()
  const heapBefore = process.memoryUsage().heapUsed
  for (let i = 0; i < 15; i++) await round()
  await settle()
  const heapGrowth = process.memoryUsage().heapUsed - heapBefore
  console.log(JSON.stringify({ before, after: count(), heapGrowth }))
`

test('a process that joins and leaves rooms over and over keeps nothing of them, and ends by itself', {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-leaks-'))
  const args = ['--expose-gc', '--input-type=module', '-e', PROGRAM, uniqueService(), folder]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 45_000 })
  rmSync(folder, { recursive: true })
  expect(stderr).toBe('')
  const { before, after, heapGrowth } = JSON.parse(stdout)
  expect(before.resources).toEqual([])
  expect(after).toEqual(before)
  // 45 rooms with 2 peers each: what they kept would be megabytes.
  expect(heapGrowth).toBeLessThan(1_000_000)
})

/** Without a socket nothing keeps Node from ending in the middle of an `await`, with exit code 13. */
const LEAVING = `
  import { join } from ${JSON.stringify(LIBRARY)}
  const [service, options] = process.argv.slice(1)
  const room = await join(service, { name: 'ada', ...JSON.parse(options) })
  room.on('warning', () => {})
  await room.close()
  await room.closed
  console.log('closed')
`

test.each([
  ['there is no interface at all', { interfaces: { include: ['nope0'] } }],
  ['nobody is looked for', { interfaces: { include: ['lo', 'lo0'] }, discovery: [] }],
])('a process that leaves where %s waits until that is done', async (_, options) => {
  const args = ['--input-type=module', '-e', LEAVING, uniqueService(), JSON.stringify(options)]
  // Rejects with the exit code where it is not 0.
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 10_000 })
  expect(stdout).toBe('closed\n')
})
