import { describe, expect, test } from 'vitest'
import { discover, Identity, join } from '../../src/index.ts'
import { simulate } from '../../src/testing/index.ts'
import { failureOf, heardBy, logOf, namesOf, onStage, peerOf } from './stage.ts'

describe('two rooms of one service', () => {
  test('meet without being told of each other, and talk', () =>
    onStage(async stage => {
      const [ada, bob] = [await stage.join('ada'), await stage.join('bob')]
      const [heardByAda, heardByBob] = [heardBy(ada), heardBy(bob)]
      await stage.met([ada, bob])
      await ada.send('hello')
      await bob.send({ and: ['hello', 2, 'you'] })
      await stage.advance(5)
      expect(heardByBob).toEqual(['hello'])
      expect(heardByAda).toEqual([{ and: ['hello', 2, 'you'] }])
    }))

  test('a newcomer has met and heard the one who was there within 150 ms', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      await stage.advance(60_000)
      ada.on('peer', peer => void peer.send('welcome'))
      const startedAt = stage.net.now
      const bob = await stage.join('bob')
      const { data, from } = await bob.once('message')
      expect({ data, from: from.name }).toEqual({ data: 'welcome', from: 'ada' })
      expect(stage.net.now - startedAt).toBeLessThan(150)
    }))

  test('know each other by id, name, info and hello, and how they are connected', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { info: { team: 'red' }, hello: { level: [1, null] } })
      const bob = await stage.join('bob')
      await stage.met([ada, bob])
      const peer = peerOf(bob, ada)
      expect(peer).toMatchObject({ id: ada.self.id, name: 'ada', info: { team: 'red' }, state: 'here' })
      expect(peer.hello).toEqual({ level: [1, null] })
      expect(peerOf(ada, bob).info).toBeUndefined()
      expect(peerOf(ada, bob).hello).toBeUndefined()
      expect(peer.path).toMatchObject({ kind: 'lan', transport: 'tcp', interface: 'eth0' })
      expect(peer.path.local).toMatch(/^192\.168\.1\.3:\d+$/)
      expect(peer.path.remote).toMatch(/^192\.168\.1\.2:\d+$/)
      await stage.advance(1_100)
      expect(peer.path.rttMs).toBeGreaterThan(0)
      expect(await peer.ping()).toBeGreaterThan(0)
      expect(peer.stats()).toMatchObject({ queuedBytes: 0, connectedMs: expect.any(Number) })
      expect(JSON.parse(JSON.stringify(peer))).toEqual({ id: ada.self.id, name: 'ada', state: 'here' })
    }))

  test('are found by id, short id and name, unless two bear the name', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      const other = await stage.join('bob', { on: stage.host('other').network })
      await stage.met([ada!, bob!, other])
      const peer = peerOf(ada!, bob!)
      expect(ada!.peer(bob!.self.id)).toBe(peer)
      expect(ada!.peer(bob!.self.id.slice(0, 8))).toBe(peer)
      expect(bob!.peer('ada')).toBe(peerOf(bob!, ada!))
      expect(ada!.peer('bob')).toBeUndefined()
      expect(ada!.peer('nobody')).toBeUndefined()
    }))

  test('without a name are called like their hosts', () =>
    onStage(async stage => {
      const ada = await join('chat', { network: stage.host('ada').network })
      expect(ada.self.name).toBe('ada')
      await ada.close()
    }))
})

describe('info', () => {
  test('that changes is seen by those connected, and by those who only look', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { info: { score: 1 } })
      const bob = await stage.join('bob')
      await stage.met([ada, bob])
      const seen: unknown[] = []
      const stop = new AbortController()
      const looking = (async () => {
        for await (const { name, info } of discover('chat', {
          network: stage.host('eve').network,
          signal: stop.signal,
        })) {
          if (name === 'ada') seen.push(info)
        }
      })()
      await stage.advance(2_000)
      ada.setInfo({ score: 2 })
      await stage.advance(2_000)
      expect(peerOf(bob, ada).info).toEqual({ score: 2 })
      expect(seen.at(0)).toEqual({ score: 1 })
      expect(seen.at(-1)).toEqual({ score: 2 })
      ada.setInfo(undefined)
      await stage.advance(2_000)
      expect(peerOf(bob, ada).info).toBeUndefined()
      expect(() => ada.setInfo('x'.repeat(400))).toThrow(RangeError)
      stop.abort()
      await looking
    }))

  test('that has changed before somebody joins is what the newcomer sees', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { info: 1 })
      ada.setInfo(2)
      const bob = await stage.join('bob')
      await stage.met([ada, bob])
      expect(peerOf(bob, ada).info).toBe(2)
    }))
})

describe('a room', () => {
  test('does not see other services, however alike', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      const others = [
        await stage.join('bob', { service: 'chat2' }),
        await stage.join('eve', { service: 'cha' }),
        await stage.join('mia', { service: 'chess' }),
      ]
      await stage.advance(10_000)
      expect(ada.peers).toEqual([])
      for (const other of others) expect(other.peers).toEqual([])
      const error = await failureOf(ada.connect(others[0]!.addresses[0]!))
      expect(error).toMatchObject({ code: 'wrong-service' })
    }))

  test('may be one of two in the same process, which meet', () =>
    onStage(async stage => {
      const host = stage.host('ada')
      const [one, two] = [await stage.join('one', { on: host.network }), await stage.join('two', { on: host.network })]
      await stage.met([one, two])
      const game = await stage.join('three', { on: host.network, service: 'game' })
      await stage.advance(5_000)
      expect(namesOf(one)).toEqual(['two'])
      expect(game.peers).toEqual([])
    }))

  test('meets the programs of its own machine where there is only loopback', () =>
    onStage(async stage => {
      const lonely = stage.host('lonely', { lans: [] })
      const one = await stage.join('one', { on: lonely.network })
      const two = await stage.join('two', { on: lonely.launch() })
      await stage.met([one, two])
      expect(peerOf(one, two).path.interface).toBe('lo')
    }))

  test('does not use docker bridges and tunnels by itself', () =>
    onStage(async stage => {
      stage.net.lan('bridge')
      stage.net.lan('office')
      const lans = ['home', { lan: 'bridge', kind: 'virtual' }, { lan: 'office', kind: 'tunnel' }] as const
      const ada = await stage.join('ada', { on: stage.host('ada', { lans }).network })
      const inBridge = await stage.join('box', { on: stage.host('box', { lans: ['bridge'] }).network })
      const inOffice = await stage.join('boss', { on: stage.host('boss', { lans: ['office'] }).network })
      await stage.advance(5_000)
      expect([...ada.peers, ...inBridge.peers, ...inOffice.peers]).toEqual([])
      expect(ada.addresses.every(address => /^192\.168\.1\.|^\[fe80::.*%eth0\]/.test(address))).toBe(true)
    }))

  test('uses the interfaces it is told to, and no others, for finding and for being called', () =>
    onStage(async stage => {
      stage.net.lan('garden')
      const two = { lans: ['home', 'garden'] }
      const ada = await stage.join('ada', { on: stage.host('ada', two).network, interfaces: { include: ['eth1'] } })
      const atHome = await stage.join('bob')
      const inGarden = await stage.join('eve', { on: stage.host('eve', { lans: ['garden'] }).network })
      await stage.met([ada, inGarden])
      await stage.advance(5_000)
      expect(namesOf(ada)).toEqual(['eve'])
      const port = ada.addresses[0]!.split(':').at(-1)
      const error = await failureOf(atHome.connect(`192.168.1.2:${port}`))
      expect(error).toMatchObject({ attempts: [{ address: `192.168.1.2:${port}` }] })
      expect(ada.addresses.every(address => /^192\.168\.2\.|^\[fe80::.*%eth1\]/.test(address))).toBe(true)
    }))

  test('that leaves an interface out is called on all the others, loopback too', () =>
    onStage(async stage => {
      const host = stage.host('ada')
      const ada = await stage.join('ada', { on: host.network, discovery: [], interfaces: { exclude: ['docker*'] } })
      const bob = await stage.join('bob', { on: host.launch(), discovery: [] })
      const port = ada.addresses[0]!.split(':').at(-1)
      expect((await bob.connect(`127.0.0.1:${port}`)).name).toBe('ada')
    }))

  test('with two ways to a peer has that peer once', () =>
    onStage(async stage => {
      stage.net.lan('garden')
      const two = { lans: ['home', 'garden'] }
      const ada = await stage.join('ada', { on: stage.host('ada', two).network })
      const bob = await stage.join('bob', { on: stage.host('bob', two).network })
      const log = logOf(ada)
      await stage.met([ada, bob])
      await stage.advance(30_000)
      expect(log).toEqual(['peer bob'])
      // A path on each, with two ends.
      expect(stage.net.open().filter(({ kind }) => kind === 'tcp connection')).toHaveLength(4)
    }))
})

describe('visibility', () => {
  test('an invisible room is not found, and finds and joins others all the same', () =>
    onStage(async stage => {
      const ghost = await stage.join('ghost', { visible: false })
      const eve = await stage.join('eve', { visible: false })
      await stage.advance(5_000)
      expect([...ghost.peers, ...eve.peers]).toEqual([])
      const ada = await stage.join('ada')
      await stage.met([ada, ghost])
      await stage.met([ada, eve])
      await stage.advance(10_000)
      expect(namesOf(ada)).toEqual(['eve', 'ghost'])
      expect(namesOf(ghost)).toEqual(['ada'])
    }))

  test('can be changed: who disappears keeps its peers, who appears is found', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const log = logOf(bob!)
      ada!.visible = false
      expect(ada!.visible).toBe(false)
      await stage.advance(2_000)
      const seen: string[] = []
      const stop = new AbortController()
      const looking = (async () => {
        const network = stage.host('eve').network
        for await (const { kind, name } of discover('chat', { network, signal: stop.signal }))
          seen.push(`${kind} ${name}`)
      })()
      await stage.advance(5_000)
      expect(seen.filter(line => line.endsWith('ada'))).toEqual([])
      ada!.visible = true
      await stage.advance(2_000)
      expect(seen).toContain('found ada')
      expect(log).toEqual(['peer ada'])
      stop.abort()
      await looking
    }))
})

describe('discover', () => {
  test('tells who comes, changes and goes, without joining', () =>
    onStage(async stage => {
      const stop = new AbortController()
      const seen: string[] = []
      const looking = (async () => {
        for await (const { kind, service, name, addresses } of discover(undefined, {
          network: stage.host('eve').network,
          signal: stop.signal,
        })) {
          seen.push(`${kind} ${service} ${name}`)
          expect(addresses[0]).toMatch(/^192\.168\.1\.\d+:\d+$/)
        }
      })()
      const ada = await stage.join('ada')
      const bob = await stage.join('bob', { service: 'game' })
      await stage.advance(3_000)
      expect(seen.filter(line => line.startsWith('found')).sort()).toEqual(['found chat ada', 'found game bob'])
      seen.length = 0
      ada.setInfo('new')
      await stage.advance(2_000)
      expect(seen).toContain('updated chat ada')
      await bob.close()
      await stage.advance(2_000)
      expect(seen).toContain('lost game bob')
      expect(ada.peers).toEqual([])
      stop.abort()
      await looking
    }))

  test('ends with its loop, and leaves nothing open', () =>
    onStage(async stage => {
      const eve = stage.host('eve')
      await stage.join('ada')
      for await (const { name } of discover('chat', { network: eve.network })) {
        expect(name).toBe('ada')
        break
      }
      await stage.advance(100)
      expect(eve.open()).toEqual([])
      const aborted = discover('chat', { network: eve.network, signal: AbortSignal.abort() })
      expect(await aborted.next()).toEqual({ done: true, value: undefined })
    }))

  test('waits for an interface where there is none yet', () =>
    onStage(async stage => {
      const eve = stage.host('eve')
      eve.interface('eth0').down()
      eve.interface('lo').down()
      await stage.join('ada')
      const warnings: string[] = []
      const seen = discover('chat', { network: eve.network, onWarning: ({ code }) => warnings.push(code) })
      const first = seen.next()
      await stage.advance(3_000)
      eve.interface('eth0').up()
      const { value } = await first
      expect(value).toMatchObject({ kind: 'found', name: 'ada' })
      expect(warnings).toEqual(['no-network'])
      await seen.return()
    }))
})

describe('the room events found and lost', () => {
  test('tell of those who are seen and not connected', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { maxPeers: 0 })
      const seen: string[] = []
      ada.on('found', ({ name, addresses, via }) => seen.push(`found ${name} ${via} ${addresses.length > 0}`))
      ada.on('lost', ({ name }) => seen.push(`lost ${name}`))
      const bob = await stage.join('bob')
      await stage.advance(1_000)
      expect(seen).toEqual([expect.stringMatching(/^found bob (mdns|beacon) true$/)])
      await bob.close()
      await stage.advance(2_000)
      expect(seen).toEqual([expect.stringMatching(/^found bob (mdns|beacon) true$/), 'lost bob'])
    }))
})

test('`await using` leaves the room at the end of the block', async () => {
  const net = simulate()
  const bobs = net.host('bob').network
  const log = await net.run(async () => {
    await using bob = await join('chat', { network: bobs })
    const log = logOf(bob)
    {
      await using ada = await join('chat', { network: net.host('ada').network, identity: Identity.generate() })
      await ada.once('peer')
      await bob.once('peer')
    }
    return log
  })
  expect(log).toEqual(['peer ada', 'state ada here gone', 'gone ada closed'])
  await net.advance(1_000)
  expect(net.open()).toEqual([])
})
