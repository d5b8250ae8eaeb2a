/** Peers that carry and relay for others, in virtual time: no broker, no TURN server. */

import { describe, expect, test } from 'vitest'
import type { EarshotError, Room, RoomEvents } from '../../src/index.ts'
import { SeededRandom, type SimulatedHost } from '../../src/testing/index.ts'
import { InternetStage, type JoinFar } from './internet-stage.ts'
import { failureOf, heardBy, logOf, peerOf } from './stage.ts'

/** A public volunteer, and what others need to reach it. */
async function volunteer(
  stage: InternetStage,
  options: JoinFar = { relay: {} },
): Promise<{ room: Room; peers: string[] }> {
  const host = stage.net.host('relay', { lans: ['internet'] })
  const room = await stage.join(host, { internet: { rendezvous: [], stun: [] }, ...options })
  return { room, peers: room.addresses.filter(address => !address.includes('[')) }
}

function alone(
  stage: InternetStage,
  host: SimulatedHost,
  peers: readonly string[],
  options: JoinFar = {},
): Promise<Room> {
  return stage.join(host, { peers, ...options, internet: { rendezvous: [], stun: [], ...options.internet } })
}

describe('a peer that volunteers', () => {
  test('brings two together who know only it, and carries what they say', async () => {
    await InternetStage.play({}, async stage => {
      const { room: relay, peers } = await volunteer(stage)
      const ada = await alone(stage, stage.behind('ada', 'symmetric'), peers)
      const bob = await alone(stage, stage.behind('bob', 'symmetric'), peers)
      const told: RoomEvents['relay'][] = []
      relay.on('relay', event => told.push(event))
      await stage.met([ada, bob, relay])
      const [smaller, larger] = [ada.self.id, bob.self.id].sort()
      expect(peerOf(ada, bob).path).toMatchObject({ kind: 'relay', transport: 'tcp', relay: relay.self.id })
      expect(told).toEqual([{ fromId: larger, toId: smaller, bytes: 0, state: 'begun' }])
      const heard = heardBy(bob)
      await peerOf(ada, bob).send('through you')
      await peerOf(ada, bob).send(new Uint8Array(1_000_000))
      await stage.until(() => heard.length === 2)
      expect(relay.relayed.bytes).toBeGreaterThan(1_000_000)
      expect(relay.relayed.pairs).toHaveLength(1)
      expect(ada.relayedBytes).toBeGreaterThan(1_000_000)
      await bob.close()
      await stage.until(() => told.length === 2)
      expect(told[1]).toEqual({ fromId: larger, toId: smaller, bytes: relay.relayed.bytes, state: 'ended' })
    })
  })

  test('carries the first words, and is left when a direct path stands', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { room: relay, peers } = await volunteer(stage)
      const stun = { internet: { stun: stage.stun } }
      const ada = await alone(stage, stage.behind('ada', 'port-restricted'), peers, stun)
      const kinds: string[] = []
      ada.on('peer', ({ name, path }) => name === 'bob' && kinds.push(path.kind))
      ada.on('path', ({ peer, path }) => peer.name === 'bob' && kinds.push(path.kind))
      const bob = await alone(stage, stage.behind('bob', 'port-restricted'), peers, stun)
      await stage.met([ada, bob])
      await stage.until(() => peerOf(ada, bob).path.kind === 'direct')
      await stage.net.advance(60_000)
      expect(kinds).toEqual(['relay', 'direct'])
      expect(relay.relayed.pairs).toEqual([])
    })
  })

  test('leaves: the pair is away, and back with another one', async () => {
    await InternetStage.play({}, async stage => {
      const first = await volunteer(stage)
      const other = stage.net.host('other', { lans: ['internet'] })
      const second = await stage.join(other, { internet: { rendezvous: [], stun: [] }, relay: {} })
      const peers = [...first.peers, ...second.addresses.filter(address => !address.includes('['))]
      const ada = await alone(stage, stage.behind('ada', 'symmetric'), peers)
      const bob = await alone(stage, stage.behind('bob', 'symmetric'), peers)
      await stage.met([ada, bob])
      for (const relay of [first.room, second]) await stage.until(() => relay.peers.length === 2)
      const [peer, heard, log] = [peerOf(ada, bob), heardBy(bob), logOf(ada)]
      const relayId = peer.path.relay
      const relay = relayId === second.self.id ? second : first.room
      const closing = relay.close()
      void peer.send('on the way')
      await stage.until(() => heard.length === 1, 60_000)
      await closing
      await stage.until(() => peer.state === 'here')
      expect(peer.path.relay).not.toBe(relayId)
      expect(peerOf(ada, bob)).toBe(peer)
      expect(log.filter(line => line.startsWith('gone bob'))).toEqual([])
    })
  })

  test('keeps its budget: a warning, then the end, which the pair is told', async () => {
    await InternetStage.play({}, async stage => {
      const { room: relay, peers } = await volunteer(stage, { relay: { budgetBytes: 1_000_000 } })
      const warnings: EarshotError[] = []
      relay.on('warning', error => warnings.push(error))
      const ada = await alone(stage, stage.behind('ada', 'symmetric'), peers)
      const bob = await alone(stage, stage.behind('bob', 'symmetric'), peers)
      await stage.met([ada, bob])
      const told: string[] = []
      for (const room of [ada, bob]) room.on('warning', ({ code, message }) => told.push(`${code}: ${message}`))
      const [peer, heard] = [peerOf(ada, bob), heardBy(bob)]
      for (let i = 0; i < 8; i++) await peer.send(new Uint8Array(100_000), { receipt: true })
      expect(heard).toHaveLength(8)
      expect(warnings.map(({ code }) => code)).toEqual(['limit-reached'])
      for (let i = 0; i < 4; i++) peer.send(new Uint8Array(100_000)).catch(() => {})
      await stage.until(() => peer.state === 'away')
      await stage.net.advance(20_000)
      expect(warnings.map(({ message }) => message)).toEqual([
        expect.stringMatching(/ of 1000000 bytes that may be relayed are used$/),
        'the 1000000 bytes that may be relayed are used up',
      ])
      const noMore = "limit-reached: the relay 'relay' relays no more: its budget or its places are used up"
      expect(told).toEqual([noMore, noMore])
      expect(relay.relayed.bytes).toBeLessThan(1_200_000)
      expect(relay.relayed.pairs).toEqual([])
    })
  })

  test('is found among many who reach only one of the two', async () => {
    await InternetStage.play({}, async stage => {
      const { room: relay, peers } = await volunteer(stage)
      const others: string[] = []
      for (let i = 0; i < 12; i++) {
        const host = stage.net.host(`other${i}`, { lans: ['internet'] })
        const other = await stage.join(host, { internet: { rendezvous: [], stun: [] }, relay: {} })
        others.push(...other.addresses.filter(address => !address.includes('[')))
      }
      const ada = await alone(stage, stage.behind('ada', 'symmetric'), [...others, ...peers])
      const bob = await alone(stage, stage.behind('bob', 'symmetric'), peers)
      await stage.met([ada, bob], 120_000)
      expect(peerOf(ada, bob).path.relay).toBe(relay.self.id)
    })
  })

  test('behind a NAT brings its LAN to the others, step by step', async () => {
    await InternetStage.play({}, async stage => {
      const { room: relay, peers } = await volunteer(stage)
      const far = { internet: { rendezvous: [], stun: [] } }
      const second = await stage.join(stage.behind('second', 'symmetric'), { ...far, peers, relay: {} })
      const bob = await stage.join(stage.net.host('bob', { lans: ['second-gw'] }), far)
      const ada = await alone(stage, stage.behind('ada', 'symmetric'), peers)
      await stage.met([ada, bob, relay, second], 60_000)
      expect(peerOf(ada, bob).path.relay).toBe(relay.self.id)
    })
  })

  test('does not help those whom it reaches over another one itself', async () => {
    await InternetStage.play({}, async stage => {
      const { room: relay, peers } = await volunteer(stage)
      stage.net.lan('inner')
      stage.site('site', 'symmetric')
      const far = { internet: { rendezvous: [], stun: [] } }
      const second = await stage.join(stage.net.host('second', { lans: ['site', 'inner'] }), {
        ...far,
        peers,
        relay: {},
      })
      const bob = await stage.join(stage.net.host('bob', { lans: ['inner'] }), far)
      const ada = await alone(stage, stage.behind('ada', 'symmetric'), peers)
      await stage.met([ada, relay, second])
      await stage.met([second, bob, relay])
      expect(peerOf(ada, second).path.relay).toBe(relay.self.id)
      expect(peerOf(relay, bob).path.relay).toBe(second.self.id)
      await stage.net.advance(120_000)
      expect(ada.peer(bob.self.id)).toBeUndefined()
      expect(second.relayed.pairs).toHaveLength(1)
    })
  })

  test('is of use though it came later, and in a room without a secret', async () => {
    await InternetStage.play({}, async stage => {
      const common = await volunteer(stage, { secret: undefined })
      const host = stage.net.host('late', { lans: ['internet'] })
      const late = await stage.join(host, { secret: undefined, internet: { rendezvous: [], stun: [] }, relay: {} })
      const peers = [...common.peers, ...late.addresses.filter(address => !address.includes('['))]
      await late.close()
      const open = { secret: undefined }
      const ada = await alone(stage, stage.behind('ada', 'symmetric'), peers, open)
      const bob = await alone(stage, stage.behind('bob', 'symmetric'), peers, open)
      await stage.met([ada, common.room])
      await stage.met([bob, common.room])
      const error = await failureOf(ada.connect(bob.self.id, { timeoutMs: 60_000 }))
      expect(error['code']).toBe('unreachable')
      const port = Number(late.addresses[0]!.split(':').at(-1))
      const again = await stage.join(host, { ...open, internet: {}, relay: {}, listen: { port } })
      await stage.met([ada, bob, again], 120_000)
    })
  })

  test('is killed: what was on the way arrives over another one', async () => {
    await InternetStage.play({}, async stage => {
      const hosts = ['one', 'two'].map(name => stage.net.host(name, { lans: ['internet'] }))
      const programs = hosts.map(host => host.launch())
      const relays: Room[] = []
      for (const [index, host] of hosts.entries()) {
        const far = { internet: { rendezvous: [], stun: [] }, relay: {}, on: programs[index]! }
        relays.push(await stage.join(host, far))
      }
      const peers = relays.flatMap(({ addresses }) => addresses.filter(address => !address.includes('[')))
      const ada = await alone(stage, stage.behind('ada', 'symmetric'), peers)
      const bob = await alone(stage, stage.behind('bob', 'symmetric'), peers)
      await stage.met([ada, bob])
      for (const relay of relays) await stage.until(() => relay.peers.length >= 2)
      const [peer, heard] = [peerOf(ada, bob), heardBy(bob)]
      const sending = Array.from({ length: 40 }, (_, i) => peer.send(new Uint8Array(50_000).fill(i)))
      await stage.net.advance(30)
      stage.kill(programs[relays.findIndex(({ self }) => self.id === peer.path.relay)]!)
      await stage.until(() => heard.length === 40, 60_000)
      await Promise.all(sending)
      expect(heard.map(data => (data as Uint8Array)[0])).toEqual(Array.from({ length: 40 }, (_, i) => i))
      expect(peerOf(ada, bob)).toBe(peer)
    })
  })

  test('tells of those who come and who go, also of those who go without a word', async () => {
    await InternetStage.play({}, async stage => {
      const { peers } = await volunteer(stage)
      const only = { internet: { direct: 'only' } } as const
      const ada = await alone(stage, stage.behind('ada', 'symmetric'), peers, only)
      const news: string[] = []
      ada.on('found', ({ name, via, info }) => name !== 'relay' && news.push(`found ${name} ${via} ${info}`))
      ada.on('lost', ({ name }) => news.push(`lost ${name}`))
      const bob = await alone(stage, stage.behind('bob', 'symmetric'), peers, { ...only, info: 'hi' })
      const host = stage.behind('eve', 'symmetric')
      const program = host.launch()
      await alone(stage, host, peers, { ...only, on: program })
      await stage.until(() => news.length === 2)
      expect(news).toEqual(['found bob peer hi', 'found eve peer undefined'])
      await bob.close()
      await stage.until(() => news.length === 3, 15_000)
      stage.kill(program)
      await stage.until(() => news.length === 4, 90_000)
      expect(news.slice(2)).toEqual(['lost bob', 'lost eve'])
    })
  })

  test('is not used by those who want direct paths only', async () => {
    await InternetStage.play({}, async stage => {
      const { room: relay, peers } = await volunteer(stage)
      const only = { internet: { direct: 'only' } } as const
      const ada = await alone(stage, stage.behind('ada', 'symmetric'), peers, only)
      const bob = await alone(stage, stage.behind('bob', 'symmetric'), peers, only)
      await stage.met([ada, relay])
      await stage.met([bob, relay])
      const error = await failureOf(ada.connect(bob.self.id, { timeoutMs: 40_000 }))
      expect(error['code']).toBe('unreachable')
      expect(relay.relayed.bytes).toBe(0)
    })
  })
})

describe('a peer that does not volunteer', () => {
  test('carries what two need to find a direct path, where one knows the id of the other', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { room: common, peers } = await volunteer(stage, {})
      const stun = { internet: { stun: stage.stun } }
      const ada = await alone(stage, stage.behind('ada', 'port-restricted'), peers, stun)
      const bob = await alone(stage, stage.behind('bob', 'port-restricted'), peers, stun)
      await stage.met([ada, common])
      await stage.met([bob, common])
      await stage.net.advance(5_000)
      expect(ada.peer(bob.self.id)).toBeUndefined()
      const peer = await ada.connect(bob.self.id)
      expect(peer.path.kind).toBe('direct')
    })
  })

  test('is enough for a session to survive a move while the broker is down', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const { room: common, peers } = await volunteer(stage, {})
      const host = stage.behind('ada', 'port-restricted')
      stage.site('cafe', 'port-restricted')
      const ada = await stage.join(host, { peers })
      const bob = await stage.join(stage.behind('bob', 'port-restricted'), { peers })
      await stage.met([ada, bob, common])
      stage.broker.stop()
      const [peer, heard] = [peerOf(bob, ada), heardBy(ada)]
      host.detach('eth0')
      void peer.send('on the way')
      await stage.net.advance(1_000)
      host.attach(stage.net.lan('cafe'))
      await stage.until(() => heard.length > 0, 60_000)
      expect(peerOf(bob, ada)).toBe(peer)
    })
  })
})

describe('peers that all relay for each other', () => {
  /** Public hosts. */
  async function volunteers(stage: InternetStage, names: readonly string[]): Promise<Room[]> {
    const rooms: Room[] = []
    for (const name of names) {
      const host = stage.net.host(name, { lans: ['internet'] })
      const peers = rooms.flatMap(({ addresses }) => addresses.filter(address => !address.includes('[')))
      const far = { rendezvous: [], stun: [] }
      rooms.push(await stage.join(host, { peers, relay: {}, internet: far, awayTimeoutMs: 3_600_000 }))
    }
    await stage.met(rooms)
    return rooms
  }

  test('do not lead in a circle when one of them is reached by nobody any more', async () => {
    await InternetStage.play({}, async stage => {
      const [ada, bob, cid] = (await volunteers(stage, ['ada', 'bob', 'cid'])) as [Room, Room, Room]
      const internet = stage.net.lan('internet')
      internet.partition(['ada'], ['bob'])
      await stage.until(() => peerOf(ada, bob).path.relay === cid.self.id, 60_000)
      internet.partition(['ada'], ['cid'])
      void peerOf(ada, bob).send(new Uint8Array(1_000_000))
      void peerOf(bob, ada).send(new Uint8Array(1_000_000))
      await stage.until(() => [bob, cid].every(room => peerOf(ada, room).state === 'away'), 60_000)
      expect([ada, bob, cid].flatMap(({ relayed }) => relayed.pairs)).toEqual([])
      const [before, heard] = [bob.relayed.bytes + cid.relayed.bytes, heardBy(ada)]
      internet.heal()
      await stage.met([ada, bob, cid])
      await stage.until(() => heard.length === 1)
      expect(bob.relayed.bytes + cid.relayed.bytes - before).toBeLessThan(4_000_000)
    })
  })

  test('give up what they relay for one whom they reach over the other one', async () => {
    await InternetStage.play({}, async stage => {
      const [ada, bob, cid] = (await volunteers(stage, ['ada', 'bob', 'cid'])) as [Room, Room, Room]
      const internet = stage.net.lan('internet')
      internet.partition(['ada'], ['bob'])
      await stage.until(() => peerOf(ada, bob).path.relay === cid.self.id, 60_000)
      internet.heal()
      await stage.until(() => peerOf(ada, bob).path.kind !== 'relay', 400_000)
      expect(cid.relayed.pairs).toHaveLength(1)
      internet.partition(['cid'], ['bob'])
      await stage.until(() => peerOf(cid, bob).path.relay === ada.self.id, 60_000)
      await stage.net.advance(10)
      expect(cid.relayed.pairs).toEqual([])
      expect(peerOf(ada, bob).path.kind).toBe('lan')
    })
  })

  test.each([1, 2, 3, 4])('lose nothing while links break and heal at random (seed %d)', async seed => {
    await InternetStage.play({ seed }, async stage => {
      const names = ['ada', 'bob', 'cid', 'dan']
      const rooms = await volunteers(stage, names)
      const random = new SeededRandom(seed)
      const internet = stage.net.lan('internet')
      const [ada, bob] = rooms as [Room, Room]
      const [heard, peer] = [heardBy(bob), peerOf(ada, bob)]
      for (let round = 0; round < 30; round++) {
        internet.heal()
        const [one, other] = [0, 1].map(() => names.filter(() => random.fraction() < 0.5)) as [string[], string[]]
        internet.partition(
          one,
          other.filter(name => !one.includes(name)),
        )
        void peer.send(round)
        await stage.net.advance(random.fraction() * 20_000)
      }
      internet.heal()
      await stage.met(rooms, 60_000)
      await stage.until(() => heard.length === 30)
      expect(heard).toEqual(Array.from({ length: 30 }, (_, index) => index))
      // Every five minutes a direct path is looked for.
      await stage.net.advance(700_000)
      expect(rooms.flatMap(({ relayed }) => relayed.pairs)).toEqual([])
    })
  })
})
