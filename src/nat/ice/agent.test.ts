/** The agent on simulated NATs, in virtual time. The real ones are walked by `npm run test:lab` (docs/reachability.md). */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FakePcpServer } from '../../../test/nat/fake-pcp-server.ts'
import { IceStage, type Pair, type Side, STUN } from '../../../test/nat/ice-stage.ts'
import { createAgent } from '../../nat.ts'
import type { NatKind, SimulatedHost, TracedPacket } from '../../testing/index.ts'
import { decodeDescription, encodeDescription } from './description.ts'

const KINDS: readonly NatKind[] = [
  'none',
  'full-cone',
  'restricted',
  'port-restricted',
  'symmetric',
  'symmetric-seq',
  'udp-blocked',
]
const PAIRS = KINDS.flatMap((a, i) => KINDS.slice(i).map(b => [a, b] as const))
/** There is nothing but luck. */
const RELAYED = new Set(['symmetric symmetric', 'symmetric symmetric-seq'])

interface Options {
  readonly seed?: number
  readonly a?: NatKind
  readonly b?: NatKind
  readonly withTurn?: boolean
}

async function between({ seed = 1, a = 'port-restricted', b = 'port-restricted', withTurn = true }: Options = {}) {
  const stage = new IceStage({ seed })
  await stage.serveStun()
  if (withTurn) await stage.serveTurn()
  const [ada, bob] = [stage.behind('ada', a), stage.behind('bob', b)]
  return { stage, ada, bob, turn: withTurn ? stage.turn : [] }
}

async function done(stage: IceStage, { a, b }: Pair): Promise<void> {
  await stage.net.until(Promise.all([a.agent.done, b.agent.done]))
}

/** The kinds of the paths that were given out, in their order. */
function kindsOf({ paths }: Side): readonly string[] {
  return paths.map(({ kind }) => kind)
}

/** Whether the last path of both carries bytes both ways. */
async function expectTalk(stage: IceStage, { a, b }: Pair): Promise<void> {
  const [ofA, ofB] = [a.recorders.at(-1)!, b.recorders.at(-1)!]
  ofA.connection.write(new TextEncoder().encode('from a'))
  ofB.connection.write(new Uint8Array(200_000))
  await stage.net.until(
    Promise.all([ofB.until(() => ofB.receivedBytes === 6), ofA.until(() => ofA.receivedBytes === 200_000)]),
  )
  expect(new TextDecoder().decode(ofB.chunks[0])).toBe('from a')
}

describe('every pair of kinds of NAT', () => {
  test.each(PAIRS)('%s with %s', async (a, b) => {
    const { stage, ada, bob, turn } = await between({ a, b })
    await using _ = stage
    const pair = stage.connect(ada, bob, { turn })
    await done(stage, pair)

    const expected = RELAYED.has(`${a} ${b}`) ? 'relay' : 'direct'
    expect([pair.a.agent.report.outcome, pair.b.agent.report.outcome]).toEqual([expected, expected])
    expect(kindsOf(pair.a)).toEqual(kindsOf(pair.b))
    expect(pair.a.paths[0]!.afterMs).toBeLessThan(1_000)
    expect(pair.a.paths.at(-1)!.afterMs).toBeLessThan(3_000)
    await expectTalk(stage, pair)
    expect([pair.a.warnings, pair.b.warnings]).toEqual([[], []])
    expect(pair.a.paths[0]!.isControlling).not.toBe(pair.b.paths[0]!.isControlling)
  })

  test.each(['port-restricted', 'symmetric-seq'] as const)(
    'what is luck goes well mostly: %s with its hard one, under many seeds',
    async kind => {
      const other = kind === 'port-restricted' ? 'symmetric' : 'symmetric-seq'
      let directs = 0
      for (let seed = 1; seed <= 10; seed++) {
        const { stage, ada, bob, turn } = await between({ seed, a: kind, b: other })
        await using _ = stage
        const pair = stage.connect(ada, bob, { turn })
        await done(stage, pair)
        if (pair.a.agent.report.outcome === 'direct') directs += 1
      }
      expect(directs).toBeGreaterThanOrEqual(9)
    },
  )
})

describe('paths', () => {
  test.each([0, 0.1, 0.5, 1, 20])(
    'in one LAN it is one TCP connection, without servers; %f ms to each other',
    async delayMs => {
      const stage = new IceStage({ channel: { delayMs } })
      await using _ = stage
      stage.net.nat('home', { kind: 'symmetric' })
      const [ada, bob] = ['ada', 'bob'].map(name => stage.net.host(name, { lans: ['home'] })) as [
        SimulatedHost,
        SimulatedHost,
      ]
      const pair = stage.connect(ada, bob, { stun: [] })
      await done(stage, pair)
      expect(pair.a.paths).toMatchObject([{ kind: 'lan', transport: 'tcp' }])
      expect(pair.b.paths).toMatchObject([{ kind: 'lan', transport: 'tcp' }])
      expect(pair.a.paths[0]!.afterMs).toBeLessThan(200)
      await expectTalk(stage, pair)
    },
  )

  test('over IPv6 with firewalls, whatever the NATs of IPv4 are', async () => {
    const stage = new IceStage()
    await using _ = stage
    const options = { ipv6: 'firewall' } as const
    const [ada, bob] = [stage.behind('ada', 'symmetric', options), stage.behind('bob', 'symmetric', options)]
    await stage.serveStun()
    const pair = stage.connect(ada, bob)
    await done(stage, pair)
    expect(pair.a.agent.report.outcome).toBe('direct')
    expect(pair.a.paths.at(-1)!.remote.address).toContain(':')
    await expectTalk(stage, pair)
  })

  test('to a port that the router maps, between NATs that nothing else crosses; closed, it is given back', async () => {
    const stage = new IceStage()
    await using _ = stage
    await stage.serveStun()
    const router = stage.net.nat('gw', { kind: 'symmetric' })
    const gateway = await FakePcpServer.start(router)
    const ada = stage.net.host('ada', { lans: ['gw'] })
    const pair = stage.connect(ada, stage.behind('bob', 'symmetric'), { mapPorts: true })
    await done(stage, pair)
    expect(kindsOf(pair.a)).toEqual(['direct'])
    await expectTalk(stage, pair)
    const explicit = () => router.mappings.filter(({ isExplicit }) => isExplicit).map(({ protocol }) => protocol)
    expect(explicit().sort()).toEqual(['tcp', 'udp'])
    await stage.net.until(pair.a.agent.close())
    await stage.net.advance(2_000)
    expect(explicit()).toEqual([])
    gateway.close()
  })

  test("behind a carrier and a router of one's own", async () => {
    const stage = new IceStage()
    await using _ = stage
    await stage.serveStun()
    stage.net.nat('carrier', { kind: 'port-restricted' })
    stage.net.nat('home', { kind: 'port-restricted', behind: 'carrier' })
    const ada = stage.net.host('ada', { lans: ['home'] })
    const pair = stage.connect(ada, stage.behind('bob', 'port-restricted'))
    await done(stage, pair)
    expect(kindsOf(pair.a)).toEqual(['direct'])
  })

  test('a mapping that lives for 30 s is kept alive, as long as the connection lives', async () => {
    const stage = new IceStage()
    await using _ = stage
    await stage.serveStun()
    const options = { udpMappingLifetimeMs: 30_000 }
    const [ada, bob] = [
      stage.behind('ada', 'port-restricted', options),
      stage.behind('bob', 'port-restricted', options),
    ]
    const pair = stage.connect(ada, bob)
    await done(stage, pair)
    expect(pair.a.paths).toMatchObject([{ transport: 'udp' }])
    await stage.net.advance(600_000)
    await expectTalk(stage, pair)
  })

  test('without reliable UDP they are TCP, and the report says what is missing', async () => {
    const { stage, ada, bob, turn } = await between({ a: 'port-restricted', b: 'symmetric' })
    await using _ = stage
    const { network } = ada
    const reason = new (await import('../../errors.ts')).EarshotError('no-network', 'not installed')
    const without = {
      clock: network.clock,
      files: network.files,
      random: network.random,
      network: network.network,
      hostName: 'ada',
      reliableUdp: async () => ({ kind: 'missing', reason }) as const,
    }
    const pair = stage.connect(ada, bob, { turn }, {})
    await stage.net.until(pair.a.agent.close())
    const a = stage.start(ada, bob, { turn, network: without })
    await stage.net.until(a.agent.done)
    expect(kindsOf(a)).toContain('relay')
    expect(a.agent.report.reliableUdp).toBe(reason)
    expect(a.agent.report.advice.join(' ')).toMatch(/udx-native/)
  })
})

describe('direct', () => {
  test("'never': a relay and nothing else, and no address of the LAN is told", async () => {
    const { stage, ada, bob, turn } = await between({ a: 'none', b: 'none' })
    await using _ = stage
    const pair = stage.connect(ada, bob, { turn }, { direct: 'never' })
    await done(stage, pair)
    expect([...kindsOf(pair.a), ...kindsOf(pair.b)]).toEqual(['relay', 'relay'])
    const { remote } = pair.a.agent.report.candidates
    expect(remote.filter(({ type }) => type === 'host')).toEqual([])
    await expectTalk(stage, pair)
  })

  test("'only': no relay is asked, and where there is no direct path there is none", async () => {
    const { stage, ada, bob, turn } = await between({ a: 'symmetric', b: 'symmetric' })
    await using _ = stage
    const pair = stage.connect(ada, bob, { turn, direct: 'only' })
    await done(stage, pair)
    expect([pair.a.paths, pair.b.paths]).toEqual([[], []])
    expect(pair.a.agent.report.candidates.local.filter(({ type }) => type === 'relayed')).toEqual([])
  })
})

describe('the report tells why', () => {
  test('both NATs, each pair with its end and its time, and what would help', async () => {
    const { stage, ada, bob, turn } = await between({ a: 'symmetric', b: 'symmetric' })
    await using _ = stage
    const pair = stage.connect(ada, bob, { turn })
    await done(stage, pair)
    const { nat, paths, advice, outcome, isDone, elapsedMs } = pair.a.agent.report
    expect({ outcome, isDone }).toEqual({ outcome: 'relay', isDone: true })
    expect(elapsedMs).toBeGreaterThan(10_000)
    const hard = { mapping: 'address-and-port-dependent', ports: { kind: 'random' }, isBlocked: false }
    expect(nat).toEqual({ local: { udp: hard, tcp: hard }, remote: { udp: hard, tcp: hard } })
    expect(paths.find(({ kind }) => kind === 'relay')).toMatchObject({ result: 'used', transport: 'tcp' })
    const direct = paths.filter(({ kind }) => kind === 'direct')
    expect(direct.length).toBeGreaterThanOrEqual(3)
    for (const path of direct) {
      expect(path).toMatchObject({ result: 'failed', code: 'timeout', message: expect.stringContaining(path.remote) })
      expect(path.durationMs).toBeGreaterThan(1_000)
    }
    expect(advice).toEqual([
      expect.stringContaining('The NAT of this side'),
      expect.stringContaining('The NAT of the other side'),
    ])
  })

  test('of a direct one gives no advice, and names the pair that is used', async () => {
    const { stage, ada, bob } = await between({ withTurn: false })
    await using _ = stage
    const pair = stage.connect(ada, bob)
    await done(stage, pair)
    const { advice, paths } = pair.a.agent.report
    expect(advice).toEqual([])
    expect(paths.filter(({ result }) => result === 'used')).toMatchObject([{ kind: 'direct', transport: 'udp' }])
  })
})

describe('a relay', () => {
  test('is given back when a direct path stands and nobody uses it any more', async () => {
    const { stage, ada, bob } = await between({ a: 'port-restricted', b: 'symmetric', withTurn: false })
    await using _ = stage
    const server = await stage.serveTurn()
    const pair = stage.connect(ada, bob, { turn: stage.turn })
    await done(stage, pair)
    expect(kindsOf(pair.a)).toEqual(['relay', 'direct'])
    // Each side connects to the relay of the other; one of the two connections is used, and the other relay is given back at once.
    const relayed = () => [ada, bob].map(host => host.open().filter(({ detail }) => detail.endsWith(':3478')).length)
    await stage.net.advance(60_000)
    expect(relayed()).toEqual([0, 2])
    for (const { recorders } of [pair.a, pair.b]) recorders[0]!.connection.destroy()
    await stage.net.advance(5_000)
    expect(relayed()).toEqual([0, 0])
    await expectTalk(stage, pair)
    expect(server.counts.allocate).toBeGreaterThan(0)
  })

  test('that is down when it is asked is asked again', async () => {
    const { stage, ada, bob, turn } = await between({ a: 'symmetric', b: 'symmetric' })
    await using _ = stage
    stage.turnHost!.kill()
    const pair = stage.connect(ada, bob, { turn })
    await stage.net.advance(5_000)
    expect(kindsOf(pair.a)).toEqual([])
    await stage.restartTurn()
    await stage.net.advance(6_000)
    expect(kindsOf(pair.a)).toEqual(['relay'])
    await expectTalk(stage, pair)
  })

  test('that dies takes its connections with it, and no others', async () => {
    const { stage, ada, bob, turn } = await between({ a: 'port-restricted', b: 'symmetric' })
    await using _ = stage
    const pair = stage.connect(ada, bob, { turn })
    await done(stage, pair)
    stage.turnHost!.stop()
    await stage.net.advance(120_000)
    // Whose relay it was notices by its silence.
    const closes = pair.b.recorders.map(recorder => recorder.closes.length)
    expect(closes).toEqual([1, 0])
    await expectTalk(stage, pair)
  })
})

describe('a channel', () => {
  test('that loses a third, delays, doubles and reorders only takes longer', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const stage = new IceStage({ seed, channel: { delayMs: 50, jitterMs: 800, loss: 0.33, duplicates: 0.3 } })
      await using _ = stage
      await stage.serveStun()
      const pair = stage.connect(stage.behind('ada', 'port-restricted'), stage.behind('bob', 'port-restricted'))
      await done(stage, pair)
      expect(pair.a.agent.report.outcome, `seed ${seed}`).toBe('direct')
      await expectTalk(stage, pair)
    }
  })

  test('over which the other side comes a minute later', async () => {
    const stage = new IceStage()
    await using _ = stage
    await stage.serveStun()
    // What the first one has told is kept true meanwhile.
    const options = { udpMappingLifetimeMs: 20_000 }
    const [ada, bob] = [
      stage.behind('ada', 'port-restricted', options),
      stage.behind('bob', 'port-restricted', options),
    ]
    const a = stage.start(ada, bob)
    await stage.net.advance(60_000)
    const b = stage.start(bob, ada)
    await done(stage, { a, b })
    expect([kindsOf(a), kindsOf(b)]).toEqual([['direct'], ['direct']])
    expect(a.paths[0]!.transport).toBe('udp')
  })
})

describe('starting again', () => {
  test('restart: another connection, while the old one stands', async () => {
    const { stage, ada, bob } = await between({ withTurn: false })
    await using _ = stage
    const pair = stage.connect(ada, bob)
    await done(stage, pair)
    pair.a.agent.restart()
    await done(stage, pair)
    await stage.net.advance(3_000)
    expect([kindsOf(pair.a), kindsOf(pair.b)]).toEqual([
      ['direct', 'direct'],
      ['direct', 'direct'],
    ])
    await expectTalk(stage, pair)
    const [first] = pair.a.recorders
    expect(first!.closes).toEqual([])
  })

  test('a program that was killed and started again is connected anew', async () => {
    const { stage, ada, bob } = await between({ withTurn: false })
    await using _ = stage
    const pair = stage.connect(ada, bob)
    await done(stage, pair)
    bob.kill()
    bob.start()
    const again = stage.start(bob, ada)
    await stage.net.until(again.agent.done)
    expect(kindsOf(again)).toEqual(['direct'])
    await expectTalk(stage, { a: pair.a, b: again })
  })
})

test('servers that were asked for predictions are left when a path stands', async () => {
  const { stage, ada, bob } = await between({ a: 'symmetric-seq', b: 'udp-blocked', withTurn: false })
  await using _ = stage
  const pair = stage.connect(ada, bob)
  await done(stage, pair)
  await stage.net.advance(5_000)
  expect(pair.a.paths).toMatchObject([{ method: 'prediction', transport: 'tcp' }])
  expect([...ada.open(), ...bob.open()].filter(({ detail }) => detail.includes(`to ${STUN[0]}:`))).toEqual([])
})

describe('close', () => {
  test.each([100, 300, 700, 1_100, 30_000])('after %i ms leaves nothing behind', async ms => {
    const { stage, ada, bob, turn } = await between({ a: 'port-restricted', b: 'symmetric' })
    const pair = stage.connect(ada, bob, { turn })
    await stage.net.advance(ms)
    await stage.net.until(Promise.all([pair.a.agent.close(), pair.b.agent.close(), pair.a.agent.close()]))
    await stage.net.advance(10_000)
    expect([...ada.open(), ...bob.open()]).toEqual([])
    expect(pair.a.recorders.every(({ closes }) => closes.length === 1)).toBe(true)
    await stage.net.until(pair.a.agent.done)
    pair.a.agent.receive(new Uint8Array(3))
    pair.a.agent.restart()
  })
})

describe('a hostile other side', () => {
  /** An agent whose other side is the test: it says what it likes. */
  async function facing(
    change: (own: ReturnType<typeof decodeDescription>) => Parameters<typeof encodeDescription>[0],
  ) {
    const stage = new IceStage()
    await stage.serveStun()
    const ada = stage.behind('ada', 'port-restricted')
    const packets: TracedPacket[] = []
    stage.net.trace(packet => packets.push(packet))
    const warnings: string[] = []
    const agent = createAgent({
      localId: 'ada',
      remoteId: 'mallory',
      stun: [`stun:${STUN[0]}`],
      network: ada.network,
      send: message => {
        const own = decodeDescription(message)
        const identity = { sessionId: new Uint8Array(16).fill(7), password: new Uint8Array(16).fill(8) }
        agent.receive(encodeDescription(change({ ...own, ...identity, heardSessionId: own.sessionId })))
      },
      onPath: () => {},
      onWarning: error => warnings.push(error.message),
    })
    await stage.net.advance(30_000)
    const { report } = agent
    await stage.net.until(agent.close())
    return { report, packets, warnings, ada }
  }

  test('cannot make it send to loopback, multicast, broadcast or this network at large', async () => {
    const addresses = [
      '127.0.0.1',
      '224.0.0.251',
      '255.255.255.255',
      '192.168.1.255',
      '::1',
      'ff02::1',
      'fe80::1',
      '0.0.0.0',
    ]
    const candidates = addresses.flatMap(address =>
      (['udp', 'tcp-passive', 'tcp-so'] as const).map(transport => ({
        address,
        port: 5_353,
        type: 'host' as const,
        transport,
      })),
    )
    const { report, packets } = await facing(own => ({ ...own, candidates }))
    expect(packets.filter(({ to }) => to.endsWith(':5353'))).toEqual([])
    expect(report.paths.filter(({ result }) => result === 'refused')).toHaveLength(addresses.length)
  })

  test('can aim it at a third party only with a few packets for each address it names', async () => {
    const victim = { address: '203.0.113.200', port: 53, type: 'server-reflexive', transport: 'udp' } as const
    const { packets } = await facing(own => ({ ...own, candidates: [victim] }))
    const sent = packets.filter(({ to, host }) => to.startsWith('203.0.113.200') && host === 'ada')
    expect(sent.length).toBeLessThanOrEqual(5)
    expect(sent.length).toBeGreaterThan(0)
  })

  test('that says anything at all is survived', async () => {
    const stage = new IceStage()
    await using _ = stage
    const ada = stage.behind('ada', 'port-restricted')
    const side = stage.start(ada, stage.behind('bob', 'none'))
    await stage.net.advance(100)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), bytes => side.agent.receive(bytes)),
      { seed: 20_261_126, numRuns: 500 },
    )
    await stage.net.advance(1_000)
    expect(side.warnings.length).toBeGreaterThan(400)
    expect(side.paths).toEqual([])
  })
})

describe('strangers', () => {
  test('who connect to its port, or send to it, are not taken for the other side', async () => {
    const { stage, bob } = await between({ withTurn: false })
    await using _ = stage
    const ada = stage.behind('carol', 'public')
    const pair = stage.connect(ada, bob, { stun: [] })
    const eve = stage.behind('eve', 'public').network.network
    await stage.net.advance(1)
    const local = pair.a.agent.report.candidates.local
    const passive = local.find(({ transport, address }) => transport === 'tcp-passive' && !address.includes(':'))!
    const dialled = await stage.net.until(eve.connectTcp(passive, { timeoutMs: 1_000 }))
    let closed = 0
    dialled.start({ onData() {}, onDrain() {}, onEnd: () => dialled.end(), onClose: () => closed++ })
    dialled.write(new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'))
    await done(stage, pair)
    await stage.net.advance(6_000)
    expect(closed).toBe(1)
    expect(kindsOf(pair.a)).toEqual(['direct'])
    await expectTalk(stage, pair)
  })
})

test('arguments are checked', () => {
  const good = { localId: 'a', remoteId: 'b', send() {}, onPath() {} }
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ localId: 'b' }, /must differ/],
    [{ localId: '' }, /localId must be a text/],
    [{ send: 1 }, /send must be a function, not number/],
    [{ direct: 'maybe' }, /direct must be one of prefer, only, never, not 'maybe'/],
    [{ keepAliveMs: 10 }, /keepAliveMs must be a number from 1000 to 600000, not 10/],
    [{ giveUpMs: 0 }, /giveUpMs/],
    [{ stun: ['turn:x'] }, /is a TURN server/],
    [{ turn: Array.from({ length: 5 }, () => ({})) }, /at most 4 servers, not 5/],
  ]
  for (const [change, message] of wrong) expect(() => createAgent({ ...good, ...change } as never)).toThrow(message)
})
