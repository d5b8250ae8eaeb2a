import { describe, expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import type { TcpConnection } from '../../platform/network.ts'
import { type SimulatedHost, type SimulatedNetwork, simulate } from '../../testing/index.ts'
import { type DialOptions, dial } from './dialer.ts'

const target = (address: string) => ({ address: { address, port: 4112 }, via: 'test' })

/** ada dials; bob and eve listen; nobody has .50, so that packets to it are lost. */
async function setUp(): Promise<{ net: SimulatedNetwork; ada: SimulatedHost; go: typeof go }> {
  const net = simulate()
  const ada = net.host('ada')
  for (const name of ['bob', 'eve']) {
    const handlers = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} }
    await net.host(name).network.network.listenTcp({ host: '::', port: 4112 }, tcp => tcp.start(handlers))
  }
  const go = <T>(addresses: readonly string[], options: Partial<DialOptions<T>>): Promise<T> => {
    const { clock, network } = ada.network
    const complete = { timeoutMs: 10_000, connectTimeoutMs: 10_000, signal: undefined, establish: remoteOf, ...options }
    return net.until(dial(clock, network, addresses.map(target), complete as DialOptions<T>))
  }
  return { net, ada, go }
}

async function remoteOf(tcp: TcpConnection): Promise<string> {
  tcp.destroy()
  return tcp.remote.address
}

const fail = (code: 'refused' | 'untrusted-peer' | 'lost', reason?: string) => async (tcp: TcpConnection) => {
  tcp.destroy()
  throw new EarshotError(code, `it was ${code}`, reason === undefined ? {} : { reason })
}

const BOB = '192.168.1.3'
const EVE = '192.168.1.4'
const NOBODY = '192.168.1.50'

describe('dial', () => {
  test('takes the first address that works, at once', async () => {
    const { net, go } = await setUp()
    expect(await go([BOB, EVE], {})).toBe(BOB)
    expect(net.now).toBeLessThan(10)
  })

  test('tries the next address 250 ms after a silent one (RFC 8305 section 5)', async () => {
    const { net, ada, go } = await setUp()
    expect(await go([NOBODY, NOBODY, EVE], {})).toBe(EVE)
    expect(net.now).toBeGreaterThanOrEqual(500)
    expect(net.now).toBeLessThan(510)
    await net.advance(1)
    expect(ada.open()).toEqual([])
  })

  test('tries the next address at once after one that failed', async () => {
    const { net, go } = await setUp()
    net.host('mia')
    expect(await go(['192.168.1.5', EVE], {})).toBe(EVE)
    expect(net.now).toBeLessThan(10)
  })

  test('tries no other address while a peer that was reached takes its time', async () => {
    const { net, go } = await setUp()
    const reachedAddresses: string[] = []
    const establish = async (tcp: TcpConnection, _: AbortSignal, reached: () => void) => {
      reachedAddresses.push(tcp.remote.address)
      reached()
      await net.advance(3_000)
      return remoteOf(tcp)
    }
    expect(await go([BOB, EVE], { establish })).toBe(BOB)
    expect(reachedAddresses).toEqual([BOB])
  })

  test('cuts the slower one off when two are under way', async () => {
    const { net, go } = await setUp()
    const cut: string[] = []
    const establish = async (tcp: TcpConnection, signal: AbortSignal) => {
      const { address } = tcp.remote
      signal.addEventListener('abort', () => cut.push(address))
      await net.advance(address === BOB ? 1_000 : 100)
      return remoteOf(tcp)
    }
    expect(await go([BOB, EVE], { establish })).toBe(EVE)
    expect(cut).toEqual([BOB])
  })

  test('gives one address no longer than it may take', async () => {
    const { net, go } = await setUp()
    const failing = go([NOBODY], { connectTimeoutMs: 3_000 })
    await expect(failing).rejects.toMatchObject({ code: 'unreachable', attempts: [{ code: 'timeout' }] })
    expect(net.now).toBeCloseTo(3_000, -1)
  })

  test('ends in time, and tells of those that were still under way', async () => {
    const { net, ada, go } = await setUp()
    net.host('mia')
    await expect(go(['192.168.1.5', NOBODY], { timeoutMs: 2_000 })).rejects.toMatchObject({
      code: 'timeout',
      hint: expect.any(String),
      attempts: [
        { address: '192.168.1.5:4112', via: 'test', code: 'unreachable' },
        { address: '192.168.1.50:4112', via: 'test', code: 'timeout' },
      ],
    })
    expect(net.now).toBeCloseTo(2_000, -1)
    await net.advance(1)
    expect(ada.open()).toEqual([])
  })

  test('ends with the reason of its signal', async () => {
    const { net, ada, go } = await setUp()
    const stop = new AbortController()
    const reason = new Error('enough')
    const dialling = expect(go([NOBODY], { signal: stop.signal })).rejects.toBe(reason)
    await net.advance(100)
    stop.abort(reason)
    await dialling
    await net.advance(1)
    expect(ada.open()).toEqual([])
    await expect(go([BOB], { signal: stop.signal })).rejects.toBe(reason)
  })

  test('to nowhere is unreachable', async () => {
    const { go } = await setUp()
    await expect(go([], {})).rejects.toMatchObject({ code: 'unreachable', attempts: [], hint: expect.any(String) })
  })

  test('ends with the word of the peer, which counts more than a dead address', async () => {
    const { go } = await setUp()
    await expect(go([NOBODY, BOB, EVE], { establish: fail('refused', 'full') })).rejects.toMatchObject({
      code: 'refused',
      reason: 'full',
      attempts: [{ address: `${BOB}:4112`, code: 'refused' }],
    })
    await expect(go([BOB, EVE], { establish: fail('untrusted-peer') })).rejects.toMatchObject({
      code: 'untrusted-peer',
      attempts: [{ address: `${BOB}:4112` }, { address: `${EVE}:4112` }],
    })
    await expect(go([BOB, EVE], { establish: fail('lost') })).rejects.toMatchObject({ code: 'unreachable' })
  })

  test('with one connection too many waits for the other', async () => {
    const { net, go } = await setUp()
    const establish = async (tcp: TcpConnection) => {
      if (tcp.remote.address === EVE) return fail('refused', 'duplicate')(tcp)
      await net.advance(1_000)
      return remoteOf(tcp)
    }
    expect(await go([BOB, EVE], { establish })).toBe(BOB)
    await expect(go([EVE], { establish })).rejects.toMatchObject({ reason: 'duplicate' })
  })
})
