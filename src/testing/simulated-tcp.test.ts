import { describe, expect, test } from 'vitest'
import { TcpRecorder } from '../../test/contract/recorder.ts'
import {
  type LanOptions,
  type SimulatedHost,
  type SimulatedNetwork,
  type SimulationOptions,
  simulate,
  type TracedPacket,
} from './index.ts'

const PORT = 4_000
const MINUTE_MS = 60_000

interface Connected {
  readonly net: SimulatedNetwork
  readonly ada: SimulatedHost
  readonly bob: SimulatedHost
  /** Ada's end and bob's. */
  readonly near: TcpRecorder
  readonly far: TcpRecorder
}

async function connect(lan: LanOptions = {}, simulation: SimulationOptions = {}): Promise<Connected> {
  const net = simulate(simulation)
  net.lan('home', lan)
  const [ada, bob] = [net.host('ada'), net.host('bob')]
  const accepted: TcpRecorder[] = []
  await listen(bob, accepted)
  const near = await net.until(dial(ada, bob))
  await net.advance(1_000)
  return { net, ada, bob, near, far: accepted[0]! }
}

function listen(host: SimulatedHost, accepted: TcpRecorder[]) {
  return host.network.network.listenTcp({ host: '::', port: PORT }, connection => {
    accepted.push(new TcpRecorder(connection))
  })
}

async function dial(from: SimulatedHost, to: SimulatedHost, timeoutMs = 5_000): Promise<TcpRecorder> {
  const remote = { address: to.addresses[0]!, port: PORT }
  return new TcpRecorder(await from.network.network.connectTcp(remote, { timeoutMs }))
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >>> 8)) & 0xff)
}

describe('a simulated TCP connection', () => {
  test('costs the segments that a real one costs', async () => {
    const net = simulate()
    const [ada, bob] = [net.host('ada'), net.host('bob')]
    const accepted: TcpRecorder[] = []
    await listen(bob, accepted)
    const seen: TracedPacket[] = []
    net.trace(packet => seen.push(packet))

    const near = await net.until(dial(ada, bob))
    near.connection.write(text('hello'))
    near.connection.end()
    await net.advance(10)
    accepted[0]!.connection.end()
    await net.advance(10)

    expect(seen.map(({ host, flags, bytes }) => `${host}: ${flags} ${bytes.length}`)).toEqual([
      'ada: syn 0',
      'bob: syn ack 0',
      'ada: ack 0',
      'ada: fin ack 5',
      'bob: ack 0',
      'bob: fin ack 0',
      'ada: ack 0',
    ])
    expect(net.open().map(({ kind }) => kind)).toEqual(['tcp listener'])
  })

  test('needs one and a half round trips until the accepting side has it', async () => {
    const net = simulate()
    net.lan('far', { delayMs: 40 })
    const [ada, bob] = [net.host('ada', { lans: ['far'] }), net.host('bob', { lans: ['far'] })]
    const accepted: number[] = []
    await bob.network.network.listenTcp({ host: '::', port: PORT }, connection => {
      connection.start(new TcpRecorder(connection))
      accepted.push(net.now)
    })

    await net.until(dial(ada, bob))
    expect(net.now).toBe(80)
    await net.advance(100)

    expect(accepted).toEqual([120])
  })

  test('delivers what was written in one turn together', async () => {
    const { net, near, far } = await connect()

    near.connection.write(text('one '))
    near.connection.write(text('two '))
    await net.advance(0.1)
    near.connection.write(text('three'))
    await net.advance(10)

    expect(far.chunks.map(chunk => new TextDecoder().decode(chunk))).toEqual(['one two ', 'three'])
  })

  test('delivers in random pieces where it is told to, which differ by seed', async () => {
    const lengths = async (seed: number) => {
      const { net, near, far } = await connect({}, { seed, segmentation: 'random' })
      near.connection.write(pattern(10_000))
      await net.advance(100)
      expect(far.received).toEqual(pattern(10_000))
      return far.chunks.map(chunk => chunk.length)
    }

    const first = await lengths(1)
    expect(first.length).toBeGreaterThan(2)
    expect(await lengths(1)).toEqual(first)
    expect(await lengths(2)).not.toEqual(first)
  })

  test('fails for the other side where one was destroyed with bytes unread', async () => {
    const { net, near, far } = await connect()
    far.connection.pause()
    near.connection.write(text('unread'))
    await net.advance(10)

    far.connection.destroy()
    await net.advance(10)

    expect(near.closes.map(error => error?.code)).toEqual(['lost'])
    expect(far.closes).toEqual([undefined])
  })

  test('resumes where it was paused, and hears of the end only then', async () => {
    const { net, near, far } = await connect()
    far.connection.pause()
    near.connection.write(text('question'))
    near.connection.end()
    await net.advance(MINUTE_MS)
    expect([far.text, far.ends]).toEqual(['', 0])

    far.connection.resume()
    await net.advance(10)

    expect([far.text, far.ends]).toEqual(['question', 1])
  })

  test('flows again within round trips once a full receiver reads', async () => {
    const { net, near, far } = await connect()
    far.connection.pause()
    for (let i = 0; i < 10; i++) near.connection.write(pattern(65_536))
    await net.advance(MINUTE_MS)
    expect(far.receivedBytes).toBe(0)

    far.connection.resume()
    await net.advance(20)

    expect(far.receivedBytes).toBe(10 * 65_536)
  })

  test('opens where both sides dial each other at the same time', async () => {
    const net = simulate()
    const [ada, bob] = [net.host('ada'), net.host('bob')]
    await Promise.all([listen(ada, []), listen(bob, [])])

    const [near, far] = await net.until(Promise.all([dial(ada, bob), dial(bob, ada)]))

    expect(near.connection.remote.address).toBe(far.connection.local.address)
    expect(near.connection.remote.port).toBe(PORT)
  })
})

describe('loss', () => {
  test('delays bytes and never loses them', async () => {
    const { net, near, far } = await connect({ loss: 0.2, jitterMs: 2 }, { seed: 3 })
    const sent = pattern(300_000)
    for (let offset = 0; offset < sent.length; offset += 1_000) {
      near.connection.write(sent.subarray(offset, offset + 1_000))
      await net.advance(1)
    }
    await net.advance(10 * MINUTE_MS)

    expect(far.receivedBytes).toBe(sent.length)
    expect(far.received).toEqual(sent)
  })

  test('costs 200 ms for the first retransmission, and twice as long for each that follows', async () => {
    const { net, ada, near } = await connect()
    const sentAt: number[] = []
    net.trace(({ host, at, bytes }) => host === 'ada' && bytes.length > 0 && sentAt.push(at))
    const startedAt = net.now
    net.lan('home').loss = 1
    near.connection.write(text('hello'))
    await net.advance(7_000)

    expect(ada.state).toBe('running')
    expect(sentAt.map(at => at - startedAt)).toEqual([0, 200, 600, 1_400, 3_000, 6_200])
  })

  test('of a SYN costs a second, and the connection opens with the next', async () => {
    const net = simulate()
    const lan = net.lan('home', { loss: 1 })
    const [ada, bob] = [net.host('ada'), net.host('bob')]
    await listen(bob, [])
    const dialled = dial(ada, bob)
    await net.advance(500)
    lan.loss = 0

    await net.until(dialled)

    expect(net.now).toBeCloseTo(1_000.4)
  })
})

describe('a partition', () => {
  test('holds bytes back, which flow again when it heals', async () => {
    const { net, near, far } = await connect()
    net.lan('home').isolate('ada')
    near.connection.write(text('patience'))
    far.connection.write(text('likewise'))
    await net.advance(MINUTE_MS)
    expect([far.text, near.text]).toEqual(['', ''])

    net.lan('home').heal()
    await net.advance(MINUTE_MS)

    expect([far.text, near.text]).toEqual(['patience', 'likewise'])
    expect([near.closes, far.closes]).toEqual([[], []])
  })

  test('breaks the connection of who sends after 15 minutes, and is not noticed by who is silent', async () => {
    const { net, near, far } = await connect()
    net.lan('home').isolate('ada')
    near.connection.write(text('patience'))

    await net.advance(15 * MINUTE_MS)
    expect(near.closes).toEqual([])
    await net.advance(MINUTE_MS)

    expect(near.closes.map(error => error?.code)).toEqual(['lost'])
    expect(far.closes).toEqual([])
  })

  test('cannot make a full receiver forget that it has room again', async () => {
    const { net, near, far } = await connect()
    far.connection.pause()
    for (let i = 0; i < 10; i++) near.connection.write(pattern(65_536))
    await net.advance(1_000)
    net.lan('home').isolate('ada')
    far.connection.resume()
    await net.advance(1_000)
    net.lan('home').heal()
    await net.advance(MINUTE_MS)

    expect(far.receivedBytes).toBe(10 * 65_536)
  })

  test('makes a connect fail with timeout, at its time', async () => {
    const net = simulate()
    const [ada, bob] = [net.host('ada'), net.host('bob')]
    await listen(bob, [])
    net.lan('home').partition([ada], [bob])

    await expect(net.until(dial(ada, bob, 3_000))).rejects.toMatchObject({ code: 'timeout' })
    expect(net.now).toBe(3_000)
  })

  test('makes a connect without a limit of its own fail after two minutes', async () => {
    const net = simulate()
    const [ada, bob] = [net.host('ada'), net.host('bob')]
    net.lan('home').partition([ada], [bob])

    const refused = net.until(dial(ada, bob, Infinity), { withinMs: 5 * MINUTE_MS })
    await expect(refused).rejects.toMatchObject({ code: 'timeout' })
    expect(net.now).toBe(127_000)
  })
})

describe('connecting', () => {
  test.each([
    ['to a network that no interface leads to', '203.0.113.1', 'No interface leads to that network'],
    ['to a link-local address without zone', 'fe80::1', 'needs its zone'],
    ['to a port where nobody listens', '192.168.1.3', 'nobody listens on that port'],
  ])('%s fails with a hint', async (_, address, hint) => {
    const net = simulate()
    const [ada] = [net.host('ada'), net.host('bob')]

    const dialled = ada.network.network.connectTcp({ address, port: PORT }, { timeoutMs: 1_000 })
    await expect(net.until(dialled)).rejects.toMatchObject({
      code: 'unreachable',
      hint: expect.stringContaining(hint),
    })
  })
})

describe('a connection that is kept alive', () => {
  test('is lost some 10 s after its idle time where the other side has no power', async () => {
    const { net, bob, near } = await connect()
    near.connection.keepAlive(15_000)
    bob.stop()
    await net.advance(24_000)
    expect(near.closes).toEqual([])
    await net.advance(2_000)
    expect(near.closes.map(error => error?.code)).toEqual(['lost'])
  })

  test('stays where the other side is there, and asks only after its idle time', async () => {
    const { net, near, far } = await connect()
    const packets: TracedPacket[] = []
    net.trace(packet => packets.push(packet))
    near.connection.keepAlive(15_000)
    await net.advance(14_000)
    expect(packets).toEqual([])
    await net.advance(10 * MINUTE_MS)
    expect(packets.length).toBeGreaterThan(2 * 39)
    near.connection.write(new Uint8Array([1]))
    await net.advance(100)
    expect([near.closes, far.receivedBytes]).toEqual([[], 1])
  })

  test('asks nothing any more once it is over', async () => {
    const { net, near, far } = await connect()
    near.connection.keepAlive(1_000)
    near.connection.end()
    far.connection.end()
    await net.advance(100)
    const packets: TracedPacket[] = []
    net.trace(packet => packets.push(packet))
    near.connection.keepAlive(1_000)
    await net.advance(MINUTE_MS)
    expect(packets).toEqual([])
  })
})
