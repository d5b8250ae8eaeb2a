/** Rooms that find each other by the beacon: alone, and beside multicast DNS. */

import { describe, expect, test } from 'vitest'
import { BEACON_PORT } from '../../src/discovery/beacon/beacon-link.ts'
import { encodeBeacon } from '../../src/discovery/beacon/beacon-packet.ts'
import { type DiscoveredPeer, discover, Identity, type Room } from '../../src/index.ts'
import { failureOf, heardBy, logOf, namesOf, onStage, peerOf, type Stage } from './stage.ts'

const BEACON = { discovery: ['beacon'] } as const

/** What `discover` tells, a line each, until it is stopped. */
function lookAround(stage: Stage, service: string | undefined, options: { discovery?: ['mdns' | 'beacon'] } = {}) {
  const stop = new AbortController()
  const seen: DiscoveredPeer[] = []
  const looking = (async () => {
    const { network } = stage.host('looker')
    for await (const peer of discover(service, { network, signal: stop.signal, ...options })) seen.push(peer)
  })()
  const end = async () => {
    stop.abort()
    await looking
  }
  return { seen, end }
}

describe('by the beacon alone', () => {
  test('rooms meet within 150 ms, talk, and hear a goodbye', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', BEACON)
      await stage.advance(60_000)
      const bob = await stage.join('bob', BEACON)
      expect(await stage.met([ada, bob])).toBeLessThan(150)
      const heard = heardBy(bob)
      await ada.send('hello', { receipt: true })
      expect(heard).toEqual(['hello'])
      const log = logOf(ada)
      await bob.close()
      await stage.advance(200)
      expect(log).toEqual(['peer bob', 'state bob here gone', 'gone bob closed'])
      await stage.advance(120_000)
      expect(log).toHaveLength(3)
    }))

  test('rooms of another service, and those that only use multicast DNS, are not met', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', BEACON)
      const others = [
        await stage.join('bob', { ...BEACON, service: 'game' }),
        await stage.join('eve', { discovery: ['mdns'] }),
        await stage.join('mia', { discovery: [] }),
      ]
      await stage.advance(70_000)
      expect([ada, ...others].map(namesOf)).toEqual([[], [], [], []])
    }))

  test('an invisible room is not found, finds others, and can be found later', () =>
    onStage(async stage => {
      const ghost = await stage.join('ghost', { ...BEACON, visible: false })
      const eve = await stage.join('eve', { ...BEACON, visible: false })
      await stage.advance(70_000)
      expect([...ghost.peers, ...eve.peers]).toEqual([])
      const ada = await stage.join('ada', BEACON)
      await stage.met([ada, ghost], 1_000)
      await stage.met([ada, eve], 1_000)
      expect(namesOf(ghost)).toEqual(['ada'])
      ghost.visible = true
      await stage.met([ada, ghost, eve], 1_000)
    }))

  test('a name and an id are enough to connect', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { ...BEACON, maxPeers: 0 })
      await stage.join('bob', { ...BEACON, maxPeers: 0 })
      await stage.advance(1_000)
      const error = await failureOf(ada.connect('bob'))
      expect(error).toMatchObject({ code: 'refused', reason: 'full' })
      expect(error['attempts']).toMatchObject([{ via: 'beacon', code: 'refused' }])
    }))

  test('programs of one machine without a network meet', () =>
    onStage(async stage => {
      const lonely = stage.host('lonely', { lans: [] })
      const one = await stage.join('one', { ...BEACON, on: lonely.network })
      const two = await stage.join('two', { ...BEACON, on: lonely.launch() })
      await stage.met([one, two], 1_000)
      expect(peerOf(one, two).path.interface).toBe('lo')
    }))

  test('fifty rooms form one full mesh within 2 s', { timeout: 60_000 }, () =>
    onStage(async stage => {
      const rooms: Room[] = []
      for (let i = 0; i < 50; i++) rooms.push(await stage.join(`peer-${i}`, BEACON))
      await stage.met(rooms, 2_000)
    }),
  )

  test('an interface that appears brings peers, and a cable that was pulled brings them back', () =>
    onStage(async stage => {
      stage.net.lan('garden')
      const ada = await stage.join('ada', BEACON)
      const eve = await stage.join('eve', { ...BEACON, on: stage.host('eve', { lans: ['garden'] }).network })
      await stage.advance(60_000)
      stage.host('ada').attach(stage.net.lan('garden'), { name: 'eth1' })
      expect(await stage.met([ada, eve])).toBeLessThan(5_000)
      stage.host('ada').interface('eth1').down()
      await stage.until(() => ada.peers.length === 0, 90_000)
      await stage.advance(600_000)
      stage.host('ada').interface('eth1').up()
      expect(await stage.met([ada, eve])).toBeLessThan(5_000)
    }))

  test('a host that slept is met again within 10 s', () =>
    onStage(async stage => {
      const [ada, bob] = [await stage.join('ada', BEACON), await stage.join('bob', BEACON)]
      await stage.met([ada, bob])
      stage.host('bob').sleep()
      await stage.advance(1_800_000)
      expect(ada.peers).toEqual([])
      stage.host('bob').wake()
      await stage.until(() => bob.peers.length === 0 || ada.peers.length === 1, 20_000)
      expect(await stage.met([ada, bob])).toBeLessThan(10_000)
    }))

  test('a program that was killed and starts anew as the same peer is met at its new address', () =>
    onStage(async stage => {
      const identity = Identity.generate()
      const ada = await stage.join('ada', BEACON)
      const before = await stage.join('bob', { ...BEACON, identity })
      await stage.met([ada, before])
      stage.host('bob').kill()
      stage.host('bob').start()
      const after = await stage.join('bob', { ...BEACON, identity })
      await stage.met([ada, after], 2_000)
      const heard = heardBy(after)
      await ada.send('again', { receipt: true })
      expect(heard).toEqual(['again'])
    }))
})

describe('packets that anybody can send', () => {
  /** Sends to all, as whom it likes. */
  async function forger(stage: Stage) {
    const { network } = stage.host('mallory').network
    const socket = await network.openUdp(
      { address: '0.0.0.0', port: 0, sharePort: false, broadcast: true },
      { onDatagram() {}, onError() {} },
    )
    return (...packets: Parameters<typeof encodeBeacon>[0][]) => {
      const everybody = { address: '192.168.1.255', port: BEACON_PORT }
      for (const packet of packets) socket.send(encodeBeacon(packet), everybody)
    }
  }

  test('with the id of somebody else lead to nobody', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', BEACON)
      const mallory = await stage.join('mallory', { discovery: [], listen: { port: 6_666 } })
      const send = await forger(stage)
      const victim = Identity.generate().id
      send({ kind: 'here', service: 'chat', id: victim, port: 6_666, name: 'victim', info: '' })
      const error = await failureOf(ada.connect(victim))
      expect(error).toMatchObject({ code: 'untrusted-peer' })
      expect(error.message).toContain(mallory.self.id)
      await stage.advance(10_000)
      expect(ada.peers).toEqual([])
    }))

  test('with the id of a peer and a false address do not keep a newcomer from that peer', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', BEACON)
      const send = await forger(stage)
      const forgery = { kind: 'here', service: 'chat', id: ada.self.id, port: 6_666, name: 'ada', info: '' } as const
      for (let i = 0; i < 50; i++) {
        send({ ...forgery, info: `${i}` })
        await stage.advance(20)
      }
      const eve = await stage.join('eve', BEACON)
      send(forgery)
      expect(await stage.met([ada, eve])).toBeLessThan(1_500)
    }))

  test('that say goodbye for others part nobody, nor hide them from newcomers', () =>
    onStage(async stage => {
      const [ada, bob] = [await stage.join('ada', BEACON), await stage.join('bob', { ...BEACON, maxPeers: 1 })]
      await stage.met([ada, bob])
      const eve = await stage.join('eve', { ...BEACON, maxPeers: 0 })
      const lost: string[] = []
      eve.on('lost', ({ name }) => lost.push(name))
      const logs = [ada, bob].map(logOf)
      const send = await forger(stage)
      for (const room of [ada, bob]) {
        const port = Number(room.addresses[0]!.split(':').at(-1))
        for (let i = 0; i < 10; i++) send({ kind: 'bye', service: 'chat', id: room.self.id, port })
      }
      await stage.advance(20_000)
      expect(lost).toEqual([])
      expect(logs.map(log => log.filter(line => line.startsWith('gone')))).toEqual([[], []])
    }))
})

describe('beside multicast DNS', () => {
  test('who is found both ways is found once and lost once, and met once', () =>
    onStage(async stage => {
      const full = await stage.join('full', { maxPeers: 0 })
      const told: string[] = []
      full.on('found', ({ name }) => told.push(`found ${name}`))
      full.on('lost', ({ name }) => told.push(`lost ${name}`))
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      const log = logOf(ada!)
      await stage.met([ada!, bob!])
      await stage.advance(300_000)
      // The room that takes nobody.
      expect(log.splice(1)).toEqual([expect.stringMatching(/^warning refused: no connection to 'full' at .*: full$/)])
      expect(told.sort()).toEqual(['found ada', 'found bob'])
      expect(log).toEqual(['peer bob'])
      await bob!.close()
      await stage.advance(5_000)
      expect(told.sort()).toEqual(['found ada', 'found bob', 'lost bob'])
      expect(log).toEqual(['peer bob', 'state bob here gone', 'gone bob closed'])
    }))

  test('where multicast is blocked and broadcast is not, rooms meet without being told anything', () =>
    onStage(
      async stage => {
        const rooms = await stage.joinAll('ada', 'bob', 'eve')
        expect(await stage.met(rooms)).toBeLessThan(500)
      },
      { lan: { multicast: false } },
    ))

  test('where another program keeps port 5353 for itself, rooms meet, with a warning', () =>
    onStage(async stage => {
      const { network } = stage.host('ada').launch()
      const options = { address: '0.0.0.0', port: 5_353, sharePort: false }
      const other = await network.openUdp(options, { onDatagram() {}, onError() {} })
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      const warnings: string[] = []
      ada!.on('warning', ({ code }) => warnings.push(code))
      expect(await stage.met([ada!, bob!])).toBeLessThan(500)
      expect(warnings).toContain('address-in-use')
      other.close()
    }))

  test('rooms that use one way each meet those that use both', () =>
    onStage(async stage => {
      const both = await stage.join('both')
      const mdns = await stage.join('mdns', { discovery: ['mdns'] })
      const beacon = await stage.join('beacon', { discovery: ['beacon', 'beacon'] })
      await stage.met([both, mdns], 2_000)
      await stage.met([both, beacon], 2_000)
      expect([namesOf(mdns), namesOf(beacon)]).toEqual([['both'], ['both']])
    }))

  test('a room with one way opens no sockets for the other', () =>
    onStage(async stage => {
      const portsOf = (name: string) =>
        stage
          .host(name)
          .open()
          .filter(({ kind }) => kind === 'udp socket')
          .map(({ detail }) => /:(5353|24327)\b/.exec(detail)?.[1])
          .filter(port => port !== undefined)
      await stage.join('ada', { discovery: ['mdns'] })
      await stage.join('bob', BEACON)
      await stage.join('eve', { discovery: [], listen: { port: 4_112 } })
      expect(new Set(portsOf('ada'))).toEqual(new Set(['5353']))
      expect(new Set(portsOf('bob'))).toEqual(new Set(['24327']))
      const ofEve = stage.host('eve').open()
      // Where it takes datagrams of its peers, beside its TCP port.
      expect(ofEve.filter(({ kind }) => kind === 'udp socket').map(({ detail }) => detail)).toEqual([
        '0.0.0.0:4112',
        '[::]:4112',
      ])
    }))
})

describe('discover', () => {
  test('sees rooms by the beacon, their changes, and their end', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { ...BEACON, info: 1 })
      const looker = lookAround(stage, 'chat', { discovery: ['beacon'] })
      await stage.advance(100)
      ada.setInfo(2)
      await stage.advance(300)
      await ada.close()
      await stage.advance(100)
      const told = looker.seen.map(({ kind, name, info, via }) => ({ kind, name, info, via }))
      expect(told[0]).toEqual({ kind: 'found', name: 'ada', info: 1, via: 'beacon' })
      expect(told).toContainEqual({ kind: 'updated', name: 'ada', info: 2, via: 'beacon' })
      expect(told.at(-1)).toEqual({ kind: 'lost', name: 'ada', info: 2, via: 'beacon' })
      expect(told.filter(({ kind }) => kind !== 'updated')).toHaveLength(2)
      await looker.end()
    }))

  test('sees each peer once in both ways, of every service, and says by which', () =>
    onStage(async stage => {
      await stage.join('ada')
      await stage.join('bob', { ...BEACON, service: 'game' })
      await stage.join('eve', { discovery: ['mdns'], service: 'draw' })
      const looker = lookAround(stage, undefined)
      await stage.advance(70_000)
      const found = looker.seen.filter(({ kind }) => kind === 'found')
      expect(found.map(({ service, name }) => `${service} ${name}`).sort()).toEqual([
        'chat ada',
        'draw eve',
        'game bob',
      ])
      expect(looker.seen.filter(({ kind }) => kind === 'lost')).toEqual([])
      const viaOf = (name: string) => found.find(peer => peer.name === name)!.via
      expect([viaOf('bob'), viaOf('eve')]).toEqual(['beacon', 'mdns'])
      await looker.end()
    }))

  test('refuses ways it does not know', () =>
    onStage(async stage => {
      const { network } = stage.host('ada')
      const bad = { network, discovery: ['smoke' as 'beacon'] }
      expect(await failureOf(discover('chat', bad).next())).toMatchObject({
        name: 'RangeError',
        message: "discovery knows 'mdns', 'beacon', not 'smoke'",
      })
    }))
})
