/** Two and more of our peers on a simulated LAN, in virtual time. */

import { describe, expect, test } from 'vitest'
import type { DataType, PeerpyConnection, PeerpyPeer, PeerpyPeerOptions } from '../../src/compat/peerpy.ts'
import { Tuple } from '../../src/compat/peerpy.ts'
import { all, ascii, failureOf, header, logOf, onPeerpyStage, type PeerpyStage } from './peerpy-stage.ts'

async function pair(
  stage: PeerpyStage,
  options: Omit<PeerpyPeerOptions, 'network'> = {},
): Promise<[PeerpyPeer, PeerpyPeer]> {
  return [await stage.listen('ada', options), await stage.listen('bob', options)]
}

describe('discovery', () => {
  test('finds those who are visible, in both directions, and not oneself', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      const eve = await stage.listen('eve', { invisible: true })
      expect(await all(ada.discover())).toEqual([bob.address])
      expect(await all(bob.discover())).toEqual([ada.address])
      expect((await all(eve.discover())).sort()).toEqual([ada.address, bob.address].sort())
    })
  })

  test('invisible is live, both ways', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      bob.invisible = true
      expect(bob.invisible).toBe(true)
      expect(await all(ada.discover())).toEqual([])
      bob.invisible = false
      expect(await all(ada.discover())).toEqual([bob.address])
      // The last word counts, whatever is still being opened.
      bob.invisible = true
      bob.invisible = false
      bob.invisible = true
      expect(await all(ada.discover())).toEqual([])
    })
  })

  test('happens on each interface, with the address of that interface', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const bob = await stage.listen('bob')
      stage.net.lan('office')
      for (const [name, address] of [
        ['ada', '10.88.0.1/24'],
        ['eve', '10.88.0.2/24'],
      ] as const)
        stage.host(name).attach(stage.net.lan('office'), { addresses: [address] })
      stage.host('eve').detach('eth0')
      const eve = await stage.listen('eve')
      expect((await all(ada.discover())).sort()).toEqual([bob.address, '10.88.0.2:51000'].sort())
      expect(await all(eve.discover())).toEqual(['10.88.0.1:51000'])
      expect(await all(bob.discover())).toEqual(['10.77.0.1:51000'])
      // And a connection says the name by which it can be reached there.
      await ada.connect(eve.address)
      expect(eve.connections.map(({ id }) => id)).toEqual(['10.88.0.1:51000'])
    })
  })

  test('several peers of one machine answer', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      const { PeerpyPeer } = await import('../../src/compat/peerpy.ts')
      const second = await PeerpyPeer.listen({ network: stage.host('bob').launch(), port: 51_001 })
      expect((await all(ada.discover())).sort()).toEqual([bob.address, second.address].sort())
      expect((await all(bob.discover())).sort()).toEqual([ada.address, second.address].sort())
      await second.close()
    })
  })

  test('can be ended early, by leaving the loop or by a signal', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      for await (const address of ada.discover()) {
        expect(address).toBe(bob.address)
        break
      }
      const stop = new AbortController()
      const startedAt = stage.net.now
      stage.host('ada').network.clock.setTimer(100, () => stop.abort())
      expect(await all(ada.discover({ signal: stop.signal }))).toEqual([bob.address])
      expect(stage.net.now - startedAt).toBeLessThan(101)
      expect(await all(ada.discover({ signal: AbortSignal.abort() }))).toEqual([])
    })
  })

  test('ends in time, however many answer for ever, and finds no more than there may be', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const { network, clock } = stage.host('mallory').network
      let count = 0
      const socket = await network.openUdp(
        { address: '0.0.0.0', port: 1_024, sharePort: true },
        { onDatagram() {}, onError() {} },
      )
      const flood = (): void => {
        for (let i = 0; i < 10; i++) {
          count++
          const pong = `PONG|ponger=9.${count >> 16}.${(count >> 8) & 255}.${count & 255}:1|`
          socket.send(ascii(pong), { address: '10.77.0.1', port: 1_024 })
        }
        if (stage.net.now < 15_000) clock.setTimer(20, flood)
      }
      flood()
      const startedAt = stage.net.now
      const found = await all(ada.discover())
      expect(stage.net.now - startedAt).toBeLessThanOrEqual(10_001)
      expect(found).toHaveLength(1_024)
    })
  })

  test('malformed datagrams change nothing, and nobody is answered at an address that is not his', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      stage.host('bob')
      const { network } = stage.host('mallory').network
      const heard: string[] = []
      const socket = await network.openUdp(
        { address: '0.0.0.0', port: 0, sharePort: false, broadcast: true },
        { onDatagram: bytes => heard.push(Buffer.from(bytes).toString('latin1')), onError() {} },
      )
      const to = { address: '10.77.0.1', port: 1_024 }
      const own = `10.77.0.3:${socket.local.port}`
      for (const text of [
        'PING',
        'PING|pinger',
        'PING|pinger=ada',
        'PING|pinger=1.2.3.4',
        'PING|pinger=10.77.0.2:9',
        'HELLO|x=1',
        'DATA',
        '',
        '|||',
        'PING|other=1',
        `PING|pinger=${own}&x`,
      ])
        socket.send(ascii(text), to)
      socket.send(new Uint8Array(600).fill(0xff), to)
      socket.send(Uint8Array.of(0xff, 0xfe), to)
      await stage.net.advance(100)
      expect(heard).toEqual([])
      // Unpadded, from any port, by broadcast to the subnet: all of that the program takes as well.
      socket.send(ascii(`PING|pinger=${own}`), to)
      socket.send(header(`PING|pinger=${own}`), { address: '10.77.0.255', port: 1_024 })
      await stage.net.advance(100)
      expect(heard).toEqual([0, 1].map(() => `PONG|ponger=${ada.address}`.padEnd(128, '|')))
      // A flood gets so many answers and no more.
      for (let i = 0; i < 500; i++) socket.send(ascii(`PING|pinger=${own}`), to)
      await stage.net.advance(100)
      expect(heard.length).toBeLessThanOrEqual(64)
    })
  })

  test('a port that somebody has for himself is told, and asking works all the same', async () => {
    await onPeerpyStage(async stage => {
      const bob = await stage.listen('bob')
      const { network } = stage.host('ada').network
      const other = await network.openUdp(
        { address: '0.0.0.0', port: 1_024, sharePort: false },
        { onDatagram() {}, onError() {} },
      )
      const ada = await stage.listen('ada')
      const log = logOf(ada)
      expect(log).toEqual([
        `listen ${ada.address}`,
        expect.stringMatching(/^warning address-in-use: nobody can discover this peer: /),
      ])
      expect(await all(ada.discover())).toEqual([bob.address])
      other.close()
    })
  })
})

describe('a connection', () => {
  const SAMPLES: Readonly<Record<DataType, readonly unknown[]>> = {
    json: ['Hello world!', null, '', { n: 1, l: [true, 2.5, 'é€😀'] }, 2n ** 70n],
    bytes: [
      new Uint8Array([0, 1, 0x7c, 0x80, 0xff]),
      new Uint8Array(),
      new Uint8Array(300).fill(0x7c),
      new Uint8Array(8_192),
    ],
    raw: [
      null,
      Tuple.from([1, 'two']),
      new Map<unknown, unknown>([
        [1, [2]],
        ['a', null],
      ]),
      new Set([1, 2]),
      { bytes: new Uint8Array([1]) },
      -(2n ** 80n),
    ],
  }

  test.each(Object.keys(SAMPLES) as DataType[])(
    'of %s carries its messages in both directions, in order',
    async dataType => {
      for (const segmentation of ['whole', 'random'] as const) {
        await onPeerpyStage(
          async stage => {
            const [ada, bob] = await pair(stage)
            const heard: Record<string, unknown[]> = { ada: [], bob: [] }
            ada.on('data', ({ data, from }) => heard['ada']!.push([from.id, data]))
            bob.on('data', ({ data, from }) => heard['bob']!.push([from.id, data]))
            const near = await ada.connect(bob.address, { dataType })
            await stage.until(() => bob.connections.length === 1)
            const far = bob.connection(ada.address)!
            const samples = SAMPLES[dataType]
            await Promise.all(samples.map(value => near.send(value)))
            await Promise.all(samples.map(value => far.send(value)))
            await stage.until(() => heard['ada']!.length + heard['bob']!.length === 2 * samples.length)
            expect(heard).toStrictEqual({
              ada: samples.map(value => [bob.address, value]),
              bob: samples.map(value => [ada.address, value]),
            })
          },
          segmentation === 'random' ? { segmentation, seed: 3 } : {},
        )
      }
    },
  )

  test('tells what happens, on both sides', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      const logs = [logOf(ada), logOf(bob)]
      const connection = await ada.connect(bob.address, { dataType: 'json', strict: false })
      await connection.send([1])
      await stage.net.advance(50)
      await connection.close()
      await stage.net.advance(50)
      await ada.close()
      expect(logs).toEqual([
        [
          `listen ${ada.address}`,
          `connection ${bob.address} json`,
          `close ${bob.address} orderly`,
          `stop ${ada.address}`,
        ],
        [
          `listen ${bob.address}`,
          `offer ${ada.address} json`,
          `connection ${ada.address} json`,
          `data ${ada.address} [1]`,
          `close ${ada.address} lost`,
        ],
      ])
      expect(stage.flagsFrom('ada').at(-1)).toBe('rst')
      expect(stage.flagsFrom('ada')).not.toContain('fin ack')
    })
  })

  test('closes when what was sent has arrived, also what was sent last', async () => {
    await onPeerpyStage(
      async stage => {
        const [ada, bob] = await pair(stage)
        const heard: unknown[] = []
        bob.on('data', ({ data }) => heard.push(data))
        const connection = await ada.connect(bob.address, { dataType: 'bytes' })
        const sends = Array.from({ length: 30 }, (_, i) => connection.send(new Uint8Array(8_000).fill(i)))
        await connection.close()
        await Promise.all(sends)
        await stage.net.advance(1_000)
        expect(heard).toEqual(sends.map((_, i) => new Uint8Array(8_000).fill(i)))
        expect((await failureOf(connection.send(new Uint8Array(1)))).code).toBe('closed')
        expect(connection.isClosed).toBe(true)
      },
      { segmentation: 'random', seed: 5 },
    )
  })

  test('that was made already with the same type is the same; with another type a new one', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      const [first, again] = await Promise.all([ada.connect(bob.address), ada.connect(bob.address)])
      expect(again).toBe(first)
      const other = await ada.connect(bob.address, { dataType: 'bytes' })
      expect([first.isClosed, other.dataType]).toEqual([true, 'bytes'])
      await stage.until(() => bob.connections.length === 1 && bob.connections[0]!.dataType === 'bytes')
      await other.send(new Uint8Array([1]))
      expect((await bob.wait('data')).data).toEqual(new Uint8Array([1]))
    })
  })

  test('that both sides dial at the same time is one', async () => {
    for (const delays of [
      [0, 0],
      [0, 0.05],
      [0.05, 0],
      [0, 0.3],
      [0.3, 0],
      [0, 0.6],
      [0.6, 0],
      [0, 1],
      [1, 0],
    ] as const) {
      await onPeerpyStage(async stage => {
        const [ada, bob] = await pair(stage)
        const heard: unknown[] = []
        for (const peer of [ada, bob]) peer.on('data', ({ data }) => heard.push(data))
        const later = <T>(ms: number, make: () => Promise<T>): Promise<T> => stage.net.advance(ms).then(make)
        const [a, b] = await Promise.all([
          later(delays[0], () => ada.connect(bob.address)),
          later(delays[1], () => bob.connect(ada.address)),
        ])
        await stage.net.advance(100)
        expect([ada.connections.length, bob.connections.length], String(delays)).toEqual([1, 1])
        await Promise.all([ada.connections[0]!.send('from ada'), bob.connections[0]!.send('from bob')])
        await stage.net.advance(100)
        expect(heard.sort()).toEqual(['from ada', 'from bob'])
        expect([a.id, b.id]).toEqual([bob.address, ada.address])
      })
    }
  })

  test('that crosses with that of the program stands once: ours where our name is smaller, and where it accepts ours', async () => {
    for (const [name, peerName] of [
      ['bob', '10.77.0.9:51000'],
      ['bob', '10.77.0.0:51000'],
    ] as const) {
      await onPeerpyStage(async stage => {
        const ada = await stage.listen('ada')
        const { network } = stage.host(name).network
        const accepted: string[] = []
        // Accepts whoever comes, as the program does in a thread of its own.
        await network.listenTcp({ host: '0.0.0.0', port: 51_000 }, tcp =>
          tcp.start({
            onData: () => {
              accepted.push('ours')
              tcp.write(header('ACCEPT'))
            },
            onDrain() {},
            onEnd() {},
            onClose: error => accepted.push(error?.code ?? 'closed'),
          }),
        )
        stage
          .host(name)
          .interface('eth0')
          .setAddresses([`${peerName.split(':')[0]}/24`])
        const theirs = await stage.dial(name, ada.address)
        const connecting = ada.connect(peerName)
        theirs.say(`HELLO|peer_name=${peerName}&data_type=json&strict=True`)
        expect((await connecting).id).toBe(peerName)
        await stage.net.advance(100)
        expect(theirs.text).toMatch(/^DENY\|+$/)
        expect([accepted, ada.connections.length]).toEqual([['ours'], 1])
      })
    }
  })

  test('stands where a dial of the program comes that had begun before; later it is another one', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const { address, called } = await stage.accept('bob', 51_002)
      const connecting = ada.connect(address)
      ;(await called).say('ACCEPT')
      const connection = await connecting
      for (const [dataType, answer] of [
        ['json', 'DENY'],
        ['bytes', 'ACCEPT'],
      ] as const) {
        const late = await stage.dial('bob', ada.address)
        late.say(`HELLO|peer_name=${address}&data_type=${dataType}&strict=True`)
        await stage.net.advance(50)
        expect(late.text.replace(/\|+$/, '')).toBe(answer)
        expect(connection.isClosed).toBe(answer === 'ACCEPT')
      }
    })
  })

  test('that was given up is neither reset nor ended before it was answered', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const { address, called } = await stage.accept('bob', 51_002)
      expect(await failureOf(ada.connect(address, { timeoutMs: 300 }))).toMatchObject({ code: 'timeout' })
      const bob = await called
      await stage.net.advance(5_000)
      // HELLO, and a header that means nothing to the program.
      expect(bob.text.slice(128)).toMatch(/^DENY\|+$/)
      expect(bob.ends).toEqual([])
      bob.say('ACCEPT')
      await stage.net.advance(50)
      expect(bob.ends).toEqual(['lost'])
      expect(ada.connections).toEqual([])
    })
  })

  test('that was given up gives way to others when there are too many, and to a close', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const ends: string[] = []
      const { network } = stage.host('bob').network
      await network.listenTcp({ host: '0.0.0.0', port: 9 }, tcp =>
        tcp.start({ onData() {}, onDrain() {}, onEnd: () => ends.push('end'), onClose() {} }),
      )
      for (let i = 0; i < 66; i++)
        expect(await failureOf(ada.connect('10.77.0.2:9', { timeoutMs: 10 }))).toMatchObject({ code: 'timeout' })
      await stage.net.advance(50)
      expect(ends).toHaveLength(2)
    })
  })

  test('is refused where the offer is denied, by yes or no, now or later', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      const offers: unknown[] = []
      bob.admit = ({ id, dataType, strict, isStream }) => {
        offers.push({ id, dataType, strict, isStream })
        return false
      }
      expect(await failureOf(ada.connect(bob.address, { dataType: 'raw' }))).toMatchObject({ code: 'refused' })
      bob.admit = async () => {
        await stage.net.advance(500)
        return dataTypes.shift() === 'yes'
      }
      const dataTypes = ['no', 'yes']
      expect(await failureOf(ada.connect(bob.address))).toMatchObject({ code: 'refused' })
      expect((await ada.connect(bob.address)).id).toBe(bob.address)
      expect(offers).toEqual([{ id: ada.address, dataType: 'raw', strict: true, isStream: false }])
    })
  })

  test('times out where nobody answers, and where admit takes too long the caller is told to be gone', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      const silent = await stage.accept('mute', 51_009)
      const startedAt = stage.net.now
      expect(await failureOf(ada.connect(silent.address))).toMatchObject({ code: 'timeout' })
      expect(stage.net.now - startedAt).toBeCloseTo(2_000, -1)
      expect(await failureOf(ada.connect('10.77.0.99:9', { timeoutMs: 300 }))).toMatchObject({ code: 'timeout' })
      expect(await failureOf(ada.connect('10.77.0.2:9'))).toMatchObject({ code: 'unreachable' })
      let gone = false
      bob.admit = ({ signal }) => new Promise(() => signal.addEventListener('abort', () => (gone = true)))
      expect(await failureOf(ada.connect(bob.address, { timeoutMs: 400 }))).toMatchObject({ code: 'timeout' })
      await stage.net.advance(10)
      expect(gone).toBe(true)
      const reason = new Error('changed my mind')
      const stop = new AbortController()
      const aborted = failureOf(ada.connect(silent.address, { signal: stop.signal }))
      stage.host('ada').network.clock.setTimer(50, () => stop.abort(reason))
      expect(await aborted).toBe(reason)
    })
  })

  test('says PING after silence, which the other side takes for a sign of life', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada', { timeoutMs: 1_000 })
      const bob = await stage.listen('bob', { timeoutMs: 60_000 })
      const connection = await ada.connect(bob.address)
      const log = logOf(bob)
      const begin = stage.segmentsFrom('ada').length
      await stage.net.advance(3_500)
      expect(stage.segmentsFrom('ada').slice(begin)).toEqual([1, 2, 3].map(() => header('PING')))
      await connection.send('still here')
      await stage.net.advance(50)
      expect(log.at(-1)).toBe(`data ${ada.address} "still here"`)
      ada.timeoutMs = 5_000
      await stage.net.advance(1_000)
      const before = stage.segmentsFrom('ada').length
      await stage.net.advance(3_400)
      expect(stage.segmentsFrom('ada')).toHaveLength(before)
    })
  })

  test('whose other side is cut off is told when TCP gives up', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const bob = await stage.listen('bob', {})
      const log = logOf(ada)
      await ada.connect(bob.address)
      stage.host('bob').kill()
      await stage.net.advance(3_000)
      expect(log.at(-1)).toBe(`close ${bob.address} orderly`)
      expect(ada.connections).toEqual([])
    })
  })

  test('waits for a place where there are enough, and gets it when one is free', async () => {
    await onPeerpyStage(async stage => {
      const bob = await stage.listen('bob', { maxConnections: 1 })
      const ada = await stage.listen('ada')
      const eve = await stage.listen('eve')
      const first = await ada.connect(bob.address)
      // As for the program: no DENY, the caller waits.
      expect(await failureOf(eve.connect(bob.address))).toMatchObject({ code: 'timeout' })
      expect(bob.connections).toHaveLength(1)
      const waiting = eve.connect(bob.address)
      await stage.net.advance(500)
      await first.close()
      expect((await waiting).id).toBe(bob.address)
      const more = ada.connect(bob.address)
      await stage.net.advance(100)
      bob.maxConnections = 2
      expect((await more).isClosed).toBe(false)
      expect(bob.connections.map(({ id }) => id).sort()).toEqual([ada.address, eve.address].sort())
    })
  })

  test('of a program that was restarted takes the place of the old one; from elsewhere nobody takes a name', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      await ada.connect(bob.address)
      await stage.until(() => bob.connections.length === 1)
      const log = logOf(bob)
      const thief = await stage.dial('mallory', bob.address)
      thief.say(`HELLO|peer_name=${ada.address}&data_type=json&strict=True`)
      await stage.net.advance(50)
      expect(thief.text).toMatch(/^DENY\|+$/)
      expect(log.at(-1)).toMatch(
        /^warning protocol-violation: somebody at 10\.77\.0\.3:\d+ says it is 10\.77\.0\.1:51000/,
      )
      const again = await stage.dial('ada', bob.address)
      again.say(`HELLO|peer_name=${ada.address}&data_type=bytes&strict=True`)
      await stage.net.advance(50)
      expect(again.text).toMatch(/^ACCEPT\|+$/)
      expect(bob.connections.map(({ id, dataType }) => [id, dataType])).toEqual([[ada.address, 'bytes']])
    })
  })

  test('to oneself is a wrong argument, as are others', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      for (const address of [ada.address, '127.0.0.1:51000', 'bob', '10.0.0.1', '10.0.0.1:0', '[::1]:5', 'bob:5'])
        await expect(ada.connect(address)).rejects.toThrow(RangeError)
      await expect(ada.connect('10.0.0.1:5', { dataType: 'video' as never })).rejects.toThrow('dataType must be one of')
      await expect(ada.connect('10.0.0.1:5', { streamSizeBytes: 5 })).rejects.toThrow('needs stream: true')
      expect(() => ada.on('conection' as never, () => {})).toThrow('listen, offer, connection')
      expect(() => {
        ada.timeoutMs = 0
      }).toThrow('timeoutMs must be from 10')
      expect(() => {
        ada.maxConnections = 0
      }).toThrow('maxConnections must be')
      expect(() => {
        ada.invisible = 1 as never
      }).toThrow(TypeError)
    })
  })

  test('what cannot be sent is refused, and nothing of it is', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      const bytes = await ada.connect(bob.address, { dataType: 'bytes' })
      const before = stage.segmentsFrom('ada').length
      expect(await failureOf(bytes.send('text'))).toMatchObject({ code: 'invalid-data' })
      expect(await failureOf(bytes.send(new Uint8Array(8_193)))).toMatchObject({
        code: 'too-large',
        hint: expect.stringContaining('maxMessageBytes'),
      })
      await stage.net.advance(20)
      expect(stage.segmentsFrom('ada')).toHaveLength(before)
    })
  })

  test('larger messages pass between peers of this library where they are allowed', async () => {
    await onPeerpyStage(
      async stage => {
        const [ada, bob] = await pair(stage, { maxMessageBytes: 8_388_608, paceMs: 0 })
        const connection = await ada.connect(bob.address, { dataType: 'bytes' })
        const frame = new Uint8Array(2_000_000).map((_, i) => i * 31)
        await connection.send(frame)
        await connection.send(new Uint8Array(8_388_608))
        expect(Buffer.compare((await bob.wait('data')).data as Uint8Array, frame)).toBe(0)
        expect(((await bob.wait('data')).data as Uint8Array).length).toBe(8_388_608)
      },
      { segmentation: 'random', seed: 2 },
    )
  })
})

describe('a stream', () => {
  async function stream(
    stage: PeerpyStage,
    streamSizeBytes?: number,
  ): Promise<{ near: PeerpyConnection; far: PeerpyConnection; heard: unknown[]; back: unknown[] }> {
    const [ada, bob] = await pair(stage)
    const near = await ada.connect(bob.address, {
      dataType: 'bytes',
      stream: true,
      ...(streamSizeBytes !== undefined && { streamSizeBytes }),
    })
    await stage.until(() => bob.connections.length === 1)
    const far = bob.connections[0]!
    const [heard, back]: unknown[][] = [[], []]
    far.on('data', ({ data }) => heard!.push(data))
    near.on('data', ({ data }) => back!.push(data))
    return { near, far, heard: heard!, back: back! }
  }
  const frame = (size: number, fill: number) => new Uint8Array(size).fill(fill)

  test('has one header, and then payloads of one size', async () => {
    await onPeerpyStage(
      async stage => {
        const { near, far, heard, back } = await stream(stage)
        for (let i = 0; i < 5; i++) await near.send(frame(1_000, i))
        await stage.net.advance(100)
        expect([near.streamSizeBytes, far.streamSizeBytes, far.isStream]).toEqual([1_000, 1_000, true])
        expect(heard).toEqual([0, 1, 2, 3, 4].map(i => frame(1_000, i)))
        await far.send(frame(1_000, 9))
        await stage.net.advance(100)
        expect(back).toEqual([frame(1_000, 9)])
        const sent = Buffer.concat(stage.segmentsFrom('ada')).length
        expect(sent).toBe(128 + 128 + 5 * 1_000)
        expect(await failureOf(near.send(frame(999, 1)))).toMatchObject({ code: 'invalid-data' })
        expect(await failureOf(near.send(frame(0, 1)))).toMatchObject({ code: 'invalid-data' })
      },
      { segmentation: 'random', seed: 4 },
    )
  })

  test('has no header where the size is agreed', async () => {
    await onPeerpyStage(async stage => {
      const { near, far, heard } = await stream(stage, 64)
      await near.send(frame(64, 1))
      await near.send(frame(64, 2))
      await stage.net.advance(50)
      expect(far.streamSizeBytes).toBe(64)
      expect(heard).toEqual([frame(64, 1), frame(64, 2)])
      expect(Buffer.concat(stage.segmentsFrom('ada')).length).toBe(128 + 128)
    })
  })

  test('where both sides begin at once, both first headers are read', async () => {
    await onPeerpyStage(async stage => {
      const { near, far, heard, back } = await stream(stage)
      await Promise.all([near.send(frame(50, 1)), far.send(frame(50, 2))])
      await Promise.all([near.send(frame(50, 3)), far.send(frame(50, 4))])
      await stage.net.advance(100)
      expect([heard, back]).toEqual([
        [frame(50, 1), frame(50, 3)],
        [frame(50, 2), frame(50, 4)],
      ])
    })
  })

  test('says no PING once its size is known, and takes those of the program for what they are', async () => {
    await onPeerpyStage(async stage => {
      const ada = await stage.listen('ada')
      const program = await stage.dial('bob', ada.address)
      const heard: unknown[] = []
      ada.on('data', ({ data }) => heard.push(data))
      program.say('HELLO|peer_name=10.77.0.2:51002&data_type=bytes&strict=True&stream=True')
      await stage.net.advance(20)
      program.say('DATA|data_size=300&data_type=bytes', frame(300, 1))
      await stage.net.advance(20)
      program.say('PING')
      program.say(frame(300, 2), 'PING', frame(300, 3))
      await stage.net.advance(10_000)
      expect(heard).toEqual([1, 2, 3].map(i => frame(300, i)))
      expect(program.text).toMatch(/^ACCEPT\|+$/)
    })
  })

  test('that changes its size is a violation', async () => {
    await onPeerpyStage(async stage => {
      const { near, far } = await stream(stage)
      void near
      const bob = await stage.listen('carl')
      const log = logOf(bob)
      const program = await stage.dial('dora', bob.address)
      program.say('HELLO|peer_name=10.77.0.9:51002&data_type=bytes&strict=True&stream=True')
      program.say('DATA|data_size=0&data_type=bytes')
      await stage.net.advance(50)
      expect(log.at(-1)).toMatch(/^warning protocol-violation: .*a message of 0 bytes in a stream/)
      expect(far.isClosed).toBe(false)
    })
  })
})

describe('events', () => {
  test('messages wait for the first listener, on the connection or on the peer, in order, and the sender feels it', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage, { paceMs: 0 })
      const connection = await ada.connect(bob.address)
      let accepted = 0
      for (let i = 0; i < 200; i++) void connection.send({ i, fill: 'x'.repeat(8_000) }).then(() => accepted++)
      await stage.net.advance(2_000)
      // A megabyte waits for a listener, some more in the buffers of the system and with the sender.
      expect(accepted).toBeLessThan(170)
      expect((await bob.wait('data')).data).toMatchObject({ i: 0 })
      expect((await bob.connections[0]!.wait('data')).data).toMatchObject({ i: 1 })
      const heard: number[] = []
      const off = bob.connections[0]!.on('data', ({ data }) => heard.push((data as { i: number }).i))
      await stage.until(() => accepted === 200)
      await stage.net.advance(100)
      off()
      expect(heard).toEqual(Array.from({ length: 198 }, (_, i) => i + 2))
      await connection.send('late')
      await stage.net.advance(50)
      const late: unknown[] = []
      bob.on('data', ({ data }) => late.push(data))
      expect(late).toEqual(['late'])
    })
  })

  test('what came before the other side closed is not lost', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      const connection = await ada.connect(bob.address)
      const far = await bob.wait('connection')
      for (let i = 0; i < 100; i++) await connection.send(i)
      await connection.close()
      await stage.net.advance(200)
      expect(far.isClosed).toBe(true)
      const heard: unknown[] = []
      far.on('data', ({ data }) => heard.push(data))
      expect(heard).toEqual(Array.from({ length: 100 }, (_, i) => i))
    })
  })

  test('wait gives the next event, or says why not', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      expect(await ada.wait('listen')).toEqual({ address: ada.address })
      expect(await failureOf(ada.wait('offer', { timeoutMs: 50 }))).toMatchObject({ code: 'timeout' })
      const offer = bob.wait('offer')
      const connection = await ada.connect(bob.address)
      expect((await offer).id).toBe(ada.address)
      const closed = connection.wait('close')
      const lost = failureOf(connection.wait('data'))
      await bob.close()
      expect((await closed).connection).toBe(connection)
      expect(await lost).toMatchObject({ code: 'closed' })
      expect(await failureOf(bob.wait('data'))).toMatchObject({ code: 'closed' })
    })
  })

  test('broadcast reaches all, and says of each what became of it', async () => {
    await onPeerpyStage(async stage => {
      const [ada, bob] = await pair(stage)
      const eve = await stage.listen('eve')
      await ada.connect(bob.address)
      await ada.connect(eve.address, { dataType: 'bytes' })
      const deliveries = await ada.broadcast('hello')
      expect(deliveries.map(delivery => [delivery.connection.id, delivery.ok || delivery.error.code])).toEqual([
        [bob.address, true],
        [eve.address, 'invalid-data'],
      ])
      expect((await bob.wait('data')).data).toBe('hello')
    })
  })

  test('an admit that throws lets nobody in, and its error surfaces', async () => {
    await expect(
      onPeerpyStage(async stage => {
        const [ada, bob] = await pair(stage)
        bob.admit = () => {
          throw new Error('my mistake')
        }
        await ada.connect(bob.address)
      }),
    ).rejects.toThrow('my mistake')
  })
})

describe('a peer', () => {
  test('closes with everything it has, once, also by a signal or at the end of a block', async () => {
    await onPeerpyStage(async stage => {
      const stop = new AbortController()
      const ada = await stage.listen('ada', { signal: stop.signal })
      const bob = await stage.listen('bob')
      const log = logOf(ada)
      await ada.connect(bob.address)
      const dialling = failureOf(ada.connect('10.77.0.99:9'))
      const searching = all(ada.discover())
      stop.abort()
      await ada.close()
      expect(await dialling).toMatchObject({ code: 'closed' })
      expect(await searching).toEqual([])
      expect(log.slice(1)).toEqual([
        `connection ${bob.address} json`,
        `close ${bob.address} orderly`,
        `stop ${ada.address}`,
      ])
      expect(await failureOf(ada.connect(bob.address))).toMatchObject({ code: 'closed' })
      {
        await using again = await stage.listen('ada')
        expect(again.address).toBe(ada.address)
      }
      expect(stage.leftOpen().filter(line => line.startsWith('ada'))).toEqual([])
    })
  })

  test('cannot listen where somebody does, nor where it was told not to', async () => {
    await onPeerpyStage(async stage => {
      await stage.listen('ada')
      const { PeerpyPeer } = await import('../../src/compat/peerpy.ts')
      const network = stage.host('ada').network
      expect(await failureOf(PeerpyPeer.listen({ network, port: 51_000 }))).toMatchObject({ code: 'address-in-use' })
      const reason = new Error('no')
      expect(await failureOf(PeerpyPeer.listen({ network, signal: AbortSignal.abort(reason) }))).toBe(reason)
      for (const wrong of [
        { port: -1 },
        { host: '::' },
        { host: 'ada' },
        { maxMessageBytes: 0 },
        { paceMs: -1 },
        { timeoutMs: Number.NaN },
        { admit: true as never },
      ])
        await expect(PeerpyPeer.listen({ network, ...wrong })).rejects.toThrow(/must be/)
    })
  })
})
