import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import { MAX_PARALLEL_DIALS, MAX_SIGHTINGS } from '../../limits.ts'
import { SeededRandom, simulate } from '../../testing/index.ts'
import { Seeker } from './seeker.ts'

type Sighting = Parameters<Seeker['onSighting']>[0]

/** A room of which only the dials are real: each waits until the test settles it. */
class FakeRoom {
  readonly net = simulate()
  readonly host = this.net.host('ada')
  readonly selfId = 'm'
  readonly dials: { readonly at: number; readonly to: string; settle(error?: unknown): Promise<void> }[] = []
  readonly failures: string[] = []
  readonly connected = new Set<string>()
  readonly unwelcome = new Set<string | undefined>()
  isAdvertised = true
  readonly seeker: Seeker

  constructor() {
    const dial = (to: string, id: string) =>
      new Promise<string>((resolve, reject) => {
        const settle = async (error?: unknown) => {
          if (error === undefined) this.connected.add(id)
          if (error === undefined) resolve(id)
          else reject(error)
          await this.net.advance(0)
        }
        this.dials.push({ at: this.net.now, to, settle })
      })
    this.seeker = new Seeker(this.host.network.clock, new SeededRandom(1), {
      selfId: this.selfId,
      isVisible: () => this.isAdvertised,
      presence: id => (this.connected.has(id) ? 'here' : undefined),
      mayJoin: id => !this.unwelcome.has(id),
      dialPeer: id => dial(id, id),
      onDialFailed: key => this.failures.push(key),
      dialAddress: address => dial(address, `peer at ${address}`),
    })
  }

  get dialled(): string[] {
    return this.dials.map(({ to }) => to)
  }

  sight(id: string, name = id): boolean {
    const sighting: Sighting = { id, name, service: 'chat', info: '', addresses: [], via: 'test' }
    return this.seeker.onSighting(sighting)
  }

  lose(id: string, pauseMs: number): void {
    this.connected.delete(id)
    this.seeker.onPeerGone(id, pauseMs)
  }
}

const unreachable = new EarshotError('unreachable', 'nobody there')

test('of each dial that fails it is told whose it was', async () => {
  const room = new FakeRoom()
  room.sight('z')
  room.seeker.addAddress('192.168.1.2:4112')
  for (const { settle } of room.dials) await settle(unreachable)
  expect(room.failures).toEqual(['z', '192.168.1.2:4112'])
})

describe('a peer who is sighted', () => {
  test('is dialled at once by the one with the smaller id, and by the other after 100 ms', async () => {
    const room = new FakeRoom()
    room.sight('z')
    room.sight('a')
    expect(room.dialled).toEqual(['z'])
    await room.net.advance(99)
    expect(room.dialled).toEqual(['z'])
    await room.net.advance(1)
    expect(room.dialled).toEqual(['z', 'a'])
  })

  test('is not dialled where it has come by itself meanwhile', async () => {
    const room = new FakeRoom()
    room.sight('a')
    room.connected.add('a')
    await room.net.advance(1_000)
    expect(room.dialled).toEqual([])
  })

  test('is dialled at once by a room that nobody sees', () => {
    const room = new FakeRoom()
    room.isAdvertised = false
    room.sight('a')
    expect(room.dialled).toEqual(['a'])
  })

  test('is not dialled where it may not join, nor is oneself', async () => {
    const room = new FakeRoom()
    room.unwelcome.add('z')
    expect(room.sight('z')).toBe(true)
    expect(room.sight('m')).toBe(false)
    await room.net.advance(60_000)
    expect(room.dialled).toEqual([])
  })

  test('is new once, and known until it is lost', () => {
    const room = new FakeRoom()
    expect([room.sight('z'), room.sight('z', 'other name')]).toEqual([true, false])
    expect(room.seeker.sighting('z')?.name).toBe('other name')
    expect([room.seeker.onLost('z'), room.seeker.onLost('z')]).toEqual([true, false])
    expect([...room.seeker.sightings]).toEqual([])
  })

  test('of thousands is remembered up to a limit', () => {
    const room = new FakeRoom()
    for (let i = 0; i < MAX_SIGHTINGS + 10; i++) room.sight(`z${i}`)
    expect([...room.seeker.sightings]).toHaveLength(MAX_SIGHTINGS)
    room.seeker.close()
  })

  test('is dialled again with patience after a failure, and at once again after a success', async () => {
    const room = new FakeRoom()
    room.sight('z')
    for (let i = 0; i < 6; i++) {
      await room.dials.at(-1)!.settle(unreachable)
      await room.net.advance(80_000)
    }
    expect(room.dials.length).toBe(7)
    expect(room.dials[1]!.at).toBeGreaterThanOrEqual(1_000)
    expect(room.dials[1]!.at).toBeLessThanOrEqual(1_010)
    await room.dials.at(-1)!.settle()
    await room.net.advance(5_000)
    room.lose('z', 0)
    expect(room.dials.length).toBe(8)
  })

  test('that changes is dialled again, at most once in a second', async () => {
    const room = new FakeRoom()
    room.sight('z')
    await room.dials[0]!.settle(unreachable)
    for (let i = 0; i < 100; i++) {
      room.sight('z', `name ${i}`)
      await room.net.advance(100)
      if (room.dials.length > 1) await room.dials.at(-1)!.settle(unreachable)
    }
    expect(room.dials.length).toBeGreaterThan(5)
    expect(room.dials.length).toBeLessThanOrEqual(11)
  })

  test('that is lost is dialled no more', async () => {
    const room = new FakeRoom()
    room.sight('z')
    await room.dials[0]!.settle(unreachable)
    room.seeker.onLost('z')
    await room.net.advance(600_000)
    expect(room.dialled).toEqual(['z'])
  })
})

describe('a peer who is gone', () => {
  test('is dialled at once where the path broke', async () => {
    const room = new FakeRoom()
    room.connected.add('z')
    room.sight('z')
    room.lose('z', 0)
    expect(room.dialled).toEqual(['z'])
  })

  test('that comes and breaks over and over is dialled once in a second', async () => {
    const room = new FakeRoom()
    room.sight('z')
    for (let i = 0; i < 50; i++) {
      await room.dials.at(-1)!.settle()
      room.lose('z', 0)
      await room.net.advance(100)
    }
    expect(room.dials.length).toBeLessThanOrEqual(7)
  })

  test('before its dial has ended is dialled again', async () => {
    const room = new FakeRoom()
    room.sight('z')
    room.seeker.onPeerGone('z', 0)
    const settled = room.dials[0]!.settle()
    room.connected.delete('z')
    await settled
    await room.net.advance(1_000)
    expect(room.dialled).toEqual(['z', 'z'])
  })

  test('after a kick is kept away from, whatever is seen of it, and not longer', async () => {
    const room = new FakeRoom()
    room.connected.add('z')
    room.lose('z', 60_000)
    room.sight('z')
    room.seeker.retryAll()
    await room.net.advance(59_999)
    expect(room.dialled).toEqual([])
    await room.net.advance(2)
    expect(room.dialled).toEqual(['z'])
  })

  test('by its own will is dialled when it is seen anew', async () => {
    const room = new FakeRoom()
    room.connected.add('z')
    room.sight('z')
    room.lose('z', Number.POSITIVE_INFINITY)
    await room.net.advance(600_000)
    expect(room.dialled).toEqual([])
    room.sight('z', 'another run')
    expect(room.dialled).toEqual(['z'])
  })
})

describe('a refusal', () => {
  test('is respected for as long as it says, whatever is seen', async () => {
    const room = new FakeRoom()
    room.sight('z')
    await room.dials[0]!.settle(new EarshotError('refused', 'no', { retryAfterMs: 300_000 }))
    for (let i = 0; i < 29; i++) {
      room.sight('z', `name ${i}`)
      await room.net.advance(10_000)
    }
    expect(room.dialled).toEqual(['z'])
    await room.net.advance(10_000)
    expect(room.dialled).toEqual(['z', 'z'])
  })
})

describe('a known address', () => {
  test('is tried until somebody is there, and again after that peer has gone, however it went', async () => {
    const room = new FakeRoom()
    room.seeker.addAddress('1.2.3.4:5')
    expect(room.dialled).toEqual(['1.2.3.4:5'])
    await room.dials[0]!.settle(unreachable)
    await room.net.advance(1_000)
    await room.dials[1]!.settle()
    await room.net.advance(600_000)
    expect(room.dials.length).toBe(2)
    room.lose('peer at 1.2.3.4:5', Number.POSITIVE_INFINITY)
    await room.net.advance(1_000)
    expect(room.dials.length).toBe(3)
  })

  test('that refused for years is tried again after an hour', async () => {
    const room = new FakeRoom()
    room.seeker.addAddress('1.2.3.4:5')
    await room.dials[0]!.settle(new EarshotError('refused', 'never', { retryAfterMs: Number.MAX_SAFE_INTEGER }))
    await room.net.advance(3_599_000)
    expect(room.dials.length).toBe(1)
    await room.net.advance(1_000)
    expect(room.dials.length).toBe(2)
  })

  test('is left alone where strangers may not join', async () => {
    const room = new FakeRoom()
    room.unwelcome.add(undefined)
    room.seeker.addAddress('1.2.3.4:5')
    await room.net.advance(600_000)
    expect(room.dialled).toEqual([])
    room.unwelcome.clear()
    room.seeker.retryAll()
    expect(room.dialled).toEqual(['1.2.3.4:5'])
  })

  test('of one peer is not hurried by another who goes', async () => {
    const room = new FakeRoom()
    room.seeker.addAddress('1.2.3.4:5')
    for (let i = 0; i < 6; i++) {
      await room.dials.at(-1)!.settle(unreachable)
      await room.net.advance(80_000)
    }
    await room.dials.at(-1)!.settle(unreachable)
    const before = room.dials.length
    for (let i = 0; i < 20; i++) {
      room.lose('z', 0)
      await room.net.advance(100)
    }
    expect(room.dials.length).toBe(before)
  })
})

describe('many prospects', () => {
  test('are dialled some at a time; those who came meanwhile do not stop the others', async () => {
    const room = new FakeRoom()
    for (let i = 0; i < 100; i++) room.sight(`z${i}`)
    expect(room.dials).toHaveLength(MAX_PARALLEL_DIALS)
    for (let i = 0; i < 99; i++) room.connected.add(`z${i}`)
    await room.dials[0]!.settle()
    expect(room.dialled.at(-1)).toBe('z99')
    expect(room.dials).toHaveLength(MAX_PARALLEL_DIALS + 1)
  })

  test('do not wait for dials that wait for people', async () => {
    const room = new FakeRoom()
    for (let i = 0; i < 50; i++) room.sight(`z${i}`)
    await room.net.advance(7_000)
    expect(room.dials).toHaveLength(50)
    for (const { settle } of room.dials.slice()) await settle()
    expect(room.host.open()).toEqual([])
  })
})

test('a closed seeker dials nobody and has no timer', async () => {
  const room = new FakeRoom()
  room.sight('a')
  room.seeker.addAddress('1.2.3.4:5')
  await room.dials[0]!.settle(unreachable)
  room.seeker.close()
  expect(room.sight('z')).toBe(false)
  room.seeker.retryAll()
  await room.net.advance(600_000)
  expect([room.dials.length, room.host.open()]).toEqual([1, []])
})
