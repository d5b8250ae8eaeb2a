import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { EarshotError, type Room } from '../../src/index.ts'
import { MAX_LATEST_BYTES, MAX_UNREAD_UNRELIABLE_MESSAGES, MAX_UNRELIABLE_BYTES } from '../../src/limits.ts'
import type { Network } from '../../src/platform/network.ts'
import type { TracedPacket } from '../../src/testing/index.ts'
import { failureOf, heardBy, logOf, onStage, peerOf, type Stage, type StageOptions } from './stage.ts'

const UNRELIABLE = { delivery: 'unreliable' } as const
const LATEST = { delivery: 'latest' } as const

/** Two rooms which have met. */
async function adaAndBob(stage: Stage): Promise<[ada: Room, bob: Room]> {
  const [ada, bob] = await stage.joinAll('ada', 'bob')
  await stage.met([ada!, bob!])
  return [ada!, bob!]
}

/** The same, and datagrams of both have found their way. */
async function inTouch(stage: Stage): Promise<[ada: Room, bob: Room]> {
  const [ada, bob] = await adaAndBob(stage)
  await Promise.all([ada.send('warm-up', UNRELIABLE), bob.send('warm-up', UNRELIABLE)])
  await stage.advance(50)
  expect([datagramsOf(ada, bob).isValidated, datagramsOf(bob, ada).isValidated]).toEqual([true, true])
  return [ada, bob]
}

function datagramsOf(room: Room, other: Room) {
  return peerOf(room, other).stats().datagrams
}

/** What heardBy has heard, without the warm-up that waited for a listener. */
function listen(room: Room): unknown[] {
  const heard = heardBy(room)
  heard.length = 0
  return heard
}

describe('a message of unreliable delivery', () => {
  test('rides the session first, then goes as a datagram, to the same listeners', () =>
    onStage(async stage => {
      const [ada, bob] = await adaAndBob(stage)
      const heard = heardBy(bob)
      await ada.send('first', UNRELIABLE)
      await stage.advance(10)
      expect(datagramsOf(ada, bob)).toMatchObject({ isValidated: true, sent: 1 })
      await ada.send({ second: 2 }, UNRELIABLE)
      await peerOf(ada, bob).send(new Uint8Array([3]), UNRELIABLE)
      await ada.send(new Map([[4, 5n]]), { ...UNRELIABLE, to: ['bob'] })
      await stage.advance(10)
      expect(heard).toEqual(['first', { second: 2 }, new Uint8Array([3]), new Map([[4, 5n]])])
      expect(datagramsOf(ada, bob).sent).toBeGreaterThan(1)
      expect(datagramsOf(bob, ada)).toMatchObject({ dropped: 0, replayed: 0, forged: 0 })
    }))

  test('goes over IPv6 as over IPv4', () =>
    onStage(
      async stage => {
        const [ada, bob] = await inTouch(stage)
        const heard = listen(bob)
        await ada.send('hello', UNRELIABLE)
        await stage.advance(10)
        expect(heard).toEqual(['hello'])
        expect(peerOf(ada, bob).path.remote).toContain('fe80::')
        expect(datagramsOf(ada, bob).sent).toBeGreaterThan(1)
      },
      { lan: { ipv4: false } },
    ))

  test('on a channel is checked by its schema, and reaches its listeners and loops', () =>
    onStage(async stage => {
      const [ada, bob] = await inTouch(stage)
      const schema = z.object({ x: z.number() })
      const [moves, movesOfBob] = [ada, bob].map(room => room.channel('moves', { schema, ...UNRELIABLE }))
      const heard: number[] = []
      movesOfBob!.on('message', ({ data, from }) => heard.push(data.x, from.name === 'ada' ? 0 : 1))
      const looped = (async () => {
        for await (const { data } of movesOfBob!) return data.x
        return undefined
      })()
      const before = datagramsOf(ada, bob).sent
      for (const x of [1, 2, 3]) {
        await moves!.send({ x })
        await stage.advance(20)
      }
      expect(await failureOf(moves!.send({ x: 'y' } as never))).toMatchObject({ code: 'invalid-data' })
      expect(heard).toEqual([1, 0, 2, 0, 3, 0])
      expect(await looped).toBe(1)
      // The first could not: bob had to learn the name of the channel, and say that he has.
      expect(datagramsOf(ada, bob).sent - before).toBe(3)
      expect(moves).toBe(ada.channel('moves', { schema, ...UNRELIABLE }))
      expect(moves).not.toBe(ada.channel('moves', { schema }))
    }))

  test('may be sent reliably on a channel that is not, and the other way round', () =>
    onStage(async stage => {
      const [ada, bob] = await inTouch(stage)
      const heard = listen(bob)
      const before = datagramsOf(ada, bob).sent
      await ada.channel('c', UNRELIABLE).send(1, { delivery: 'reliable', receipt: true })
      await stage.advance(10)
      expect(datagramsOf(ada, bob).sent).toBe(before)
      await ada.channel('d').send(2, LATEST)
      await stage.advance(10)
      expect(heard).toEqual([1, 2])
    }))

  test('with a receipt is a RangeError, as is a delivery that there is not', () =>
    onStage(async stage => {
      const [ada, bob] = await adaAndBob(stage)
      const calls = [
        ada.send('x', { ...UNRELIABLE, receipt: true }),
        peerOf(ada, bob).send('x', { ...LATEST, receipt: true }),
        ada.channel('c', LATEST).send('x', { receipt: true }),
        ada.send('x', { delivery: 'sometimes' as never }),
        peerOf(ada, bob).send('x', { delivery: 'sometimes' as never }),
      ]
      for (const call of calls) expect(await failureOf(call)).toBeInstanceOf(RangeError)
      expect(() => ada.channel('d', { delivery: 'sometimes' as never })).toThrow(
        "delivery must be 'reliable', 'latest', 'unreliable', not 'sometimes'",
      )
    }))

  test.each([
    ['unreliable', MAX_UNRELIABLE_BYTES],
    ['latest', MAX_LATEST_BYTES],
  ] as const)('%s has a largest size, whether it rides the session or not', (delivery, limit) =>
    onStage(async stage => {
      const [ada, bob] = await adaAndBob(stage)
      const heard = heardBy(bob)
      for (let i = 0; i < 2; i++) {
        await ada.send(new Uint8Array(limit), { delivery })
        for (const to of [ada, peerOf(ada, bob)]) {
          const error = await failureOf(to.send(new Uint8Array(limit + 1), { delivery }))
          expect(error).toMatchObject({ code: 'too-large', hint: expect.stringContaining('reliable') })
          expect(error.message).toContain(`${limit + 1} bytes, at most ${limit}`)
        }
        await stage.advance(300)
      }
      expect(heard.map(data => (data as Uint8Array).length)).toEqual([limit, limit])
    }),
  )

  test('to a peer that is gone rejects with closed', () =>
    onStage(async stage => {
      const [ada, bob] = await inTouch(stage)
      const gone = peerOf(ada, bob)
      await bob.close()
      expect(await failureOf(gone.send('x', UNRELIABLE))).toMatchObject({ code: 'closed' })
      expect(await failureOf(ada.send('x', { ...LATEST, to: gone }))).toMatchObject({ code: 'closed' })
      await ada.close()
      expect(await failureOf(ada.send('x', UNRELIABLE))).toMatchObject({ code: 'closed' })
    }))
})

describe('on a LAN that loses and swaps packets', () => {
  const bad: StageOptions = { seed: 5, lan: { loss: 0.2, jitterMs: 30 } }

  test('unreliable messages are lost or late, but none comes twice, and few ride the session', () =>
    onStage(async stage => {
      const [ada, bob] = await adaAndBob(stage)
      const heard = heardBy(bob)
      for (let i = 0; i < 1_000; i++) {
        await ada.send(i, UNRELIABLE)
        await stage.advance(20)
      }
      await stage.advance(2_000)
      expect(new Set(heard).size).toBe(heard.length)
      expect(heard.length).toBeGreaterThan(700)
      expect(heard.length).toBeLessThan(950)
      expect(datagramsOf(ada, bob).sent).toBeGreaterThan(900)
    }, bad))

  test('latest values only rise, and the last one arrives', () =>
    onStage(async stage => {
      const [ada, bob] = await adaAndBob(stage)
      const heard = heardBy(bob) as number[]
      for (let round = 0; round < 20; round++) {
        for (let i = 0; i < 30; i++) {
          await ada.send(round * 100 + i, LATEST)
          await stage.advance(10)
        }
        await stage.advance(3_000)
        expect(heard.at(-1)).toBe(round * 100 + 29)
      }
      for (let i = 1; i < heard.length; i++) expect(heard[i]).toBeGreaterThan(heard[i - 1]!)
    }, bad))
})

describe('where UDP is blocked', () => {
  test('everything rides the session', () =>
    onStage(
      async stage => {
        const ada = await stage.join('ada', { listen: { port: 4_112 } })
        const bob = await stage.join('bob')
        await stage.met([ada, bob])
        const heard = heardBy(bob)
        for (let i = 0; i < 100; i++) {
          await ada.send(i, UNRELIABLE)
          await ada.send(`latest ${i}`, LATEST)
          await stage.advance(50)
        }
        expect(heard.filter(data => typeof data === 'number')).toEqual(Array.from({ length: 100 }, (_, i) => i))
        expect(heard.filter(data => typeof data === 'string')).toHaveLength(100)
        expect(datagramsOf(ada, bob)).toMatchObject({ isValidated: false, dropped: 0 })
        expect(datagramsOf(ada, bob).sent).toBeLessThan(7)
      },
      { lan: { unicastUdp: false } },
    ))

  test('from some moment on, messages are lost for 5 s at most; and datagrams return with the path', () =>
    onStage(async stage => {
      const [ada, bob] = await inTouch(stage)
      const heard = listen(bob)
      const send = async (count: number) => {
        const before = heard.length
        for (let i = 0; i < count; i++) {
          await ada.send(i, UNRELIABLE)
          await stage.advance(50)
        }
        return heard.length - before
      }
      expect(await send(100)).toBe(100)
      stage.net.lan('home').unicastUdp = false
      expect(await send(200)).toBeGreaterThanOrEqual(99)
      expect(await send(100)).toBe(100)
      stage.net.lan('home').unicastUdp = true
      expect(await send(800)).toBe(800)
      expect(datagramsOf(ada, bob).isValidated).toBe(true)
    }))

  test('or its port is taken by another program, another one is used, or none', () =>
    onStage(async stage => {
      const { network } = stage.host('ada').network
      const taken = await network.openUdp(
        { address: '0.0.0.0', port: 4_112, sharePort: false },
        { onDatagram() {}, onError() {} },
      )
      const ada = await stage.join('ada', { listen: { host: '0.0.0.0', port: 4_112 } })
      const platform = stage.host('bob').network
      const ports = platform.network
      const withoutUdp: Network = {
        interfaces: () => ports.interfaces(),
        watchInterfaces: onChange => ports.watchInterfaces(onChange),
        gateways: () => ports.gateways(),
        openUdp: () => Promise.reject(new EarshotError('permission-denied', 'there is no UDP here')),
        listenTcp: (...args) => ports.listenTcp(...args),
        connectTcp: (...args) => ports.connectTcp(...args),
        lookup: host => ports.lookup(host),
      }
      const { clock, random, files } = platform
      const bob = await stage.join('bob', {
        on: { clock, random, files, hostName: 'bob', network: withoutUdp, reliableUdp: () => platform.reliableUdp() },
        discovery: [],
      })
      const eve = await stage.join('eve')
      const log = logOf(bob)
      await bob.connect('192.168.1.2:4112')
      await stage.met([ada, eve])
      const heard = { ada: heardBy(ada), bob: heardBy(bob), eve: heardBy(eve) }
      for (const room of [ada, bob, eve, ada, bob, eve]) {
        await room.send(room.self.name, UNRELIABLE)
        await stage.advance(50)
      }
      expect(heard.ada).toEqual(expect.arrayContaining(['bob', 'bob', 'eve', 'eve']))
      expect(heard.bob.filter(data => data === 'ada')).toHaveLength(2)
      expect(datagramsOf(ada, bob)).toMatchObject({ isValidated: false, sent: 0 })
      expect(datagramsOf(eve, ada)).toMatchObject({ isValidated: true })
      expect(log.filter(line => line.startsWith('warning'))).toEqual([])
      taken.close()
    }))
})

describe('a session that changes its path', () => {
  test('is asked again where the datagrams go, under the same keys', () =>
    onStage(async stage => {
      stage.net.lan('office')
      const hosts = ['ada', 'bob'].map(name => stage.host(name, { lans: ['home', 'office'] }))
      const ada = await stage.join('ada', { on: hosts[0]!.network })
      const bob = await stage.join('bob', { on: hosts[1]!.network })
      await stage.met([ada, bob])
      const peer = peerOf(ada, bob)
      const heard = heardBy(bob) as number[]
      let n = 0
      const send = async (count: number) => {
        for (let i = 0; i < count; i++) {
          await ada.send(n++, LATEST)
          await stage.advance(100)
        }
      }
      await send(20)
      const sent = peer.stats().datagrams.sent
      const before = peer.path.remote
      hosts[0]!.interface(peer.path.interface!).down()
      await send(100)
      expect(peerOf(ada, bob)).toBe(peer)
      expect(peer.path.remote).not.toBe(before)
      expect(peer.stats().datagrams).toMatchObject({ isValidated: true })
      expect(peer.stats().datagrams.sent).toBeGreaterThan(sent + 50)
      await stage.advance(1_000)
      expect(heard.at(-1)).toBe(n - 1)
      for (let i = 1; i < heard.length; i++) expect(heard[i]).toBeGreaterThan(heard[i - 1]!)
    }))

  test('or has none for a while, keeps the newest of what is sent, and loses no last value', () =>
    onStage(async stage => {
      const [ada, bob] = await inTouch(stage)
      const heard = listen(bob)
      stage.net.lan('home').isolate('bob')
      await stage.until(() => peerOf(ada, bob).state === 'away', 60_000)
      for (let i = 0; i < 1_500; i++) await ada.send(i, UNRELIABLE)
      for (let i = 0; i < 1_500; i++) await ada.send(`latest ${i}`, LATEST)
      stage.net.lan('home').heal()
      await stage.until(() => peerOf(ada, bob).state === 'here', 60_000)
      await stage.advance(1_000)
      expect(heard).toContain('latest 1499')
      expect(heard.filter(data => typeof data === 'number')).toEqual(Array.from({ length: 1_024 }, (_, i) => 476 + i))
      expect(datagramsOf(ada, bob).dropped).toBe(1_499 + 476)
    }))
})

describe('an application that does not read', () => {
  test.each([
    ['has a loop that stands still', 'loop'],
    ['has a schema that takes its time', 'schema'],
  ] as const)('and %s loses the oldest, and is warned once', (_, kind) =>
    onStage(async stage => {
      const [ada, bob] = await inTouch(stage)
      listen(bob)
      const log = logOf(bob)
      let open = () => {}
      const gate = new Promise<void>(resolve => {
        open = resolve
      })
      const schema = z.number().refine(async () => gate.then(() => true))
      const slow = kind === 'schema' ? bob.channel<number>('c', { schema }) : bob.channel<number>('c')
      const heard: number[] = []
      const loop = kind === 'loop' ? slow[Symbol.asyncIterator]() : undefined
      if (loop) {
        const first = loop.next()
        await ada.channel('c').send(-1)
        await first
      }
      if (kind === 'schema') slow.on('message', ({ data }) => heard.push(data))
      const count = MAX_UNREAD_UNRELIABLE_MESSAGES + 200
      for (let i = 0; i < count; i++) {
        await ada.channel('c', UNRELIABLE).send(i)
        if (i % 50 === 0) await stage.advance(5)
      }
      // Credit is for what is reliable, and none of it is used up.
      await ada.send('reliable')
      await stage.advance(100)
      const inTheGate = kind === 'schema' ? 1 : 0
      expect(datagramsOf(bob, ada).dropped).toBe(200 - inTheGate)
      expect(log.slice(1)).toEqual([
        expect.stringMatching(/^warning limit-reached: .*'c' that may get lost are dropped/),
      ])
      if (loop) {
        for (let i = 200; i < count; i++) expect((await loop.next()).value!.data).toBe(i)
        await loop.return()
      } else {
        open()
        await stage.until(() => heard.length === MAX_UNREAD_UNRELIABLE_MESSAGES + 1)
        expect(heard).toEqual([0, ...Array.from({ length: MAX_UNREAD_UNRELIABLE_MESSAGES }, (_, i) => 200 + i)])
      }
    }),
  )

  test('what waits for the first listener is bounded in the same way, beside what is reliable', () =>
    onStage(async stage => {
      const [ada, bob] = await adaAndBob(stage)
      const log = logOf(bob)
      const count = MAX_UNREAD_UNRELIABLE_MESSAGES + 100
      await ada.send('reliable')
      for (let i = 0; i < count; i++) {
        await ada.send(i, UNRELIABLE)
        if (i % 50 === 0) await stage.advance(5)
      }
      await stage.advance(100)
      const heard = heardBy(bob)
      const kept = Array.from({ length: MAX_UNREAD_UNRELIABLE_MESSAGES }, (_, i) => 100 + i)
      expect(heard).toEqual(['reliable', ...kept])
      expect(datagramsOf(bob, ada).dropped).toBe(100)
      expect(log.filter(line => line.startsWith('warning'))).toHaveLength(1)
    }))
})

describe('somebody on the same LAN', () => {
  /** Everything that ada sends to bob by UDP from now on. */
  function eavesdrop(stage: Stage): TracedPacket[] {
    const seen: TracedPacket[] = []
    stage.net.trace(packet => {
      if (packet.protocol === 'udp' && packet.host === 'ada' && packet.bytes[0] === 0xe1) seen.push(packet)
    })
    return seen
  }

  async function intruder(stage: Stage, room: Room) {
    const { network } = stage.host('mallory').network
    const heard: Uint8Array[] = []
    const socket = await network.openUdp(
      { address: '0.0.0.0', port: 0, sharePort: false },
      { onDatagram: bytes => heard.push(bytes), onError() {} },
    )
    const [address, port] = room.addresses.find(each => each.startsWith('192.'))!.split(':')
    return { heard, send: (bytes: Uint8Array) => socket.send(bytes, { address: address!, port: Number(port) }) }
  }

  test('who replays, forges, cuts and floods changes nothing for anybody, and gets no answer', () =>
    onStage(async stage => {
      const [ada, bob] = await inTouch(stage)
      const heard = listen(bob)
      const log = [logOf(ada), logOf(bob)]
      const seen = eavesdrop(stage)
      for (let i = 0; i < 10; i++) {
        await ada.send(i, UNRELIABLE)
        await stage.advance(10)
      }
      const mallory = await intruder(stage, bob)
      const before = datagramsOf(bob, ada)
      for (const { bytes } of seen) mallory.send(bytes)
      const changed = seen[0]!.bytes.slice()
      changed[20]! ^= 1
      changed[9] = 7
      for (let length = 0; length < changed.length; length++) mallory.send(changed.subarray(0, length))
      for (let i = 0; i < 20; i++) mallory.send(changed)
      for (let i = 0; i < 5_000; i++)
        mallory.send(Uint8Array.from({ length: 60 }, (_, at) => (at === 0 ? 0xe1 : at * i)))
      await stage.advance(100)
      const after = datagramsOf(bob, ada)
      expect(after.replayed - before.replayed).toBe(seen.length)
      expect(after.forged - before.forged).toBe(20 + changed.length - 30)
      expect(mallory.heard).toEqual([])
      await ada.send('still here', UNRELIABLE)
      await stage.advance(10)
      expect(heard).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 'still here'])
      expect(log.flat().filter(line => !line.startsWith('peer '))).toEqual([])
    }))

  test('who repeats a challenge under another address gets nothing sent there', () =>
    onStage(async stage => {
      const [ada, bob] = await adaAndBob(stage)
      const seen = eavesdrop(stage)
      stage.net.lan('home').unicastUdp = false
      await ada.send('asks for the path', UNRELIABLE)
      await stage.advance(50)
      stage.net.lan('home').unicastUdp = true
      expect(seen.map(({ bytes }) => bytes.length)).toEqual([1_200])
      const mallory = await intruder(stage, bob)
      mallory.send(seen[0]!.bytes)
      await stage.advance(50)
      // It was authentic and had not been seen: it is answered, to ada.
      expect(datagramsOf(bob, ada)).toMatchObject({ received: 1, sent: 1 })
      expect(mallory.heard).toEqual([])
    }))

  test('finds no word in what is sent', () =>
    onStage(async stage => {
      const [ada] = await inTouch(stage)
      const seen = eavesdrop(stage)
      await ada.send('the password is swordfish', UNRELIABLE)
      await stage.advance(10)
      expect(seen).toHaveLength(1)
      expect(Buffer.from(seen[0]!.bytes).toString('latin1')).not.toContain('swordfish')
    }))
})

test('sessions that send no such message send no datagram, and leaving leaves no socket', () =>
  onStage(async stage => {
    const seen: TracedPacket[] = []
    stage.net.trace(packet => {
      if (packet.protocol === 'udp' && packet.bytes[0] === 0xe1) seen.push(packet)
    })
    const [ada, bob] = await adaAndBob(stage)
    await ada.send('reliable', { receipt: false })
    await stage.advance(60_000)
    expect(seen).toEqual([])
    await ada.send('x', LATEST)
    await bob.close()
    await ada.close()
    await stage.advance(5_000)
    expect(stage.leftOpen()).toEqual([])
  }))
