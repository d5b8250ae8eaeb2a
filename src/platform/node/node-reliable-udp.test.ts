import { describe, expect, test } from 'vitest'
import { TcpRecorder } from '../../../test/contract/recorder.ts'
import { reliableUdpContract } from '../../../test/contract/reliable-udp.ts'
import { MAX_RELIABLE_UDP_UNREAD_BYTES } from '../../limits.ts'
import { loadReliableUdp, nodeReliableUdp } from './node-reliable-udp.ts'

reliableUdpContract('udx-native on loopback', async () => {
  const support = await nodeReliableUdp()
  return { a: support, b: support, addressOfA: '127.0.0.1', addressOfB: '127.0.0.1', until: promise => promise }
})

describe('reliable UDP on Node', () => {
  test('a package that does not load is missing, with a reason and a hint', async () => {
    const support = await loadReliableUdp(async () => {
      throw new Error("Cannot find package 'udx-native'\nand more")
    })
    expect(support).toMatchObject({
      kind: 'missing',
      reason: {
        code: 'no-network',
        message: "reliable UDP is missing: udx-native does not load: Cannot find package 'udx-native'",
        hint: expect.stringContaining('npm install udx-native'),
      },
    })
  })

  test('a program that pauses for too long loses the stream, not the memory', async () => {
    const support = await nodeReliableUdp()
    if (support.kind === 'missing') throw support.reason
    const open = () => support.open({ address: '127.0.0.1', port: 0 }, { onDatagram() {} })
    const [a, b] = [await open(), await open()]
    const writer = new TcpRecorder(a.openStream({ remote: b.local, localId: 71, remoteId: 72 }))
    const reader = new TcpRecorder(b.openStream({ remote: a.local, localId: 72, remoteId: 71 }))
    reader.connection.pause()
    for (let sent = 0; sent <= MAX_RELIABLE_UDP_UNREAD_BYTES; sent += 65_536)
      writer.connection.write(new Uint8Array(65_536))
    writer.connection.write(new Uint8Array(65_536))
    await reader.until(() => reader.closes.length > 0)
    expect(reader.closes[0]).toMatchObject({ code: 'limit-reached' })
    await Promise.all([a.close(), b.close()])
  })
})
