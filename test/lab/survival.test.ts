/** A link between two real hosts that goes down and comes back, while numbered messages go over it both ways. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { Lab } from './lab.ts'

/** How long the link is down and up, how often. */
const [DOWN_MS, UP_MS, ROUNDS] = [10_000, 5_000, 3]
const MESSAGES_PER_SECOND = 1_000

interface Told {
  readonly ready?: boolean
  readonly sent?: number
  readonly received?: number
  readonly wrong?: string
  readonly gone?: string
  /** When messages came again after a pause. */
  readonly heardAgainAt?: number
  readonly sameObject?: boolean
}

/** Sends a number every millisecond to whom it meets first, and says at the end what came of it. */
function peerProgram(name: string, forMs: number): string {
  return `
    import { join } from 'DIST/index.js'
    const tell = value => console.log(JSON.stringify(value))
    const room = await join('lab', { name: '${name}' })
    const peer = await room.once('peer')
    let [sent, next] = [0, 0]
    let heardAt = Date.now()
    room.on('message', ({ data, from }) => {
      if (Date.now() - heardAt > ${DOWN_MS / 2}) tell({ heardAgainAt: Date.now() })
      heardAt = Date.now()
      if (data === 'last') return tell({ received: next })
      if (data !== next) tell({ wrong: 'got ' + data + ' where ' + next + ' was due' })
      if (from !== peer) tell({ wrong: 'another peer object' })
      next++
    })
    room.on('peer-gone', ({ code, reason }) => tell({ gone: code + ' ' + reason }))
    tell({ ready: true })
    const startedAt = Date.now()
    const timer = setInterval(() => {
      const due = Math.min(Date.now() - startedAt, ${forMs}) * ${MESSAGES_PER_SECOND / 1_000}
      while (sent < due) peer.send(sent++).catch(error => tell({ wrong: error.message }))
      if (due >= ${(forMs * MESSAGES_PER_SECOND) / 1_000}) {
        clearInterval(timer)
        peer.send('last', { receipt: true }).then(() => tell({ sent, sameObject: room.peers[0] === peer }))
      }
    }, 5)`
}

let lab: Lab

beforeAll(() => {
  lab = new Lab('site home port-restricted hosts=ada,bob')
})
afterAll(() => lab.close())

test('1,000 messages a second each way arrive once and in order over a link that is down 10 s and up 5 s, three times', {
  timeout: 120_000,
}, async () => {
  const forMs = ROUNDS * (DOWN_MS + UP_MS)
  const programs = ['ada', 'bob'].map(name => lab.start(name, peerProgram(name, forMs)))
  await Promise.all(programs.map(program => program.until<Told>(({ ready }) => ready === true)))
  const upAt: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await pause(UP_MS / 2)
    lab.run('ada', 'ip', 'link', 'set', 'eth0', 'down')
    await pause(DOWN_MS)
    lab.run('ada', 'ip', 'link', 'set', 'eth0', 'up')
    upAt.push(Date.now())
    await pause(UP_MS / 2)
  }
  const sent = await Promise.all(programs.map(program => program.until<Told>(told => told.sent !== undefined)))
  expect(sent).toEqual(sent.map(() => ({ sent: (forMs * MESSAGES_PER_SECOND) / 1_000, sameObject: true })))
  const received = await Promise.all(programs.map(program => program.until<Told>(told => told.received !== undefined)))
  expect(received.map(({ received }) => received)).toEqual(sent.map(({ sent }) => sent))
  const all = programs.flatMap(program => program.lines as readonly Told[])
  const again = all.flatMap(({ heardAgainAt }) => heardAgainAt ?? [])
  const delays = again.map(at => at - upAt.findLast(up => up <= at)!).sort((a, b) => a - b)
  console.info(`the first message after the link was back: ${delays.join(', ')} ms`)
  expect(delays).toHaveLength(2 * ROUNDS)
  expect(delays.at(-1)).toBeLessThan(5_000)
  expect(all.filter(({ wrong, gone }) => wrong !== undefined || gone !== undefined)).toEqual([])
})

/** The network is real, and so is its time. */
function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
