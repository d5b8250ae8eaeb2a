/** Rooms of the library on real hosts of one LAN: network namespaces, each peer a process of its own. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Lab, type Program } from './lab.ts'

/** Owed: the median of what a newcomer needs from `join` until its first line has arrived at both others. */
const OWED_FIRST_LINE_MS = 500
const ROUNDS = 5
/** Owed: an interface that appears or comes back is picked up within this time. */
const OWED_PICK_UP_MS = 5_000

interface Told {
  readonly joined?: string
  readonly peer?: string
  readonly gone?: string
  /** The peer whose state or path changed. */
  readonly of?: string
  readonly state?: string
  readonly code?: string
  readonly heard?: string
  readonly from?: string
  /** How long after the sender called `join` it was heard. */
  readonly afterMs?: number
  /** By which interface and address. */
  readonly interface?: string
  readonly remote?: string
  /** Date.now(): all namespaces have one clock. */
  readonly at: number
}

/** A peer that greets everybody who comes, with the time at which it called `join`. */
function peerProgram(name: string): string {
  return `
    import { join } from 'DIST/index.js'
    const tell = value => console.log(JSON.stringify({ ...value, at: Date.now() }))
    const startedAt = Date.now()
    const room = await join('lab', { name: '${name}' })
    tell({ joined: '${name}' })
    room.on('peer', peer => {
      const { interface: name, remote } = peer.path
      tell({ peer: peer.name, interface: name, remote })
      peer.send({ line: 'hello from ${name}', startedAt }).catch(() => {})
    })
    room.on('peer-state', ({ peer, state }) => tell({ of: peer.name, state }))
    room.on('path', ({ peer, path }) => tell({ of: peer.name, interface: path.interface, remote: path.remote }))
    room.on('peer-gone', ({ peer, code }) => tell({ gone: peer.name, code }))
    room.on('message', ({ data, from }) => {
      tell({ heard: data.line, from: from.name, afterMs: Date.now() - data.startedAt })
    })
    room.on('warning', ({ code, message }) => tell({ warning: code, message }))
    process.on('SIGTERM', () => room.close())`
}

describe('three hosts of one LAN', () => {
  let lab: Lab

  beforeAll(() => {
    lab = new Lab('site home port-restricted hosts=ada,bob,eve')
  })
  afterAll(() => lab.close())

  test('hear each other, and the first line of a newcomer within 500 ms', async () => {
    const [ada, bob] = [lab.start('ada', peerProgram('ada')), lab.start('bob', peerProgram('bob'))]
    await Promise.all([heard(ada, 'hello from bob'), heard(bob, 'hello from ada')])
    const delaysMs: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const name = `eve${round}`
      const eve = lab.start('eve', peerProgram(name))
      const lines = await Promise.all([ada, bob].map(program => heard(program, `hello from ${name}`)))
      await Promise.all([heard(eve, 'hello from ada'), heard(eve, 'hello from bob')])
      delaysMs.push(Math.max(...lines.map(({ afterMs }) => afterMs!)))
      eve.stop()
      await Promise.all([ada, bob].map(program => program.until<Told>(({ gone }) => gone === name)))
    }
    delaysMs.sort((a, b) => a - b)
    console.info(`first line of a newcomer at both others after ${delaysMs.join(', ')} ms`)
    expect(delaysMs[Math.floor(ROUNDS / 2)]).toBeLessThan(OWED_FIRST_LINE_MS)
    const unexpected = [...linesOf(ada), ...linesOf(bob)].filter(({ gone }) => gone !== undefined && !/^eve/.test(gone))
    expect(unexpected).toEqual([])
    ada.stop()
    bob.stop()
  })

  test('one that is killed is gone for the others within a second', async () => {
    const programs = ['ada', 'bob', 'eve'].map(name => lab.start(name, peerProgram(name)))
    const [ada, bob, eve] = programs as [Program, Program, Program]
    await Promise.all([heard(ada, 'hello from eve'), heard(bob, 'hello from eve')])
    const killedAt = Date.now()
    eve.stop()
    for (const program of [ada, bob]) {
      const { at, code } = await program.until<Told>(({ gone }) => gone === 'eve')
      expect(code).toBe('lost')
      expect(at - killedAt).toBeLessThan(1_000)
    }
    ada.stop()
    bob.stop()
  })
})

describe('an interface', () => {
  let lab: Lab
  let namespaces: Readonly<Record<string, { readonly ns: string }>>

  beforeAll(() => {
    lab = new Lab('site home port-restricted hosts=ada,bob')
    namespaces = JSON.parse(lab.natlab('status', '--json')).nodes
  })
  afterAll(() => lab.close())

  test('that is down when the program starts is used within 5 s after it has come up', async () => {
    lab.run('ada', 'ip', 'link', 'set', 'eth0', 'down')
    const [ada, bob] = [lab.start('ada', peerProgram('ada')), lab.start('bob', peerProgram('bob'))]
    await Promise.all([ada, bob].map(program => program.until<Told>(({ joined }) => joined !== undefined)))
    expect(linesOf(bob).some(({ peer }) => peer === 'ada')).toBe(false)
    const upAt = Date.now()
    lab.run('ada', 'ip', 'link', 'set', 'eth0', 'up')
    const { at } = await ada.until<Told>(({ peer }) => peer === 'bob')
    console.info(`an interface that came up led to a peer after ${at - upAt} ms`)
    expect(at - upAt).toBeLessThan(OWED_PICK_UP_MS)
    ada.stop()
    bob.stop()
  })

  test('that goes down and comes back goes on with the same sessions within 5 s', async () => {
    const [ada, bob] = [lab.start('ada', peerProgram('ada')), lab.start('bob', peerProgram('bob'))]
    await Promise.all([heard(ada, 'hello from bob'), heard(bob, 'hello from ada')])
    lab.run('ada', 'ip', 'link', 'set', 'eth0', 'down')
    await ada.until<Told>(({ state }) => state === 'away')
    const upAt = Date.now()
    lab.run('ada', 'ip', 'link', 'set', 'eth0', 'up')
    const { at } = await ada.until<Told>(({ state, at }) => state === 'here' && at >= upAt)
    console.info(`an interface that came back led to the peer after ${at - upAt} ms`)
    expect(at - upAt).toBeLessThan(OWED_PICK_UP_MS)
    expect([...linesOf(ada), ...linesOf(bob)].filter(({ gone }) => gone !== undefined)).toEqual([])
    ada.stop()
    bob.stop()
  })

  test('that appears while the program runs brings the peer behind it within 5 s', async () => {
    lab.run('ada', 'ip', 'link', 'set', 'eth0', 'down')
    const [ada, bob] = [lab.start('ada', peerProgram('ada')), lab.start('bob', peerProgram('bob'))]
    await Promise.all([ada, bob].map(program => program.until<Told>(({ joined }) => joined !== undefined)))
    // A cable between the two: an end for each.
    lab.run('ada', 'ip', 'link', 'add', 'eth7', 'type', 'veth', 'peer', 'name', 'eth7', 'netns', namespaces['bob']!.ns)
    lab.run('ada', 'ip', 'address', 'add', '10.77.0.1/24', 'dev', 'eth7')
    lab.run('bob', 'ip', 'address', 'add', '10.77.0.2/24', 'dev', 'eth7')
    const upAt = Date.now()
    for (const host of ['ada', 'bob']) lab.run(host, 'ip', 'link', 'set', 'eth7', 'up')
    const { at, interface: name } = await ada.until<Told>(({ peer }) => peer === 'bob')
    console.info(`an interface that appeared led to a peer after ${at - upAt} ms`)
    expect([name, at - upAt < OWED_PICK_UP_MS]).toEqual(['eth7', true])

    // And with it the peer is away, without harm to the program, until there is another way to it.
    lab.run('ada', 'ip', 'link', 'delete', 'eth7')
    await ada.until<Told>(({ state }) => state === 'away')
    lab.run('ada', 'ip', 'link', 'set', 'eth0', 'up')
    const { interface: other } = await ada.until<Told>(told => told.of === 'bob' && told.interface !== undefined)
    expect(other).toBe('eth0')
    ada.stop()
    bob.stop()
  })

  test('that gets another address leads to the peer again within 5 s', async () => {
    const [ada, bob] = [lab.start('ada', peerProgram('ada')), lab.start('bob', peerProgram('bob'))]
    await Promise.all([heard(ada, 'hello from bob'), heard(bob, 'hello from ada')])
    const network = /^(\d+\.\d+\.\d+)\.\d+:/.exec(linesOf(bob).find(({ peer }) => peer === 'ada')!.remote!)![1]
    lab.run('ada', 'ip', 'address', 'flush', 'dev', 'eth0')
    lab.run('ada', 'ip', 'address', 'add', `${network}.77/24`, 'dev', 'eth0')
    const changedAt = Date.now()
    const { at } = await bob.until<Told>(
      ({ of, remote }) => of === 'ada' && remote?.startsWith(`${network}.77:`) === true,
    )
    console.info(`a new address led to the peer after ${at - changedAt} ms`)
    expect(at - changedAt).toBeLessThan(OWED_PICK_UP_MS)
    ada.stop()
    bob.stop()
  })
})

function heard(program: Program, line: string): Promise<Told> {
  return program.until<Told>(told => told.heard === line)
}

function linesOf(program: Program): readonly Told[] {
  return program.lines as readonly Told[]
}
