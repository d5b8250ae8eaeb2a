import { afterEach, describe, expect, test } from 'vitest'
import type { EarshotError } from '../errors.ts'
import { formatPeerId } from '../identity/peer-id.ts'
import { MAX_BEACON_ENTRIES_PER_PEER, MAX_BEACON_ENTRIES_PER_SOURCE } from '../limits.ts'
import { defaultInterfaces } from '../platform/interface-choice.ts'
import type { SocketAddress, UdpSocket } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'
import { type SimulatedNetwork, simulate, type TracedPacket } from '../testing/index.ts'
import { BEACON_PORT } from './beacon/beacon-link.ts'
import { type BeaconPacket, decodeBeacon, encodeBeacon } from './beacon/beacon-packet.ts'
import { BeaconDiscovery } from './beacon-discovery.ts'
import type { Advert, Sighting } from './discovery.ts'

const idOf = (name: string): string => formatPeerId(new Uint8Array(32).fill(name.charCodeAt(0)))
const advertOf = (name: string, changes: Partial<Advert> = {}): Advert => ({
  service: 'chat',
  id: idOf(name),
  name,
  info: '{"team":"red"}',
  port: 4_000 + name.charCodeAt(0),
  ...changes,
})

const opened: Watcher[] = []

/** A peer which records what it is told. */
class Watcher {
  readonly seen = new Map<string, Sighting>()
  readonly told: Sighting[] = []
  readonly lost: string[] = []
  readonly warnings: EarshotError[] = []
  readonly discovery: BeaconDiscovery

  constructor(platform: Platform, service: string | undefined) {
    opened.push(this)
    this.discovery = new BeaconDiscovery({
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

interface PeerOptions {
  readonly on?: Platform
  readonly service?: string | undefined
  readonly advert?: Partial<Advert> | false
}

async function peer(net: SimulatedNetwork, name: string, { on, advert, ...rest }: PeerOptions = {}): Promise<Watcher> {
  const service = 'service' in rest ? rest.service : 'chat'
  const watcher = new Watcher(on ?? net.host(name).network, service)
  await net.until(watcher.discovery.start())
  if (advert !== false) watcher.discovery.advertise(advertOf(name, advert))
  return watcher
}

/** One who sends what it likes, from a port of its own, and reads what comes back. */
class Stranger {
  readonly received: { packet: BeaconPacket; from: SocketAddress }[] = []
  readonly #socket: UdpSocket

  private constructor(socket: UdpSocket) {
    this.#socket = socket
  }

  static async on(net: SimulatedNetwork, { network }: Platform, address = '0.0.0.0'): Promise<Stranger> {
    const options = { address, port: 0, sharePort: false, broadcast: true }
    const stranger: Stranger = new Stranger(
      await net.until(
        network.openUdp(options, {
          onDatagram: (bytes, from) => stranger.received.push({ packet: decodeBeacon(bytes), from }),
          onError() {},
        }),
      ),
    )
    return stranger
  }

  send(content: BeaconPacket | Uint8Array, to: Partial<SocketAddress> = {}): void {
    const bytes = content instanceof Uint8Array ? content : encodeBeacon(content)
    this.#socket.send(bytes, { address: '192.168.1.255', port: BEACON_PORT, ...to })
  }
}

function beacons(net: SimulatedNetwork): TracedPacket[] {
  const packets: TracedPacket[] = []
  net.trace(packet => {
    if (packet.protocol === 'udp') packets.push(packet)
  })
  return packets
}

const kindsOf = (packets: readonly TracedPacket[]) => packets.map(({ bytes }) => decodeBeacon(bytes).kind)
const toGroup = ({ to }: TracedPacket) => to === `239.255.252.95:${BEACON_PORT}`

afterEach(() => {
  opened.length = 0
})

/** Closes everything, after which nothing may be open. */
async function end(net: SimulatedNetwork): Promise<void> {
  await net.until(Promise.all(opened.map(({ discovery }) => discovery.close())))
  await net.advance(1)
  expect(net.open().filter(({ host }) => !host.startsWith('mallory'))).toEqual([])
}

describe('BeaconDiscovery', () => {
  test('a newcomer and one who is there learn of each other within 50 ms, IPv4 addresses first', async () => {
    const net = simulate({ seed: 1 })
    const ada = await peer(net, 'ada')
    await net.advance(20_000)
    const bob = await peer(net, 'bob')
    await net.advance(50)
    expect([ada.names, bob.names]).toEqual([['bob'], ['ada']])
    const { addresses, ...text } = bob.seen.get(idOf('ada'))!
    expect(text).toEqual({ service: 'chat', id: idOf('ada'), name: 'ada', info: '{"team":"red"}', via: 'beacon' })
    expect(addresses).toEqual([
      { address: '192.168.1.2', port: 4_097 },
      { address: expect.stringMatching(/^fe80::.*%eth0$/), port: 4_097 },
    ])
    expect([...ada.warnings, ...bob.warnings]).toEqual([])
    await end(net)
  })

  test('asks at once, after 1 s, 3 s, 7 s …, at last every minute; announces at once, after 1 s, 3 s, and every 30 s', async () => {
    const net = simulate({ seed: 2 })
    const packets = beacons(net)
    await peer(net, 'ada')
    await net.advance(300_000)
    const sentAt = (kind: string) =>
      packets.filter(packet => toGroup(packet) && kindsOf([packet])[0] === kind).map(({ at }) => Math.round(at / 1_000))
    expect(sentAt('ask')).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
    expect(sentAt('here').slice(0, 3)).toEqual([0, 1, 3])
    const later = sentAt('here').slice(2)
    for (let i = 1; i < later.length; i++) expect(Math.abs(later[i]! - later[i - 1]! - 30)).toBeLessThanOrEqual(2)
    await end(net)
  })

  test('a goodbye is believed at once, a power cut after 95 s', async () => {
    const net = simulate({ seed: 3 })
    const ada = await peer(net, 'ada')
    const bob = await peer(net, 'bob')
    const host = net.host('carl')
    const carl = await peer(net, 'carl', { on: host.network })
    await net.advance(10_000)
    expect(ada.names).toEqual(['bob', 'carl'])
    await net.until(bob.discovery.close())
    await net.advance(10)
    expect(ada.lost).toEqual([idOf('bob')])
    host.stop()
    opened.splice(opened.indexOf(carl), 1)
    await net.advance(60_000)
    expect(ada.names).toEqual(['carl'])
    await net.advance(40_000)
    expect(ada.names).toEqual([])
    await end(net)
  })

  test('a change is told at once, and only once', async () => {
    const net = simulate({ seed: 4 })
    const ada = await peer(net, 'ada')
    const bob = await peer(net, 'bob')
    await net.advance(5_000)
    bob.told.length = 0
    ada.discovery.advertise(advertOf('ada', { info: '1' }))
    await net.advance(10)
    expect(bob.told).toMatchObject([{ info: '1' }])
    await net.advance(200_000)
    expect(bob.told).toHaveLength(1)
    expect(bob.lost).toEqual([])
    await end(net)
  })

  test('who changes its info all the time is no flood, and the last change arrives', async () => {
    const net = simulate({ seed: 5 })
    const ada = await peer(net, 'ada')
    const bob = await peer(net, 'bob')
    await net.advance(5_000)
    const packets = beacons(net)
    for (let i = 0; i < 500; i++) {
      ada.discovery.advertise(advertOf('ada', { info: `${i}` }))
      await net.advance(2)
    }
    await net.advance(300)
    expect(bob.seen.get(idOf('ada'))!.info).toBe('499')
    expect(packets.filter(toGroup).length).toBeLessThanOrEqual(6)
    await end(net)
  })

  test('becoming invisible says goodbye, visible again is a new find; the invisible see all the same', async () => {
    const net = simulate({ seed: 6 })
    const ada = await peer(net, 'ada')
    const bob = await peer(net, 'bob')
    await net.advance(2_000)
    ada.discovery.advertise(undefined)
    await net.advance(10)
    expect(bob.names).toEqual([])
    await net.advance(60_000)
    const carl = await peer(net, 'carl', { advert: false })
    await net.advance(60_000)
    expect([ada.names, bob.names, carl.names]).toEqual([['bob'], [], ['bob']])
    ada.discovery.advertise(advertOf('ada'))
    await net.advance(10)
    expect(bob.names).toEqual(['ada'])
    await end(net)
  })

  test('two services on one network do not mix, unless every service is asked for', async () => {
    const net = simulate({ seed: 7 })
    const ada = await peer(net, 'ada')
    const bob = await peer(net, 'bob', { service: 'game', advert: { service: 'game' } })
    const everything = await peer(net, 'eve', { service: undefined, advert: false })
    await net.advance(50)
    expect([ada.names, bob.names, everything.names]).toEqual([[], [], ['ada', 'bob']])
    await end(net)
  })

  test('several programs on one host find each other, on a machine with only loopback too', async () => {
    for (const lans of [['home'], []]) {
      const net = simulate({ seed: 8 })
      net.lan('home')
      const host = net.host('host', { lans })
      const peers: Watcher[] = []
      for (const name of ['ada', 'bob', 'carl']) peers.push(await peer(net, name, { on: host.launch() }))
      await net.advance(50)
      expect(peers.map(({ names }) => names)).toEqual([
        ['bob', 'carl'],
        ['ada', 'carl'],
        ['ada', 'bob'],
      ])
      if (lans.length === 0) {
        expect(peers[0]!.seen.get(idOf('bob'))!.addresses).toEqual([{ address: '127.0.0.1', port: 4_098 }])
      }
      expect(peers.flatMap(({ warnings }) => warnings)).toEqual([])
      await end(net)
      opened.length = 0
    }
  })

  test.each([
    ['multicast', { multicast: false }],
    ['broadcast', { broadcast: false }],
    ['IPv4', { ipv4: false }],
    ['IPv6', { ipv6: 'none' as const }],
  ])('without %s peers find each other', async (_, lan) => {
    const net = simulate({ seed: 9 })
    net.lan('home', lan)
    const ada = await peer(net, 'ada')
    const bob = await peer(net, 'bob')
    await net.advance(50)
    expect([ada.names, bob.names]).toEqual([['bob'], ['ada']])
    await end(net)
  })

  test('where a third of all packets is lost, peers have found each other after 10 s, and do not lose each other', async () => {
    const net = simulate({ seed: 10 })
    net.lan('home', { loss: 0.33 })
    const ada = await peer(net, 'ada')
    const bob = await peer(net, 'bob')
    await net.advance(10_000)
    expect([ada.names, bob.names]).toEqual([['bob'], ['ada']])
    await net.advance(3_600_000)
    expect([...ada.lost, ...bob.lost]).toEqual([])
    await end(net)
  })

  test('fifty peers that start together all know each other after two seconds', async () => {
    const net = simulate({ seed: 11 })
    const packets = beacons(net)
    const peers: Watcher[] = []
    for (let i = 0; i < 50; i++) {
      const id = formatPeerId(new Uint8Array(32).fill(i))
      peers.push(await peer(net, `peer${i}`, { advert: { id, name: `peer${i}` } }))
    }
    await net.advance(2_000)
    expect(peers.map(({ seen }) => seen.size)).toEqual(peers.map(() => 49))
    await net.advance(8_000)
    const sent = packets.length
    await net.advance(60_000)
    // Two announcements and an ask or two of each, to four addresses.
    expect(packets.length - sent).toBeLessThan(50 * 5 * 4 + 50 * 49 * 3)
    expect(packets.every(({ bytes }) => bytes.length <= 600)).toBe(true)
    expect(peers.flatMap(({ lost }) => lost)).toEqual([])
    await end(net)
  }, 60_000)
})

describe('when the network changes', () => {
  test('an interface that appears brings its peers within a second, and takes them with it within 4 s', async () => {
    const net = simulate({ seed: 20 })
    const office = net.lan('office')
    net.lan('home')
    const adaHost = net.host('ada')
    const ada = await peer(net, 'ada', { on: adaHost.network })
    const bob = await peer(net, 'bob', { on: net.host('bob', { lans: ['office'] }).network })
    await net.advance(60_000)
    adaHost.attach(office, { name: 'eth1' })
    await net.advance(1_000)
    expect([ada.names, bob.names]).toEqual([['bob'], ['ada']])
    adaHost.detach('eth1')
    await net.advance(4_000)
    expect(ada.names).toEqual([])
    expect(ada.warnings).toEqual([])
    await end(net)
  })

  test('a new address is told, the old one forgotten, and nobody is lost in between', async () => {
    const net = simulate({ seed: 21 })
    net.lan('home', { ipv6: 'none' })
    const host = net.host('ada')
    const ada = await peer(net, 'ada', { on: host.network })
    const bob = await peer(net, 'bob')
    await net.advance(60_000)
    host.interface('eth0').setAddresses(['192.168.1.77/24'])
    await net.advance(2_000)
    expect(bob.seen.get(idOf('ada'))!.addresses[0]).toEqual({ address: '192.168.1.77', port: 4_097 })
    await net.advance(120_000)
    expect([...ada.lost, ...bob.lost]).toEqual([])
    ada.discovery.advertise(advertOf('ada', { info: '1' }))
    await net.advance(10)
    expect(bob.seen.get(idOf('ada'))!.addresses).toEqual([{ address: '192.168.1.77', port: 4_097 }])
    await end(net)
  })

  test('a host that has slept learns within seconds who is there, and they of it', async () => {
    const net = simulate({ seed: 22 })
    const host = net.host('ada')
    const ada = await peer(net, 'ada', { on: host.network })
    const bob = await peer(net, 'bob')
    await net.advance(3_000)
    host.sleep()
    await net.advance(600_000)
    expect(bob.names).toEqual([])
    await net.until(bob.discovery.close())
    const carl = await peer(net, 'carl')
    await net.advance(600_000)
    host.wake()
    await net.advance(8_000)
    expect([ada.names, carl.names]).toEqual([['carl'], ['ada']])
    await end(net)
  })

  test('a peer that starts anew with the same identity is seen at its new port', async () => {
    const net = simulate({ seed: 23 })
    const bob = await peer(net, 'bob')
    const host = net.host('ada')
    const first = await peer(net, 'ada', { on: host.network })
    await net.advance(10_000)
    host.kill()
    opened.splice(opened.indexOf(first), 1)
    host.start()
    await peer(net, 'ada', { on: host.network, advert: { port: 5_000 } })
    await net.advance(50)
    expect(new Set(bob.seen.get(idOf('ada'))!.addresses.map(({ port }) => port))).toEqual(new Set([5_000]))
    expect(bob.lost).toEqual([])
    await end(net)
  })

  test('without any interface it says so, and goes on when one comes', async () => {
    const net = simulate({ seed: 24 })
    const bob = await peer(net, 'bob')
    const host = net.host('ada')
    for (const name of ['eth0', 'lo']) host.interface(name).down()
    const ada = await peer(net, 'ada', { on: host.network })
    expect(ada.warnings).toMatchObject([{ code: 'no-network', hint: expect.stringContaining('interfaces') }])
    host.interface('eth0').up()
    await net.advance(2_000)
    expect([ada.names, bob.names]).toEqual([['bob'], ['ada']])
    await end(net)
  })

  test('where another program holds the port, one finds others and is found, and warns once', async () => {
    const net = simulate({ seed: 25 })
    const host = net.host('ada')
    const options = { address: '0.0.0.0', port: BEACON_PORT, sharePort: false }
    const other = await net.until(host.launch().network.openUdp(options, { onDatagram() {}, onError() {} }))
    const bob = await peer(net, 'bob')
    await net.advance(10_000)
    const ada = await peer(net, 'ada', { on: host.network })
    await net.advance(50)
    expect([ada.names, bob.names]).toEqual([['bob'], ['ada']])
    await net.advance(60_000)
    expect(ada.warnings).toMatchObject([{ code: 'address-in-use' }])
    other.close()
    await net.advance(6_000)
    bob.discovery.advertise(advertOf('bob', { info: '"heard"' }))
    await net.advance(10)
    expect(ada.seen.get(idOf('bob'))!.info).toBe('"heard"')
    await end(net)
  })
})

describe('packets of those who keep no rules', () => {
  test('a forged goodbye is not believed: who is there says so', async () => {
    const net = simulate({ seed: 30 })
    const ada = await peer(net, 'ada')
    const bob = await peer(net, 'bob')
    const mallory = await Stranger.on(net, net.host('mallory').network)
    await net.advance(10_000)
    const { service, id, port } = advertOf('ada')
    for (let i = 0; i < 20; i++) {
      mallory.send({ kind: 'bye', service, id, port })
      await net.advance(500)
    }
    await net.advance(10_000)
    expect([...ada.lost, ...bob.lost]).toEqual([])
    await end(net)
  })

  test('who is heard just after its goodbye is asked, and gone after 3 s unless it answers', async () => {
    const net = simulate({ seed: 32 })
    const bob = await peer(net, 'bob')
    const [one, other] = [net.host('mallory-1').network, net.host('mallory-2').network]
    const [gone, back] = [await Stranger.on(net, one), await Stranger.on(net, other)]
    await net.advance(10_000)
    for (const [stranger, name] of [
      [gone, 'gone'],
      [back, 'zack'],
    ] as const) {
      const { service, id, port } = advertOf(name)
      stranger.send({ kind: 'bye', service, id, port })
      stranger.send({ kind: 'here', ...advertOf(name) })
      await net.advance(100)
      stranger.send({ kind: 'here', ...advertOf(name) })
    }
    await net.advance(2_000)
    expect(bob.names).toEqual(['gone', 'zack'])
    for (const { received } of [gone, back]) expect(received.map(({ packet }) => packet.kind)).toContain('ask')
    back.send({ kind: 'here', ...advertOf('zack') })
    await net.advance(20_000)
    expect(bob.names).toEqual(['zack'])
    expect(bob.lost).toEqual([idOf('gone')])
    await end(net)
  })

  test('a goodbye that another address says for one who has gone is believed after 3 s', async () => {
    const net = simulate({ seed: 31 })
    const host = net.host('ada')
    await peer(net, 'ada', { on: host.network })
    opened.pop()
    const bob = await peer(net, 'bob')
    const mallory = await Stranger.on(net, net.host('mallory').network)
    await net.advance(10_000)
    host.stop()
    const { service, id, port } = advertOf('ada')
    mallory.send({ kind: 'bye', service: 'game', id, port })
    mallory.send({ kind: 'bye', service, id, port: port + 1 })
    await net.advance(5_000)
    expect(bob.names).toEqual(['ada'])
    mallory.send({ kind: 'bye', service, id, port })
    await net.advance(2_900)
    expect(bob.names).toEqual(['ada'])
    await net.advance(200)
    expect(bob.lost).toEqual([id])
    await end(net)
  })

  test('questions in a flood are answered up to a limit, and honest ones all the same', async () => {
    const net = simulate({ seed: 32 })
    const ada = await peer(net, 'ada')
    await net.advance(100_000)
    const packets = beacons(net)
    const strangers = await Promise.all(
      Array.from({ length: 5 }, (_, i) => Stranger.on(net, net.host(`mallory-${i}`).network)),
    )
    for (let i = 0; i < 500; i++) {
      for (const stranger of strangers) stranger.send({ kind: 'ask', service: 'chat' })
      await net.advance(2)
    }
    const answers = packets.filter(({ host }) => host === 'ada')
    // Each asker has one port: an answer a second, and the announcement of ada's own.
    expect(answers.length).toBeLessThanOrEqual(2 * 5 + 8)
    const bob = await peer(net, 'bob')
    await net.advance(50)
    expect([ada.names, bob.names]).toEqual([['bob'], ['ada']])
    await end(net)
  })

  test('sixty who ask at once cost 32 answers and one announcement, and all get to know', async () => {
    const net = simulate({ seed: 33 })
    await peer(net, 'ada')
    await net.advance(100_000)
    const newcomers = Array.from({ length: 60 }, (_, i) => new Watcher(net.host(`x${i}`).network, 'chat'))
    const packets = beacons(net)
    await net.until(Promise.all(newcomers.map(({ discovery }) => discovery.start())))
    await net.advance(900)
    expect(newcomers.every(({ names }) => names.length === 1)).toBe(true)
    const ofAda = packets.filter(({ host }) => host === 'ada')
    expect(ofAda.filter(({ to }) => !to.endsWith(`:${BEACON_PORT}`))).toHaveLength(32)
    expect(ofAda.filter(toGroup)).toHaveLength(1)
    await end(net)
  })

  test('a question from elsewhere is not answered', async () => {
    const net = simulate({ seed: 34 })
    net.lan('home')
    net.lan('office')
    const router = net.host('mallory', { lans: ['home', 'office'] })
    await peer(net, 'ada')
    const elsewhere = await Stranger.on(net, router.network, '192.168.2.2')
    const onLink = await Stranger.on(net, router.network)
    elsewhere.send({ kind: 'ask', service: 'chat' }, { address: '192.168.1.3' })
    onLink.send({ kind: 'ask', service: 'game' }, { address: '192.168.1.3' })
    await net.advance(100)
    expect([...elsewhere.received, ...onLink.received]).toEqual([])
    onLink.send({ kind: 'ask', service: undefined }, { address: '192.168.1.3' })
    await net.advance(100)
    expect(onLink.received).toMatchObject([{ packet: { kind: 'here', name: 'ada' } }])
    await end(net)
  })

  test('one address is believed to have so many peers, and one peer so many addresses', async () => {
    const net = simulate({ seed: 35 })
    net.lan('home', { ipv6: 'none' })
    const ada = await peer(net, 'ada')
    const mallory = net.host('mallory')
    const stranger = await Stranger.on(net, mallory.network)
    for (let i = 0; i < 1_000; i++) {
      const id = formatPeerId(Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? i >>> 8 : i)))
      stranger.send({ kind: 'here', ...advertOf('m', { id }) })
    }
    await net.advance(100)
    expect(ada.seen.size).toBe(MAX_BEACON_ENTRIES_PER_SOURCE)
    const bob = await peer(net, 'bob')
    await net.advance(50)
    expect(ada.names).toContain('bob')
    for (let i = 0; i < 40; i++) {
      mallory.interface('eth0').setAddresses([`192.168.1.${100 + i}/24`])
      stranger.send({ kind: 'here', ...advertOf('bob', { info: `${i}` }) })
      await net.advance(5)
    }
    const { addresses } = ada.seen.get(idOf('bob'))!
    expect(addresses).toHaveLength(MAX_BEACON_ENTRIES_PER_PEER)
    expect(addresses).toContainEqual({ address: '192.168.1.4', port: 4_098 })
    expect(bob.lost).toEqual([])
    await end(net)
  })

  test('a table that is full takes nobody, warns once, and keeps those it knows', async () => {
    const net = simulate({ seed: 36 })
    net.lan('home', { ipv6: 'none' })
    const ada = await peer(net, 'ada')
    await peer(net, 'bob')
    await net.advance(1_000)
    const mallory = net.host('mallory')
    const stranger = await Stranger.on(net, mallory.network)
    for (let source = 0; source < 10; source++) {
      mallory.interface('eth0').setAddresses([`192.168.1.${100 + source}/24`])
      await net.advance(1_000)
      for (let i = 0; i < MAX_BEACON_ENTRIES_PER_SOURCE; i++) {
        const id = formatPeerId(Uint8Array.from({ length: 32 }, (_, at) => [source, i >>> 8, i][at] ?? 255))
        stranger.send({ kind: 'here', ...advertOf('m', { id }) })
      }
    }
    await net.advance(100)
    expect(ada.seen.size).toBe(4_096)
    expect(ada.names).toContain('bob')
    expect(ada.warnings).toMatchObject([{ code: 'limit-reached' }])
    await net.advance(100_000)
    expect(ada.names).toEqual(['bob'])
    await end(net)
  })

  test('garbage, own packets and somebody with our id are ignored, and a flood is dropped unread', async () => {
    const net = simulate({ seed: 37 })
    const ada = await peer(net, 'ada')
    const stranger = await Stranger.on(net, net.host('mallory').network)
    const here = encodeBeacon({ kind: 'here', ...advertOf('mallory') })
    for (let length = 0; length < here.length; length++) stranger.send(here.subarray(0, length))
    stranger.send(new Uint8Array(1_500))
    stranger.send({ kind: 'here', ...advertOf('ada', { name: 'not ada' }) })
    await net.advance(2_000)
    expect(ada.told).toEqual([])
    for (let i = 0; i < 2_500; i++) stranger.send(Uint8Array.of(i))
    stranger.send(here)
    await net.advance(100)
    expect(ada.told).toEqual([])
    await net.advance(1_000)
    stranger.send(here)
    await net.advance(100)
    expect(ada.names).toEqual(['mallory'])
    await end(net)
  })
})

test('closing says goodbye to all, and is idempotent; who never advertised has nothing to say', async () => {
  const net = simulate({ seed: 40 })
  const ada = await peer(net, 'ada')
  const eve = await peer(net, 'eve', { advert: false })
  await net.advance(1_500)
  const packets = beacons(net)
  await net.until(eve.discovery.close())
  expect(packets).toEqual([])
  await net.until(Promise.all([ada.discovery.close(), ada.discovery.close()]))
  expect(new Set(kindsOf(packets))).toEqual(new Set(['bye']))
  expect(packets.map(({ to }) => to.replace(`:${BEACON_PORT}`, '')).sort()).toEqual([
    '192.168.1.255',
    '239.255.252.95',
    '255.255.255.255',
    '[ff12::ea75:5f07]',
  ])
  expect(net.open()).toEqual([])
})

test('closing while starting leaves nothing open', async () => {
  const net = simulate({ seed: 41 })
  const ada = new Watcher(net.host('ada').network, 'chat')
  const starting = ada.discovery.start()
  await net.until(Promise.all([ada.discovery.close(), starting]))
  expect(net.open()).toEqual([])
})
