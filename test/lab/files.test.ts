/** Files between real hosts of one LAN, whose link breaks: network namespaces, each peer a process of its own. */

import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Lab } from './lab.ts'

const FILM_BYTES = 300_000_000
const CUT_MS = 20_000

let lab: Lab
let folder: string

beforeAll(() => {
  lab = new Lab('site home port-restricted hosts=ada,bob,eve')
  folder = mkdtempSync(join(tmpdir(), 'earshot-lab-'))
})
afterAll(() => {
  lab.close()
  rmSync(folder, { recursive: true })
})

/** Joins, and has the functions that all three need. */
const PRELUDE = `
  import { setTimeout as sleep } from 'node:timers/promises'
  import { join } from 'DIST/index.js'
  const tell = value => console.log(JSON.stringify({ ...value, at: Date.now() }))`

test('300 MB arrive whole although the link is down for 20 s, and others notice nothing of it', async () => {
  const film = join(folder, 'film')
  const inbox = join(folder, 'inbox')
  // Sparse: zeros that take no room, but are sent.
  writeFileSync(film, 'a film')
  truncateSync(film, FILM_BYTES)
  const bob = lab.start(
    'bob',
    `${PRELUDE}
    const room = await join('lab', { name: 'bob' })
    room.inbox(${JSON.stringify(inbox)}).on('transfer', async transfer => tell({ path: (await transfer).path }))
    tell({ joined: true })
    room.on('peer', async peer => {
      if (peer.name !== 'eve') return
      for (;;) {
        tell({ rttMs: await peer.ping() })
        await sleep(500)
      }
    })`,
  )
  await bob.until<{ joined?: boolean }>(({ joined }) => joined === true)
  lab.start('eve', `${PRELUDE}\n await join('lab', { name: 'eve' })`)
  await bob.until<{ rttMs?: number }>(({ rttMs }) => rttMs !== undefined)
  const ada = lab.start(
    'ada',
    `${PRELUDE}
    const room = await join('lab', { name: 'ada' })
    room.on('peer', async peer => {
      if (peer.name !== 'bob') return
      const transfer = peer.sendFile(${JSON.stringify(film)})
      for await (const { sentBytes } of transfer) tell({ sentBytes })
      tell(await transfer)
    })`,
  )
  await ada.until<{ sentBytes?: number }>(({ sentBytes = 0 }) => sentBytes > 0)
  lab.run('ada', 'ip', 'link', 'set', 'eth0', 'down')
  const cutAt = Date.now()
  // Bob's round trips to Eve go on meanwhile, two a second.
  await bob.until<{ rttMs?: number; at: number }>(({ rttMs, at }) => rttMs !== undefined && at - cutAt >= CUT_MS)
  expect(readdirSync(inbox)).toEqual([expect.stringMatching(/^\.film\..*\.earshot-part$/)])
  lab.run('ada', 'ip', 'link', 'set', 'eth0', 'up')
  const { sha256 } = await ada.until<{ sha256: string }>(({ sha256: digest }) => digest !== undefined)
  const content = Buffer.alloc(FILM_BYTES)
  content.write('a film')
  expect(sha256).toBe(createHash('sha256').update(content).digest('hex'))
  await bob.until<{ path?: string }>(({ path }) => path === join(inbox, 'film'))
  expect(readdirSync(inbox)).toEqual(['film'])
  expect(statSync(join(inbox, 'film')).size).toBe(FILM_BYTES)
  const roundTrips = bob.lines.map(line => (line as { rttMs?: number }).rttMs).filter(rttMs => rttMs !== undefined)
  expect(roundTrips.length).toBeGreaterThan(30)
  expect(roundTrips.toSorted((a, b) => a - b)[Math.floor(roundTrips.length / 2)]).toBeLessThan(50)
})
