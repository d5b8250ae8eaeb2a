import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { uniqueService } from './peer-process.ts'

const LIBRARY = fileURLToPath(new URL('../../dist/index.js', import.meta.url))
const TOTAL_BYTES = 1_073_741_824
const MOST_MEGABYTES = 150

/** What both programs need; the largest resident set they ever had goes out as the last line. */
const PREFIX = `
  import { join } from ${JSON.stringify(LIBRARY)}
  const [service, address, total] = process.argv.slice(1)
  const options = { discovery: [], interfaces: { include: ['lo', 'lo0'] }, listen: { host: '127.0.0.1' } }
  const tell = value => console.log(JSON.stringify(value))
  const megabytes = () => process.resourceUsage().maxRSS / 1024
`
const READER = `${PREFIX}
  const room = await join(service, { name: 'reader', ...options })
  room.accept('bulk', async ({ readable, writable }) => {
    let count = 0
    for await (const chunk of readable) count += chunk.length
    await writable.close()
    tell({ count, megabytes: megabytes() })
    await room.close()
  })
  tell({ address: room.addresses[0] })
`
const WRITER = `${PREFIX}
  const room = await join(service, { name: 'writer', ...options })
  const { readable, writable } = (await room.connect(address)).open('bulk')
  const writer = writable.getWriter()
  for (let sent = 0; sent < total; sent += 65_536) await writer.write(new Uint8Array(65_536).fill(sent))
  await writer.close()
  for await (const _ of readable);
  tell({ megabytes: megabytes() })
  await room.close()
`

interface Told {
  readonly address?: string
  readonly count?: number
  readonly megabytes?: number
}

function run(program: string, ...args: readonly string[]): { child: ChildProcess; next: () => Promise<Told> } {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  return { child, next: async () => JSON.parse((await lines.next()).value) }
}

test(`1 GiB goes through one stream with less than ${MOST_MEGABYTES} MB of memory in each process`, {
  timeout: 60_000,
}, async () => {
  const service = uniqueService()
  const reader = run(READER, service)
  const { address } = await reader.next()
  const startedAt = performance.now()
  const writer = run(WRITER, service, address!, String(TOTAL_BYTES))
  try {
    const [read, written] = await Promise.all([reader.next(), writer.next()])
    const seconds = (performance.now() - startedAt) / 1000
    console.info(
      `1 GiB in ${seconds.toFixed(1)} s; at most ${read.megabytes} MB to read, ${written.megabytes} MB to write`,
    )
    expect(read.count).toBe(TOTAL_BYTES)
    expect(read.megabytes).toBeLessThan(MOST_MEGABYTES)
    expect(written.megabytes).toBeLessThan(MOST_MEGABYTES)
    await Promise.all([reader, writer].map(({ child }) => child.exitCode ?? once(child, 'exit')))
  } finally {
    for (const { child } of [reader, writer]) child.kill('SIGKILL')
  }
})
