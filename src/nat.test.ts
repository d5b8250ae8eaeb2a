/** Behaviour discovery against servers that pretend that there is a NAT. The real ones are in test/lab/nat.test.ts. */

import { describe, expect, test } from 'vitest'
import { ModelNat, type NatModel } from '../test/nat/model-nat.ts'
import { StunServer, type StunServerOptions } from '../test/nat/stun-server.ts'
import {
  discoverBehaviour,
  type MappingBehaviour,
  measureMappingLifetime,
  type NatBehaviour,
  requestBinding,
} from './nat.ts'
import { type SimulatedHost, type SimulatedNetwork, simulate } from './testing/index.ts'

const [FIRST, SECOND, EXTERNAL] = ['192.168.1.110', '192.168.1.111', '192.168.1.200']

interface Stage {
  readonly net: SimulatedNetwork
  readonly ada: SimulatedHost
}

function stage(lan: Parameters<SimulatedNetwork['lan']>[1] = {}): Stage {
  const net = simulate({ seed: 1 })
  net.lan('home', lan)
  return { net, ada: net.host('ada') }
}

function natOf({ net }: Stage, model: NatModel): ModelNat {
  return new ModelNat(EXTERNAL, model, () => net.now)
}

async function serve({ net }: Stage, options: Partial<StunServerOptions> = {}): Promise<StunServer> {
  const addresses = options.addresses ?? [FIRST, SECOND]
  const lans = [{ lan: 'home', addresses: addresses.map(address => `${address}/24`) }]
  const host = net.host(`stun-${addresses[0]!.split('.').at(-1)}`, { lans })
  return StunServer.start(host.network, { addresses, ...options })
}

function discover({ net, ada }: Stage, servers = [`stun:${FIRST}`], options = {}): Promise<NatBehaviour> {
  return net.until(discoverBehaviour({ servers, network: ada.network, ...options }))
}

const MODELS = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent'] as const

describe('every kind of NAT is recognised', () => {
  const kinds = MODELS.flatMap(mapping => MODELS.map(filtering => [mapping, filtering] as const))
  test.each(kinds)('mapping %s, filtering %s', async (mapping, filtering) => {
    const on = stage()
    await serve(on, { nat: natOf(on, { mapping, filtering, ports: 'random' }) })
    const { udp, tcp, udpBlocked } = await discover(on)
    expect(udp).toMatchObject({ mapping, filtering, hairpinning: 'no', portAllocation: { kind: 'random' } })
    expect(tcp).toMatchObject({ mapping, portAllocation: { kind: 'random' } })
    expect(udpBlocked).toBe('no')
    expect(udp!.mapped!.address).toBe(EXTERNAL)
    expect(udp!.servers).toMatchObject([
      { server: `stun:${FIRST}:3478`, mapped: udp!.mapped, other: { address: SECOND, port: 3479 }, software: 'a fake' },
    ])
    await on.net.advance(5_000)
    expect(on.ada.open()).toEqual([])
  })

  test.each([
    ['preserving', { kind: 'preserving', offset: 0 }],
    [{ delta: 1 }, { kind: 'sequential', delta: 1 }],
    [{ delta: -2 }, { kind: 'sequential', delta: -2 }],
    ['random', { kind: 'random' }],
  ] as const)('ports: %j', async (ports, expected) => {
    const on = stage()
    const nat = natOf(on, { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', ports })
    await serve(on, { nat })
    const { udp, tcp } = await discover(on)
    expect(udp!.portAllocation).toEqual(expected)
    expect(tcp!.portAllocation).toEqual(expected)
  })

  test('no NAT at all', async () => {
    const on = stage()
    await serve(on)
    const { udp, tcp } = await discover(on)
    expect(udp).toMatchObject({ mapping: 'none', filtering: 'endpoint-independent', hairpinning: 'yes' })
    expect(udp!.mapped).toEqual({ address: on.ada.addresses[0], port: udp!.localPort })
    expect(tcp).toMatchObject({ mapping: 'none', mapped: { port: tcp!.localPort } })
  })

  test('over IPv6', async () => {
    const on = stage({ ipv6: 'global' })
    const addresses = ['2001:db8:0:1::110', '2001:db8:0:1::111']
    const lans = [{ lan: 'home', addresses: addresses.map(address => `${address}/64`) }]
    await StunServer.start(on.net.host('six', { lans }).network, { addresses })
    const { udp, tcp } = await discover(on, [`stun:[${addresses[0]}]`], { family: 'ipv6' })
    expect(udp).toMatchObject({ mapping: 'none', filtering: 'endpoint-independent' })
    expect(tcp).toMatchObject({ mapping: 'none' })
  })

  test('through losses', async () => {
    const on = stage()
    const nat = natOf(on, { mapping: 'address-dependent', filtering: 'address-dependent', ports: 'random' })
    await serve(on, { nat })
    on.net.lan('home').loss = 0.05
    expect((await discover(on)).udp).toMatchObject({ mapping: 'address-dependent', filtering: 'address-dependent' })
  })
})

describe('what cannot be told is unknown', () => {
  const symmetric: NatModel = { mapping: 'address-and-port-dependent', filtering: 'address-dependent', ports: 'random' }
  const cone: NatModel = { mapping: 'endpoint-independent', filtering: 'address-dependent', ports: 'random' }

  test.each([
    ['endpoint-independent', cone],
    ['endpoint-dependent', symmetric],
  ] as [MappingBehaviour, NatModel][])(
    'two plain servers tell that the mapping is %s, and no filtering',
    async (mapping, model) => {
      const on = stage()
      const nat = natOf(on, model)
      await serve(on, { nat, addresses: [FIRST] })
      await serve(on, { nat, addresses: [SECOND] })
      const { udp } = await discover(on, [`stun:${FIRST}`, `stun:${SECOND}`])
      expect(udp).toMatchObject({ mapping, filtering: 'unknown' })
    },
  )

  test('one plain server tells nothing but the mapped address', async () => {
    const on = stage()
    await serve(on, { nat: natOf(on, cone), addresses: [FIRST] })
    const { udp } = await discover(on)
    expect(udp).toMatchObject({ mapping: 'unknown', filtering: 'unknown', mapped: { address: EXTERNAL } })
  })

  test('a server whose other address is dead proves nothing by its silence', async () => {
    const on = stage()
    await serve(on, { nat: natOf(on, cone), isHalfDead: true })
    expect((await discover(on)).udp).toMatchObject({ mapping: 'unknown', filtering: 'unknown' })
  })

  test('a server that does not know CHANGE-REQUEST proves nothing by its answer', async () => {
    const on = stage()
    await serve(on, { nat: natOf(on, cone), ignoresChangeRequest: true })
    expect((await discover(on)).udp).toMatchObject({ mapping: 'endpoint-independent', filtering: 'unknown' })
  })

  test('nobody answers: each server says why', async () => {
    const on = stage()
    await serve(on, { error: 500 })
    const servers = [`stun:${FIRST}`, 'stun:192.168.1.250', 'stun:nobody.invalid', 'stun:[2001:db8::1]']
    const { udp, tcp, udpBlocked } = await discover(on, servers)
    expect(udp).toMatchObject({ mapping: 'unknown', filtering: 'unknown', portAllocation: { kind: 'unknown' } })
    expect(udp!.servers.map(({ error }) => error?.code)).toEqual(['refused', 'timeout', 'unreachable', 'unreachable'])
    expect(udp!.servers[0]!.error!.reason).toBe('500 No')
    expect(tcp!.servers.map(({ error }) => error?.code)).toEqual(['refused', 'timeout', 'unreachable', 'unreachable'])
    expect(udpBlocked).toBe('unknown')
  })

  test('a server that answers over TCP alone shows that UDP is blocked', async () => {
    const on = stage()
    await serve(on, { transports: ['tcp'] })
    const { udp, tcp, udpBlocked } = await discover(on)
    expect(udp!.mapping).toBe('unknown')
    expect(tcp!.mapping).toBe('none')
    expect(udpBlocked).toBe('yes')
  })
})

describe('one question to one server', () => {
  test.each(['udp', 'tcp'])('tells the mapped address over %s', async kind => {
    const on = stage()
    await serve(on, {
      nat: natOf(on, { mapping: 'endpoint-independent', filtering: 'address-dependent', ports: { delta: 1 } }),
    })
    const server = kind === 'tcp' ? `stun:${FIRST}?transport=tcp` : `stun:${FIRST}`
    const answer = await on.net.until(requestBinding(server, { network: on.ada.network, localPort: 5_000 }))
    expect(answer).toEqual({
      mapped: { address: EXTERNAL, port: 20_001 },
      localPort: 5_000,
      server: { address: FIRST, port: 3478 },
      rttMs: expect.closeTo(0.4, 0),
    })
    await on.net.advance(2_000)
    expect(on.ada.open()).toEqual([])
  })

  test('says why there is no answer', async () => {
    const on = stage()
    await serve(on, { error: 403, addresses: [SECOND] })
    const ask = (server: string) => on.net.until(requestBinding(server, { network: on.ada.network, timeoutMs: 1_000 }))
    await expect(ask(`stun:${SECOND}`)).rejects.toMatchObject({ code: 'refused', reason: '403 No' })
    await expect(ask('stun:192.168.1.250')).rejects.toMatchObject({ code: 'timeout' })
    await expect(ask('stun:nobody.invalid')).rejects.toMatchObject({ code: 'unreachable' })
    await expect(ask('stun:ada?transport=tcp')).rejects.toMatchObject({ code: 'unreachable' })
    await expect(ask(`stuns:${SECOND}`)).rejects.toMatchObject({ message: expect.stringContaining('TLS') })
    await expect(ask('turn:a')).rejects.toThrow(RangeError)
    expect(on.ada.open()).toEqual([])
  })

  test('a server that answers with something else is a protocol-violation', async () => {
    const on = stage()
    const { network } = on.net.host('odd').network
    await network.listenTcp({ host: '0.0.0.0', port: 3478 }, connection => {
      const onData = () => connection.write(new TextEncoder().encode('SSH-2.0-OpenSSH'))
      connection.start({ onData, onDrain() {}, onEnd() {}, onClose() {} })
    })
    const asking = requestBinding('stun:odd?transport=tcp', { network: on.ada.network })
    await expect(on.net.until(asking)).rejects.toMatchObject({ code: 'protocol-violation' })
  })
})

describe('several servers', () => {
  test('a dead one costs nothing', async () => {
    const on = stage()
    const nat = natOf(on, { mapping: 'address-dependent', filtering: 'endpoint-independent', ports: 'random' })
    await serve(on, { nat })
    const alone = await timed(on, () => discover(on))
    const withDead = await timed(on, () => discover(on, ['stun:192.168.1.250', `stun:${FIRST}`, 'stun:192.168.1.251']))
    expect(withDead.result.udp).toMatchObject({ mapping: 'address-dependent', filtering: 'endpoint-independent' })
    expect(withDead.tookMs - alone.tookMs).toBeLessThan(50)
    // Nothing is said of those that were not waited for.
    expect(withDead.result.udp!.servers.map(({ mapped, error }) => [mapped === undefined, error])).toEqual([
      [true, undefined],
      [false, undefined],
      [true, undefined],
    ])
  })

  test('the one that can tell more is waited for, a little', async () => {
    const on = stage()
    await serve(on, { addresses: [FIRST] })
    await serve(on, { addresses: ['192.168.1.112', '192.168.1.113'] })
    const { udp } = await discover(on, [`stun:${FIRST}`, 'stun:192.168.1.112'])
    expect(udp).toMatchObject({ mapping: 'none', filtering: 'endpoint-independent' })
  })
})

describe('a server that lies about its other address', () => {
  test.each([
    ['the machine itself', '127.0.0.1'],
    ['everybody', '224.0.0.1'],
    ['everybody on the link', '255.255.255.255'],
    ['an address of another scope', '8.8.8.8'],
    ['nobody', '0.0.0.0'],
    ['itself, at another port', FIRST],
  ])('%s is not asked', async (_, address) => {
    const on = stage()
    const destinations = new Set<string>()
    on.net.trace(({ host, to }) => void (host === 'ada' && destinations.add(to)))
    await serve(on, { otherAddress: { address, port: 3479 } })
    expect((await discover(on)).udp!.servers[0]!.other).toBeUndefined()
    expect([...destinations].filter(to => to.startsWith(`${address}:3479`))).toEqual([])
  })

  test('a third party gets a few requests at most', async () => {
    const on = stage()
    on.net.host('victim', { lans: [{ lan: 'home', addresses: ['192.168.1.66/24'] }] })
    let toVictim = 0
    on.net.trace(({ to, protocol }) => void (to.startsWith('192.168.1.66:') && protocol === 'udp' && toVictim++))
    const nat = natOf(on, { mapping: 'endpoint-independent', filtering: 'endpoint-independent', ports: 'random' })
    await serve(on, { nat, otherAddress: { address: '192.168.1.66', port: 3479 } })
    await discover(on)
    // At two ports for the mapping and for the control of the filtering, four times each.
    expect(toVictim).toBeLessThanOrEqual(16)
    expect(toVictim).toBeGreaterThan(0)
  })
})

describe('arguments', () => {
  test.each([
    [{ servers: [] }, /1 to 16 URIs.* not 0/],
    [{ servers: Array.from({ length: 17 }, (_, i) => `stun:192.0.2.${i}`) }, /not 17/],
    [{ servers: ['turn:192.0.2.1'] }, /TURN server/],
    [{ servers: ['192.0.2.1'] }, /no URI/],
    [{ servers: ['stun:a'], family: 'ipv5' as 'ipv6' }, /'ipv5'/],
    [{ servers: ['stun:a'], timeoutMs: 1 }, /timeoutMs must be .* from 100 to 60000, not 1/],
    [{ servers: ['stun:a'], localPort: 70_000 }, /localPort/],
  ])('%j', async (options, message) => {
    await expect(discoverBehaviour(options)).rejects.toThrow(RangeError)
    await expect(discoverBehaviour(options)).rejects.toThrow(message)
  })

  test('servers must be an array, and there', async () => {
    await expect(discoverBehaviour({ servers: 'stun:a' as unknown as string[] })).rejects.toThrow(TypeError)
    await expect(discoverBehaviour(undefined as unknown as { servers: string[] })).rejects.toThrow(TypeError)
    await expect(measureMappingLifetime({ server: 'stun:a', minMs: 5_000, maxMs: 1_000 })).rejects.toThrow(/maxMs/)
  })

  test('a local port can be chosen, and may be taken', async () => {
    const on = stage()
    await serve(on)
    const { udp, tcp } = await discover(on, [`stun:${FIRST}`], { localPort: 5_000 })
    expect([udp!.localPort, tcp!.localPort, tcp!.mapped!.port]).toEqual([5_000, 5_000, 5_000])
    const { network } = on.ada.network
    await network.openUdp({ address: '0.0.0.0', port: 5_001, sharePort: false }, { onDatagram() {}, onError() {} })
    await expect(discover(on, [`stun:${FIRST}`], { localPort: 5_001 })).rejects.toMatchObject({
      code: 'address-in-use',
    })
    await network.listenTcp({ host: '0.0.0.0', port: 5_002 }, () => {})
    await expect(discover(on, [`stun:${FIRST}`], { localPort: 5_002 })).rejects.toMatchObject({
      code: 'address-in-use',
    })
  })

  test.each([0, 3, 200, 1_500])('aborting after %i ms leaves nothing open', async afterMs => {
    const on = stage()
    await serve(on, {
      nat: natOf(on, { mapping: 'endpoint-independent', filtering: 'address-dependent', ports: 'random' }),
    })
    const controller = new AbortController()
    const reason = new Error('enough')
    const servers = [`stun:${FIRST}`, 'stun:192.168.1.250']
    const discovering = discoverBehaviour({ servers, network: on.ada.network, signal: controller.signal })
    const settled = discovering.catch((error: unknown) => error)
    await on.net.advance(afterMs)
    controller.abort(reason)
    await on.net.advance(10)
    if (afterMs < 1_000) expect(await settled).toBe(reason)
    await on.net.advance(2_000)
    expect(on.ada.open()).toEqual([])
  })
})

describe('the lifetime of mappings', () => {
  const restricted = {
    mapping: 'endpoint-independent',
    filtering: 'address-and-port-dependent',
    ports: 'random',
  } as const

  function measure({ net, ada }: Stage, options = {}): ReturnType<typeof measureMappingLifetime> {
    const measuring = measureMappingLifetime({ server: `stun:${FIRST}`, network: ada.network, ...options })
    return net.until(measuring, { withinMs: 3_600_000 })
  }

  test.each([10_500, 31_000, 60_000, 119_000, 299_000])('%i ms is found', async lifetimeMs => {
    const on = stage()
    await serve(on, { nat: natOf(on, { ...restricted, lifetimeMs }) })
    const { atLeastMs, atMostMs, method } = await measure(on)
    expect(method).toBe('response-port')
    expect(atLeastMs).toBeLessThanOrEqual(lifetimeMs)
    expect(atMostMs).toBeGreaterThanOrEqual(lifetimeMs)
    expect(atMostMs! / atLeastMs).toBeLessThanOrEqual(1.2)
    expect(on.net.now).toBeLessThan(900_000)
    expect(on.ada.open()).toEqual([])
  })

  test('longer than the longest, or shorter than the shortest, is said so', async () => {
    const long = stage()
    await serve(long, { nat: natOf(long, restricted) })
    expect(await measure(long, { maxMs: 60_000 })).toEqual({
      atLeastMs: 60_000,
      atMostMs: undefined,
      method: 'response-port',
    })
    const short = stage()
    await serve(short, { nat: natOf(short, { ...restricted, lifetimeMs: 2_000 }) })
    expect(await measure(short)).toEqual({ atLeastMs: 0, atMostMs: 10_000, method: 'response-port' })
  })

  test('a server without RESPONSE-PORT is enough where the mapped address changes', async () => {
    const on = stage()
    await serve(on, { nat: natOf(on, { ...restricted, lifetimeMs: 45_000 }), knowsResponsePort: false })
    const { atLeastMs, atMostMs, method } = await measure(on)
    expect(method).toBe('mapped-address')
    expect([atLeastMs <= 45_000, atMostMs! >= 45_000]).toEqual([true, true])
  })

  test('and cannot tell anything where it does not', async () => {
    const on = stage()
    const nat = natOf(on, { ...restricted, ports: 'preserving', lifetimeMs: 45_000 })
    await serve(on, { nat, knowsResponsePort: false })
    expect(await measure(on)).toEqual({ atLeastMs: 0, atMostMs: undefined, method: 'unknown' })
  })

  test('a server that does not answer is a timeout', async () => {
    const on = stage()
    await expect(measure(on)).rejects.toMatchObject({ code: 'timeout' })
  })

  test('can be aborted while it waits', async () => {
    const on = stage()
    await serve(on, { nat: natOf(on, restricted) })
    const controller = new AbortController()
    const measuring = measure(on, { signal: controller.signal }).catch((error: unknown) => error)
    await on.net.advance(15_000)
    controller.abort('enough')
    expect(await measuring).toBe('enough')
    expect(on.ada.open()).toEqual([])
  })
})

async function timed<Result>({ net }: Stage, work: () => Promise<Result>): Promise<{ result: Result; tookMs: number }> {
  const startedAt = net.now
  return { result: await work(), tookMs: net.now - startedAt }
}
