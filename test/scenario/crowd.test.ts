import { expect, test } from 'vitest'
import type { Room } from '../../src/index.ts'
import { MAX_PEERS } from '../../src/limits.ts'
import { Intruder } from './intruder.ts'
import { heardBy, onStage, type Stage } from './stage.ts'

async function joinMany(stage: Stage, count: number, apartMs: number): Promise<Room[]> {
  const rooms: Room[] = []
  for (let i = 0; i < count; i++) {
    rooms.push(await stage.join(`peer-${i}`))
    if (apartMs > 0) await stage.advance(apartMs)
  }
  return rooms
}

/** One line for the page of figures: what it took in both times. */
function tell(what: string, virtualMs: number, startedAt: number): void {
  console.info(
    `${what}: ${Math.round(virtualMs)} ms of virtual time, ${Math.round(performance.now() - startedAt)} ms real`,
  )
}

test('100 peers that join one LAN at once form one full mesh', { timeout: 120_000 }, () =>
  onStage(async stage => {
    const startedAt = performance.now()
    const rooms = await joinMany(stage, 100, 0)
    const virtualMs = await stage.met(rooms)
    tell('100 peers at once, full mesh', virtualMs, startedAt)
    expect(virtualMs).toBeLessThan(10_000)
    await stage.advance(500)
    expect(rooms.every(room => room.peers.length === 99)).toBe(true)
    expect(stage.net.open().filter(({ kind }) => kind === 'tcp connection')).toHaveLength(100 * 99)
    const heard = rooms.slice(1).map(heardBy)
    await rooms[0]!.send('to all', { receipt: true })
    expect(heard.every(of => of.length === 1)).toBe(true)
  }),
)

test('a newcomer to a room of 40 has met them all within 2 s', { timeout: 60_000 }, () =>
  onStage(async stage => {
    const rooms = await joinMany(stage, 40, 20)
    await stage.met(rooms)
    await stage.advance(10_000)
    const startedAt = performance.now()
    const joinedAt = stage.net.now
    const newcomer = await stage.join('newcomer')
    await stage.met([...rooms, newcomer])
    tell('a newcomer to 40 peers', stage.net.now - joinedAt, startedAt)
    expect(stage.net.now - joinedAt).toBeLessThan(2_000)
  }),
)

test('a room with all the peers it can have dials one it knows as soon as a place is free', { timeout: 60_000 }, () =>
  onStage(async stage => {
    const ada = await stage.join('ada', { listen: { port: 4112 }, discovery: ['beacon'] })
    const intruders: Intruder[] = []
    for (let host = 0; intruders.length < MAX_PEERS; host++) {
      const { network } = stage.host(`mallory-${host}`)
      for (let i = 0; i < 64; i++) intruders.push(await Intruder.enter(network, { address: '192.168.1.2', port: 4112 }))
    }
    await stage.until(() => ada.peers.length === MAX_PEERS)
    const bob = await stage.join('bob', { discovery: ['beacon'] })
    await stage.advance(1_500)
    expect(bob.peers).toEqual([])
    await ada.peer(intruders[0]!.id)!.kick()
    // Bob was told to wait for 5 s, and to ada he looks as he did.
    expect(await stage.met([ada, bob])).toBeLessThan(100)
  }),
)
