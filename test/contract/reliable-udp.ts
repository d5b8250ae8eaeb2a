/** What every reliable UDP must do, real or simulated. Its tests know no clock: what they wait for goes through `until`. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SocketAddress, TcpConnection } from '../../src/platform/network.ts'
import type { ReliableUdpSocket, ReliableUdpSupport } from '../../src/platform/reliable-udp.ts'
import { Recorder, TcpRecorder } from './recorder.ts'

export interface ReliableUdpPair {
  readonly a: ReliableUdpSupport
  readonly b: ReliableUdpSupport
  readonly addressOfA: string
  readonly addressOfB: string
  until<T>(promise: Promise<T>): Promise<T>
}

class Datagrams extends Recorder {
  readonly received: { readonly text: string; readonly from: SocketAddress }[] = []

  onDatagram(bytes: Uint8Array, from: SocketAddress): void {
    this.received.push({ text: new TextDecoder().decode(bytes), from })
    this.changed()
  }
}

let ids = 1_000

export function reliableUdpContract(name: string, makePair: () => Promise<ReliableUdpPair>): void {
  describe(`reliable UDP: ${name}`, () => {
    let pair: ReliableUdpPair
    let sockets: ReliableUdpSocket[]

    beforeEach(async () => {
      pair = await makePair()
      sockets = []
    })
    afterEach(() => pair.until(Promise.all(sockets.map(socket => socket.close()))))

    async function open(side: 'a' | 'b', handlers = new Datagrams(), port = 0) {
      const support = pair[side]
      if (support.kind === 'missing') throw support.reason
      const socket = await support.open({ address: '0.0.0.0', port }, handlers)
      sockets.push(socket)
      const address = side === 'a' ? pair.addressOfA : pair.addressOfB
      return { socket, handlers, at: { address, port: socket.local.port } }
    }

    async function streams() {
      const [a, b] = [await open('a'), await open('b')]
      const [idOfA, idOfB] = [ids++, ids++]
      const [fromA, fromB] = [
        a.socket.openStream({ remote: b.at, localId: idOfA, remoteId: idOfB }),
        b.socket.openStream({ remote: a.at, localId: idOfB, remoteId: idOfA }),
      ]
      return { a, b, fromA: new TcpRecorder(fromA), fromB: new TcpRecorder(fromB) }
    }

    const send = (connection: TcpConnection, text: string) => connection.write(new TextEncoder().encode(text))

    test('datagrams and a stream share a socket', async () => {
      const { a, b, fromA, fromB } = await streams()
      send(fromA.connection, 'over the stream')
      a.socket.send(new TextEncoder().encode('beside it'), b.at)

      await pair.until(fromB.until(() => fromB.receivedBytes >= 15))
      await pair.until(b.handlers.until(() => b.handlers.received.length > 0))
      expect(new TextDecoder().decode(fromB.chunks[0])).toBe('over the stream')
      expect(b.handlers.received).toEqual([{ text: 'beside it', from: a.at }])
      expect(fromB.connection.remote).toEqual(a.at)
    })

    test('bytes arrive in order, with back-pressure to the writer, and the end after them', async () => {
      const { fromA, fromB } = await streams()
      const chunk = Uint8Array.from({ length: 50_000 }, (_, i) => i % 251)
      const accepted = Array.from({ length: 20 }, () => fromA.connection.write(chunk))
      fromA.connection.end()
      await pair.until(fromB.until(() => fromB.ends === 1))

      expect(accepted).toContain(false)
      expect(fromB.receivedBytes).toBe(1_000_000)
      const all = Buffer.concat(fromB.chunks)
      expect(all.every((byte, i) => byte === (i % 50_000) % 251)).toBe(true)
    })

    test('the writer is told when there is room again', async () => {
      const { fromA, fromB } = await streams()
      while (fromA.connection.write(new Uint8Array(40_000)));
      await pair.until(fromA.until(() => fromA.drains > 0))
      expect(fromB.closes).toEqual([])
    })

    test('half-closed, the other side can still answer', async () => {
      const { fromA, fromB } = await streams()
      send(fromA.connection, 'question')
      fromA.connection.end()
      await pair.until(fromB.until(() => fromB.ends === 1))
      send(fromB.connection, 'answer')
      fromB.connection.end()
      await pair.until(
        Promise.all([fromA.until(() => fromA.closes.length > 0), fromB.until(() => fromB.closes.length > 0)]),
      )
      expect(new TextDecoder().decode(fromA.chunks[0])).toBe('answer')
      expect([fromA.closes, fromB.closes]).toEqual([[undefined], [undefined]])
    })

    test('a stream that is destroyed ends for both, once', async () => {
      const { fromA, fromB } = await streams()
      send(fromA.connection, 'hello')
      await pair.until(fromB.until(() => fromB.receivedBytes > 0))
      fromA.connection.destroy()
      await pair.until(fromA.until(() => fromA.closes.length > 0))
      await pair.until(fromB.until(() => fromB.closes.length + fromB.ends > 0))
      expect(fromA.closes).toEqual([undefined])
      expect(fromA.connection.write(new Uint8Array(1))).toBe(true)
    })

    test('what comes while the program pauses waits, in order', async () => {
      const { fromA, fromB } = await streams()
      send(fromA.connection, 'one')
      await pair.until(fromB.until(() => fromB.receivedBytes === 3))
      fromB.connection.pause()
      send(fromA.connection, 'two')
      fromA.connection.end()
      const other = await streams()
      send(other.fromA.connection, 'x')
      await pair.until(other.fromB.until(() => other.fromB.receivedBytes === 1))
      expect(fromB.receivedBytes).toBe(3)
      fromB.connection.resume()
      await pair.until(fromB.until(() => fromB.ends === 1))
      expect(Buffer.concat(fromB.chunks).toString()).toBe('onetwo')
    })

    test('a port that is taken is refused, and free after close', async () => {
      const { socket } = await open('a')
      await expect(pair.until(open('a', new Datagrams(), socket.local.port))).rejects.toMatchObject({
        code: 'address-in-use',
      })
      await pair.until(socket.close())
      await pair.until(open('a', new Datagrams(), socket.local.port))
      expect(() => socket.openStream({ remote: { address: '192.0.2.1', port: 1 }, localId: 1, remoteId: 2 })).toThrow(
        expect.objectContaining({ code: 'closed' }),
      )
    })

    test('closing the socket ends its streams', async () => {
      const { a, fromA } = await streams()
      await pair.until(a.socket.close())
      await pair.until(fromA.until(() => fromA.closes.length > 0))
      expect(fromA.closes).toEqual([undefined])
    })
  })
}
