/** `earshot send` and `earshot receive`, each a process of its own, with real files. */

import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type EarshotProcess, earshot, freshFolder, freshRoom } from './earshot-process.ts'

interface Post {
  readonly room: string
  readonly inbox: string
  readonly desk: string
  readonly bob: EarshotProcess
}

/** Bob takes files; Ada has a desk with some. */
async function post(...options: readonly string[]): Promise<Post> {
  const room = freshRoom()
  const inbox = join(freshFolder(), 'inbox')
  const bob = earshot(['receive', inbox, '--room', room, '--name', 'Bob', ...options])
  await bob.stderr.line(/^receiving into .* as Bob/)
  return { room, inbox, desk: freshFolder(), bob }
}

function send({ room }: Post, files: readonly string[], ...options: readonly string[]): EarshotProcess {
  return earshot(['send', ...files, '--room', room, '--name', 'Ada', ...options])
}

function write(folder: string, name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** A file of that size which takes no room. */
function sparse(folder: string, name: string, bytes: number): string {
  const path = write(folder, name, '')
  truncateSync(path, bytes)
  return path
}

test('files and folders arrive, and both sides say so', async () => {
  const there = await post()
  const note = write(there.desk, 'note.txt', 'hello')
  mkdirSync(join(there.desk, 'album', 'empty'), { recursive: true })
  write(join(there.desk, 'album'), 'one', '1')
  symlinkSync('/etc/passwd', join(there.desk, 'album', 'link'))
  const ada = send(there, [note, join(there.desk, 'album')], '--to', 'Bob')
  expect(await ada.exitCode).toBe(0)
  expect(ada.stdout.lines).toEqual([
    expect.stringMatching(/^note\.txt to Bob: 5 B in /),
    expect.stringMatching(/^album to Bob: 1 B in /),
  ])
  expect(ada.stderr.text).toMatch(/^warning: of 'album' are not sent, being links or no files: link$/m)
  await there.bob.stdout.line(/inbox\/album from Ada: 1 B in /)
  expect(readFileSync(join(there.inbox, 'note.txt'), 'utf8')).toBe('hello')
  expect(readdirSync(join(there.inbox, 'album')).sort()).toEqual(['empty', 'one'])
  there.bob.signal('SIGINT')
  expect(await there.bob.exitCode).toBe(130)
  expect(ada.stderr.text + there.bob.stderr.text).not.toContain('\u001b')
})

test('--json has one object a line, with digest and path', async () => {
  const there = await post('--json', '--once')
  const content = Buffer.alloc(3_000_000, 'earshot')
  const ada = send(there, [write(there.desk, 'film', content)], '--to', 'Bob', '--json')
  expect(await Promise.all([ada.exitCode, there.bob.exitCode])).toEqual([0, 0])
  const sha256 = createHash('sha256').update(content).digest('hex')
  const sent = { event: 'sent', name: 'Bob', sha256, resumedBytes: 0, sizeBytes: content.length }
  expect(ada.stdout.events).toContainEqual(expect.objectContaining(sent))
  const received = { event: 'received', name: 'Ada', file: 'film', path: join(there.inbox, 'film'), sha256 }
  expect(there.bob.stdout.events).toContainEqual(expect.objectContaining(received))
  expect(there.bob.stdout.events.map(({ event }) => event).filter(event => event !== 'progress')).toEqual([
    'ready',
    'offer',
    'received',
  ])
})

test('by address, and by id, the peer is found as well', async () => {
  const there = await post('--json')
  const [ready] = there.bob.stdout.events as { id: string; addresses: string[] }[]
  const file = write(there.desk, 'a', 'a')
  const address = `127.0.0.1:${/\d+$/.exec(ready!.addresses[0]!)![0]}`
  expect(await send(there, [file], '--to', ready!.id).exitCode).toBe(0)
  expect(await send(there, [file], '--peer', address).exitCode).toBe(0)
  expect(await send(there, [file], '--peer', address, '--to', 'Bob').exitCode).toBe(0)
  expect(await send(there, [file], '--peer', address, '--to', 'Eve', '--timeout', '500ms').exitCode).toBe(3)
  expect(readdirSync(there.inbox).sort()).toEqual(['a', 'a (2)', 'a (3)'])
})

test('what is not from whom --from names is refused: exit code 4', async () => {
  const there = await post('--from', 'Eve')
  const ada = send(there, [write(there.desk, 'worm', 'x')], '--to', 'Bob', '--json')
  expect(await ada.exitCode).toBe(4)
  expect(ada.stdout.events).toContainEqual(expect.objectContaining({ event: 'error', code: 'refused' }))
  await there.bob.stderr.line(/^Ada wants to send worm \(1 B\): refused$/)
  expect(readdirSync(there.inbox)).toEqual([])
})

test('Ctrl-C leaves a part, and the same command goes on where it was', async () => {
  const there = await post('--json')
  const film = sparse(there.desk, 'film', 120_000_000)
  const config = { XDG_CONFIG_HOME: freshFolder() }
  const args = ['send', film, '--room', there.room, '--name', 'Ada', '--to', 'Bob', '--json']
  const first = earshot(args, config)
  await there.bob.stdout.line(/"event":"progress".*"receivedBytes":[1-9]/)
  first.signal('SIGINT')
  expect(await first.exitCode).toBe(130)
  await there.bob.stdout.line(/"event":"failed".*"code":"cancelled"/)
  expect(readdirSync(there.inbox)).toEqual([expect.stringMatching(/^\.film\.\w{16}\.earshot-part$/)])
  const second = earshot(args, config)
  expect(await second.exitCode).toBe(0)
  const [sent] = second.stdout.events.filter(({ event }) => event === 'sent') as { resumedBytes: number }[]
  expect(sent!.resumedBytes).toBeGreaterThan(0)
  expect(readdirSync(there.inbox)).toEqual(['film'])
  expect(statSync(join(there.inbox, 'film')).size).toBe(120_000_000)
  expect(there.bob.stdout.events.filter(({ event }) => event === 'offer')).toHaveLength(1)
})

test('a receiver that is killed and started again gets the rest from a sender that waited', async () => {
  const there = await post('--json')
  const config = { XDG_CONFIG_HOME: freshFolder() }
  there.bob.signal('SIGINT')
  await there.bob.exitCode
  const receive = ['receive', there.inbox, '--room', there.room, '--name', 'Bob', '--json']
  const before = earshot(receive, config)
  await before.stdout.line(/"event":"ready"/)
  const ada = send(there, [sparse(there.desk, 'film', 120_000_000)], '--to', 'Bob', '--json')
  await before.stdout.line(/"event":"progress".*"receivedBytes":[1-9]/)
  before.signal('SIGKILL')
  await before.exitCode
  const after = earshot(receive, config)
  expect(await ada.exitCode).toBe(0)
  const [sent] = ada.stdout.events.filter(({ event }) => event === 'sent') as { resumedBytes: number }[]
  expect(sent!.resumedBytes).toBeGreaterThan(0)
  await after.stdout.line(/"event":"received"/)
  expect(readdirSync(there.inbox)).toEqual(['film'])
})

test('a file that is not there, a peer that is not there, and a folder that is none', async () => {
  const there = await post()
  const missing = send(there, [join(there.desk, 'nothing')], '--to', 'Bob')
  expect(await missing.exitCode).toBe(1)
  expect(missing.stderr.text).toMatch(/there is no file or folder/)
  const file = write(there.desk, 'a', 'a')
  expect(await send(there, [file], '--to', 'Nobody', '--timeout', '300ms').exitCode).toBe(3)
  const noFolder = earshot(['receive', file, '--room', there.room])
  expect(await noFolder.exitCode).toBe(1)
  expect(noFolder.stderr.text).toMatch(/cannot open the folder/)
})

test.each([
  [['send', 'film'], /--to NAME/],
  [['send'], /missing required argument/],
  [['send', 'film', '--loud'], /unknown option/],
  [['receive'], /missing required argument/],
  [['receive', '.', '--accept', 'some'], /Allowed choices are all, ask/],
  [['receive', '.', '--accept', 'ask'], /needs a terminal/],
])('wrong usage is told: %j', async (args, said) => {
  const process = earshot(args)
  expect(await process.exitCode).toBe(2)
  expect(process.stderr.text).toMatch(said)
})

test('receive --timeout waits so long for the first offer', async () => {
  const there = await post('--timeout', '300ms')
  expect(await there.bob.exitCode).toBe(3)
  expect(there.bob.stderr.text).toMatch(/nobody sent anything within 300 ms/)
})

test('a folder that cannot be is told once, and at once', async () => {
  const file = write(freshFolder(), 'no-folder', '')
  const bob = earshot(['receive', file, '--room', freshRoom(), '--json'])
  expect(await bob.exitCode).toBe(1)
  expect(bob.stdout.events).toMatchObject([{ event: 'error', code: 'not-found' }])
  expect(bob.stderr.text.match(/cannot open the folder/g)).toHaveLength(1)
})
