import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  alternateServer,
  CREDENTIAL,
  dataIndication,
  TurnServer,
  type TurnServerOptions,
} from '../../../test/nat/turn-server.ts'
import type { EarshotError } from '../../errors.ts'
import type { SocketAddress, UdpSocket } from '../../platform/network.ts'
import { type SimulatedHost, type SimulatedNetwork, simulate } from '../../testing/index.ts'
import { METHOD } from '../stun/message.ts'
import { allocateOn } from './allocate.ts'
import { type AllocateOptions, checkAllocateOptions } from './allocate-options.ts'
import type { Allocation } from './allocation.ts'

const [SERVER, OTHER, PEER] = ['192.168.1.10', '192.168.1.11', '192.168.1.20']
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytesOf = (value: string) => new TextEncoder().encode(value)

interface Heard {
  readonly text: string
  readonly from: SocketAddress
}

/** A LAN with a TURN server, a client and a peer with a plain socket that answers what it hears with the same and '!'. */
class Stage {
  readonly net: SimulatedNetwork = simulate({ seed: 1 })
  readonly ada: SimulatedHost
  readonly server: SimulatedHost
  readonly heard: Heard[] = []
  readonly warnings: EarshotError[] = []
  readonly peerHeard: Heard[] = []
  peer!: UdpSocket
  turn!: TurnServer

  private constructor() {
    this.net.lan('home')
    this.ada = this.net.host('ada')
    this.server = this.#host('turn', SERVER)
  }

  static async open(options: Partial<TurnServerOptions> = {}): Promise<Stage> {
    const stage = new Stage()
    stage.turn = await TurnServer.start(stage.server.network, { address: SERVER, ...options })
    const { network } = stage.#host('peer', PEER).network
    stage.peer = await network.openUdp(
      { address: '0.0.0.0', port: 7_000, sharePort: false },
      {
        onDatagram: (bytes, from) => {
          stage.peerHeard.push({ text: text(bytes), from })
          stage.peer.send(bytesOf(`${text(bytes)}!`), from)
        },
        onError() {},
      },
    )
    return stage
  }

  async addServer(options: Partial<TurnServerOptions> = {}): Promise<TurnServer> {
    return TurnServer.start(this.#host('turn2', OTHER).network, { address: OTHER, ...options })
  }

  get peerAddress(): SocketAddress {
    return { address: PEER, port: 7_000 }
  }

  allocate(options: Partial<AllocateOptions> = {}): Promise<Allocation> {
    const complete: AllocateOptions = {
      server: `turn:${SERVER}`,
      username: CREDENTIAL.username,
      credential: CREDENTIAL.password,
      onDatagram: (bytes, from) => this.heard.push({ text: text(bytes), from }),
      onWarning: warning => this.warnings.push(warning),
      ...options,
    }
    return this.net.until(allocateOn(this.ada.network, checkAllocateOptions(complete), complete))
  }

  #host(name: string, address: string): SimulatedHost {
    return this.net.host(name, { lans: [{ lan: 'home', addresses: [`${address}/24`] }] })
  }
}

const ways: readonly [string, string][] = [
  ['UDP', `turn:${SERVER}`],
  ['TCP', `turn:${SERVER}?transport=tcp`],
]

describe.each(ways)('over %s', (_, server) => {
  test('datagrams travel both ways, first as indications and then by a channel', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate({ server })
    expect(allocation.relayedAddress.address).toBe(SERVER)
    expect(allocation.mappedAddress.address).toBe(stage.ada.addresses[0])
    expect(allocation.serverAddress).toEqual({ address: SERVER, port: 3478 })
    for (let i = 0; i < 8; i++) {
      expect(allocation.send(bytesOf(`hello ${i}`), stage.peerAddress)).toBe(true)
      await stage.net.advance(10)
    }
    expect(stage.peerHeard.map(heard => heard.text)).toEqual(Array.from({ length: 8 }, (_, i) => `hello ${i}`))
    expect(new Set(stage.peerHeard.map(({ from }) => from.port))).toEqual(new Set([allocation.relayedAddress.port]))
    expect(stage.heard.map(heard => heard.text)).toEqual(Array.from({ length: 8 }, (_, i) => `hello ${i}!`))
    expect(new Set(stage.heard.map(({ from }) => `${from.address}:${from.port}`))).toEqual(new Set([`${PEER}:7000`]))
    expect(stage.turn.counts).toMatchObject({ allocate: 1, permission: 1, channel: 1, send: 3, channelData: 5 })
    expect(allocation.stats).toEqual({ sentBytes: 56, receivedBytes: 64, dropped: 0 })
    await stage.net.until(allocation.close())
    expect(stage.turn.allocations).toBe(0)
    expect(await allocation.closed).toBeUndefined()
    await stage.net.advance(2_000)
    expect(stage.ada.open()).toEqual([])
  })

  test('all is renewed, for hours', async () => {
    const stage = await Stage.open({ nonceLifetimeMs: 500_000 })
    const allocation = await stage.allocate({ server })
    await stage.net.until(allocation.permit('192.168.1.77'))
    for (let minute = 0; minute < 180; minute++) {
      allocation.send(bytesOf(`${minute}`), stage.peerAddress)
      await stage.net.advance(60_000)
    }
    expect(stage.heard).toHaveLength(180)
    expect(stage.warnings).toEqual([])
    expect([...stage.turn.permissions].sort()).toEqual([PEER, '192.168.1.77'])
    expect(stage.turn.channels).toHaveLength(1)
    // Every nine minutes.
    expect(stage.turn.counts.refresh).toBe(19)
    expect(stage.turn.counts.stale).toBeGreaterThan(10)
    await stage.net.until(allocation.close())
  })

  test('a server that is gone is noticed, and said', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate({ server })
    await stage.net.advance(60_000)
    stage.turn.isSilent = true
    const startedAt = stage.net.now
    const reason = await stage.net.until(allocation.closed)
    expect(reason).toMatchObject({ code: 'lost', message: expect.stringContaining(`${SERVER}:3478 does not answer`) })
    expect(reason!.hint).toBeTruthy()
    expect(stage.net.now - startedAt).toBeLessThan(32_000)
    expect(allocation.send(bytesOf('x'), stage.peerAddress)).toBe(false)
    await expect(allocation.permit(PEER)).rejects.toMatchObject({ code: 'closed' })
    await allocation.close()
    await stage.net.advance(2_000)
    expect(stage.ada.open()).toEqual([])
  })
})

describe('an allocation', () => {
  test('a TCP connection that breaks ends it at once', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate({ server: `turn:${SERVER}?transport=tcp` })
    stage.server.kill()
    expect(await stage.net.until(allocation.closed, { withinMs: 100 })).toMatchObject({ code: 'lost' })
  })

  test('works with password algorithms and a hidden user name', async () => {
    const stage = await Stage.open({ isModern: true })
    const allocation = await stage.allocate()
    allocation.send(bytesOf('hello'), stage.peerAddress)
    await stage.net.advance(100)
    expect(stage.heard).toMatchObject([{ text: 'hello!' }])
  })

  test('lives as long as the server says', async () => {
    const stage = await Stage.open({ lifetimeMs: 60_000 })
    const allocation = await stage.allocate()
    expect(allocation.lifetimeMs).toBe(60_000)
    await stage.net.advance(300_000)
    expect(stage.turn.counts.refresh).toBe(9)
    expect(stage.turn.allocations).toBe(1)
  })

  test('of a server that was restarted is lost', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate()
    stage.turn.forget()
    allocation.send(bytesOf('hello'), stage.peerAddress)
    const reason = await stage.net.until(allocation.closed)
    expect(reason).toMatchObject({ code: 'lost', reason: '437 No' })
  })

  test('survives a loss of a tenth of all packets', async () => {
    const stage = await Stage.open()
    stage.net.lan('home').loss = 0.1
    const allocation = await stage.allocate()
    for (let i = 0; i < 3_600; i++) {
      allocation.send(bytesOf('x'), stage.peerAddress)
      await stage.net.advance(1_000)
    }
    // Four ways, each with a loss of a tenth.
    expect(stage.heard.length / 3_600).toBeGreaterThan(0.6)
    expect(await Promise.race([allocation.closed, 'open'])).toBe('open')
  })

  test('close is idempotent, and does not wait for a server that is gone', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate()
    stage.turn.isSilent = true
    const startedAt = stage.net.now
    await stage.net.until(Promise.all([allocation.close(), allocation.close()]))
    expect(stage.net.now - startedAt).toBe(1_000)
    expect(await allocation.closed).toBeUndefined()
    expect(stage.ada.open()).toEqual([])
  })

  test('is closed at the end of its block', async () => {
    const stage = await Stage.open()
    await stage.net.run(async () => {
      await using allocation = await stage.allocate()
      allocation.send(bytesOf('hello'), stage.peerAddress)
    })
    expect(stage.turn.allocations).toBe(0)
  })
})

describe('peers', () => {
  test('that were not permitted are not heard', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate()
    stage.peer.send(bytesOf('uninvited'), allocation.relayedAddress)
    await stage.net.advance(100)
    await stage.net.until(allocation.permit(PEER))
    stage.peer.send(bytesOf('invited'), allocation.relayedAddress)
    await stage.net.advance(100)
    expect(stage.heard.map(heard => heard.text)).toEqual(['invited'])
    allocation.forbid(PEER)
    stage.peer.send(bytesOf('not any more'), allocation.relayedAddress)
    await stage.net.advance(100)
    expect(stage.heard).toHaveLength(1)
  })

  test('that the server relays without being asked to are not heard', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate()
    allocation.receive(dataIndication(bytesOf('forged'), stage.peerAddress))
    allocation.receive(Uint8Array.of(0x40, 0, 0, 1, 7))
    allocation.receive(Uint8Array.of(0x40, 0, 0, 9))
    allocation.receive(bytesOf('nonsense'))
    expect(stage.heard).toEqual([])
  })

  test('whatever arrives is read or ignored', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate()
    const good = dataIndication(bytesOf('forged'), stage.peerAddress)
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.uint8Array({ maxLength: 40 }).map(rest => Uint8Array.of(0x40, 0, 0, ...rest)),
      fc.tuple(fc.nat(), fc.nat(255)).map(([at, byte]) => good.with(at % good.length, byte)),
    )
    fc.assert(
      fc.property(bytes, candidate => allocation.receive(candidate)),
      { numRuns: 1_000 },
    )
    expect(stage.heard).toEqual([])
    expect(await Promise.race([allocation.closed, 'open'])).toBe('open')
  })

  test('that the server refuses are a warning, or reject permit', async () => {
    const forbidden = { method: METHOD.createPermission, code: 403 }
    const stage = await Stage.open({ errors: [forbidden, forbidden] })
    const allocation = await stage.allocate()
    await expect(stage.net.until(allocation.permit(PEER))).rejects.toMatchObject({ code: 'refused', reason: '403 No' })
    expect(stage.warnings).toEqual([])
    expect(allocation.send(bytesOf('a'), { address: '192.168.1.77', port: 1 })).toBe(true)
    await stage.net.advance(100)
    expect(stage.warnings).toMatchObject([{ code: 'refused' }])
    expect(allocation.send(bytesOf('b'), { address: '192.168.1.77', port: 1 })).toBe(false)
    expect(allocation.stats.dropped).toBe(2)
    // Trying again later is not ruled out.
    await stage.net.until(allocation.permit(PEER))
  })

  test('whose permission is being asked for get a few datagrams afterwards', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate()
    const sent = Array.from({ length: 20 }, (_, i) => allocation.send(bytesOf(`${i}`), stage.peerAddress))
    expect(sent).toEqual(sent.map((_, i) => i < 16))
    await stage.net.advance(100)
    expect(stage.peerHeard).toHaveLength(16)
    expect(allocation.stats.dropped).toBe(4)
  })

  test('that are not used any more are forgotten, those that were permitted are not', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate()
    await stage.net.until(allocation.permit('192.168.1.77'))
    for (let i = 0; i < 5; i++) {
      allocation.send(bytesOf('x'), stage.peerAddress)
      await stage.net.advance(10)
    }
    expect(stage.turn.channels).toHaveLength(1)
    await stage.net.advance(1_800_000)
    expect(stage.turn.permissions).toEqual(['192.168.1.77'])
    expect(stage.turn.channels).toEqual([])
    allocation.send(bytesOf('again'), stage.peerAddress)
    await stage.net.advance(100)
    expect(stage.heard.at(-1)).toMatchObject({ text: 'again!' })
  })

  test('are limited in number', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate()
    const addresses = Array.from({ length: 256 }, (_, i) => `10.0.${i >> 7}.${i & 127}`)
    await stage.net.until(Promise.all(addresses.map(address => allocation.permit(address))))
    await expect(allocation.permit('10.1.1.1')).rejects.toMatchObject({ code: 'limit-reached' })
    expect(allocation.send(bytesOf('x'), { address: '10.1.1.1', port: 1 })).toBe(false)
    const { permission } = stage.turn.counts
    await stage.net.advance(240_000)
    // Renewed by many at a time.
    expect(stage.turn.counts.permission - permission).toBe(8)
    expect(stage.turn.permissions).toHaveLength(256)
  })

  test('get no channel where the server refuses it, and are reached all the same', async () => {
    const stage = await Stage.open({ errors: [{ method: METHOD.channelBind, code: 400 }] })
    const allocation = await stage.allocate()
    for (let i = 0; i < 6; i++) {
      allocation.send(bytesOf('x'), stage.peerAddress)
      await stage.net.advance(10)
    }
    expect(stage.heard).toHaveLength(6)
    expect(stage.turn.counts).toMatchObject({ channel: 0, send: 6 })
  })

  test('must have addresses of the right family, and datagrams a size', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate()
    expect(() => allocation.send(bytesOf('x'), { address: '2001:db8::1', port: 1 })).toThrow(RangeError)
    expect(() => allocation.send(bytesOf('x'), { address: 'peer', port: 1 })).toThrow(RangeError)
    await expect(allocation.permit('peer')).rejects.toThrow(RangeError)
    expect(() => allocation.send(new Uint8Array(65_457), stage.peerAddress)).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    )
    expect(allocation.send(new Uint8Array(65_456), stage.peerAddress)).toBe(true)
    await stage.net.advance(1_000)
    expect(stage.peerHeard[0]!.text).toHaveLength(65_456)
  })
})

describe('a server that does not want to', () => {
  const failing = { method: METHOD.allocate }

  test.each([
    [486, 'limit-reached', 60_000],
    [508, 'limit-reached', 60_000],
    [403, 'refused', undefined],
    [440, 'refused', undefined],
    [441, 'refused', undefined],
    [442, 'refused', undefined],
    [500, 'refused', undefined],
  ] as const)('%i is %s', async (code, expected, retryAfterMs) => {
    const stage = await Stage.open({ errors: [{ ...failing, code }] })
    const error = await stage.allocate().catch((thrown: EarshotError) => thrown)
    expect(error).toMatchObject({ code: expected, reason: `${code} No`, retryAfterMs, hint: expect.any(String) })
    expect(stage.ada.open()).toEqual([])
  })

  test('a wrong password is refused', async () => {
    const stage = await Stage.open()
    await expect(stage.allocate({ credential: 'wrong' })).rejects.toMatchObject({ code: 'refused', reason: '401 No' })
    expect(stage.turn.counts.allocate).toBe(0)
  })

  test('a port that has an allocation already is changed, three times at most', async () => {
    const mismatch = { ...failing, code: 437 }
    const stage = await Stage.open({ errors: [mismatch, mismatch] })
    await stage.net.until(stage.allocate().then(allocation => allocation.close()))
    const worse = await Stage.open({ errors: [mismatch, mismatch, mismatch] })
    await expect(worse.allocate()).rejects.toMatchObject({ code: 'lost', reason: '437 No' })
  })

  test('nonces that are always stale come to an end', async () => {
    const stage = await Stage.open({ nonceLifetimeMs: -1 })
    await expect(stage.allocate()).rejects.toMatchObject({ code: 'refused', reason: '438 No' })
    expect(stage.turn.counts.stale).toBe(3)
  })

  test('nobody there is a timeout over UDP, and unreachable over TCP', async () => {
    const stage = await Stage.open()
    const startedAt = stage.net.now
    await expect(stage.allocate({ server: 'turn:192.168.1.99' })).rejects.toMatchObject({ code: 'timeout' })
    expect(stage.net.now - startedAt).toBe(10_000)
    await expect(stage.allocate({ server: 'turn:peer?transport=tcp' })).rejects.toMatchObject({ code: 'unreachable' })
    await expect(stage.allocate({ server: 'turn:nobody.invalid' })).rejects.toMatchObject({ code: 'unreachable' })
    expect(stage.ada.open()).toEqual([])
  })

  test('can be left waiting', async () => {
    const stage = await Stage.open()
    stage.turn.isSilent = true
    const controller = new AbortController()
    const allocating = stage.allocate({ signal: controller.signal }).catch((error: unknown) => error)
    await stage.net.advance(700)
    controller.abort('enough')
    expect(await allocating).toBe('enough')
    expect(stage.ada.open()).toEqual([])
  })
})

describe('a server that sends us on', () => {
  const redirection = (address: string) => ({
    method: METHOD.allocate,
    code: 300,
    attributes: alternateServer(address),
  })

  test.each(ways)('is followed over %s', async (_, server) => {
    const stage = await Stage.open({ errors: [redirection(OTHER)] })
    const other = await stage.addServer()
    const allocation = await stage.allocate({ server })
    expect(allocation.serverAddress).toEqual({ address: OTHER, port: 3478 })
    expect([stage.turn.allocations, other.allocations]).toEqual([0, 1])
    await stage.net.until(allocation.close())
  })

  test('in a circle is refused', async () => {
    const stage = await Stage.open({ errors: [redirection(OTHER), redirection(OTHER)] })
    await stage.addServer({ errors: [redirection(SERVER)] })
    await expect(stage.allocate()).rejects.toMatchObject({ code: 'refused', reason: '300 No' })
  })

  test.each(['127.0.0.1', '8.8.8.8', '224.0.0.1', '::1'])('to %s is refused', async address => {
    const stage = await Stage.open({ errors: [redirection(address)] })
    await expect(stage.allocate()).rejects.toMatchObject({ code: 'refused', reason: '300 No' })
  })
})

describe('arguments', () => {
  const good: AllocateOptions = { server: 'turn:a', username: 'ada', credential: 'x', onDatagram() {} }
  test.each([
    [{ server: 'stun:a' }, /STUN server/],
    [{ server: 'turns:a?transport=udp' }, /DTLS/],
    [{ username: '' }, /username must/],
    [{ credential: '' }, /credential must/],
    [{ lifetimeMs: 1 }, /lifetimeMs must be .* from 30000 to 3600000, not 1/],
    [{ keepAliveMs: Number.NaN }, /keepAliveMs/],
    [{ timeoutMs: 1 }, /timeoutMs/],
    [{ localPort: 0 }, /localPort/],
    [{ family: 'ipx' as 'ipv4' }, /family/],
  ])('%j', (wrong, message) => {
    expect(() => checkAllocateOptions({ ...good, ...wrong })).toThrow(RangeError)
    expect(() => checkAllocateOptions({ ...good, ...wrong })).toThrow(message)
  })

  test('what receives must be a function', () => {
    expect(() => checkAllocateOptions({ ...good, onDatagram: undefined as never })).toThrow(TypeError)
  })
})
