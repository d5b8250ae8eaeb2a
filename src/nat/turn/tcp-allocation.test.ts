import { describe, expect, test } from 'vitest'
import { TcpRecorder } from '../../../test/contract/recorder.ts'
import { CREDENTIAL, TurnServer, type TurnServerOptions } from '../../../test/nat/turn-server.ts'
import type { EarshotError } from '../../errors.ts'
import type { SocketAddress, TcpConnection } from '../../platform/network.ts'
import { type SimulatedHost, type SimulatedNetwork, simulate } from '../../testing/index.ts'
import { METHOD } from '../stun/message.ts'
import { allocateTcpOn } from './allocate.ts'
import { type AllocateTcpOptions, checkAllocateTcpOptions } from './allocate-options.ts'
import type { TcpAllocation } from './tcp-allocation.ts'

const [SERVER, PEER] = ['192.168.1.10', '192.168.1.20']
const bytesOf = (value: string) => new TextEncoder().encode(value)

class Stage {
  readonly net: SimulatedNetwork
  readonly ada: SimulatedHost
  readonly server: SimulatedHost
  readonly peer: SimulatedHost
  readonly accepted: TcpRecorder[] = []
  readonly warnings: EarshotError[] = []
  turn!: TurnServer

  private constructor(segmentation: 'as-written' | 'random') {
    this.net = simulate({ seed: 1, segmentation })
    this.net.lan('home')
    this.ada = this.net.host('ada')
    const host = (name: string, address: string) =>
      this.net.host(name, { lans: [{ lan: 'home', addresses: [`${address}/24`] }] })
    this.server = host('turn', SERVER)
    this.peer = host('peer', PEER)
  }

  static async open(
    options: Partial<TurnServerOptions> = {},
    segmentation: 'as-written' | 'random' = 'as-written',
  ): Promise<Stage> {
    const stage = new Stage(segmentation)
    stage.turn = await TurnServer.start(stage.server.network, { address: SERVER, ...options })
    return stage
  }

  allocate(options: Partial<AllocateTcpOptions> = {}): Promise<TcpAllocation> {
    const complete: AllocateTcpOptions = {
      server: `turn:${SERVER}?transport=tcp`,
      username: CREDENTIAL.username,
      credential: CREDENTIAL.password,
      onConnection: connection => this.accepted.push(new TcpRecorder(connection)),
      onWarning: warning => this.warnings.push(warning),
      ...options,
    }
    return this.net.until(allocateTcpOn(this.ada.network, checkAllocateTcpOptions(complete), complete))
  }

  /** The peer connects with plain TCP, and says something at once. */
  async dial(to: SocketAddress, hello: string): Promise<TcpRecorder> {
    const dialling = this.peer.network.network.connectTcp(to, { timeoutMs: 5_000 }).then(connection => {
      const recorder = new TcpRecorder(connection)
      connection.write(bytesOf(hello))
      return recorder
    })
    return this.net.until(dialling)
  }

  /** The peer sends back what it gets, on this port. */
  async echo(port: number): Promise<SocketAddress> {
    await this.peer.network.network.listenTcp({ host: '0.0.0.0', port }, connection => {
      const onData = (bytes: Uint8Array) => void connection.write(bytes)
      connection.start({ onData, onDrain() {}, onEnd: () => connection.end(), onClose() {} })
    })
    return { address: PEER, port }
  }
}

describe.each(['as-written', 'random'] as const)('with segments %s', segmentation => {
  test('a permitted peer connects to the relayed address, without TURN', async () => {
    const stage = await Stage.open({}, segmentation)
    const allocation = await stage.allocate()
    await stage.net.until(allocation.permit(PEER))
    const far = await stage.dial(allocation.relayedAddress, 'hello from the peer')
    await stage.net.advance(1_000)
    const [near] = stage.accepted
    expect(near!.text).toBe('hello from the peer')
    expect(near!.connection.remote).toEqual(far.connection.local)
    expect(near!.connection.local).toEqual(allocation.relayedAddress)
    near!.connection.write(bytesOf('hello yourself'))
    await stage.net.advance(1_000)
    expect(far.text).toBe('hello yourself')
    far.connection.end()
    await stage.net.advance(1_000)
    expect(near!.ends).toBe(1)
    near!.connection.end()
    await stage.net.until(allocation.close())
    await stage.net.advance(5_000)
    expect(stage.warnings).toEqual([])
    expect(stage.ada.open()).toEqual([])
  })

  test('a peer is connected to, and a megabyte goes there and back', async () => {
    const stage = await Stage.open({}, segmentation)
    const allocation = await stage.allocate()
    const peer = await stage.echo(7_000)
    const connecting = allocation.connect(peer).then(connection => new TcpRecorder(connection))
    const near = await stage.net.until(connecting)
    const sent = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 31) & 0xff)
    near.connection.write(sent)
    await stage.net.until(near.until(() => near.receivedBytes === sent.length))
    expect(near.received.every((byte, i) => byte === sent[i])).toBe(true)
    // Its connections end with it.
    await stage.net.until(allocation.close())
    await stage.net.until(near.until(() => near.closes.length === 1))
    await stage.net.advance(5_000)
    expect(stage.ada.open()).toEqual([])
  })
})

describe('a TCP allocation', () => {
  test('does not hear peers that were not permitted, or not any more', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate()
    await stage.dial(allocation.relayedAddress, 'uninvited')
    await stage.net.advance(1_000)
    await stage.net.until(allocation.permit(PEER))
    allocation.forbid(PEER)
    await stage.dial(allocation.relayedAddress, 'not any more')
    await stage.net.advance(1_000)
    expect(stage.accepted).toEqual([])
    expect(stage.turn.counts.connectionBind).toBe(0)
  })

  test('says that a peer cannot be reached', async () => {
    const stage = await Stage.open()
    const allocation = await stage.allocate()
    const connecting = allocation.connect({ address: PEER, port: 9 })
    await expect(stage.net.until(connecting)).rejects.toMatchObject({ code: 'unreachable', reason: '447 No' })
    await expect(allocation.connect({ address: 'peer', port: 9 })).rejects.toThrow(RangeError)
  })

  test('says that the server does not want to bind a connection', async () => {
    const stage = await Stage.open({ errors: [{ method: METHOD.connectionBind, code: 403 }] })
    const allocation = await stage.allocate()
    const peer = await stage.echo(7_000)
    await expect(stage.net.until(allocation.connect(peer))).rejects.toMatchObject({ code: 'refused' })
    await stage.net.advance(2_000)
    expect(stage.ada.open().filter(({ kind }) => kind === 'tcp connection')).toHaveLength(1)
  })

  test('renews itself and its permissions, and ends with its server', async () => {
    const stage = await Stage.open({ nonceLifetimeMs: 500_000 })
    const allocation = await stage.allocate()
    await stage.net.until(allocation.permit(PEER))
    await stage.net.advance(3_600_000)
    expect(stage.turn.permissions).toEqual([PEER])
    await stage.dial(allocation.relayedAddress, 'still there')
    await stage.net.advance(1_000)
    expect(stage.accepted[0]!.text).toBe('still there')
    stage.server.kill()
    expect(await stage.net.until(allocation.closed)).toMatchObject({ code: 'lost' })
    await expect(allocation.connect({ address: PEER, port: 9 })).rejects.toMatchObject({ code: 'closed' })
    await expect(allocation.permit(PEER)).rejects.toMatchObject({ code: 'closed' })
  })

  test('tells a connection that was closed before it was started', async () => {
    const stage = await Stage.open()
    const kept: TcpConnection[] = []
    const allocation = await stage.allocate({ onConnection: connection => kept.push(connection) })
    await stage.net.until(allocation.permit(PEER))
    const far = await stage.dial(allocation.relayedAddress, 'hello')
    far.connection.end()
    await stage.net.advance(1_000)
    const near = new TcpRecorder(kept[0]!)
    await stage.net.advance(1_000)
    expect([near.text, near.ends]).toEqual(['hello', 1])
  })

  test('needs TCP to the server', () => {
    const options = { username: 'a', credential: 'b', onConnection() {} }
    expect(() => checkAllocateTcpOptions({ ...options, server: 'turn:a' })).toThrow(/transport=tcp/)
    expect(checkAllocateTcpOptions({ ...options, server: 'turns:a' }).uri.transport).toBe('tls')
    const nobody = { ...options, server: 'turns:a', onConnection: undefined as never }
    expect(() => checkAllocateTcpOptions(nobody)).toThrow(TypeError)
  })

  test('is refused by a server that does not relay TCP', async () => {
    const stage = await Stage.open({ errors: [{ method: METHOD.allocate, code: 442 }] })
    await expect(stage.allocate()).rejects.toMatchObject({ code: 'refused', reason: '442 No' })
  })
})
