import { describe, expect, test } from 'vitest'
import { UdpRecorder } from '../../test/contract/recorder.ts'
import { type LanOptions, type SimulatedHost, type SimulatedLan, type SimulatedNetwork, simulate } from './index.ts'

const PORT = 9_000

/** Three hosts in a LAN; what each hears of the others' datagrams, with the time. */
async function setUp(options: LanOptions = {}, seed = 1) {
  const net = simulate({ seed })
  const lan = net.lan('home', options)
  const hosts = ['ada', 'bob', 'cem'].map(name => net.host(name))
  const heard: string[] = []
  const senders = await Promise.all(hosts.map(host => openSocket(net, host, heard)))
  const send = (from: number, to: number, size = 1) => {
    senders[from]!.send(new Uint8Array(size), { address: hosts[to]!.addresses[0]!, port: PORT })
  }
  return { net, lan, hosts, heard, send }
}

async function openSocket(net: SimulatedNetwork, host: SimulatedHost, heard: string[]) {
  const recorder = new UdpRecorder()
  recorder.onDatagram = (_, { address }) => void heard.push(`${host.name} heard ${address} at ${net.now.toFixed(1)}`)
  return host.network.network.openUdp({ address: '0.0.0.0', port: PORT, sharePort: false }, recorder)
}

describe('a LAN', () => {
  test('takes its delay, and up to its jitter more', async () => {
    const { net, lan, heard, send } = await setUp({ delayMs: 5 })
    send(0, 1)
    await net.advance(10)
    lan.jitterMs = 20
    for (let i = 0; i < 50; i++) send(0, 1)
    await net.advance(100)

    const [first, ...rest] = heard.map(line => Number(line.split(' at ')[1]))
    expect(first).toBe(5)
    expect(rest).toHaveLength(50)
    expect(Math.min(...rest)).toBeGreaterThanOrEqual(15)
    expect(Math.max(...rest)).toBeLessThanOrEqual(35.1)
    expect(new Set(rest).size).toBeGreaterThan(20)
  })

  test('loses the share of packets that it is told to', async () => {
    const { net, lan, heard, send } = await setUp({ loss: 0.3 })
    for (let i = 0; i < 1_000; i++) send(0, 1)
    await net.advance(1)

    expect(heard.length).toBeGreaterThan(600)
    expect(heard.length).toBeLessThan(800)
    expect(() => {
      lan.loss = 1.1
    }).toThrow(RangeError)
  })

  test('does the same again with the same seed, and something else with another', async () => {
    const play = async (seed: number) => {
      const { net, heard, send } = await setUp({ loss: 0.3, jitterMs: 5 }, seed)
      for (let i = 0; i < 100; i++) send(i % 3, (i + 1) % 3)
      await net.advance(10)
      return heard
    }

    expect(await play(1)).toEqual(await play(1))
    expect(await play(1)).not.toEqual(await play(2))
  })

  test('sends one packet after the other where it has a rate', async () => {
    const { net, heard, send } = await setUp({ delayMs: 1, bitsPerSecond: 8_000_000 })
    send(0, 1, 10_000)
    send(0, 1, 10_000)
    send(1, 2, 10_000)
    await net.advance(100)

    expect(heard).toEqual([
      'bob heard 192.168.1.2 at 11.0',
      'cem heard 192.168.1.3 at 11.0',
      'bob heard 192.168.1.2 at 21.0',
    ])
  })

  test.each<[string, (lan: SimulatedLan) => void, string[]]>([
    ['a partition', lan => lan.partition(['ada'], ['bob', 'cem']), ['cem heard 192.168.1.3']],
    [
      'two partitions',
      lan => [lan.partition(['ada'], ['bob']), lan.partition(['bob'], ['cem'])],
      ['ada heard 192.168.1.4'],
    ],
    ['isolation', lan => lan.isolate('cem'), ['bob heard 192.168.1.2']],
  ])('keeps apart by %s, until it heals', async (_, cut, passing) => {
    const { net, lan, heard, send } = await setUp()
    const withoutTime = () => heard.splice(0).map(line => line.split(' at ')[0])
    const ring = async () => {
      send(0, 1)
      send(1, 2)
      send(2, 0)
      await net.advance(1)
      return withoutTime()
    }

    cut(lan)
    expect(await ring()).toEqual(passing)
    lan.heal()
    expect(await ring()).toHaveLength(3)
  })

  test('has room for 253 hosts with IPv4, and for as many as you like without', () => {
    const net = simulate()
    for (let i = 0; i < 253; i++) net.host(`h${i}`)
    expect(() => net.host('one-more')).toThrow("LAN 'home' is full")

    net.lan('big', { ipv4: false })
    for (let i = 0; i < 300; i++) net.host(`b${i}`, { lans: ['big'] })
  })

  test.each(['delayMs', 'jitterMs', 'loss', 'bitsPerSecond'])('refuses a negative %s', option => {
    expect(() => simulate().lan('home', { [option]: -1 })).toThrow(
      new RangeError(`${option} must be 0 or more, not -1`),
    )
  })
})
