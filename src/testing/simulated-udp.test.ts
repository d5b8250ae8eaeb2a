import { describe, expect, test } from 'vitest'
import { UdpRecorder } from '../../test/contract/recorder.ts'
import type { SocketAddress, UdpOptions, UdpSocket } from '../platform/network.ts'
import { type SimulatedHost, simulate, type TracedPacket } from './index.ts'

const MDNS_PORT = 5_353
const GROUP_V4 = { address: '224.0.0.251', port: MDNS_PORT }
const GROUP_V6 = { address: 'ff02::fb', port: MDNS_PORT }

class TestSocket extends UdpRecorder {
  socket!: UdpSocket

  static async open(host: SimulatedHost, options: Partial<UdpOptions> = {}): Promise<TestSocket> {
    const opened = new TestSocket()
    const all = { address: '0.0.0.0', port: 0, sharePort: true, ...options }
    opened.socket = await host.network.network.openUdp(all, opened)
    return opened
  }

  static async member(host: SimulatedHost, multicastInterface: string, group = GROUP_V4): Promise<TestSocket> {
    const address = group === GROUP_V4 ? '0.0.0.0' : '::'
    const member = await TestSocket.open(host, { address, port: group.port, multicastInterface })
    member.socket.joinGroup(group.address)
    return member
  }

  send(word: string, remote: SocketAddress): void {
    this.socket.send(new TextEncoder().encode(word), remote)
  }

  get senders(): readonly string[] {
    return this.datagrams.map(({ remote }) => remote.address)
  }
}

describe('multicast', () => {
  test('reaches the members in the LAN of its interface, and only them', async () => {
    const net = simulate()
    net.lan('home')
    net.lan('office')
    const ada = net.host('ada', { lans: ['home', 'office'] })
    const atHome = await TestSocket.member(net.host('bob', { lans: ['home'] }), 'eth0')
    const atWork = await TestSocket.member(net.host('cem', { lans: ['office'] }), 'eth0')

    const home = await TestSocket.member(ada, 'eth0')
    home.send('home', GROUP_V4)
    await net.advance(1)

    expect(atHome.texts).toEqual(['home'])
    expect(atHome.senders).toEqual(['192.168.1.2'])
    expect(atWork.texts).toEqual([])
  })

  test('carries the zone of the interface on which it is heard', async () => {
    const net = simulate()
    net.lan('home')
    net.lan('office')
    const bob = net.host('bob', { lans: ['office', 'home'] })
    const members = [await TestSocket.member(bob, 'eth0', GROUP_V6), await TestSocket.member(bob, 'eth1', GROUP_V6)]
    const ada = await TestSocket.member(net.host('ada', { lans: ['home'] }), 'eth0', GROUP_V6)

    ada.send('hello', GROUP_V6)
    await net.advance(1)

    // As on Linux, what arrives on eth1 is heard by the socket that joined on eth0 too: it must look at the zone.
    expect(members.map(({ senders }) => senders)).toEqual([['fe80::1:0:1:3%eth1'], ['fe80::1:0:1:3%eth1']])
  })

  test('is heard on the own host without leaving it, where there is only loopback', async () => {
    const net = simulate()
    const alone = net.host('alone', { lans: [] })
    const first = await TestSocket.member(alone, 'lo')
    const second = await TestSocket.member(alone, 'lo')

    first.send('hello', GROUP_V4)
    await net.advance(1)

    expect([first.texts, second.texts]).toEqual([['hello'], ['hello']])
    expect(second.senders).toEqual(['127.0.0.1'])
  })

  test('does not pass a LAN that blocks it, while broadcast and unicast do', async () => {
    const net = simulate()
    const lan = net.lan('home', { multicast: false })
    const [ada, bob] = [net.host('ada'), net.host('bob')]
    const sender = await TestSocket.member(ada, 'eth0')
    const receiver = await TestSocket.member(bob, 'eth0')
    const broadcaster = await TestSocket.open(ada, { broadcast: true })

    sender.send('multicast', GROUP_V4)
    broadcaster.send('to all', { address: '255.255.255.255', port: MDNS_PORT })
    broadcaster.send('to the subnet', { address: '192.168.1.255', port: MDNS_PORT })
    broadcaster.send('unicast', { address: bob.addresses[0]!, port: MDNS_PORT })
    await net.advance(1)
    lan.multicast = true
    lan.broadcast = false
    sender.send('multicast again', GROUP_V4)
    broadcaster.send('to all again', { address: '255.255.255.255', port: MDNS_PORT })
    await net.advance(1)

    expect(receiver.texts).toEqual(['to all', 'to the subnet', 'unicast', 'multicast again'])
  })
})

describe('a UDP port that is shared', () => {
  test('gives unicast to the socket bound last, until that is closed', async () => {
    const net = simulate()
    const [ada, bob] = [net.host('ada'), net.host('bob')]
    const first = await TestSocket.open(bob, { port: 5_000 })
    const last = await TestSocket.open(bob, { port: 5_000 })
    const sender = await TestSocket.open(ada)
    const remote = { address: bob.addresses[0]!, port: 5_000 }

    sender.send('one', remote)
    await net.advance(1)
    last.socket.close()
    sender.send('two', remote)
    await net.advance(1)

    expect([first.texts, last.texts]).toEqual([['two'], ['one']])
  })

  test('prefers a socket that is bound to the very address', async () => {
    const net = simulate()
    const [ada, bob] = [net.host('ada'), net.host('bob')]
    const [address] = bob.addresses
    const specific = await TestSocket.open(bob, { address: address!, port: 5_000 })
    const wildcard = await TestSocket.open(bob, { port: 5_000 })
    const sender = await TestSocket.open(ada)

    sender.send('hello', { address: address!, port: 5_000 })
    await net.advance(1)

    expect([specific.texts, wildcard.texts]).toEqual([['hello'], []])
  })

  test('must be shared by everyone', async () => {
    const net = simulate()
    const host = net.host('ada')
    await TestSocket.open(host, { port: 5_000, sharePort: true })

    await expect(TestSocket.open(host, { port: 5_000, sharePort: false })).rejects.toMatchObject({
      code: 'address-in-use',
    })
    await TestSocket.open(host, { address: '::', port: 5_000, sharePort: false })
  })
})

describe('sending a datagram', () => {
  test.each([
    ['to a network that no interface leads to', { address: '203.0.113.1', port: 9 }, 'unreachable'],
    ['to a link-local address without zone', { address: 'fe80::1', port: 9 }, 'unreachable'],
    ['to the broadcast address without leave', { address: '255.255.255.255', port: 9 }, 'permission-denied'],
  ])('%s is reported', async (_, remote, code) => {
    const net = simulate()
    const sender = await TestSocket.open(net.host('ada'))

    sender.send('hello', remote)
    await net.advance(1)

    expect(sender.errors.map(error => error.code)).toEqual([code])
  })

  test('through an interface that is down is reported, and works again when it is up', async () => {
    const net = simulate()
    const ada = net.host('ada')
    const bob = await TestSocket.member(net.host('bob'), 'eth0')
    const sender = await TestSocket.member(ada, 'eth0')

    ada.interface('eth0').down()
    sender.send('down', GROUP_V4)
    await net.advance(1)
    ada.interface('eth0').up()
    sender.send('up', GROUP_V4)
    await net.advance(1)

    expect(sender.errors.map(error => error.code)).toEqual(['unreachable'])
    expect(bob.texts).toEqual(['up'])
  })

  test('cannot be undone by changing the bytes, and receivers do not share them', async () => {
    const net = simulate()
    const ada = await TestSocket.member(net.host('ada'), 'eth0')
    const receivers = [
      await TestSocket.member(net.host('bob'), 'eth0'),
      await TestSocket.member(net.host('cem'), 'eth0'),
    ]
    const bytes = new TextEncoder().encode('hello')

    ada.socket.send(bytes, GROUP_V4)
    bytes.fill(0)
    await net.advance(1)
    receivers[0]!.datagrams[0]!.bytes.fill(0)

    expect(receivers[1]!.texts).toEqual(['hello'])
  })

  test('can be seen from outside', async () => {
    const net = simulate()
    const seen: TracedPacket[] = []
    const stop = net.trace(packet => seen.push(packet))
    const sender = await TestSocket.member(net.host('ada'), 'eth0')

    await net.advance(5)
    sender.send('hello', GROUP_V4)
    stop()
    sender.send('unseen', GROUP_V4)

    expect(seen).toEqual([
      {
        at: 5,
        host: 'ada',
        interface: 'eth0',
        protocol: 'udp',
        from: '192.168.1.2:5353',
        to: '224.0.0.251:5353',
        bytes: new TextEncoder().encode('hello'),
      },
    ])
  })
})
