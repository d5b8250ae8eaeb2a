import { describe, expect, test } from 'vitest'
import type { SocketAddress } from '../../platform/network.ts'
import { type SimulatedHost, simulate } from '../../testing/index.ts'
import { CONNECTION_ID_BYTES } from './datagram-keys.ts'
import { DATAGRAM_TYPE, MIN_DATAGRAM_BYTES } from './datagram-packet.ts'
import { DatagramSockets, type DatagramTarget } from './datagram-sockets.ts'

const LISTENER: SocketAddress = { address: '::', port: 4_112 }

class RecordingTarget implements DatagramTarget {
  readonly connectionId: Uint8Array
  readonly datagrams: Uint8Array[] = []

  constructor(connectionId: Uint8Array) {
    this.connectionId = connectionId
  }

  onDatagram(datagram: Uint8Array): void {
    this.datagrams.push(datagram)
  }

  onSocketReady(): void {}
}

function hosts() {
  const net = simulate({ seed: 1 })
  net.lan('home')
  const [ada, bob] = ['ada', 'bob'].map(name => net.host(name, { lans: ['home'] }))
  return { net, ada: ada!, bob: bob! }
}

async function open(host: SimulatedHost, listener = LISTENER): Promise<DatagramSockets> {
  const sockets = new DatagramSockets()
  await sockets.open(host.network.network, listener)
  return sockets
}

function portsOf(host: SimulatedHost): string[] {
  return host.open().map(({ detail }) => detail)
}

function take(host: SimulatedHost, address: string, port: number) {
  return host.network.network.openUdp({ address, port, sharePort: false }, { onDatagram() {}, onError() {} })
}

describe('the sockets of a room', () => {
  test.each<[string, SocketAddress, string[]]>([
    ['of both families', LISTENER, ['0.0.0.0:4112', '[::]:4112']],
    ['of IPv4', { address: '0.0.0.0', port: 4_112 }, ['0.0.0.0:4112']],
    ['of one address', { address: '127.0.0.1', port: 4_112 }, ['127.0.0.1:4112']],
  ])('are those of its listener: %s', (_, listener, expected) => {
    const { net, ada } = hosts()
    return net.run(async () => {
      const sockets = await open(ada, listener)
      expect([sockets.port, portsOf(ada)]).toEqual([4_112, expected])
      sockets.close()
      sockets.close()
      await net.advance(1)
      expect(portsOf(ada)).toEqual([])
    })
  })

  test('take another port where theirs is taken in both families, and the family that is left where in one', () => {
    const { net, ada, bob } = hosts()
    return net.run(async () => {
      for (const address of ['0.0.0.0', '::']) await take(ada, address, 4_112)
      const other = await open(ada)
      expect(other.port).not.toBe(4_112)
      expect(portsOf(ada).filter(detail => detail.endsWith(`:${other.port}`))).toHaveLength(2)
      expect(other.reaches({ address: '192.168.1.3', port: 1 })).toBe(true)
      await take(bob, '0.0.0.0', 4_112)
      const left = await open(bob)
      expect(left.port).toBe(4_112)
      expect(left.reaches({ address: '192.168.1.2', port: 1 })).toBe(false)
      expect(left.reaches({ address: 'fe80::1%eth0', port: 1 })).toBe(true)
    })
  })

  test('closed while they open are closed', () => {
    const { net, ada } = hosts()
    return net.run(async () => {
      const sockets = new DatagramSockets()
      const opening = sockets.open(ada.network.network, LISTENER)
      sockets.close()
      await opening
      expect([sockets.port, portsOf(ada)]).toEqual([0, []])
    })
  })

  test('find who a datagram is for by its connection id, and drop what is for nobody', () => {
    const { net, ada, bob } = hosts()
    return net.run(async () => {
      const [from, to] = [await open(ada), await open(bob)]
      const remote = { address: bob.addresses[0]!, port: to.port }
      const ids = [1, 2].map(last => Uint8Array.of(9, 9, 9, 9, 9, last, 9, 9))
      const targets = ids.map(id => new RecordingTarget(id))
      for (const target of targets) to.register(target)
      const datagram = (id: Uint8Array) => {
        const bytes = new Uint8Array(MIN_DATAGRAM_BYTES)
        bytes[0] = DATAGRAM_TYPE
        bytes.set(id, 1)
        return bytes
      }
      const send = async (bytes: Uint8Array) => {
        from.send(bytes, remote)
        await net.advance(10)
        return [...targets.map(({ datagrams }) => datagrams.length), to.refused]
      }
      expect(await send(datagram(ids[0]!))).toEqual([1, 0, 0])
      expect(await send(datagram(ids[1]!))).toEqual([1, 1, 0])
      expect(await send(datagram(Uint8Array.of(9, 9, 9, 9, 9, 1, 9, 8)))).toEqual([1, 1, 1])
      expect(await send(datagram(new Uint8Array(CONNECTION_ID_BYTES)))).toEqual([1, 1, 2])
      expect(await send(datagram(ids[0]!).fill(0xe2, 0, 1))).toEqual([1, 1, 3])
      expect(await send(datagram(ids[0]!).subarray(1))).toEqual([1, 1, 4])
      expect(await send(new Uint8Array(0))).toEqual([1, 1, 5])
      to.unregister(targets[0]!)
      expect(await send(datagram(ids[0]!))).toEqual([1, 1, 6])
      expect(await send(datagram(ids[1]!))).toEqual([1, 2, 6])
    })
  })

  test('leave datagrams to the first of two sessions whose ids begin alike, and never mix them', () => {
    const { net, ada, bob } = hosts()
    return net.run(async () => {
      const [from, to] = [await open(ada), await open(bob)]
      const ids = [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), Uint8Array.of(1, 2, 3, 4, 5, 6, 0, 0)]
      const targets = ids.map(id => new RecordingTarget(id))
      for (const target of targets) to.register(target)
      to.unregister(targets[1]!)
      for (const id of ids) {
        const bytes = new Uint8Array(MIN_DATAGRAM_BYTES)
        bytes[0] = DATAGRAM_TYPE
        bytes.set(id, 1)
        from.send(bytes, { address: bob.addresses[0]!, port: to.port })
      }
      await net.advance(10)
      expect(targets.map(({ datagrams }) => datagrams.length)).toEqual([1, 0])
      expect(to.refused).toBe(1)
    })
  })
})
