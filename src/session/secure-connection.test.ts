import { describe, expect, test, vi } from 'vitest'
import { connectTcp, handshakeParty, RawPeer, stage } from '../../test/session/stage.ts'
import { EarshotError } from '../errors.ts'
import { CLOSE_TIMEOUT_MS } from '../limits.ts'
import type { TcpConnection } from '../platform/network.ts'
import { simulate } from '../testing/index.ts'
import { Frame } from './frame.ts'
import { InitiatorHandshake, ResponderHandshake } from './handshake.ts'
import { SecureConnection } from './secure-connection.ts'

/** A plain TCP connection towards somebody who opens a secure one on it. */
async function dialled() {
  const net = simulate({ segmentation: 'random' })
  const [ada, bob] = [net.host('ada'), net.host('bob')]
  const [plain, accepted] = await connectTcp(net, ada, bob)
  const connection = new SecureConnection(accepted, bob.network.clock)
  const opened = connection.open(new ResponderHandshake(handshakeParty(bob)))
  const openOnBob = () => bob.open().filter(({ kind }) => kind !== 'tcp listener')
  return { net, ada, bob, plain, accepted, connection, opened, openOnBob }
}

function startPlain(tcp: TcpConnection) {
  const heard = { bytes: [] as number[], ends: 0, closes: 0 }
  tcp.start({
    onData: chunk => heard.bytes.push(...chunk),
    onDrain: ignore,
    onEnd: () => heard.ends++,
    onClose: () => heard.closes++,
  })
  return heard
}

function ignore(): void {}

describe('the handshake', () => {
  test('with somebody who speaks another protocol fails without a word', async () => {
    const { net, plain, opened, openOnBob } = await dialled()
    const heard = startPlain(plain)
    plain.write(new TextEncoder().encode('GET / HTTP/1.1\r\nHost: bob\r\n\r\n'))

    await expect(net.until(opened)).rejects.toMatchObject({ code: 'protocol-violation' })
    await net.advance(2_000)
    expect(heard.bytes).toEqual([])
    expect(openOnBob()).toEqual([])
  })

  test.each<[string, (tcp: TcpConnection) => void]>([
    ['hangs up', tcp => tcp.end()],
    ['resets', tcp => tcp.destroy()],
  ])('with somebody who %s fails at once', async (_, leave) => {
    const { net, plain, opened, openOnBob } = await dialled()
    startPlain(plain)
    plain.write(new TextEncoder().encode('EARSH'))
    await net.advance(1)
    leave(plain)

    await expect(net.until(opened)).rejects.toBeInstanceOf(EarshotError)
    await net.advance(2_000)
    expect(openOnBob()).toEqual([])
  })

  test('that is aborted rejects with the reason', async () => {
    const { net, plain, connection, opened, openOnBob } = await dialled()
    const heard = startPlain(plain)
    const reason = new EarshotError('timeout', 'too slow')
    connection.abort(reason)

    await expect(net.until(opened)).rejects.toBe(reason)
    await net.advance(100)
    expect(heard.ends + heard.closes).toBeGreaterThan(0)
    expect(openOnBob()).toEqual([])
    expect(connection.remoteId).toBe('')
  })

  test('of the initiator ends with a record in the same packet, where there is one in the same turn', async () => {
    for (const hasRecord of [true, false]) {
      const net = simulate()
      const [ada, bob] = [net.host('ada'), net.host('bob')]
      const [dialling, accepted] = await connectTcp(net, ada, bob)
      const write = vi.spyOn(dialling, 'write')
      const responder = new SecureConnection(accepted, bob.network.clock)
      const answered = responder.open(new ResponderHandshake(handshakeParty(bob)))
      const initiator = new SecureConnection(dialling, ada.network.clock)
      const handshake = new InitiatorHandshake(handshakeParty(ada))
      const opened = initiator.open(handshake, handshake.start()).then(() => {
        if (hasRecord) initiator.sendRecord(Uint8Array.of(Frame.cancel, 1))
      })
      await net.until(Promise.all([opened, answered]))
      const raw = new RawPeer({ host: bob, clock: bob.network.clock, tcp: accepted, connection: responder })
      await net.advance(10)

      expect(write).toHaveBeenCalledTimes(2)
      expect(raw.frames).toHaveLength(hasRecord ? 1 : 0)
      initiator.abort()
    }
  })
})

test('both sides know whom they speak with, and from where', async () => {
  const { ada, bob } = await stage()
  expect(ada.connection.remoteId).toMatch(/^[a-z2-7]{52}$/)
  expect(bob.connection.remoteId).not.toBe(ada.connection.remoteId)
  expect(ada.connection.remote).toEqual(bob.connection.local)
  expect(ada.connection.local).toEqual(bob.connection.remote)
})

test('what arrives before there is a receiver waits for it, in order', async () => {
  const set = await stage()
  const sender = new RawPeer(set.ada)
  for (let i = 0; i < 50; i++) sender.send([Frame.cancel, i])
  await set.net.advance(50)
  const receiver = new RawPeer(set.bob)
  sender.send([Frame.cancel, 50])
  await set.net.advance(50)

  expect(receiver.of('number').map(({ value }) => value)).toEqual(Array.from({ length: 51 }, (_, i) => i))
})

describe('end', () => {
  test('lets what is queued arrive, and waits for the other side to hang up', async () => {
    const set = await stage()
    const [ada, bob] = [new RawPeer(set.ada), new RawPeer(set.bob)]
    for (let i = 0; i < 100; i++) ada.send([Frame.cancel, i % 64])
    set.ada.connection.end()
    await set.net.advance(500)

    expect(bob.frames).toHaveLength(100)
    expect([ada.closes, bob.closes]).toEqual([[undefined], [undefined]])
    expect([...set.open(set.ada), ...set.open(set.bob)]).toEqual([])
  })

  test('cuts off somebody who does not hang up', async () => {
    const { net, ada, bob, plain, connection, opened } = await dialled()
    const handshake = new InitiatorHandshake(handshakeParty(ada))
    const heard = { ends: 0, closes: 0 }
    plain.start({
      onData: chunk => {
        const { send } = handshake.push(chunk)
        if (send) plain.write(send)
      },
      onDrain: ignore,
      onEnd: () => heard.ends++,
      onClose: () => heard.closes++,
    })
    plain.write(handshake.start())
    await net.until(opened)
    const raw = new RawPeer({ host: bob, clock: bob.network.clock, tcp: plain, connection })
    connection.end()
    await net.advance(CLOSE_TIMEOUT_MS - 10)
    expect([raw.closes.length, heard.ends]).toEqual([0, 1])
    await net.advance(20)
    expect(raw.closes).toEqual([undefined])
    expect(bob.open().filter(({ kind }) => kind === 'timer')).toEqual([])
  })

  test('after the end does nothing, and leaves no timer', async () => {
    const set = await stage()
    const raw = new RawPeer(set.ada)
    set.ada.connection.abort()
    await set.net.advance(100)
    set.ada.connection.end()
    set.ada.connection.abort()
    expect(raw.closes).toEqual([undefined])
    expect(set.open(set.ada)).toEqual([])
    expect(set.ada.connection.sendRecord(Uint8Array.of(1))).toBe(true)
  })
})

test('a broken connection is told once, with its reason', async () => {
  const set = await stage()
  const raw = new RawPeer(set.ada)
  set.bob.host.kill()
  await set.net.advance(100)
  set.ada.connection.abort(new EarshotError('lost', 'again'))
  expect(raw.closes).toHaveLength(1)
})

test('a mistake of ours in handling a record is not blamed on the peer', async () => {
  const set = await stage()
  const mistake = new TypeError('ours')
  const onRecord = () => {
    throw mistake
  }
  set.ada.connection.receive({ onRecord, onWritable: ignore, onClosed: ignore })
  new RawPeer(set.bob).send([1])
  await expect(set.net.advance(100)).rejects.toBe(mistake)
})
