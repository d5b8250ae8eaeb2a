import { describe, expect, test } from 'vitest'
import type { EarshotError } from '../errors.ts'
import { addressScope } from '../platform/address-scope.ts'
import { defaultInterfaces } from '../platform/interface-choice.ts'
import type { InterfaceAddress, NetworkInterface } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'
import { type SimulatedNetwork, simulate, type TracedPacket } from '../testing/index.ts'
import type { Advert, Sighting } from './discovery.ts'
import { encodeAdvert, ROOM_SERVICE_TYPE, roomHostLabel, roomInstanceLabel, roomSubtype } from './dns-sd/room-advert.ts'
import { ServicePublication } from './dns-sd/service-publication.ts'
import { MdnsEngine } from './mdns/mdns-engine.ts'
import { decodeMessage } from './mdns/message.ts'
import type { PublishedRecords } from './mdns/publication.ts'
import { MdnsDiscovery } from './mdns-discovery.ts'

const ids = 'abcdefghijklmnopqrstuvwxyz234567'
const idOf = (name: string): string => `${name.charAt(0).repeat(51)}a`
const advertOf = (name: string, changes: Partial<Advert> = {}): Advert => ({
  service: 'chat',
  id: idOf(name),
  name,
  info: '{"team":"red"}',
  port: 4_000 + ids.indexOf(name.charAt(0)),
  ...changes,
})

/** A peer which records what it is told. */
class Watcher {
  readonly seen = new Map<string, Sighting>()
  readonly told: Sighting[] = []
  readonly lost: string[] = []
  readonly warnings: EarshotError[] = []
  readonly discovery: MdnsDiscovery

  constructor(platform: Platform, { service }: { service: string | undefined } = { service: 'chat' }) {
    this.discovery = new MdnsDiscovery({
      service,
      platform,
      chooseInterfaces: all => defaultInterfaces(all),
      handlers: {
        onSighting: sighting => {
          this.told.push(sighting)
          this.seen.set(sighting.id, sighting)
        },
        onLost: id => {
          this.lost.push(id)
          this.seen.delete(id)
        },
        onWarning: error => this.warnings.push(error),
      },
    })
  }

  get names(): string[] {
    return [...this.seen.values()].map(({ name }) => name).sort()
  }
}

async function peer(net: SimulatedNetwork, name: string, options: { advertise?: boolean } = {}): Promise<Watcher> {
  const watcher = new Watcher(net.host(name).network)
  await net.until(watcher.discovery.start())
  if (options.advertise ?? true) watcher.discovery.advertise(advertOf(name))
  return watcher
}

/** Advertises eve, at any addresses. */
class Telling extends ServicePublication {
  readonly #addresses: readonly InterfaceAddress[]

  constructor(addresses: readonly string[]) {
    const advert = advertOf('eve')
    const service = {
      label: roomInstanceLabel(advert),
      type: ROOM_SERVICE_TYPE,
      subtypes: [roomSubtype(advert.service)],
      port: advert.port,
      txt: encodeAdvert(advert),
      host: roomHostLabel(advert),
      isUnique: true,
    }
    super(service, { onRenamed() {}, onAnnounced() {} })
    this.#addresses = addresses.map(text => {
      const [address = '', prefixLength] = text.split('/')
      const family = address.includes(':') ? 'ipv6' : 'ipv4'
      return { address, prefixLength: Number(prefixLength), family, scope: addressScope(address), scopeId: 0 }
    })
  }

  override records(link: NetworkInterface): PublishedRecords {
    return super.records({ ...link, addresses: this.#addresses })
  }
}

const mdns = (packets: readonly TracedPacket[]): TracedPacket[] => packets.filter(({ to }) => to.endsWith(':5353'))

describe('MdnsDiscovery', () => {
  test('a newcomer learns of a peer that is already there within 50 ms, addresses in the order to dial them', async () => {
    const net = simulate({ seed: 1 })
    const ada = await peer(net, 'ada')
    await net.advance(5_000)
    const bob = await peer(net, 'bob')
    await net.advance(50)
    expect(bob.names).toEqual(['ada'])
    const { addresses, ...text } = bob.seen.get(idOf('ada'))!
    expect(text).toEqual({ service: 'chat', id: idOf('ada'), name: 'ada', info: '{"team":"red"}', via: 'mdns' })
    expect(addresses).toEqual([
      { address: '192.168.1.2', port: 4_000 },
      { address: expect.stringMatching(/^fe80::.*%eth0$/), port: 4_000 },
    ])
    await net.advance(3_000)
    expect(ada.names).toEqual(['bob'])
    expect([...ada.warnings, ...bob.warnings]).toEqual([])
    await net.until(Promise.all([ada.discovery.close(), bob.discovery.close()]))
    expect(net.open()).toEqual([])
  })

  test.each([
    [
      'of the link first, then global ones',
      ['10.9.8.7/24', '203.0.113.9/24', '192.168.1.9/24'],
      ['192.168.1.9', '203.0.113.9'],
    ],
    ['never private ones of other networks', ['10.9.8.7/24', '127.0.0.1/8', 'fd12::1/64'], undefined],
    ['link-local ones', ['169.254.7.7/16', 'fe80::7/64'], ['fe80::7%eth0', '169.254.7.7']],
  ])('what an advert says of addresses is dialled: %s', async (_, told, dialled) => {
    const net = simulate({ seed: 12 })
    const bob = await peer(net, 'bob', { advertise: false })
    const { clock, random, network } = net.host('mallory').network
    const engine = new MdnsEngine({ clock, random, network, chooseInterfaces: defaultInterfaces, onWarning() {} })
    await net.until(engine.start())
    engine.publish(new Telling(told))
    await net.advance(3_000)
    expect(bob.seen.get(idOf('eve'))?.addresses.map(({ address }) => address)).toEqual(dialled)
    await net.until(Promise.all([bob.discovery.close(), engine.close()]))
  })

  test('two peers that start together find each other within two seconds', async () => {
    const net = simulate({ seed: 2 })
    const ada = new Watcher(net.host('ada').network)
    const bob = new Watcher(net.host('bob').network)
    await net.until(Promise.all([ada.discovery.start(), bob.discovery.start()]))
    ada.discovery.advertise(advertOf('ada'))
    bob.discovery.advertise(advertOf('bob'))
    await net.advance(2_000)
    expect([ada.names, bob.names]).toEqual([['bob'], ['ada']])
  })

  test('a goodbye is told within two seconds, and a power cut when the records of the host expire', async () => {
    const net = simulate({ seed: 3 })
    const ada = await peer(net, 'ada')
    const bob = await peer(net, 'bob')
    const carlHost = net.host('carl')
    const carl = new Watcher(carlHost.network)
    await net.until(carl.discovery.start())
    carl.discovery.advertise(advertOf('carl'))
    await net.advance(3_000)
    expect(ada.names).toEqual(['bob', 'carl'])
    await net.until(bob.discovery.close())
    await net.advance(2_000)
    expect(ada.lost).toEqual([idOf('bob')])
    carlHost.stop()
    await net.advance(100_000)
    expect(ada.names).toEqual(['carl'])
    await net.advance(30_000)
    expect(ada.names).toEqual([])
  })

  test('a change of info is told at once, and only once', async () => {
    const net = simulate({ seed: 4 })
    const ada = await peer(net, 'ada')
    const bob = await peer(net, 'bob')
    await net.advance(5_000)
    bob.told.length = 0
    ada.discovery.advertise(advertOf('ada', { info: '{"team":"blue"}', name: 'Ada L.' }))
    await net.advance(100)
    expect(bob.told).toMatchObject([{ name: 'Ada L.', info: '{"team":"blue"}' }])
    await net.advance(10_000)
    expect(bob.told).toHaveLength(1)
  })

  test('becoming invisible says goodbye, and visible again is a new find', async () => {
    const net = simulate({ seed: 5 })
    const ada = await peer(net, 'ada')
    const bob = await peer(net, 'bob')
    await net.advance(3_000)
    ada.discovery.advertise(undefined)
    await net.advance(1_500)
    expect(bob.names).toEqual([])
    ada.discovery.advertise(advertOf('ada'))
    await net.advance(3_000)
    expect(bob.names).toEqual(['ada'])
  })

  test('info of 400 bytes and a name with every kind of character arrive whole', async () => {
    const net = simulate({ seed: 6 })
    const ada = await peer(net, 'ada', { advertise: false })
    const bob = await peer(net, 'bob', { advertise: false })
    const info = JSON.stringify('ü'.repeat(199))
    const name = "Ada's Mac. (2) \\o/ ☃ ................................."
    ada.discovery.advertise(advertOf('ada', { info, name }))
    await net.advance(3_000)
    expect(bob.seen.get(idOf('ada'))).toMatchObject({ info, name })
  })

  test('peers of another service are not told, unless every service is asked for', async () => {
    const net = simulate({ seed: 7 })
    const ada = await peer(net, 'ada', { advertise: false })
    ada.discovery.advertise(advertOf('ada', { service: 'game' }))
    const bob = await peer(net, 'bob')
    const everything = new Watcher(net.host('carl').network, { service: undefined })
    everything.discovery.advertise(undefined)
    await net.until(everything.discovery.start())
    await net.advance(3_000)
    expect(bob.names).toEqual([])
    expect(everything.names).toEqual(['ada', 'bob'])
  })

  test('several rooms on one host find each other', async () => {
    const net = simulate({ seed: 8 })
    const host = net.host('ada')
    const rooms = ['ada', 'bob', 'carl'].map(name => ({ name, watcher: new Watcher(host.launch()) }))
    for (const { name, watcher } of rooms) {
      await net.until(watcher.discovery.start())
      watcher.discovery.advertise(advertOf(name))
    }
    await net.advance(3_000)
    expect(rooms.map(({ watcher }) => watcher.names)).toEqual([
      ['bob', 'carl'],
      ['ada', 'carl'],
      ['ada', 'bob'],
    ])
  })

  test('programs on a machine that has only loopback find each other', async () => {
    const net = simulate({ seed: 9 })
    const host = net.host('ada', { lans: [] })
    const [ada, bob] = [new Watcher(host.network), new Watcher(host.launch())]
    for (const watcher of [ada, bob]) await net.until(watcher.discovery.start())
    ada.discovery.advertise(advertOf('ada'))
    await net.advance(2_000)
    expect(bob.seen.get(idOf('ada'))!.addresses).toEqual([
      { address: '127.0.0.1', port: 4_000 },
      { address: '::1', port: 4_000 },
    ])
  })

  test('an interface that appears later is used, one that disappears takes its peers with it', async () => {
    const net = simulate({ seed: 10 })
    const office = net.lan('office')
    net.lan('home')
    const adaHost = net.host('ada')
    const ada = new Watcher(adaHost.network)
    await net.until(ada.discovery.start())
    ada.discovery.advertise(advertOf('ada'))
    const bob = new Watcher(net.host('bob', { lans: ['office'] }).network)
    await net.until(bob.discovery.start())
    bob.discovery.advertise(advertOf('bob'))
    await net.advance(3_000)
    expect(ada.names).toEqual([])
    adaHost.attach(office, { name: 'eth1' })
    await net.advance(5_000)
    expect(ada.names).toEqual(['bob'])
    expect(bob.names).toEqual(['ada'])
    adaHost.detach('eth1')
    await net.advance(5_000)
    expect(ada.names).toEqual([])
    expect(ada.warnings).toEqual([])
  })

  test('a host that has slept learns within seconds who is there', async () => {
    const net = simulate({ seed: 13 })
    const host = net.host('ada')
    const ada = new Watcher(host.network)
    await net.until(ada.discovery.start())
    ada.discovery.advertise(advertOf('ada'))
    const bob = await peer(net, 'bob')
    await net.advance(3_000)
    host.sleep()
    await net.advance(600_000)
    await net.until(bob.discovery.close())
    const carl = await peer(net, 'carl')
    await net.advance(600_000)
    expect(carl.names).toEqual([])
    host.wake()
    await net.advance(8_000)
    expect([ada.names, carl.names]).toEqual([['carl'], ['ada']])
  })

  test('a host on two interfaces of one LAN is one peer and in no conflict with itself', async () => {
    const net = simulate({ seed: 11 })
    net.lan('home')
    const ada = new Watcher(net.host('ada', { lans: ['home', { lan: 'home', kind: 'wireless' }] }).network)
    await net.until(ada.discovery.start())
    ada.discovery.advertise(advertOf('ada'))
    const bob = await peer(net, 'bob')
    await net.advance(5_000)
    expect(bob.names).toEqual(['ada'])
    expect(
      bob.seen
        .get(idOf('ada'))!
        .addresses.map(({ address }) => address)
        .sort(),
    ).toEqual(['192.168.1.2', '192.168.1.3', expect.stringMatching(/^fe80/), expect.stringMatching(/^fe80/)])
    expect(bob.lost).toEqual([])
  })

  test('forty peers that start together all know each other after five seconds', async () => {
    const net = simulate({ seed: 12 })
    const packets: TracedPacket[] = []
    net.trace(packet => packets.push(packet))
    const peers: Watcher[] = []
    for (let i = 0; i < 40; i++) {
      const id = `${ids[i % 32]!}${ids[Math.floor(i / 32)]!}${'a'.repeat(50)}`
      const watcher = new Watcher(net.host(`peer${i}`).network)
      await net.until(watcher.discovery.start())
      watcher.discovery.advertise(advertOf('x', { id, name: `peer${i}` }))
      peers.push(watcher)
    }
    await net.advance(5_000)
    expect(peers.map(({ seen }) => seen.size)).toEqual(peers.map(() => 39))
    expect(mdns(packets).length).toBeLessThan(800)
    for (const { bytes } of packets) expect(() => decodeMessage(bytes)).not.toThrow()
  }, 60_000)
})
