/** Files between real processes: their memory, and what their disks and their systems do. */

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type EarshotError, join, type Room } from '../../src/index.ts'
import { partialNameOf } from '../../src/messaging/file-transfer/partial-name.ts'
import { openPath } from '../../src/messaging/file-transfer/transfer-source.ts'
import { NodeFiles } from '../../src/platform/node/node-files.ts'

const LIBRARY = fileURLToPath(new URL('../../dist/index.js', import.meta.url))
const LOCAL = { discovery: [], listen: { host: '127.0.0.1' } } as const
const MIB = 1_048_576
/** What is owed: memory of a process that moves a file of any size. */
const MAX_MEMORY_MIB = 150

let folder: string
let inbox: string
const rooms: Room[] = []

beforeEach(() => {
  folder = mkdtempSync(joinPath(tmpdir(), 'earshot-process-'))
  inbox = joinPath(folder, 'inbox')
})
afterEach(async () => {
  await Promise.all(rooms.splice(0).map(room => room.close()))
  rmSync(folder, { recursive: true })
})

async function pair(service: string): Promise<[Room, Room]> {
  const [ada, bob] = await Promise.all([
    join(service, { ...LOCAL, name: 'Ada' }),
    join(service, { ...LOCAL, name: 'Bob' }),
  ])
  rooms.push(ada, bob)
  await ada.connect(bob.addresses[0]!)
  return [ada, bob]
}

function write(name: string, content: string | Uint8Array): string {
  const path = joinPath(folder, name)
  writeFileSync(path, content)
  return path
}

/** A program that receives, and one that sends; each tells its peak of memory in the end. */
const RECEIVER = `
  const room = await join('files', { ...local, name: 'Bob' })
  room.inbox(process.argv[1]).on('transfer', async transfer => {
    await transfer
    tell({ peakMiB: process.resourceUsage().maxRSS / 1024 })
  })
  tell({ address: room.addresses[0] })`
const SENDER = `
  const [, address, file] = process.argv
  const room = await join('files', { ...local, name: 'Ada' })
  const peer = await room.connect(address)
  const { sha256 } = await peer.sendFile(file)
  tell({ sha256, peakMiB: process.resourceUsage().maxRSS / 1024 })
  await room.close()`

interface Told {
  readonly address?: string
  readonly sha256?: string
  readonly peakMiB?: number
}

function start(source: string, ...args: readonly string[]) {
  const program = `
    import { join } from ${JSON.stringify(LIBRARY)}
    const local = ${JSON.stringify(LOCAL)}
    const tell = value => console.log(JSON.stringify(value))
    ${source}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    next: async (): Promise<Told> => JSON.parse((await lines.next()).value ?? '{}'),
    stop: () => child.kill('SIGKILL'),
  }
}

test('300 MB go from process to process, with no more memory than a small file needs', async () => {
  const film = write('film', 'a film')
  truncateSync(film, 300_000_000)
  const receiver = start(RECEIVER, inbox)
  try {
    const { address } = await receiver.next()
    const sent = await start(SENDER, address!, film).next()
    const received = await receiver.next()
    const content = Buffer.alloc(300_000_000)
    content.write('a film')
    expect(sent.sha256).toBe(createHash('sha256').update(content).digest('hex'))
    expect(statSync(joinPath(inbox, 'film')).size).toBe(300_000_000)
    expect(sent.peakMiB).toBeLessThan(MAX_MEMORY_MIB)
    expect(received.peakMiB).toBeLessThan(MAX_MEMORY_MIB)
  } finally {
    receiver.stop()
  }
}, 60_000)

test('a Blob and a File go as they are', async () => {
  const [ada, bob] = await pair('blobs')
  bob.inbox(inbox)
  const content = Buffer.alloc(2 * MIB, 'blob')
  const sent = await ada.peers[0]!.sendFile(new Blob([content]), { name: 'blob.bin' })
  expect(sent.sha256).toBe(createHash('sha256').update(content).digest('hex'))
  expect(readFileSync(joinPath(inbox, 'blob.bin')).equals(content)).toBe(true)
  await ada.peers[0]!.sendFile(new File(['text'], 'note.txt', { lastModified: 1_700_000_000_000 }))
  expect(readFileSync(joinPath(inbox, 'note.txt'), 'utf8')).toBe('text')
  expect(statSync(joinPath(inbox, 'note.txt')).mtimeMs).toBe(1_700_000_000_000)
})

test('a folder keeps time stamps and executable bits, and links in it stay behind', async () => {
  const [ada, bob] = await pair('folders')
  bob.inbox(inbox)
  mkdirSync(joinPath(folder, 'project', 'src', 'empty'), { recursive: true })
  const script = write('project/build.sh', '#!/bin/sh\n')
  chmodSync(script, 0o755)
  write('project/src/main.c', 'int main;')
  symlinkSync('/etc/passwd', joinPath(folder, 'project', 'src', 'passwd'))
  utimesSync(script, 1_600_000_000, 1_600_000_000.5)
  utimesSync(joinPath(folder, 'project', 'src'), 1_500_000_000, 1_500_000_000)
  const warnings: string[] = []
  ada.on('warning', ({ message }) => warnings.push(message))
  await ada.peers[0]!.sendFile(joinPath(folder, 'project'))
  const arrived = joinPath(inbox, 'project')
  expect(readdirSync(arrived, { recursive: true }).map(String).sort()).toEqual([
    'build.sh',
    'src',
    joinPath('src', 'empty'),
    joinPath('src', 'main.c'),
  ])
  expect(statSync(joinPath(arrived, 'build.sh')).mode & 0o111).not.toBe(0)
  expect(statSync(joinPath(arrived, 'src', 'main.c')).mode & 0o111).toBe(0)
  expect(statSync(joinPath(arrived, 'build.sh')).mtimeMs).toBe(1_600_000_000_500)
  expect(statSync(joinPath(arrived, 'src')).mtimeMs).toBe(1_500_000_000_000)
  expect(warnings).toEqual(["of 'project' are not sent, being links or no files: src/passwd"])
})

test('two thousand small files arrive', async () => {
  const [ada, bob] = await pair('many')
  bob.inbox(inbox)
  mkdirSync(joinPath(folder, 'many'))
  for (let index = 0; index < 2_000; index++) write(joinPath('many', `${index}`), `file ${index}`)
  await ada.peers[0]!.sendFile(joinPath(folder, 'many'))
  expect(readdirSync(joinPath(inbox, 'many'))).toHaveLength(2_000)
  expect(readFileSync(joinPath(inbox, 'many', '1999'), 'utf8')).toBe('file 1999')
}, 60_000)

test('whatever somebody puts in the way of a partial file, nothing outside of the inbox is written to', async () => {
  const [ada, bob] = await pair('traps')
  const file = write('film', Buffer.alloc(MIB, 'new'))
  const diary = write('diary', 'mine')
  const { offer } = await openPath(new NodeFiles(), file, undefined)
  const partial = joinPath(inbox, partialNameOf(offer, ada.self.id))
  mkdirSync(inbox)
  for (const trap of ['symbolic link', 'hard link', 'link to a folder'] as const) {
    rmSync(partial, { recursive: true, force: true })
    if (trap === 'symbolic link') symlinkSync(diary, partial)
    else if (trap === 'hard link') linkSync(diary, partial)
    else symlinkSync(folder, partial)
    const again = bob.inbox(inbox)
    const outcome = await ada.peers[0]!.sendFile(file).then(
      () => 'arrived',
      (error: unknown) => (error as EarshotError).code,
    )
    await again.close()
    // A link is taken away; what has a second name is left alone, and nothing is written.
    expect(outcome, trap).toBe(trap === 'hard link' ? 'transfer-failed' : 'arrived')
    expect(readFileSync(diary, 'utf8'), trap).toBe('mine')
    expect(statSync(file).size, trap).toBe(MIB)
    rmSync(joinPath(inbox, 'film'), { force: true })
  }
})
