import { describe, expect, test } from 'vitest'
import { UdpRecorder } from '../../../test/contract/recorder.ts'
import { type FakePcpOptions, FakePcpServer } from '../../../test/nat/fake-pcp-server.ts'
import { FakeUpnpGateway, type FakeUpnpOptions } from '../../../test/nat/fake-upnp-gateway.ts'
import { EarshotError } from '../../errors.ts'
import {
  type NatOptions,
  type SimulatedHost,
  type SimulatedNat,
  type SimulatedNetwork,
  simulate,
} from '../../testing/index.ts'
import { PortMapper } from './port-mapper.ts'
import type { PortMapping } from './port-mapping.ts'
import type { MapOptions } from './port-mapping-options.ts'

const PORT = 4_112
const MINUTE = 60_000
const HOUR = 60 * MINUTE

interface Home {
  readonly net: SimulatedNetwork
  readonly nat: SimulatedNat
  readonly ada: SimulatedHost
  readonly mapper: PortMapper
  readonly map: (options?: Partial<MapOptions>) => Promise<PortMapping>
  /** Whether a stranger on the Internet reaches ada's port where the mapping says. */
  readonly isReached: (mapping: PortMapping) => Promise<boolean>
}

async function home(options: NatOptions = {}): Promise<Home> {
  const net = simulate({ seed: 3 })
  const nat = net.nat('home', { kind: 'symmetric', ...options })
  const ada = net.host('ada', { lans: ['home'] })
  const stranger = net.host('stranger', { lans: ['internet'] })
  const mapper = new PortMapper(ada.network)
  const recorder = new UdpRecorder()
  for (const address of ['0.0.0.0', '::'])
    await ada.network.network.openUdp({ address, port: PORT, sharePort: false }, recorder)
  const isReached = async ({ external }: PortMapping) => {
    recorder.datagrams.length = 0
    const address = external.address.includes(':') ? '::' : '0.0.0.0'
    const socket = await stranger.network.network.openUdp({ address, port: 0, sharePort: false }, new UdpRecorder())
    socket.send(new Uint8Array(1), external)
    await net.advance(200)
    socket.close()
    return recorder.datagrams.length === 1
  }
  const map = (more: Partial<MapOptions> = {}) =>
    net.until(mapper.map({ protocol: 'udp', internalPort: PORT, ...more }))
  return { net, nat, ada, mapper, map, isReached }
}

const pcp = (nat: SimulatedNat, options: FakePcpOptions = {}) => FakePcpServer.start(nat, { natPmp: false, ...options })
const natPmp = (nat: SimulatedNat, options: FakePcpOptions = {}) => FakePcpServer.start(nat, { pcp: false, ...options })
const upnp = (nat: SimulatedNat, options: FakeUpnpOptions = {}) => FakeUpnpGateway.start(nat, options)

async function failure(promise: Promise<unknown>): Promise<EarshotError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(EarshotError)
  return error as EarshotError
}

type Start = (nat: SimulatedNat) => Promise<unknown>

describe('a port is mapped, and gone after close', () => {
  test.each<[string, string, Start]>([
    ['PCP', 'pcp', pcp],
    ['NAT-PMP', 'nat-pmp', natPmp],
    ['UPnP, version 1', 'upnp-igd', upnp],
    ['UPnP, version 2', 'upnp-igd', nat => upnp(nat, { version: 2 })],
    ['UPnP in chunks', 'upnp-igd', nat => upnp(nat, { chunked: true })],
    ['UPnP where multicast does not pass', 'upnp-igd', nat => upnp(nat, { multicast: false })],
  ])('by %s', async (_, via, start) => {
    const { net, nat, ada, mapper, map, isReached } = await home()
    await start(nat)

    const mapping = await map()
    expect(mapping).toMatchObject({
      via,
      state: 'mapped',
      internalAddress: ada.addresses[0],
      isBehindAnotherNat: false,
    })
    expect(mapping.external).toEqual({ address: nat.externalAddress, port: PORT })
    expect(mapping.gateway).toBe('192.168.1.1')
    expect(await isReached(mapping)).toBe(true)

    await net.until(mapper.close())
    expect([mapping.state, nat.mappings, await isReached(mapping)]).toEqual(['closed', [], false])
    const left = ada.open().filter(({ detail }) => !detail.endsWith(`:${PORT}`))
    expect(left).toEqual([])
  })

  test('for TCP and UDP at once, in whatever way answers first', async () => {
    const { net, nat, mapper, map } = await home()
    await FakePcpServer.start(nat)
    await upnp(nat)
    const mappings = await Promise.all([map(), map({ protocol: 'tcp' })])

    expect(mappings.map(({ protocol, via }) => `${protocol} ${via}`)).toEqual(['udp pcp', 'tcp pcp'])
    expect(nat.mappings).toHaveLength(2)
    await net.until(mapper.close())
    expect(nat.mappings).toEqual([])
  })

  test('within a few milliseconds, whatever else does not answer', async () => {
    const { net, nat, map } = await home()
    await natPmp(nat)
    const startedAt = net.now
    await map()

    expect(net.now - startedAt).toBeLessThan(5)
  })

  test('on a LAN that loses every third packet', async () => {
    const { net, nat, mapper, map, isReached } = await home()
    await FakePcpServer.start(nat)
    nat.lan.loss = 0.3
    const mapping = await map()
    nat.lan.loss = 0

    expect(await isReached(mapping)).toBe(true)
    await net.until(mapper.close())
    expect(nat.mappings).toEqual([])
  })

  test('under another port where the wanted one is taken', async () => {
    for (const start of [pcp, natPmp, upnp, (nat: SimulatedNat) => upnp(nat, { version: 2 })] as Start[]) {
      const { nat, map, isReached } = await home()
      await start(nat)
      nat.map({ protocol: 'udp', internalAddress: '192.168.1.200', internalPort: PORT })
      const mapping = await map()

      expect(mapping.external.port).not.toBe(PORT)
      expect(await isReached(mapping)).toBe(true)
    }
  })

  test('for a port other than the internal one', async () => {
    const { nat, map, isReached } = await home()
    await pcp(nat)
    const mapping = await map({ externalPort: 5_000 })

    expect(mapping.external.port).toBe(5_000)
    expect(await isReached(mapping)).toBe(true)
  })

  test('by a mapping of its own that is closed before the mapper', async () => {
    const { net, nat, ada, mapper, map } = await home()
    await pcp(nat)
    const mapping = await map()
    await net.until(Promise.all([mapping.close(), mapping.close()]))

    expect([nat.mappings, mapper.mappings]).toEqual([[], []])
    expect(ada.open().filter(({ kind }) => kind !== 'udp socket')).toEqual([])
    await mapper.close()
  })
})

describe('IPv6 pinholes', () => {
  test.each<[string, Start]>([
    ['pcp', pcp],
    ['upnp-igd', nat => upnp(nat, { version: 2, ipv6: true })],
  ])('by %s: opened for a global address, renewed, closed', async (via, start) => {
    const { net, nat, ada, mapper, map, isReached } = await home({ ipv6: 'firewall' })
    await start(nat)
    const mapping = await map({ family: 'ipv6', lifetimeMs: 10 * MINUTE })
    const global = ada.addresses.find(address => address.startsWith('2001'))!

    expect(mapping).toMatchObject({ via, external: { address: global, port: PORT }, isBehindAnotherNat: false })
    expect(await isReached(mapping)).toBe(true)
    await net.advance(HOUR)
    expect(await isReached(mapping)).toBe(true)
    await net.until(mapper.close())
    expect(await isReached(mapping)).toBe(false)
  })

  test('without IPv6 there is no router to ask', async () => {
    const { nat, map } = await home()
    await pcp(nat)

    expect(await failure(map({ family: 'ipv6' }))).toMatchObject({ code: 'no-network' })
  })
})

describe('renewal', () => {
  test.each<[string, Start]>([
    ['pcp', pcp],
    ['nat-pmp', natPmp],
    ['upnp-igd', upnp],
    ['upnp-igd', nat => upnp(nat, { errors: { AddPortMapping: [725] } })],
  ])('%s: at half the lifetime, for as long as the mapping is wanted', async (_, start) => {
    const { net, nat, map, isReached } = await home()
    await start(nat)
    const mapping = await map({ lifetimeMs: 10 * MINUTE })
    for (let hours = 0; hours < 3; hours++) {
      await net.advance(HOUR)
      expect(await isReached(mapping)).toBe(true)
    }
    expect(mapping.external.port).toBe(PORT)
  })

  test('is asked once, between a half and five eighths of what was granted', async () => {
    const { net, nat, map } = await home()
    const server = await pcp(nat, { maxLifetimeSeconds: 1_000 })
    const mapping = await map()
    expect(mapping.lifetimeMs).toBe(1_000_000)
    const before = server.requests.length
    const grantedAt = net.now

    await net.advance(499_000)
    expect(server.requests.length).toBe(before)
    await net.advance(127_000)
    expect(server.requests.length).toBe(before + 1)
    expect(server.requests.at(-1)!.at - grantedAt).toBeGreaterThanOrEqual(499_000)
  })

  test('a gateway that is away for a while finds the mapping wanted again', async () => {
    const { net, nat, map, isReached } = await home()
    const states: string[] = []
    await pcp(nat)
    const mapping = await map({ lifetimeMs: 10 * MINUTE, onChange: ({ state }) => states.push(state) })
    nat.router.stop()
    await net.advance(20 * MINUTE)
    expect([mapping.state, states]).toEqual(['lost', ['lost']])

    nat.restart({ newAddress: true })
    await pcp(nat)
    await net.advance(10 * MINUTE)
    expect([mapping.state, states]).toEqual(['mapped', ['lost', 'mapped']])
    expect(mapping.external).toEqual({ address: nat.externalAddress, port: PORT })
    expect(await isReached(mapping)).toBe(true)
  })

  test('a router that is replaced by one with another protocol keeps the mapping, which is never lost', async () => {
    const { net, nat, map, isReached } = await home()
    const states: string[] = []
    await upnp(nat)
    const mapping = await map({ lifetimeMs: 10 * MINUTE, onChange: ({ state }) => states.push(state) })
    nat.restart()
    await natPmp(nat)
    await net.advance(10 * MINUTE)

    expect([mapping.via, states, await isReached(mapping)]).toEqual(['nat-pmp', [], true])
  })

  test('one second of lifetime does not mean two requests a second', async () => {
    const { net, nat, map } = await home()
    const server = await pcp(nat, { maxLifetimeSeconds: 1 })
    await map()
    await net.advance(10 * MINUTE)

    expect(server.requests.length).toBeLessThan(400)
  })
})

describe('a gateway that was started again', () => {
  test.each<[string, (nat: SimulatedNat) => Promise<FakePcpServer>]>([
    ['pcp', pcp],
    ['nat-pmp', natPmp],
  ])('%s: announces it, and has the mapping again within seconds', async (_, start) => {
    const { net, nat, map, isReached } = await home()
    const changes: string[] = []
    await start(nat)
    const mapping = await map({ onChange: ({ external }) => changes.push(external.address) })
    await net.advance(MINUTE)

    nat.restart({ newAddress: true })
    const server = await start(nat)
    server.announce()
    await net.advance(10_000)
    expect(changes).toEqual([nat.externalAddress])
    expect(await isReached(mapping)).toBe(true)
  })

  test('shows by its epoch that the mappings of others are lost, too', async () => {
    for (const start of [pcp, natPmp]) {
      const { net, nat, mapper, map } = await home()
      await start(nat)
      await map({ lifetimeMs: 10 * MINUTE })
      await map({ protocol: 'tcp', lifetimeMs: 4 * HOUR })
      await net.advance(MINUTE)
      nat.restart()
      await start(nat)

      await net.advance(10 * MINUTE)
      expect(nat.mappings.map(({ protocol }) => protocol).sort()).toEqual(['tcp', 'udp'])
      await net.until(mapper.close())
    }
  })

  test('announcements that anybody forges cost a renewal every half minute', async () => {
    const { net, nat, map } = await home()
    const server = await pcp(nat)
    await map()
    const before = server.requests.length
    for (let i = 0; i < 1_000; i++) {
      server.announce()
      await net.advance(100)
    }
    expect(server.requests.length - before).toBeLessThanOrEqual(4)

    const mallory = net.host('mallory', { lans: ['home'] })
    const socket = await mallory.network.network.openUdp(
      { address: '0.0.0.0', port: 5_351, sharePort: false },
      new UdpRecorder(),
    )
    await net.advance(MINUTE)
    const quiet = server.requests.length
    socket.send(Uint8Array.of(0, 128, 0, 0, 0, 0, 0, 0, 6, 6, 6, 6), { address: '192.168.1.2', port: 5_350 })
    await net.advance(MINUTE)
    expect(server.requests.length).toBe(quiet)
  })
})

describe('networks change', () => {
  test('a mapping moves to the gateway of the new network', async () => {
    const { net, nat, ada, map } = await home()
    const office = net.nat('office')
    await pcp(nat)
    await natPmp(office)
    const mapping = await map()
    ada.detach('eth0')
    await net.advance(10_000)
    expect(mapping.state).toBe('lost')

    ada.attach(office.lan)
    await net.advance(10_000)
    expect(mapping).toMatchObject({ state: 'mapped', via: 'nat-pmp', external: { address: office.externalAddress } })
    expect(office.mappings).toHaveLength(1)
  })
})

describe('another NAT in front of the router', () => {
  test.each<[string, Start]>([
    ['pcp', nat => pcp(nat)],
    ['nat-pmp', nat => natPmp(nat)],
    ['upnp-igd', nat => upnp(nat)],
  ])('%s: is told from its external address', async (_, start) => {
    const net = simulate()
    net.nat('carrier', { lan: { ipv4: '100.64.0.0/24' } })
    const nat = net.nat('home', { behind: 'carrier' })
    await start(nat)
    const mapper = new PortMapper(net.host('ada', { lans: ['home'] }).network)
    const mapping = await net.until(mapper.map({ protocol: 'udp', internalPort: PORT }))

    expect(mapping.isBehindAnotherNat).toBe(true)
    expect(mapping.external.address).toBe('100.64.0.2')
    await net.until(mapper.close())
  })
})

describe('where it does not work', () => {
  test('no router answers: unreachable, with every way that was tried', async () => {
    const { net, map } = await home()
    const startedAt = net.now
    const error = await failure(map())

    expect(error.code).toBe('unreachable')
    expect(error.hint).toContain('UPnP')
    expect(error.attempts.map(({ via, code, address }) => `${via} ${code} ${address}`).sort()).toEqual([
      'nat-pmp timeout 192.168.1.1',
      'pcp timeout 192.168.1.1',
      'upnp-igd timeout eth0',
    ])
    expect(net.now - startedAt).toBeLessThan(4_000)
  })

  test('no router is known', async () => {
    const net = simulate()
    const mapper = new PortMapper(net.host('ada').network)

    expect(await failure(mapper.map({ protocol: 'udp', internalPort: PORT }))).toMatchObject({ code: 'no-network' })
  })

  test.each<[string, string, Start]>([
    ['PCP not authorized', 'not-authorized', nat => pcp(nat, { result: 2 })],
    ['PCP behind another NAT', 'address-mismatch', nat => pcp(nat, { result: 12 })],
    ['PCP with a code of tomorrow', 'unknown-result-99', nat => pcp(nat, { result: 99 })],
    ['NAT-PMP out of resources', 'no-resources', nat => natPmp(nat, { result: 4 })],
    ['NAT-PMP without a connection', 'network-failure', nat => natPmp(nat, { externalAddress: '0.0.0.0' })],
    ['UPnP behind a carrier', '501 Error501', nat => upnp(nat, { errors: { AddPortMapping: 501 } })],
    ['UPnP without a connection', 'no external address', nat => upnp(nat, { externalAddress: '' })],
    ['UPnP with every port taken', '718 Error718', nat => upnp(nat, { errors: { AddPortMapping: 718 } })],
  ])('%s: refused, with reason and hint', async (_, reason, start) => {
    const { net, nat, ada, map } = await home()
    await start(nat)
    const error = await failure(map())

    expect(error).toMatchObject({ code: 'refused', reason })
    expect(error.hint).toBeTruthy()
    expect(nat.mappings).toEqual([])
    expect(
      ada
        .open()
        .map(({ detail }) => detail)
        .filter(detail => !detail.endsWith(`:${PORT}`)),
    ).toEqual([])
    await net.advance(1_000)
  })

  test('a protocol that refuses leaves it to the others', async () => {
    const { nat, map } = await home()
    await pcp(nat, { result: 2 })
    await upnp(nat)

    expect(await map()).toMatchObject({ via: 'upnp-igd' })
  })

  test('only the protocols that are wanted', async () => {
    const { nat, map } = await home()
    await FakePcpServer.start(nat)
    await upnp(nat)

    expect(await map({ protocols: ['upnp-igd'] })).toMatchObject({ via: 'upnp-igd' })
    expect(await map({ protocols: ['nat-pmp'], protocol: 'tcp' })).toMatchObject({ via: 'nat-pmp' })
  })

  test('aborted: with the reason, and nothing is left', async () => {
    const { net, ada, mapper } = await home()
    const aborted = new AbortController()
    const mapping = mapper.map({ protocol: 'udp', internalPort: PORT, signal: aborted.signal })
    await net.advance(100)
    const reason = new Error('changed my mind')
    aborted.abort(reason)

    await expect(mapping).rejects.toBe(reason)
    await net.advance(10)
    expect(
      ada
        .open()
        .map(({ detail }) => detail)
        .filter(detail => !detail.endsWith(`:${PORT}`)),
    ).toEqual([])
    await expect(mapper.map({ protocol: 'udp', internalPort: PORT, signal: aborted.signal })).rejects.toBe(reason)
  })

  test.each<[string, Start]>([
    ['PCP', pcp],
    ['NAT-PMP', natPmp],
    ['UPnP', upnp],
  ])('aborted when %s was asked already: what it grants is taken back', async (_, start) => {
    const { net, nat, ada, mapper } = await home()
    await start(nat)
    nat.lan.delayMs = 100
    const aborted = new AbortController()
    const mapping = failure(
      net
        .until(mapper.map({ protocol: 'udp', internalPort: PORT, signal: aborted.signal }))
        .catch((reason: unknown) => {
          throw new EarshotError('closed', String(reason))
        }),
    )
    while (nat.mappings.every(({ isExplicit }) => !isExplicit)) await net.advance(10)
    aborted.abort('changed my mind')

    expect((await mapping).message).toBe('changed my mind')
    expect(nat.mappings.filter(({ isExplicit }) => isExplicit)).toHaveLength(1)
    await net.advance(2_000)
    expect(nat.mappings.filter(({ isExplicit }) => isExplicit)).toEqual([])
    expect(
      ada
        .open()
        .map(({ detail }) => detail)
        .filter(detail => !detail.endsWith(`:${PORT}`)),
    ).toEqual([])
  })

  test('closed: what is being made is not made, and nothing more is', async () => {
    const { net, ada, mapper } = await home()
    const making = failure(mapper.map({ protocol: 'udp', internalPort: PORT }))
    await net.advance(100)
    await net.until(mapper.close())

    expect((await making).code).toBe('closed')
    expect((await failure(mapper.map({ protocol: 'udp', internalPort: PORT }))).code).toBe('closed')
    await net.advance(10)
    expect(
      ada
        .open()
        .map(({ detail }) => detail)
        .filter(detail => !detail.endsWith(`:${PORT}`)),
    ).toEqual([])
  })

  test('close does not wait for a gateway that has gone', async () => {
    const { net, nat, mapper, map } = await home()
    await pcp(nat)
    await map()
    nat.router.stop()
    const startedAt = net.now
    await net.until(mapper.close())

    expect(net.now - startedAt).toBeLessThanOrEqual(1_000)
  })

  test('a gateway that removes nothing keeps the mapping for a second', async () => {
    const { net, nat, mapper, map } = await home()
    await pcp(nat, { keepsMappings: true })
    await map()
    await net.until(mapper.close())
    await net.advance(1_000)

    expect(nat.mappings).toEqual([])
  })

  test('too many', async () => {
    const { net, nat, mapper } = await home()
    await pcp(nat)
    const map = (internalPort: number) => mapper.map({ protocol: 'udp', internalPort })
    await net.until(Promise.all(Array.from({ length: 64 }, (_, at) => map(5_000 + at))))

    expect((await failure(map(6_000))).code).toBe('limit-reached')
    await net.until(mapper.close())
  })
})

describe('a hostile gateway', () => {
  const wrongNonce = (answer: Uint8Array) => [
    answer.map((byte, at) => (answer.length > 24 && at === 24 ? byte ^ 1 : byte)),
  ]
  const flood = (answer: Uint8Array) => Array.from({ length: 500 }, () => answer.map(byte => byte ^ 0xff))

  /** Alone it is refused; beside an honest one, that one serves. */
  async function survives(code: string, start: Start, honest: Start): Promise<void> {
    const alone = await home()
    await start(alone.nat)
    const error = await failure(alone.map())
    expect(error.attempts.map(attempt => attempt.code)).toContain(code)

    const { nat, map, isReached } = await home()
    await start(nat)
    await honest(nat)
    expect(await isReached(await map())).toBe(true)
  }

  test.each<[string, string, Start]>([
    ['PCP with a wrong nonce', 'timeout', nat => pcp(nat, { tamper: wrongNonce })],
    ['PCP from another port', 'timeout', nat => pcp(nat, { answerFromPort: 5_999 })],
    ['NAT-PMP from another port', 'timeout', nat => natPmp(nat, { answerFromPort: 5_999 })],
    ['PCP that is nonsense', 'protocol-violation', nat => pcp(nat, { tamper: () => [new Uint8Array(24)] })],
    [
      'PCP that is too long',
      'protocol-violation',
      nat => pcp(nat, { tamper: answer => [Uint8Array.of(...answer, ...new Uint8Array(1_104))] }),
    ],
    [
      'NAT-PMP that is cut off',
      'protocol-violation',
      nat => natPmp(nat, { tamper: answer => [answer.subarray(0, 10)] }),
    ],
    ['a flood of nonsense', 'protocol-violation', nat => pcp(nat, { tamper: flood })],
    ['PCP that grants loopback', 'protocol-violation', nat => pcp(nat, { externalAddress: '127.0.0.1' })],
    ['NAT-PMP that grants multicast', 'protocol-violation', nat => natPmp(nat, { externalAddress: '224.0.0.1' })],
    ['PCP that grants no time', 'protocol-violation', nat => pcp(nat, { maxLifetimeSeconds: 0 })],
  ])('%s: %s', (_, code, start) => survives(code, start, upnp))

  test.each<[string, string, Start]>([
    [
      'a description without end',
      'protocol-violation',
      nat => upnp(nat, { description: `<root>${'<a>'.repeat(100)}` }),
    ],
    [
      'a description nested too deep',
      'protocol-violation',
      nat => upnp(nat, { description: '<a>'.repeat(40) + '</a>'.repeat(40) }),
    ],
    [
      'a billion laughs',
      'protocol-violation',
      nat => upnp(nat, { description: '<!DOCTYPE a [<!ENTITY a "ha">]><root>&a;</root>' }),
    ],
    [
      'a huge description',
      'protocol-violation',
      nat => upnp(nat, { description: `<root>${' '.repeat(200_000)}</root>` }),
    ],
    [
      'a redirect',
      'protocol-violation',
      nat => upnp(nat, { http: () => http('302 Found', 'Location: http://192.168.1.77/\r\nContent-Length: 0') }),
    ],
    [
      'headers without end',
      'protocol-violation',
      nat => upnp(nat, { http: () => http('200 OK', 'A: b\r\n'.repeat(200)) }),
    ],
    [
      'a response that stays away',
      'timeout',
      nat => upnp(nat, { http: () => ({ bytes: new Uint8Array(0), ends: false }) }),
    ],
    [
      'a response that is cut off',
      'protocol-violation',
      nat => upnp(nat, { http: () => http('200 OK', 'Content-Length: 500') }),
    ],
    ['a control URL on another host', 'refused', nat => upnp(nat, { controlUrl: 'http://192.168.1.77/ctl' })],
    ['a base on another host', 'refused', nat => upnp(nat, { urlBase: 'http://10.0.0.1:5000/' })],
    [
      'a location on another host',
      'protocol-violation',
      nat => upnp(nat, { location: 'http://192.168.1.77:5000/rootDesc.xml' }),
    ],
    [
      'a location on this machine',
      'protocol-violation',
      nat => upnp(nat, { location: 'http://127.0.0.1:5000/rootDesc.xml' }),
    ],
    ['a location by name', 'protocol-violation', nat => upnp(nat, { location: 'http://router.example/rootDesc.xml' })],
    [
      'a location that is no http',
      'protocol-violation',
      nat => upnp(nat, { location: 'ftp://192.168.1.1/rootDesc.xml' }),
    ],
    ['an SSDP answer that is none', 'timeout', nat => upnp(nat, { ssdpAnswer: 'NOTIFY * HTTP/1.1\r\n\r\n' })],
    [
      'an SSDP answer that is too long',
      'timeout',
      nat => upnp(nat, { ssdpAnswer: `HTTP/1.1 200 OK\r\nST: x\r\n${'x'.repeat(5_000)}\r\n\r\n` }),
    ],
  ])('%s: %s', (_, code, start) => survives(code, start, pcp))

  test('a host that plays the router is asked only after the router, and never sent elsewhere', async () => {
    const { net, nat, map } = await home()
    const mallory = net.host('mallory', { lans: ['home'] })
    const fake = await FakeUpnpGateway.start(nat, { externalAddress: '198.51.100.66' }, mallory.network)
    await upnp(nat)
    const mapping = await map()

    expect(mapping.gateway).toBe('192.168.1.1')
    await net.advance(5_000)
    expect(fake.paths).toEqual([])
  })

  test('mappings that a gateway forgets to grant again are told as lost', async () => {
    const { net, nat, map } = await home()
    const server = await pcp(nat)
    const states: string[] = []
    await map({ lifetimeMs: 10 * MINUTE, onChange: ({ state }) => states.push(state) })
    server.options = { ...server.options, result: 2 }
    await net.advance(HOUR)

    expect(states).toEqual(['lost'])
  })
})

function http(status: string, headers: string): { bytes: Uint8Array; ends: boolean } {
  return { bytes: new TextEncoder().encode(`HTTP/1.1 ${status}\r\n${headers}\r\n\r\n`), ends: true }
}

describe('UPnP routers with their ways', () => {
  test('only permanent leases: mapped for ever, and removed at close', async () => {
    const { net, nat, mapper, map } = await home()
    const gateway = await upnp(nat, { errors: { AddPortMapping: [725] } })
    const mapping = await map()

    expect(mapping.lifetimeMs).toBe(Infinity)
    expect(gateway.calls.at(-2)).toMatchObject({ action: 'AddPortMapping', args: { NewLeaseDuration: '0' } })
    await net.until(mapper.close())
    expect(nat.mappings).toEqual([])
  })

  test('version 2 by name only: the action of version 1 is taken', async () => {
    const { nat, map } = await home()
    const gateway = await upnp(nat, { version: 2, errors: { AddAnyPortMapping: 401 } })

    expect((await map()).external.port).toBe(PORT)
    expect(gateway.calls.map(({ action }) => action)).toContain('AddPortMapping')
  })

  test('only the same port inside and outside', async () => {
    const { nat, map } = await home()
    await upnp(nat, { errors: { AddPortMapping: [724] } })

    expect((await map({ externalPort: 5_000 })).external.port).toBe(PORT)
  })

  test('a conflict: another port is tried', async () => {
    const { nat, map } = await home()
    await upnp(nat, { errors: { AddPortMapping: [718, 718] } })

    expect((await map()).external.port).not.toBe(PORT)
  })

  test('the description has what the program gave', async () => {
    const { nat, map } = await home()
    const gateway = await upnp(nat)
    await map({ description: 'chat & "more" <here>' })

    const added = gateway.calls.find(({ action }) => action === 'AddPortMapping')!
    expect(added.args['NewPortMappingDescription']).toBe('chat &#38; &#34;more&#34; &#60;here&#62;')
  })

  test('that forgot a mapping have nothing to delete, and that is no error', async () => {
    const { net, nat, map } = await home()
    await upnp(nat, { errors: { DeletePortMapping: 714 } })
    await net.until((await map()).close())
  })
})

describe('wrong options', () => {
  test.each<[Partial<MapOptions>, string]>([
    [{ protocol: 'sctp' as 'udp' }, "protocol must be one of udp, tcp, not 'sctp'"],
    [{ internalPort: 0 }, 'internalPort must be a whole number from 1 to 65535, not 0'],
    [{ externalPort: 70_000 }, 'externalPort must be a whole number from 1 to 65535, not 70000'],
    [{ lifetimeMs: 1_000 }, 'lifetimeMs must be a whole number from 120000 to 86400000, not 1000'],
    [{ internalAddress: '::1' }, "internalAddress must be an ipv4 address, not '::1'"],
    [{ protocols: [] }, 'protocols must name at least one protocol'],
    [{ description: 'über' }, "description must be 1 to 64 printable ASCII characters, not 'über'"],
  ])('%o', async (options, message) => {
    const mapper = new PortMapper(simulate().host('ada').network)
    await expect(mapper.map({ protocol: 'udp', internalPort: PORT, ...options })).rejects.toThrow(
      new RangeError(message),
    )
  })
})
