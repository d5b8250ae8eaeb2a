import { describe, expect, test } from 'vitest'
import { TcpRecorder, UdpRecorder } from '../../test/contract/recorder.ts'
import { type SimulatedHost, type SimulatedNetwork, simulate } from './index.ts'

const PORT = 4_000
const MINUTE_MS = 60_000

/** Two hosts; bob has accepted a connection of ada. */
async function setUp() {
  const net = simulate()
  const [ada, bob] = [net.host('ada'), net.host('bob')]
  const accepted: TcpRecorder[] = []
  await bob.network.network.listenTcp({ host: '::', port: PORT }, connection => {
    accepted.push(new TcpRecorder(connection))
  })
  const near = await dial(net, ada, bob)
  await net.advance(10)
  return { net, ada, bob, near, far: accepted[0]! }
}

function dial(net: SimulatedNetwork, from: SimulatedHost, to: SimulatedHost): Promise<TcpRecorder> {
  const remote = { address: to.addresses[0]!, port: PORT }
  const dialled = from.network.network.connectTcp(remote, { timeoutMs: 5_000 })
  return net.until(dialled.then(connection => new TcpRecorder(connection)))
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

describe('a host that is killed', () => {
  test('ends its connections for the other side, and refuses new ones', async () => {
    const { net, ada, bob, near, far } = await setUp()

    bob.kill()
    await net.advance(10)
    near.connection.write(text('still there?'))
    await net.advance(10)

    expect(near.ends).toBe(1)
    expect(near.closes.map(error => error?.code)).toEqual(['lost'])
    expect([far.ends, far.closes]).toEqual([0, []])
    await expect(dial(net, ada, bob)).rejects.toMatchObject({ code: 'unreachable' })
  })

  test('still delivers what its system had taken over', async () => {
    const { net, bob, near, far } = await setUp()
    far.connection.write(text('last words'))
    bob.kill()
    await net.advance(10)

    expect([near.text, near.ends]).toEqual(['last words', 1])
  })

  test('runs none of its code again, and has nothing open', async () => {
    const { net, bob } = await setUp()
    const { clock, network } = bob.network
    let ran = 0
    clock.setTimer(5, () => ran++)
    clock.afterTurn(() => ran++)
    network.watchInterfaces(() => ran++)
    network.lookup('ada').then(() => clock.setTimer(5, () => ran++))
    bob.kill()
    void network.lookup('ada').then(() => ran++)
    bob.interface('eth0').down()
    await net.advance(MINUTE_MS)

    expect(ran).toBe(0)
    expect(bob.open()).toEqual([])
    expect(() => bob.network).toThrow("nothing runs on host 'bob', it is killed")
  })

  test('starts again as a new program that has the ports of the old one', async () => {
    const { net, ada, bob } = await setUp()
    const old = bob.network
    bob.kill()
    bob.start()
    await bob.network.network.listenTcp({ host: '::', port: PORT }, connection => void new TcpRecorder(connection))

    expect(bob.network).not.toBe(old)
    expect(bob.network.random.bytes(8)).not.toEqual(old.random.bytes(8))
    await dial(net, ada, bob)
  })

  test('may have had one of several programs killed alone', async () => {
    const { net, ada, bob, near } = await setUp()
    const second = bob.launch()
    const accepted: TcpRecorder[] = []
    await second.network.listenTcp({ host: '::', port: PORT + 1 }, connection => {
      accepted.push(new TcpRecorder(connection))
    })
    const remote = { address: bob.addresses[0]!, port: PORT + 1 }
    const dialled = ada.network.network.connectTcp(remote, { timeoutMs: 5_000 })
    const toSecond = new TcpRecorder(await net.until(dialled))
    await net.advance(10)

    second.kill()
    await net.advance(10)

    expect([toSecond.ends, near.ends]).toEqual([1, 0])
  })
})

describe('a host without power', () => {
  test('says nothing: connections stay, connects time out', async () => {
    const { net, ada, bob, near } = await setUp()

    bob.stop()
    await net.advance(10 * MINUTE_MS)

    expect([near.ends, near.closes]).toEqual([0, []])
    await expect(dial(net, ada, bob)).rejects.toMatchObject({ code: 'timeout' })
  })

  test('resets old connections once it has started again', async () => {
    const { net, bob, near } = await setUp()
    bob.stop()
    bob.start()
    await net.advance(10)
    expect(near.closes).toEqual([])

    near.connection.write(text('remember me?'))
    await net.advance(10)

    expect(near.closes.map(error => error?.code)).toEqual(['lost'])
  })
})

describe('a host that sleeps', () => {
  test('runs late timers when it wakes, with clocks that have moved on', async () => {
    const net = simulate()
    const ada = net.host('ada')
    const { clock } = ada.network
    const slept = { now: clock.now(), wall: clock.wallTime() }
    const fired: number[] = []
    clock.setTimer(1_000, () => fired.push(clock.now() - slept.now))

    ada.sleep()
    await net.advance(MINUTE_MS)
    expect(fired).toEqual([])
    ada.wake()
    await net.advance(0)

    expect(fired).toEqual([MINUTE_MS])
    expect(clock.wallTime() - slept.wall).toBe(MINUTE_MS)
  })

  test('loses datagrams, while TCP waits for it', async () => {
    const { net, ada, bob, near, far } = await setUp()
    const receiver = new UdpRecorder()
    await bob.network.network.openUdp({ address: '0.0.0.0', port: PORT, sharePort: false }, receiver)
    const sender = await ada.network.network.openUdp(
      { address: '0.0.0.0', port: 0, sharePort: false },
      new UdpRecorder(),
    )
    const send = (word: string) => {
      sender.send(text(word), { address: bob.addresses[0]!, port: PORT })
      near.connection.write(text(word))
    }

    bob.sleep()
    send('asleep ')
    await net.advance(MINUTE_MS)
    bob.wake()
    send('awake')
    await net.advance(MINUTE_MS)

    expect(receiver.texts).toEqual(['awake'])
    expect(far.text).toBe('asleep awake')
  })

  test('keeps its own connections, however long it slept', async () => {
    const { net, ada, near, far } = await setUp()
    near.connection.write(text('good night'))
    ada.sleep()
    await net.advance(600 * MINUTE_MS)
    ada.wake()
    await net.advance(10)

    expect(far.text).toBe('good night')
    expect(near.closes).toEqual([])
  })

  test('does not fall asleep twice, nor wake from power loss', () => {
    const host = simulate().host('ada')
    host.sleep()

    expect(() => host.sleep()).toThrow("host 'ada' is asleep, not running")
    host.stop()
    expect(() => host.wake()).toThrow("host 'ada' is stopped, not asleep")
  })
})

describe('the interfaces of a host', () => {
  test('are in order of preference, with loopback among them', () => {
    const net = simulate()
    net.lan('home', { ipv6: 'global' })
    net.lan('docker')
    const docker = { lan: 'docker', kind: 'virtual', name: 'docker0' } as const
    const host = net.host('ada', { lans: [docker, { lan: 'home', kind: 'wireless' }, 'home'] })

    const interfaces = host.network.network.interfaces()

    expect(interfaces.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'eth0 wired',
      'wlan0 wireless',
      'lo loopback',
      'docker0 virtual',
    ])
    expect(interfaces[0]!.addresses).toEqual([
      { address: '192.168.1.3', family: 'ipv4', prefixLength: 24, scope: 'private', scopeId: 0 },
      { address: 'fe80::1:0:1:3', family: 'ipv6', prefixLength: 64, scope: 'link-local', scopeId: 4 },
      { address: '2001:db8:0:1:1:0:1:3', family: 'ipv6', prefixLength: 64, scope: 'global', scopeId: 0 },
    ])
  })

  test('may change, and those who watch are told within a second', async () => {
    const net = simulate()
    const home = net.lan('home')
    const ada = net.host('ada', { lans: [] })
    const { network } = ada.network
    const seen: string[] = []
    const stop = network.watchInterfaces(() => {
      const [first] = network.interfaces()
      seen.push(`${first!.name} ${first!.isUp ? 'up' : 'down'} ${first!.addresses[0]?.address}`)
    })

    const eth0 = ada.attach(home)
    await net.advance(1_000)
    eth0.setAddresses(['192.168.1.77/24'])
    await net.advance(1_000)
    eth0.down()
    await net.advance(1_000)
    ada.detach('eth0')
    await net.advance(1_000)
    stop()
    ada.attach(home)
    await net.advance(1_000)

    expect(seen).toEqual(['eth0 up 192.168.1.2', 'eth0 up 192.168.1.77', 'eth0 down 192.168.1.77', 'lo up 127.0.0.1'])
  })

  test('take connections with them into silence when they lose their address', async () => {
    const { net, bob, near, far } = await setUp()

    bob.interface('eth0').setAddresses(['192.168.1.77/24'])
    far.connection.write(text('from nowhere'))
    near.connection.write(text('to nobody'))
    await net.advance(MINUTE_MS)

    expect([near.text, far.text, near.closes, far.closes]).toEqual(['', '', [], []])
  })

  test('that are pulled and plugged in again are others: old sockets stay deaf', async () => {
    const net = simulate()
    const [ada, bob] = [net.host('ada'), net.host('bob')]
    const [sender, receiver] = [new UdpRecorder(), new UdpRecorder()]
    const options = { address: '0.0.0.0', port: 5_353, sharePort: true, multicastInterface: 'eth0' }
    const socket = await ada.network.network.openUdp(options, sender)
    const group = { address: '224.0.0.251', port: 5_353 }
    const old = await bob.network.network.openUdp(options, receiver)
    old.joinGroup(group.address)

    bob.detach('eth0')
    bob.attach(net.lan('home'))
    socket.send(text('anybody?'), group)
    old.send(text('me!'), group)
    await net.advance(10)

    expect(receiver.datagrams).toEqual([])
    expect(receiver.errors.map(({ code }) => code)).toEqual(['unreachable'])
    expect(() => old.joinGroup(group.address)).toThrow(expect.objectContaining({ code: 'no-network' }))
  })
})

describe('a simulated network', () => {
  test('resolves the names of hosts in a common LAN, with the zones of who asks', async () => {
    const net = simulate()
    net.lan('home')
    net.lan('office')
    const ada = net.host('ada', { lans: ['office', 'home'] })
    net.host('bob', { lans: ['home'] })
    net.host('far', { lans: [] })
    const { network } = ada.network

    expect(await network.lookup('bob.local')).toEqual(['192.168.1.3', 'fe80::1:0:1:3%eth1'])
    expect(await network.lookup('BOB')).toEqual(await network.lookup('bob.local'))
    expect(await network.lookup('localhost')).toEqual(['127.0.0.1', '::1'])
    await expect(network.lookup('far')).rejects.toMatchObject({ code: 'unreachable' })
  })

  test('tells what is still open, until it is closed', async () => {
    const { net, bob, near, far } = await setUp()
    const { clock, network } = bob.network
    const timer = clock.setTimer(100, () => {})
    const stop = network.watchInterfaces(() => {})
    const socket = await network.openUdp({ address: '::', port: 5_353, sharePort: true }, new UdpRecorder())

    const near0 = `${near.connection.local.address}:${near.connection.local.port}`
    expect(net.open()).toEqual([
      { host: 'ada', kind: 'tcp connection', detail: `${near0} to 192.168.1.3:4000` },
      { host: 'bob', kind: 'udp socket', detail: '[::]:5353' },
      { host: 'bob', kind: 'tcp listener', detail: '[::]:4000' },
      { host: 'bob', kind: 'tcp connection', detail: `192.168.1.3:4000 to ${near0}` },
      { host: 'bob', kind: 'timer', detail: `due at ${net.now + 100} ms` },
      { host: 'bob', kind: 'interface watcher', detail: '' },
    ])
    timer.cancel()
    stop()
    socket.close()
    near.connection.end()
    far.connection.end()
    await net.advance(10)

    expect(net.open().map(({ kind }) => kind)).toEqual(['tcp listener'])
  })

  test('counts a connection that is being opened, and no longer one whose opening was aborted', async () => {
    const net = simulate()
    const { network } = net.host('ada').network
    const controller = new AbortController()
    const dialled = network.connectTcp(
      { address: '192.168.1.99', port: PORT },
      { timeoutMs: MINUTE_MS, signal: controller.signal },
    )
    await net.advance(10)
    expect(net.open()).toHaveLength(1)

    controller.abort()
    await expect(dialled).rejects.toBe(controller.signal.reason)

    expect(net.open()).toEqual([])
  })

  test('refuses names that are taken or unknown, and impossible addresses', () => {
    const net = simulate()
    net.host('ada')

    expect(() => net.host('Ada')).toThrow("there is a host 'Ada' already")
    expect(() => net.host('not a name')).toThrow(RangeError)
    expect(() => net.host('bob', { lans: ['hme'] })).toThrow("there is no LAN 'hme'")
    expect(() => net.lan('home', { delayMs: 1 })).toThrow("there is a LAN 'home' already")
    expect(() => net.host('cem', { lans: [{ lan: 'home', addresses: ['10.0.0.1'] }] })).toThrow(
      'with its prefix length',
    )
  })

  test('gives each host a clock that may be wrong', () => {
    const net = simulate()
    const right = net.host('ada').network.clock
    const wrong = net.host('bob', { wallOffsetMs: -3_600_000 }).network.clock

    expect(right.wallTime() - wrong.wallTime()).toBe(3_600_000)
    expect(right.now()).toBe(wrong.now())
  })

  test('lets 40 hosts in a full mesh exchange messages, and does it again with the same seed', async () => {
    const play = async () => {
      const net = simulate({ seed: 5 })
      net.lan('home', { jitterMs: 1 })
      const hosts = Array.from({ length: 40 }, (_, i) => net.host(`h${i}`))
      const ends: TcpRecorder[] = []
      const add = (end: TcpRecorder) => void ends.push(end)
      for (const host of hosts) {
        await host.network.network.listenTcp({ host: '::', port: PORT }, each => add(new TcpRecorder(each)))
      }
      for (const [i, from] of hosts.entries()) {
        for (const to of hosts.slice(i + 1)) void dial(net, from, to).then(add)
      }
      await net.advance(100)
      for (let round = 0; round < 5; round++) {
        for (const { connection } of ends) connection.write(text('hello'))
        await net.advance(10)
      }
      return ends.map(({ connection, text: received }) => `${connection.remote.port} ${received}`)
    }

    const first = await play()
    expect(first).toHaveLength(40 * 39)
    expect(first.every(line => line.endsWith(` ${'hello'.repeat(5)}`))).toBe(true)
    expect(await play()).toEqual(first)
  })
})
