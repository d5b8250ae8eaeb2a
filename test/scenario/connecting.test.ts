import { describe, expect, test } from 'vitest'
import { Identity } from '../../src/index.ts'
import { failureOf, logOf, namesOf, onStage, peerOf } from './stage.ts'

describe('connect', () => {
  test.each([
    ['an address', (room: { addresses: string[] }) => room.addresses[0]!],
    [
      'an IPv6 address with its zone',
      (room: { addresses: string[] }) => room.addresses.find(a => a.includes('%eth0'))!,
    ],
    ['a host name', (room: { addresses: string[] }) => `ada.local:${room.addresses[0]!.split(':').at(-1)}`],
  ])('takes %s', (_, addressOf) =>
    onStage(async stage => {
      const ada = await stage.join('ada', { discovery: [] })
      const bob = await stage.join('bob', { discovery: [] })
      await stage.advance(2_000)
      expect(bob.peers).toEqual([])
      const peer = await bob.connect(addressOf(ada))
      expect(peer.id).toBe(ada.self.id)
      expect(bob.peers).toEqual([peer])
      await stage.met([ada, bob])
      expect(await bob.connect(addressOf(ada))).toBe(peer)
      await stage.advance(5_000)
      expect(bob.peers).toEqual([peer])
    }),
  )

  test('takes an id, a short id or a name, of one who is seen or will be', () =>
    onStage(async stage => {
      const identity = Identity.generate()
      const ada = await stage.join('ada', { maxPeers: 0 })
      await stage.advance(2_000)
      const bob = await stage.join('bob', { admit: caller => caller.deny('not by itself') })
      const seen = ada.connect('bob').catch(error => error.reason)
      expect(await seen).toBe('full')
      const waiting = bob.connect(identity.id, { timeoutMs: 10_000 })
      await stage.advance(3_000)
      const eve = await stage.join('eve', { identity })
      expect((await waiting).name).toBe('eve')
      expect(await bob.connect('eve')).toBe(peerOf(bob, eve))
      expect(await bob.connect(eve.self.id.slice(0, 8))).toBe(peerOf(bob, eve))
    }))

  test('fails where nobody of that name is seen in time', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      const startedAt = stage.net.now
      const error = await failureOf(ada.connect('nobody', { timeoutMs: 3_000 }))
      expect(error).toMatchObject({ code: 'unknown-peer', hint: expect.any(String) })
      expect(stage.net.now - startedAt).toBeCloseTo(3_000, -1)
    }))

  test('fails where several bear the name, and names them', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { maxPeers: 0 })
      await stage.join('bob', { on: stage.host('one').network, maxPeers: 0 })
      await stage.join('bob', { on: stage.host('two').network, maxPeers: 0 })
      await stage.advance(3_000)
      expect(await failureOf(ada.connect('bob'))).toMatchObject({
        code: 'unknown-peer',
        hint: 'Use the id of the one you mean.',
      })
    }))

  test('rejects at once what can only be meant as an address and is none, and what can be no name', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      const startedAt = stage.net.now
      for (const [target, fault] of [
        ['192.168.1.3', /'192.168.1.3': the port is missing/],
        ['192.168.1.3:99999', /must be 1 to 65535, not 99999/],
        [':4112', /host .* missing/],
        ['fe80::1', /brackets/],
        ['', /1 to 63 bytes/],
        ['x'.repeat(64), /1 to 63 bytes/],
      ] as const) {
        const error = await failureOf(ada.connect(target))
        expect(error).toBeInstanceOf(RangeError)
        expect(error.message).toMatch(fault)
      }
      expect(await failureOf(ada.connect(4112 as never))).toBeInstanceOf(TypeError)
      expect(stage.net.now).toBe(startedAt)
    }))

  test('takes a text for the name of somebody who is there, whatever it looks like, but an address never', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      const bob = await stage.join('192.168.1.9:99999', { visible: true, on: stage.host('bob').network })
      const eve = await stage.join('192.168.1.9:4112', { on: stage.host('eve').network })
      await stage.met([ada, bob, eve])
      expect((await ada.connect('192.168.1.9:99999')).id).toBe(bob.self.id)
      const error = await failureOf(ada.connect('192.168.1.9:4112', { timeoutMs: 1_000 }))
      expect(error).toMatchObject({ attempts: [{ address: '192.168.1.9:4112' }] })
    }))

  test('finds by its name a peer that comes by another way than being seen', () =>
    onStage(async stage => {
      await stage.join('bob', { discovery: [], listen: { port: 4112 } })
      const ada = await stage.join('ada', { discovery: [], peers: ['192.168.1.2:4112'] })
      expect((await ada.connect('bob')).name).toBe('bob')
      const startedAt = stage.net.now
      const eve = await stage.join('eve', { discovery: [] })
      const connecting = ada.connect('eve')
      await stage.advance(1_000)
      await eve.connect(ada.addresses[0]!)
      expect((await connecting).id).toBe(eve.self.id)
      expect(stage.net.now - startedAt).toBeLessThan(1_200)
    }))

  test('tells of each address what was tried, how long, and why it failed', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { discovery: [] })
      stage.host('silent').stop()
      stage.host('nobody')

      const refused = await failureOf(ada.connect('192.168.1.4:4112'))
      expect(refused).toMatchObject({ code: 'unreachable', hint: expect.stringMatching(/nobody listens on that port/) })
      expect(refused.message).toMatch(/cannot connect to 192\.168\.1\.4:4112: ECONNREFUSED/)
      expect(refused['attempts']).toEqual([
        {
          address: '192.168.1.4:4112',
          via: 'argument',
          durationMs: expect.any(Number),
          code: 'unreachable',
          reason: 'nobody-listens',
          message: expect.stringMatching(/refused|ECONNREFUSED|192\.168/),
        },
      ])

      const startedAt = stage.net.now
      const silent = await failureOf(ada.connect('192.168.1.3:4112', { timeoutMs: 4_000 }))
      expect(stage.net.now - startedAt).toBeCloseTo(4_000, -1)
      expect(silent).toMatchObject({ code: 'timeout', hint: expect.stringMatching(/firewall/) })
      expect(silent['attempts']).toEqual([expect.objectContaining({ address: '192.168.1.3:4112', code: 'timeout' })])

      const elsewhere = await failureOf(ada.connect('10.9.8.7:4112'))
      expect(elsewhere).toMatchObject({ code: 'unreachable', attempts: [{ address: '10.9.8.7:4112' }] })
      expect(elsewhere['hint']).not.toContain(elsewhere.message)

      const nameless = await failureOf(ada.connect('no-such-host:4112'))
      expect(nameless).toMatchObject({
        code: 'unreachable',
        attempts: [{ address: 'no-such-host:4112', via: 'argument', code: 'unreachable' }],
      })
    }))

  test('tries the addresses of a host one after the other, and takes the first that works', () =>
    onStage(async stage => {
      const host = stage.host('bob')
      const ada = await stage.join('ada', { discovery: [] })
      // Heard on IPv6 only; its IPv4 address swallows packets.
      const bob = await stage.join('bob', { discovery: [], listen: { host: host.addresses[1]! } })
      const startedAt = stage.net.now
      const peer = await ada.connect(`bob.local:${bob.addresses[0]!.split(':').at(-1)}`)
      expect(peer.path.remote).toMatch(/^\[fe80/)
      expect(stage.net.now - startedAt).toBeLessThan(400)
    }))

  test('ends with its signal, whatever it is waiting for', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { discovery: [] })
      stage.host('silent').stop()
      for (const target of ['192.168.1.3:4112', 'somebody']) {
        const stop = new AbortController()
        const connecting = failureOf(ada.connect(target, { signal: stop.signal }))
        await stage.advance(500)
        stop.abort(new Error('changed my mind'))
        expect(await connecting).toMatchObject({ message: 'changed my mind' })
        expect(await failureOf(ada.connect(target, { signal: stop.signal }))).toMatchObject({
          message: 'changed my mind',
        })
      }
      const ofRoom = ['tcp listener', 'udp socket', 'interface watcher']
      expect(
        stage
          .host('ada')
          .open()
          .filter(({ kind }) => !ofRoom.includes(kind)),
      ).toEqual([])
    }))

  test('a name never passes for an id', () =>
    onStage(async stage => {
      const [ada, bob] = await stage.joinAll('ada', 'bob')
      await stage.met([ada!, bob!])
      const peer = peerOf(ada!, bob!)
      await bob!.close()
      await stage.advance(2_000)
      const mallory = await stage.join(bob!.self.id, { on: stage.host('mallory').network })
      await stage.met([ada!, mallory])
      expect(ada!.peer(bob!.self.id)).toBeUndefined()
      expect(await failureOf(ada!.send('for bob', { to: peer }))).toMatchObject({ code: 'closed' })
      expect(await failureOf(ada!.send('for bob', { to: bob!.self.id }))).toMatchObject({ code: 'unknown-peer' })
      expect(await failureOf(ada!.connect(bob!.self.id, { timeoutMs: 500 }))).toMatchObject({ code: 'unknown-peer' })
      expect(ada!.peer(mallory.self.id.slice(0, 8))?.id).toBe(mallory.self.id)
    }))

  test('ends with the room', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      stage.host('silent').stop()
      const connecting = [failureOf(ada.connect('192.168.1.3:4112')), failureOf(ada.connect('somebody'))]
      await stage.advance(500)
      await ada.close()
      expect((await Promise.all(connecting)).map(({ code }) => code)).toEqual(['closed', 'closed'])
      expect(stage.host('ada').open()).toEqual([])
    }))

  test('to somebody who is connected already gives that peer, however many ask at once', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { discovery: [] })
      const bob = await stage.join('bob', { discovery: [] })
      const log = logOf(bob)
      const address = ada.addresses[0]!
      const peers = await Promise.all([bob.connect(address), bob.connect(address), bob.connect(address)])
      const again = await Promise.all([bob.connect(address), bob.connect(ada.self.id), bob.connect('ada')])
      expect(new Set([...peers, ...again]).size).toBe(1)
      await stage.advance(10_000)
      expect(log).toEqual(['peer ada'])
    }))

  test('to itself is refused', () =>
    onStage(async stage => {
      const ada = await stage.join('ada')
      expect(await failureOf(ada.connect(ada.addresses[0]!))).toMatchObject({ code: 'refused', reason: 'self' })
      await stage.advance(1_000)
      expect(ada.peers).toEqual([])
    }))

  test('to an address where another peer lives now than the one who was seen says so', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { maxPeers: 0 })
      const bob = await stage.join('bob', { listen: { port: 4112 } })
      await stage.advance(2_000)
      stage.host('bob').stop()
      stage.host('bob').start()
      const other = await stage.join('other', { on: stage.host('bob').network, visible: false, listen: { port: 4112 } })
      const error = await failureOf(ada.connect(bob.self.id))
      expect(error).toMatchObject({ code: 'untrusted-peer' })
      expect(error['attempts']).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ code: 'untrusted-peer', via: expect.stringMatching(/^(mdns|beacon)$/) }),
        ]),
      )
      expect(error.message).toContain(other.self.id)
    }))
})

describe('known addresses', () => {
  test('are enough where multicast and broadcast are blocked', () =>
    onStage(
      async stage => {
        const ada = await stage.join('ada', { listen: { port: 4112 } })
        const bob = await stage.join('bob')
        await stage.advance(10_000)
        expect(bob.peers).toEqual([])
        const eve = await stage.join('eve', { peers: ['192.168.1.2:4112'] })
        await stage.met([ada, eve], 1_000)
        expect(namesOf(ada)).toEqual(['eve'])
      },
      { lan: { multicast: false, broadcast: false } },
    ))

  test('are tried until somebody is there, and again after that peer has gone', () =>
    onStage(async stage => {
      const bob = await stage.join('bob', { discovery: [], peers: ['192.168.1.3:4112'] })
      const host = stage.host('ada')
      await stage.advance(20_000)
      const first = await stage.join('ada', { discovery: [], listen: { port: 4112 } })
      expect(await stage.met([first, bob], 40_000)).toBeLessThan(40_000)
      await first.close()
      await stage.advance(5_000)
      expect(bob.peers).toEqual([])
      const second = await stage.join('ada', { on: host.network, discovery: [], listen: { port: 4112 } })
      await stage.met([second, bob], 20_000)
    }))

  test('of many dead machines do not keep living ones waiting', () =>
    onStage(async stage => {
      const dead = Array.from({ length: 100 }, (_, i) => `192.168.1.${i + 100}:4112`)
      const ada = await stage.join('ada', { discovery: [], listen: { port: 4112 } })
      await stage.advance(1_000)
      const bob = await stage.join('bob', { peers: [...dead, '192.168.1.2:4112'] })
      await stage.met([ada, bob], 25_000)
    }))

  test('that are our own do no harm', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { listen: { port: 4112 }, peers: ['192.168.1.2:4112', '127.0.0.1:4112'] })
      const warnings: unknown[] = []
      ada.on('warning', warning => warnings.push(warning))
      const bob = await stage.join('bob')
      await stage.met([ada, bob])
      await stage.advance(120_000)
      expect([namesOf(ada), warnings]).toEqual([['bob'], []])
    }))

  test('that lead to a peer who is found by mDNS, too, make no second one', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { listen: { port: 4112 } })
      const bob = await stage.join('bob', { peers: ['192.168.1.2:4112', '[fe80::1:0:1:2%eth0]:4112'] })
      const log = logOf(ada)
      await stage.met([ada, bob])
      await stage.advance(60_000)
      expect(log).toEqual(['peer bob'])
    }))
})
