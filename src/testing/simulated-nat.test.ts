import { describe, expect, test } from 'vitest'
import { TcpRecorder, UdpRecorder } from '../../test/contract/recorder.ts'
import { formatSocketAddress } from '../platform/socket-address.ts'
import {
  type NatDependence,
  type NatKind,
  type NatOptions,
  type SimulatedHost,
  type SimulatedNat,
  type SimulatedNetwork,
  simulate,
} from './index.ts'

const PORT = 4_000
const EIM = 'endpoint-independent'
const ADM = 'address-dependent'
const APDM = 'address-and-port-dependent'

interface Socket {
  readonly recorder: UdpRecorder
  readonly at: string
  /** Sends `word` to `'ip:port'`, and lets it arrive. */
  send(word: string, to: string): Promise<void>
  /** What came since the last call, as `'word from ip:port'`. */
  heard(): readonly string[]
  close(): void
}

async function udp(net: SimulatedNetwork, host: SimulatedHost, port = PORT, address = '0.0.0.0'): Promise<Socket> {
  const recorder = new UdpRecorder()
  const socket = await host.network.network.openUdp({ address, port, sharePort: false }, recorder)
  const family = address === '::' ? 'ipv6' : 'ipv4'
  const own = host.addresses.find(each => each.includes(':') === (family === 'ipv6') && !each.startsWith('fe80'))!
  return {
    recorder,
    at: formatSocketAddress({ address: own, port: socket.local.port }),
    async send(word, to) {
      socket.send(new TextEncoder().encode(word), parse(to))
      await net.advance(100)
    },
    heard() {
      const words = recorder.texts.map(
        (word, at) => `${word} from ${formatSocketAddress(recorder.datagrams[at]!.remote)}`,
      )
      recorder.datagrams.length = 0
      return words
    },
    close: () => socket.close(),
  }
}

function parse(text: string): { address: string; port: number } {
  const at = text.lastIndexOf(':')
  return { address: text.slice(0, at).replace(/[[\]]/g, ''), port: Number(text.slice(at + 1)) }
}

/** A NAT `home` with ada and amy behind it, and two public servers. */
function setUp(options: NatOptions = {}) {
  const net = simulate({ seed: 7 })
  const nat = net.nat('home', options)
  const [ada, amy] = ['ada', 'amy'].map(name => net.host(name, { lans: ['home'] })) as [SimulatedHost, SimulatedHost]
  const [one, two] = ['one', 'two'].map(name => net.host(name, { lans: ['internet'] })) as [
    SimulatedHost,
    SimulatedHost,
  ]
  return { net, nat, ada, amy, one, two }
}

function portIn(heard: readonly string[]): number {
  return Number(/:(\d+)$/.exec(heard[0] ?? '')?.[1])
}

/** The external ports that the NAT gives to one socket of `host` towards three destinations. */
async function mappedPorts(net: SimulatedNetwork, host: SimulatedHost, servers: readonly Socket[], port = PORT) {
  const socket = await udp(net, host, port)
  const ports: number[] = []
  for (const server of servers) {
    await socket.send('hi', server.at)
    ports.push(portIn(server.heard()))
  }
  return { socket, ports }
}

async function servers(net: SimulatedNetwork, one: SimulatedHost, two: SimulatedHost) {
  return Promise.all([udp(net, one, 3_478), udp(net, one, 3_479), udp(net, two, 3_478)])
}

describe('a NAT maps (RFC 4787 section 4.1)', () => {
  test.each<[NatDependence, number]>([
    [EIM, 1],
    [ADM, 2],
    [APDM, 3],
  ])('%s: one socket has %i external ports towards two addresses and three endpoints', async (mapping, count) => {
    const { net, ada, one, two } = setUp({ mapping, portAllocation: 'random' })
    const { ports } = await mappedPorts(net, ada, await servers(net, one, two))

    expect(new Set(ports).size).toBe(count)
    // The two ports of one address are seen as different only by address-and-port-dependent mapping.
    expect(ports[0] === ports[1]).toBe(mapping !== APDM)
  })

  test('to its external address, which every server sees', async () => {
    const { net, nat, ada, one } = setUp()
    const server = await udp(net, one)
    await (await udp(net, ada)).send('hi', server.at)

    expect(server.heard()[0]).toContain(`hi from ${nat.externalAddress}:`)
    expect(nat.externalAddress).toMatch(/^203\.0\.113\./)
  })

  test('preserving: the port of the host, and another one where two hosts have the same (REQ-3)', async () => {
    const { net, ada, amy, one, two } = setUp({ portAllocation: 'preserving' })
    const all = await servers(net, one, two)

    expect((await mappedPorts(net, ada, all)).ports).toEqual([PORT, PORT, PORT])
    const { ports } = await mappedPorts(net, amy, all)
    expect(new Set(ports).size).toBe(1)
    expect(ports[0]).not.toBe(PORT)
  })

  test.each([1, 2, -3])('sequential: %i further for each mapping, of UDP and TCP together', async portDelta => {
    const { net, ada, one, two } = setUp({ kind: 'symmetric-seq', portDelta })
    const [first, , last] = await servers(net, one, two)
    const accepted: TcpRecorder[] = []
    await listen(one, accepted)

    const { socket, ports } = await mappedPorts(net, ada, [first!])
    await net.until(connect(ada, one))
    await net.advance(100)
    await socket.send('hi', last!.at)

    const between = accepted[0]!.connection.remote.port
    expect([between - ports[0]!, portIn(last!.heard()) - between]).toEqual([portDelta, portDelta])
  })

  test('random: ports far apart', async () => {
    const { net, ada, one, two } = setUp({ kind: 'symmetric' })
    const { ports } = await mappedPorts(net, ada, await servers(net, one, two))

    const steps = ports.slice(1).map((port, at) => Math.abs(port - ports[at]!))
    expect(Math.min(...steps)).toBeGreaterThan(20)
  })

  test('no more, where all its ports are taken, and again when one is free', async () => {
    const { net, nat, ada, one, two } = setUp({ portAllocation: 'random' })
    const internalAddress = ada.addresses[0]!
    for (let port = 1_024; port < 65_536; port++) {
      nat.map({
        protocol: 'udp',
        internalAddress,
        internalPort: 1,
        externalPort: port,
        lifetimeMs: port === 5_000 ? 10_000 : Infinity,
      })
    }
    const [server] = await servers(net, one, two)
    const socket = await udp(net, ada)

    await socket.send('full', server!.at)
    expect(server!.heard()).toEqual([])
    await net.advance(10_000)
    await socket.send('free', server!.at)
    expect(server!.heard()).toEqual([`free from ${nat.externalAddress}:5000`])
  })
})

describe('a NAT filters (RFC 4787 section 5)', () => {
  test.each<[NatDependence, string[]]>([
    [EIM, ['same', 'other port', 'other address']],
    [ADM, ['same', 'other port']],
    [APDM, ['same']],
  ])('%s: who was asked may answer, and of others %j', async (filtering, expected) => {
    const { net, nat, ada, one, two } = setUp({ filtering })
    const [asked, otherPort, otherAddress] = await servers(net, one, two)
    const { socket, ports } = await mappedPorts(net, ada, [asked!])
    const external = `${nat.externalAddress}:${ports[0]}`

    await asked!.send('same', external)
    await otherPort!.send('other port', external)
    await otherAddress!.send('other address', external)
    expect(socket.heard().map(line => line.split(' from ')[0])).toEqual(expected)
  })

  test('a packet that came too early changes nothing: not the port, not the filter', async () => {
    for (const portAllocation of ['preserving', 'random'] as const) {
      const { net, nat, ada, one, two } = setUp({ portAllocation })
      const [asked, , early] = await servers(net, one, two)

      await early!.send('early', `${nat.externalAddress}:${PORT}`)
      expect(nat.mappings).toEqual([])
      const { socket, ports } = await mappedPorts(net, ada, [asked!])
      if (portAllocation === 'preserving') expect(ports).toEqual([PORT])
      await early!.send('still not', `${nat.externalAddress}:${ports[0]}`)
      expect(socket.heard()).toEqual([])
    }
  })

  test('two hosts that send to each other at the same time meet, though each filters', async () => {
    const { home, office, a, b } = await twoHomes()
    const both = () =>
      Promise.all([
        a.send('from a', `${office.externalAddress}:${PORT}`),
        b.send('from b', `${home.externalAddress}:${PORT}`),
      ])

    await both()
    await both()
    expect(a.heard().at(-1)).toBe(`from b from ${office.externalAddress}:${PORT}`)
    expect(b.heard().at(-1)).toBe(`from a from ${home.externalAddress}:${PORT}`)
  })
})

/** Two homes whose NATs preserve ports, and a socket on a host in each. */
async function twoHomes() {
  const net = simulate()
  const [home, office] = ['home', 'office'].map(name => net.nat(name, { portAllocation: 'preserving' })) as [
    SimulatedNat,
    SimulatedNat,
  ]
  const [ada, bob] = [net.host('ada', { lans: ['home'] }), net.host('bob', { lans: ['office'] })]
  return { net, home, office, ada, bob, a: await udp(net, ada), b: await udp(net, bob) }
}

describe('a mapping lives', () => {
  /** Whether the server still reaches the host that once asked it. */
  async function reaches(server: Socket, socket: Socket, external: string): Promise<boolean> {
    await server.send('there?', external)
    return socket.heard().length > 0
  }

  test('for its time after the last packet from inside (RFC 4787 REQ-5)', async () => {
    const { net, nat, ada, one, two } = setUp({ udpMappingLifetimeMs: 30_000 })
    const [server] = await servers(net, one, two)
    const { socket, ports } = await mappedPorts(net, ada, [server!])
    const external = `${nat.externalAddress}:${ports[0]}`

    await net.advance(20_000)
    await socket.send('keep-alive', server!.at)
    await net.advance(29_000)
    expect(await reaches(server!, socket, external)).toBe(true)
    await net.advance(2_000)
    expect(await reaches(server!, socket, external)).toBe(false)
    expect(nat.mappings).toEqual([])
  })

  test('not longer for what comes from outside (RFC 4787 REQ-6)', async () => {
    const { net, nat, ada, one, two } = setUp({ udpMappingLifetimeMs: 30_000, filtering: EIM })
    const [server] = await servers(net, one, two)
    const { socket, ports } = await mappedPorts(net, ada, [server!])
    const external = `${nat.externalAddress}:${ports[0]}`

    for (let seconds = 0; seconds < 25; seconds += 5) {
      await net.advance(5_000)
      expect(await reaches(server!, socket, external)).toBe(true)
    }
    await net.advance(5_000)
    expect(await reaches(server!, socket, external)).toBe(false)
  })

  test('towards each remote for its own time: sending to one does not keep the way open for another', async () => {
    const { net, nat, ada, one, two } = setUp({ udpMappingLifetimeMs: 30_000 })
    const [server, , other] = await servers(net, one, two)
    const { socket, ports } = await mappedPorts(net, ada, [server!, other!])
    const external = `${nat.externalAddress}:${ports[0]}`

    await net.advance(20_000)
    await socket.send('keep-alive', other!.at)
    await net.advance(15_000)
    expect(await reaches(server!, socket, external)).toBe(false)
    expect(await reaches(other!, socket, external)).toBe(true)
  })

  test('until the NAT restarts, which may bring another address and loses what runs on it', async () => {
    const { net, nat, ada, one, two } = setUp({ kind: 'full-cone' })
    const [server] = await servers(net, one, two)
    const { socket, ports } = await mappedPorts(net, ada, [server!])
    const before = nat.externalAddress
    await nat.router.network.network.listenTcp({ host: '0.0.0.0', port: 80 }, () => {})

    nat.restart()
    expect([nat.externalAddress, nat.mappings, nat.router.open()]).toEqual([before, [], []])
    expect(await reaches(server!, socket, `${before}:${ports[0]}`)).toBe(false)

    nat.restart({ newAddress: true })
    expect(nat.externalAddress).not.toBe(before)
    await socket.send('again', server!.at)
    expect(server!.heard().at(-1)).toContain(`again from ${nat.externalAddress}:`)
    expect(await reaches(server!, socket, `${nat.externalAddress}:${nat.mappings[0]!.externalPort}`)).toBe(true)
    expect(await reaches(server!, socket, `${before}:${nat.mappings[0]!.externalPort}`)).toBe(false)
  })
})

describe('hairpinning (RFC 4787 REQ-9)', () => {
  test.each([true, false])(
    '%s: whether two hosts behind one NAT meet at their external endpoints',
    async hairpinning => {
      const { net, nat, ada, amy, one, two } = setUp({ kind: 'full-cone', hairpinning })
      const [server] = await servers(net, one, two)
      const from = await mappedPorts(net, ada, [server!])
      const to = await mappedPorts(net, amy, [server!])

      await from.socket.send('hello', `${nat.externalAddress}:${to.ports[0]}`)
      const expected = hairpinning ? [`hello from ${nat.externalAddress}:${from.ports[0]}`] : []
      expect(to.socket.heard()).toEqual(expected)
    },
  )

  test('the filter holds for hosts behind the NAT as for others', async () => {
    const { net, nat, ada, amy, one, two } = setUp({ kind: 'port-restricted', hairpinning: true })
    const [server] = await servers(net, one, two)
    const from = await mappedPorts(net, ada, [server!])
    const to = await mappedPorts(net, amy, [server!])
    const [a, b] = [from, to].map(({ ports }) => `${nat.externalAddress}:${ports[0]}`) as [string, string]

    await from.socket.send('refused', b)
    await to.socket.send('hello', a)
    await from.socket.send('hello', b)
    expect([from.socket.heard(), to.socket.heard()]).toEqual([[`hello from ${b}`], [`hello from ${a}`]])
  })
})

function listen(host: SimulatedHost, accepted: TcpRecorder[], port = PORT) {
  return host.network.network.listenTcp({ host: '::', port }, connection => {
    accepted.push(new TcpRecorder(connection))
  })
}

async function connect(from: SimulatedHost, to: SimulatedHost, options: { localPort?: number; port?: number } = {}) {
  const { port = PORT, ...rest } = options
  const remote = { address: to.addresses[0]!, port }
  return new TcpRecorder(await from.network.network.connectTcp(remote, { timeoutMs: 10_000, ...rest }))
}

describe('TCP through a NAT (RFC 5382)', () => {
  test('bytes go both ways, and the server sees the external endpoint', async () => {
    const { net, nat, ada, one } = setUp()
    const accepted: TcpRecorder[] = []
    await listen(one, accepted)
    const near = await net.until(connect(ada, one))
    near.connection.write(new TextEncoder().encode('question'))
    await net.advance(100)
    accepted[0]!.connection.write(new TextEncoder().encode('answer'))
    await net.advance(100)

    expect([accepted[0]!.text, near.text]).toEqual(['question', 'answer'])
    expect(accepted[0]!.connection.remote.address).toBe(nat.externalAddress)
    expect(nat.mappings).toMatchObject([{ protocol: 'tcp', internalAddress: ada.addresses[0] }])
  })

  test.each<[NatOptions, number]>([
    [{ kind: 'port-restricted' }, 1],
    [{ kind: 'symmetric' }, 2],
    [{ kind: 'symmetric', tcpMapping: EIM }, 1],
  ])('%o: connections from one port have %i external ports', async (options, count) => {
    const { net, ada, one, two } = setUp(options)
    const accepted: TcpRecorder[] = []
    for (const host of [one, two]) {
      await listen(host, accepted)
      await net.until(connect(ada, host, { localPort: 5_000 }))
    }
    await net.advance(100)

    expect(new Set(accepted.map(({ connection }) => connection.remote.port)).size).toBe(count)
  })

  test('from outside nobody connects, unless a port is mapped', async () => {
    const { net, nat, ada, one } = setUp()
    const accepted: TcpRecorder[] = []
    await listen(ada, accepted)
    const remote = { address: nat.externalAddress, port: PORT }
    const knock = () => net.until(one.network.network.connectTcp(remote, { timeoutMs: 10_000 }))

    await expect(knock()).rejects.toMatchObject({ code: 'timeout' })
    const mapping = nat.map({ protocol: 'tcp', internalAddress: ada.addresses[0]!, internalPort: PORT })
    await knock()
    await net.advance(100)
    expect(accepted[0]!.connection.remote.address).toBe(one.addresses[0])
    mapping.remove()
    await expect(knock()).rejects.toMatchObject({ code: 'timeout' })
  })

  test('an unsolicited SYN gets a reset where the NAT is of that sort (REQ-4)', async () => {
    const { net, nat, one } = setUp({ unsolicitedSyn: 'reset' })
    const remote = { address: nat.externalAddress, port: PORT }

    await expect(net.until(one.network.network.connectTcp(remote, { timeoutMs: 10_000 }))).rejects.toMatchObject({
      code: 'unreachable',
    })
  })

  test.each<['drop' | 'reset', string]>([
    ['drop', 'connected'],
    ['reset', 'unreachable'],
  ])(
    'two sides that connect at the same time, where the first SYN meets %s: %s (REQ-2)',
    async (unsolicitedSyn, expected) => {
      const { net, home, office, ada, bob } = await twoHomes()
      office.change({ unsolicitedSyn })
      const dial = async (host: SimulatedHost, { externalAddress: address }: SimulatedNat) => {
        const options = { timeoutMs: 10_000, localPort: PORT }
        return host.network.network.connectTcp({ address, port: PORT }, options).then(
          connection => new TcpRecorder(connection),
          (error: { code: string }) => error.code,
        )
      }

      const first = dial(ada, office)
      await net.advance(20) // Ada's SYN is at the office's NAT before bob's has opened it.
      const outcomes = await net.until(Promise.all([first, dial(bob, home)]))
      expect(outcomes.map(outcome => (typeof outcome === 'string' ? outcome : 'connected'))[0]).toBe(expected)
      if (expected !== 'connected') return
      const [near, far] = outcomes as [TcpRecorder, TcpRecorder]
      near.connection.write(new TextEncoder().encode('punched'))
      await net.advance(100)
      expect(far.text).toBe('punched')
      expect(far.connection.remote).toEqual({ address: home.externalAddress, port: PORT })
    },
  )

  test('two SYNs that cross open one connection', async () => {
    const { net, home, office, ada, bob } = await twoHomes()
    const dial = (host: SimulatedHost, { externalAddress: address }: SimulatedNat) => {
      return host.network.network.connectTcp({ address, port: PORT }, { timeoutMs: 10_000, localPort: PORT })
    }
    const flags: (string | undefined)[] = []
    net.trace(packet => packet.host === 'ada' && flags.push(packet.flags))

    await net.until(Promise.all([dial(ada, office), dial(bob, home)]))
    expect(flags.slice(0, 2)).toEqual(['syn', 'syn ack'])
  })

  test('an idle connection is forgotten after its time, a half-open one sooner (REQ-5)', async () => {
    const { net, nat, ada, one } = setUp({ tcpMappingLifetimeMs: 600_000 })
    await listen(one, [])
    await net.until(connect(ada, one))
    void connect(ada, one, { port: 9 }).catch(() => {})
    await net.advance(1_000)

    expect(nat.mappings).toHaveLength(2)
    await net.advance(300_000)
    expect(nat.mappings).toHaveLength(1)
    await net.advance(300_000)
    expect(nat.mappings).toEqual([])
  })

  test('only to the ports that are allowed', async () => {
    const { net, ada, one } = setUp({ kind: 'udp-blocked', allowedTcpPorts: [443] })
    await listen(one, [], 443)
    await listen(one, [], PORT)

    await net.until(connect(ada, one, { port: 443 }))
    await expect(net.until(connect(ada, one))).rejects.toMatchObject({ code: 'timeout' })
  })
})

describe('the kinds', () => {
  const NONE = 'none'
  test.each<[NatKind, string, string, string]>([
    ['none', NONE, EIM, 'preserving'],
    ['full-cone', EIM, EIM, 'random'],
    ['restricted', EIM, ADM, 'random'],
    ['port-restricted', EIM, APDM, 'random'],
    ['symmetric', APDM, APDM, 'random'],
    ['symmetric-seq', APDM, APDM, 'sequential'],
  ])('%s: %s mapping, %s filtering, %s ports', async (kind, mapping, filtering, ports) => {
    const { net, nat, ada, one, two } = setUp({ kind })
    const [asked, otherPort, otherAddress] = await servers(net, one, two)
    const socket = await udp(net, ada)
    await socket.send('hi', asked!.at)
    const [sentFrom] = asked!.heard().map(line => line.split(' from ')[1])

    for (const [word, server] of [
      ['same', asked],
      ['port', otherPort],
      ['address', otherAddress],
    ] as const) {
      await server!.send(word, sentFrom!)
    }
    const passing = socket.heard().map(line => line.split(' from ')[0])
    expect(passing).toEqual(
      { [EIM]: ['same', 'port', 'address'], [ADM]: ['same', 'port'], [APDM]: ['same'] }[filtering],
    )

    await socket.send('hi', otherPort!.at)
    const second = portIn(otherPort!.heard())
    const step = second - portIn([sentFrom!])
    expect(parse(sentFrom!).address).toBe(mapping === NONE ? ada.addresses[0] : nat.externalAddress)
    expect(step === 0).toBe(mapping !== APDM)
    if (ports === 'sequential') expect(step).toBe(1)
    if (ports === 'random' && step !== 0) expect(Math.abs(step)).toBeGreaterThan(1)
    expect(portIn([sentFrom!]) === PORT).toBe(ports === 'preserving')
  })

  test('udp-blocked: no UDP passes, in neither direction; TCP does', async () => {
    const { net, nat, ada, one } = setUp({ kind: 'udp-blocked', ipv6: 'open' })
    const [server, socket] = [await udp(net, one), await udp(net, ada)]
    const [server6, socket6] = [await udp(net, one, 5_000, '::'), await udp(net, ada, 5_000, '::')]
    nat.map({ protocol: 'udp', internalAddress: ada.addresses[0]!, internalPort: PORT })

    await socket.send('out', server.at)
    await server.send('in', `${nat.externalAddress}:${PORT}`)
    await socket6.send('out', server6.at)
    await server6.send('in', socket6.at)
    expect([server, socket, server6, socket6].flatMap(each => each.heard())).toEqual([])
    await listen(one, [])
    await net.until(connect(ada, one))
  })
})

describe('a NAT behind a NAT', () => {
  test('translates twice, and its hosts meet their neighbours only with hairpinning of the carrier', async () => {
    for (const hairpinning of [false, true]) {
      const net = simulate()
      const carrier = net.nat('carrier', { kind: 'full-cone', hairpinning, lan: { ipv4: '100.64.0.0/24' } })
      const homes = ['home', 'office'].map(name => net.nat(name, { kind: 'full-cone', behind: 'carrier' }))
      const [ada, bob] = [net.host('ada', { lans: ['home'] }), net.host('bob', { lans: ['office'] })]
      const server = await udp(net, net.host('server', { lans: ['internet'] }))
      const [a, b] = [await mappedPorts(net, ada, [server]), await mappedPorts(net, bob, [server])]

      expect(homes.map(({ externalAddress }) => externalAddress)).toEqual(['100.64.0.2', '100.64.0.3'])
      await server.send('down', `${carrier.externalAddress}:${a.ports[0]}`)
      expect(a.socket.heard()).toEqual([`down from ${server.at}`])
      await a.socket.send('across', `${carrier.externalAddress}:${b.ports[0]}`)
      expect(b.socket.heard()).toHaveLength(hairpinning ? 1 : 0)
    }
  })

  test('two homes with the same private addresses talk', async () => {
    const net = simulate()
    for (const name of ['home', 'office']) net.nat(name, { kind: 'full-cone', lan: { ipv4: '192.168.0.0/24' } })
    const [ada, bob] = [net.host('ada', { lans: ['home'] }), net.host('bob', { lans: ['office'] })]
    const server = await udp(net, net.host('server', { lans: ['internet'] }))
    const a = await udp(net, ada)
    const b = await udp(net, bob)
    await b.send('hi', server.at)
    const [at] = server.heard().map(line => line.split(' from ')[1])

    expect([ada.addresses[0], bob.addresses[0]]).toEqual(['192.168.0.2', '192.168.0.2'])
    await a.send('hello', at!)
    expect(b.heard()).toHaveLength(1)
  })
})

describe('IPv6 behind a router (RFC 6092)', () => {
  async function ipv6(options: NatOptions) {
    const all = setUp(options)
    return { ...all, server: await udp(all.net, all.one, PORT, '::'), socket: await udp(all.net, all.ada, PORT, '::') }
  }

  test('is not translated; the firewall lets in who was asked', async () => {
    const { net, server, socket, two } = await ipv6({ ipv6: 'firewall' })
    const other = await udp(net, two, PORT, '::')

    await server.send('unasked', socket.at)
    await socket.send('hi', server.at)
    await server.send('answer', socket.at)
    await other.send('unasked', socket.at)
    expect(server.heard()).toEqual([`hi from ${socket.at}`])
    expect(socket.heard()).toEqual([`answer from ${server.at}`])
    await net.advance(120_000)
    await server.send('late', socket.at)
    expect(socket.heard()).toEqual([])
  })

  test('a pinhole lets everybody in, until it is closed', async () => {
    const { nat, ada, server, socket } = await ipv6({ ipv6: 'firewall' })
    const internalAddress = parse(socket.at).address
    const pinhole = nat.map({ protocol: 'udp', internalAddress, internalPort: PORT })

    await server.send('in', socket.at)
    expect(socket.heard()).toEqual([`in from ${server.at}`])
    expect(nat.mappings).toMatchObject([{ internalAddress, externalAddress: internalAddress, isExplicit: true }])
    pinhole.remove()
    await server.send('in', socket.at)
    expect(socket.heard()).toEqual([])
    expect(ada.network.network.gateways().map(({ family }) => family)).toEqual(['ipv4', 'ipv6'])
  })

  test('two hosts behind firewalls meet when both send; open routers and CGNAT carriers pass it on', async () => {
    const net = simulate()
    net.nat('carrier', { kind: 'symmetric', ipv6: 'open' })
    net.nat('home', { behind: 'carrier', ipv6: 'firewall' })
    net.nat('office', { kind: 'symmetric', ipv6: 'firewall' })
    const a = await udp(net, net.host('ada', { lans: ['home'] }), PORT, '::')
    const b = await udp(net, net.host('bob', { lans: ['office'] }), PORT, '::')

    for (let i = 0; i < 2; i++) await Promise.all([a.send('from a', b.at), b.send('from b', a.at)])
    expect(a.heard().at(-1)).toBe(`from b from ${b.at}`)
    expect(b.heard().at(-1)).toBe(`from a from ${a.at}`)
  })

  test('none: nothing passes, and hosts know no router for it', async () => {
    const { ada } = setUp()
    expect(ada.network.network.gateways()).toEqual([{ address: '192.168.1.1', family: 'ipv4', interface: 'eth0' }])
  })
})

describe('the router itself', () => {
  test('runs programs, which hear the LAN, and the outside where they have a port open', async () => {
    const { net, nat, ada, one } = setUp()
    const gateway = await udp(net, nat.router, 5_351)
    const [host, outside] = [await udp(net, ada), await udp(net, one)]

    await host.send('map it', '192.168.1.1:5351')
    await outside.send('from outside', `${nat.externalAddress}:5351`)
    expect(gateway.heard()).toEqual([`map it from ${host.at}`, `from outside from ${outside.at}`])
  })

  test('a mapping never takes a port of its own', async () => {
    const { net, nat, ada, one, two } = setUp({ portAllocation: 'preserving' })
    await udp(net, nat.router, PORT)
    const [server] = await servers(net, one, two)

    expect((await mappedPorts(net, ada, [server!])).ports[0]).not.toBe(PORT)
    expect(() =>
      nat.map({ protocol: 'udp', internalAddress: ada.addresses[0]!, internalPort: 1, externalPort: PORT }),
    ).toThrow(RangeError)
  })

  test('is reached at its link-local address, whatever either side calls its interface', async () => {
    const { net, nat, ada } = setUp()
    const accepted: TcpRecorder[] = []
    await listen(nat.router, accepted)
    const address = nat.router.addresses.find(each => each.endsWith('%lan0'))!.replace('lan0', 'eth0')
    const near = new TcpRecorder(
      await net.until(ada.network.network.connectTcp({ address, port: PORT }, { timeoutMs: 1_000 })),
    )
    await net.advance(10)

    expect(near.connection.remote.address).toMatch(/^fe80.*%eth0$/)
    expect(accepted[0]!.connection.local.address).toMatch(/^fe80.*%lan0$/)
  })

  test('names of public hosts resolve behind it, those of hosts behind it do not outside', async () => {
    const { net, nat, ada, one } = setUp()

    expect(await net.until(ada.network.network.lookup('one'))).toEqual([one.addresses[0]])
    expect(await net.until(one.network.network.lookup('home'))).toContain(nat.externalAddress)
    await expect(net.until(one.network.network.lookup('ada'))).rejects.toMatchObject({ code: 'unreachable' })
  })

  test('forwards nothing while it is off', async () => {
    const { net, nat, ada, one } = setUp()
    const [server, socket] = [await udp(net, one), await udp(net, ada)]

    nat.router.stop()
    await socket.send('lost', server.at)
    nat.router.start()
    await socket.send('hello', server.at)
    expect(server.heard()).toHaveLength(1)
  })

  test('an address in the LAN that nobody has leads nowhere', async () => {
    const { net, ada, nat } = setUp({ hairpinning: true })
    const socket = await udp(net, ada)
    await socket.send('anybody?', '192.168.1.99:9')
    await socket.send('anybody?', '203.0.113.200:9')

    expect(nat.mappings.map(({ internalAddress }) => internalAddress)).toEqual([ada.addresses[0]])
  })

  test('multicast and broadcast stay in the LAN', async () => {
    const { net, ada, amy, one } = setUp()
    const sent: string[] = []
    net.trace(({ host }) => sent.push(host))
    const recorder = new UdpRecorder()
    const options = { address: '0.0.0.0', port: 1_900, sharePort: true, multicastInterface: 'eth0', broadcast: true }
    for (const host of [amy, one]) (await host.network.network.openUdp(options, recorder)).joinGroup('239.255.255.250')
    const socket = await ada.network.network.openUdp(options, new UdpRecorder())
    socket.send(new Uint8Array(1), { address: '239.255.255.250', port: 1_900 })
    socket.send(new Uint8Array(1), { address: '255.255.255.255', port: 1_900 })
    await net.advance(1_000)

    expect([sent, recorder.datagrams.length]).toEqual([['ada', 'ada'], 2])
  })
})

describe('wrong options', () => {
  test.each<[NatOptions, string]>([
    [
      { kind: 'cone' as NatKind },
      "kind must be one of none, full-cone, restricted, port-restricted, symmetric, symmetric-seq, udp-blocked, not 'cone'",
    ],
    [
      { mapping: 'none' as NatDependence },
      "mapping must be one of endpoint-independent, address-dependent, address-and-port-dependent, not 'none'",
    ],
    [{ portDelta: 0 }, 'portDelta must be a whole number from -1000 to 1000 other than 0, not 0'],
    [{ udpMappingLifetimeMs: 0 }, 'udpMappingLifetimeMs must be a number of milliseconds above 0, not 0'],
    [
      { lan: { ipv4: '10.0.0.0/8' } },
      "ipv4 must be true, false or an IPv4 /24 such as '10.0.0.0/24', not '10.0.0.0/8'",
    ],
    [{ behind: 'nowhere' }, "there is no LAN 'nowhere'; make it with lan('nowhere')"],
  ])('%o', (options, message) => {
    expect(() => simulate().nat('home', options)).toThrow(new RangeError(message))
  })

  test('a second router in a LAN, a name twice, an internet of your own', () => {
    const net = simulate()
    net.nat('home')
    expect(() => net.nat('home')).toThrow("there is a host 'home' already")
    expect(() => net.lan('internet', { loss: 0.1 })).toThrow(RangeError)
    net.host('ada', { lans: ['internet'] })
    expect(net.lan('internet')).toBe(net.internet)
  })
})
