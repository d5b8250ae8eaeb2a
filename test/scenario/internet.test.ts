/** Rooms across the Internet, in virtual time: through NATs, over relays, with a broker that nobody trusts. */

import { describe, expect, test, vi } from 'vitest'
import { generateIdentity } from '../../src/identity/identity.ts'
import type { ConnectAttempt, EarshotError } from '../../src/index.ts'
import { InternetStage } from './internet-stage.ts'
import { failureOf, heardBy, logOf, peerOf } from './stage.ts'

const MAPPING = 'address-and-port-dependent'

describe('two rooms behind NATs', () => {
  test('find each other over the rendezvous and connect directly', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const [ada, bob] = [
        await stage.join(stage.behind('ada', 'port-restricted')),
        await stage.join(stage.behind('bob', 'port-restricted')),
      ]
      const ms = await stage.met([ada, bob])
      expect(ms).toBeLessThan(1_000)
      const heard = heardBy(bob)
      await peerOf(ada, bob).send('hello')
      await stage.until(() => heard.length > 0)
      expect(heard).toEqual(['hello'])
      expect(peerOf(ada, bob).path).toMatchObject({ kind: 'direct', transport: 'udp', relay: undefined })
    })
  })

  test('talk over a relay first, and lose nothing when the direct path stands', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      await stage.serveTurn()
      const [ada, bob] = [
        await stage.join(stage.behind('ada', 'port-restricted')),
        await stage.join(stage.behind('bob', 'symmetric')),
      ]
      const kinds: string[] = []
      ada.on('peer', peer => kinds.push(peer.path.kind))
      ada.on('path', ({ path }) => kinds.push(path.kind))
      await stage.met([ada, bob])
      const heard = heardBy(bob)
      const sent = Array.from({ length: 400 }, (_, i) => i)
      for (const i of sent) {
        void peerOf(ada, bob).send(i)
        await stage.net.advance(50)
      }
      await stage.until(() => heard.length >= sent.length)
      expect(heard).toEqual(sent)
      expect(kinds).toEqual(['relay', 'direct'])
    })
  })
})

describe('who knows whom', () => {
  test('in a room without a secret two peers find each other where each knows the id of the other', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const [a, b] = [stage.behind('ada', 'full-cone'), stage.behind('bob', 'symmetric')]
      const [ofAda, ofBob] = [generateIdentity(a.network.random), generateIdentity(b.network.random)]
      const open = { secret: undefined }
      const ada = await stage.join(a, { ...open, identity: ofAda, peers: [ofBob.id] })
      const bob = await stage.join(b, { ...open, identity: ofBob, peers: [ofAda.id] })
      await stage.met([ada, bob])
    })
  })

  test('one who knows the id is enough to connect, and nobody else is seen', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const open = { secret: undefined }
      const ada = await stage.join(stage.behind('ada', 'port-restricted'), open)
      const bob = await stage.join(stage.behind('bob', 'port-restricted'), open)
      const eve = await stage.join(stage.behind('eve', 'port-restricted'), open)
      await stage.net.advance(2_000)
      expect([ada, bob, eve].flatMap(({ peers }) => peers)).toEqual([])
      const peer = await ada.connect(bob.self.id)
      expect(peer).toMatchObject({ id: bob.self.id, state: 'here' })
      await stage.met([ada, bob])
      expect(eve.peers).toEqual([])
    })
  })

  test('those with another secret do not meet', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const ada = await stage.join(stage.behind('ada', 'full-cone'))
      const eve = await stage.join(stage.behind('eve', 'full-cone'), { secret: 'another' })
      await stage.net.advance(10_000)
      expect([ada, eve].flatMap(({ peers }) => peers)).toEqual([])
      const error = await failureOf(ada.connect(eve.self.id, { timeoutMs: 5_000 }))
      expect(error).toMatchObject({ code: 'timeout', message: expect.stringContaining('did not answer') })
    })
  })

  test('who is not admitted is told why', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const ada = await stage.join(stage.behind('ada', 'full-cone'))
      const bob = await stage.join(stage.behind('bob', 'full-cone'), {
        admit: caller => caller.deny('not-today', { retryAfterMs: 600_000 }),
      })
      const failures: EarshotError[] = []
      ada.on('warning', error => failures.push(error))
      await stage.until(() => failures.length > 0)
      expect(failures[0]).toMatchObject({ code: 'refused', reason: 'not-today' })
      expect(await failureOf(ada.connect(bob.self.id))).toMatchObject({ code: 'refused', reason: 'not-today' })
    })
  })
})

describe('a room of many', () => {
  test('ten peers behind ten NATs are all connected', { timeout: 60_000 }, async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      await stage.serveTurn()
      const kinds = ['full-cone', 'restricted', 'port-restricted', 'symmetric-seq', 'none'] as const
      const hosts = Array.from({ length: 10 }, (_, i) => stage.behind(`peer${i}`, kinds[i % kinds.length]!))
      const rooms = []
      for (const host of hosts) rooms.push(await stage.join(host))
      await stage.met(rooms, 60_000)
      await stage.net.advance(30_000)
      const paths = rooms.flatMap(room => room.peers.map(({ path }) => path.kind))
      expect(paths).toHaveLength(90)
      expect(new Set(paths)).toEqual(new Set(['direct']))
    })
  })

  test('two in one LAN are connected there', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const host = stage.behind('ada', 'port-restricted')
      const ada = await stage.join(host)
      const bob = await stage.join(stage.net.host('bob', { lans: ['ada-gw'] }))
      const far = await stage.join(stage.behind('far', 'port-restricted'))
      await stage.met([ada, bob, far])
      await stage.net.advance(5_000)
      expect([peerOf(ada, bob).path.kind, peerOf(bob, ada).path.kind]).toEqual(['lan', 'lan'])
      expect(peerOf(ada, far).path.kind).toBe('direct')
    })
  })
})

describe('what breaks', () => {
  test('sessions outlive the broker, and newcomers come when it is back', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const ada = await stage.join(stage.behind('ada', 'port-restricted'))
      const bob = await stage.join(stage.behind('bob', 'port-restricted'))
      await stage.met([ada, bob])
      const warnings: EarshotError[] = []
      ada.on('warning', error => warnings.push(error))
      stage.broker.stop()
      const cyd = await stage.join(stage.behind('cyd', 'port-restricted'))
      const heard = heardBy(bob)
      for (let i = 0; i < 60; i++) {
        await peerOf(ada, bob).send(i)
        await stage.net.advance(1_000)
      }
      expect(heard).toEqual(Array.from({ length: 60 }, (_, i) => i))
      expect(warnings.map(({ code }) => code)).toEqual(['lost'])
      expect(ada.rendezvous).toMatchObject([{ state: expect.not.stringMatching('up') }])
      expect(cyd.peers).toEqual([])
      stage.broker.start()
      await stage.met([ada, bob, cyd], 120_000)
      expect(ada.rendezvous).toMatchObject([{ state: 'up' }])
    })
  })

  test('a session over a relay that is killed is away, and comes back with it, nothing lost', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      await stage.serveTurn()
      const ada = await stage.join(stage.behind('ada', 'symmetric'))
      const bob = await stage.join(stage.behind('bob', 'symmetric'))
      await stage.met([ada, bob])
      const peer = peerOf(ada, bob)
      expect(peer.path).toMatchObject({
        kind: 'relay',
        transport: 'tcp',
        relay: expect.stringContaining('198.51.100.3'),
      })
      const [heard, log] = [heardBy(bob), logOf(ada)]
      await peer.send('before')
      await stage.until(() => heard.length === 1)
      stage.turnHost!.stop()
      await stage.until(() => peer.state === 'away', 40_000)
      void peer.send('meanwhile')
      await stage.net.advance(10_000)
      await stage.restartTurn()
      expect(await stage.until(() => heard.length === 2)).toBeLessThan(12_000)
      expect(heard).toEqual(['before', 'meanwhile'])
      expect(log.filter(line => line.startsWith('gone'))).toEqual([])
      expect(peerOf(ada, bob)).toBe(peer)
    })
  })

  test('a relay that dies while a direct path is still looked for is replaced by another', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      await stage.serveTurn()
      const ada = await stage.join(stage.behind('ada', 'symmetric'))
      const bob = await stage.join(stage.behind('bob', 'symmetric'))
      await stage.met([ada, bob])
      const [peer, log] = [peerOf(ada, bob), logOf(ada)]
      await stage.net.advance(1_000)
      stage.turnHost!.stop()
      await stage.restartTurn()
      await stage.until(() => peer.state === 'away' && peerOf(bob, ada).state === 'away', 40_000)
      expect(await stage.until(() => peer.state === 'here')).toBeLessThan(3_000)
      expect(log.filter(line => line.startsWith('gone'))).toEqual([])
    })
  })

  test('a peer that moves to another network keeps its session', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const host = stage.behind('ada', 'port-restricted')
      stage.net.nat('cafe', { kind: 'port-restricted' })
      const ada = await stage.join(host)
      const bob = await stage.join(stage.behind('bob', 'port-restricted'))
      await stage.met([ada, bob])
      const peer = peerOf(bob, ada)
      const heard = heardBy(ada)
      host.detach('eth0')
      void peer.send('on the way')
      await stage.net.advance(1_000)
      host.attach(stage.net.lan('cafe'))
      const ms = await stage.until(() => heard.length > 0, 60_000)
      expect(ms).toBeLessThan(10_000)
      expect(heard).toEqual(['on the way'])
      expect(peerOf(bob, ada)).toBe(peer)
    })
  })

  test('an interface that leads nowhere leaves brokers and searches alone', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const host = stage.behind('ada', 'port-restricted')
      const rendezvous = stage.broker.rendezvous(host.network)
      const reconnect = vi.spyOn(rendezvous, 'reconnect')
      const ada = await stage.join(host, { internet: { rendezvous: [rendezvous] } })
      const bob = await stage.join(stage.behind('bob', 'port-restricted'))
      await stage.met([ada, bob])
      host.attach(stage.net.lan('containers'), { name: 'veth0', addresses: ['fe80::1/64'] })
      await stage.net.advance(5_000)
      expect(reconnect).not.toHaveBeenCalled()
      expect(ada.connectivity(bob.self.id)!.elapsedMs).toBeGreaterThan(5_000)
      host.attach(stage.net.lan('cable'))
      await stage.net.advance(5_000)
      expect(reconnect).toHaveBeenCalledTimes(1)
      expect(peerOf(ada, bob).state).toBe('here')
    })
  })

  test('a NAT that is started anew breaks the path, not the session', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const ada = await stage.join(stage.behind('ada', 'port-restricted'))
      const bob = await stage.join(stage.behind('bob', 'port-restricted'))
      await stage.met([ada, bob])
      const [peer, heard] = [peerOf(ada, bob), heardBy(bob)]
      stage.nat('ada').restart({ newAddress: true })
      void peer.send('after')
      const ms = await stage.until(() => heard.length > 0, 60_000)
      expect(ms).toBeLessThan(15_000)
      expect(peerOf(ada, bob)).toBe(peer)
    })
  })

  test('a program that is killed and started anew is another session', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const host = stage.behind('ada', 'port-restricted')
      const identity = generateIdentity(host.network.random)
      const program = host.launch()
      await stage.join(host, { identity, on: program })
      const bob = await stage.join(stage.behind('bob', 'port-restricted'))
      await stage.until(() => bob.peers.length === 1)
      const log = logOf(bob)
      stage.kill(program)
      await stage.net.advance(2_000)
      const again = await stage.join(host, { identity, on: host.launch() })
      await stage.until(() => bob.peer(again.self.id)?.state === 'here' && again.peers.length === 1)
      expect(log.filter(line => !line.startsWith('state'))).toEqual([
        'peer ada',
        'gone ada restarted: the peer was restarted',
        'peer ada',
      ])
    })
  })
})

describe('what gets better', () => {
  test('a direct path is looked for again while a relay carries, and the relay goes on meanwhile', {
    timeout: 60_000,
  }, async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      await stage.serveTurn()
      const ada = await stage.join(stage.behind('ada', 'symmetric'))
      const bob = await stage.join(stage.behind('bob', 'symmetric'))
      await stage.met([ada, bob])
      const log = logOf(bob)
      await stage.net.advance(3_600_000)
      // An hour of attempts in vain.
      expect(peerOf(ada, bob).path.kind).toBe('relay')
      expect(log).toEqual(['peer ada'])
      stage.nat('bob').change({ mapping: 'endpoint-independent', filtering: 'endpoint-independent' })
      await stage.until(() => peerOf(ada, bob).path.kind === 'direct', 600_000)
      expect(log).toEqual(['peer ada'])
    })
  })
})

describe('what comes nearer', () => {
  test('peers that come into one LAN go on there', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const ada = await stage.join(stage.behind('ada', 'port-restricted'))
      const host = stage.behind('bob', 'port-restricted')
      const bob = await stage.join(host)
      await stage.met([ada, bob])
      const [peer, log] = [peerOf(ada, bob), logOf(ada)]
      expect(peer.path.kind).toBe('direct')
      host.attach(stage.net.lan('ada-gw'))
      await stage.until(() => peer.path.kind === 'lan' && peerOf(bob, ada).path.kind === 'lan')
      expect(log).toEqual(['peer bob'])
    })
  })
})

describe('why', () => {
  test('a peer that cannot be reached directly: every pair, both NATs, and what would help', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const only = { internet: { direct: 'only' } } as const
      const ada = await stage.join(stage.behind('ada', 'symmetric'), only)
      const bob = await stage.join(stage.behind('bob', 'symmetric'), only)
      const error = await failureOf(ada.connect(bob.self.id, { timeoutMs: 40_000 }))
      expect(error).toMatchObject({
        code: 'unreachable',
        message: expect.stringMatching(/here the NAT's mapping is .* \(ports: random\), there the NAT's mapping is/),
        hint: expect.stringMatching(/TURN.*NAT of this side.*NAT of the other side/),
      })
      const attempts = error['attempts'] as ConnectAttempt[]
      expect(attempts.map(({ via }) => via)).toEqual(expect.arrayContaining(['direct udp check', 'direct tcp connect']))
      expect(attempts.every(({ durationMs, message }) => durationMs >= 0 && message !== '')).toBe(true)
      const report = ada.connectivity(bob.self.id)
      expect(report).toMatchObject({
        outcome: undefined,
        direct: 'only',
        nat: { remote: { udp: { mapping: MAPPING } } },
      })
    })
  })

  test('a budget for relays: a warning before the stop', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      await stage.serveTurn()
      const ada = await stage.join(stage.behind('ada', 'symmetric'), { internet: { relayBudgetBytes: 1_000_000 } })
      const bob = await stage.join(stage.behind('bob', 'symmetric'))
      await stage.met([ada, bob])
      const warnings: EarshotError[] = []
      ada.on('warning', error => warnings.push(error))
      const [peer, heard] = [peerOf(ada, bob), heardBy(bob)]
      for (let i = 0; i < 8; i++) await peer.send(new Uint8Array(100_000), { receipt: true })
      await stage.net.advance(1_000)
      expect(warnings.map(({ code, message }) => `${code} ${message}`)).toMatchObject([
        expect.stringMatching(/^limit-reached .* of 1000000 bytes that may be relayed are used$/),
      ])
      expect(peer.state).toBe('here')
      for (let i = 0; i < 4; i++) void peer.send(new Uint8Array(100_000))
      await stage.until(() => peer.state === 'away')
      expect(warnings).toHaveLength(2)
      expect(ada.relayedBytes).toBeGreaterThan(1_000_000)
      await stage.net.advance(30_000)
      expect(ada.relayedBytes).toBeLessThan(1_200_000)
      expect(heard.length).toBeLessThan(12)
    })
  })

  test('a spent budget does not make a room that hides its addresses tell them', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      await stage.serveTurn()
      const hidden = { internet: { direct: 'never', relayBudgetBytes: 200_000 } } as const
      const ada = await stage.join(stage.behind('ada', 'full-cone'), hidden)
      const bob = await stage.join(stage.behind('bob', 'full-cone'))
      await stage.met([ada, bob])
      const peer = peerOf(ada, bob)
      expect(peer.path.kind).toBe('relay')
      peer.send(new Uint8Array(300_000)).catch(() => {})
      await stage.until(() => peer.state === 'away')
      await stage.net.advance(15_000)
      const report = ada.connectivity(bob.self.id)
      expect(report?.direct).toBe('never')
      // What a relay has to know to let us in is told, and no address of ours.
      expect(report?.candidates.local.filter(({ type }) => type === 'host')).toEqual([])
      expect(peer.state).toBe('away')
    })
  })
})
