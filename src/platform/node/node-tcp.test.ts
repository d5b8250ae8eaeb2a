import { connect, createServer, Server, Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { TcpRecorder } from '../../../test/contract/recorder.ts'
import type { TcpConnection, TcpListener } from '../network.ts'
import { formatSocketAddress, unmapped } from '../socket-address.ts'
import { connectTcp, listenTcp } from './node-tcp.ts'

const disposers: (() => unknown)[] = []

afterEach(() => {
  vi.restoreAllMocks()
  for (const dispose of disposers.splice(0).reverse()) dispose()
})

/** A listener, and a plain socket of Node connected to it. */
async function connected(): Promise<{ listener: TcpListener; connection: TcpConnection; plain: Socket }> {
  const accepted: TcpConnection[] = []
  const listener = await listenTcp({ host: '127.0.0.1', port: 0 }, connection => accepted.push(connection))
  const plain = connect({ host: '127.0.0.1', port: listener.local.port, allowHalfOpen: true }).on('error', () => {})
  disposers.push(
    () => listener.close(),
    () => plain.destroy(),
    () => accepted[0]?.destroy(),
  )
  await vi.waitUntil(() => accepted.length === 1, { interval: 1 })
  return { listener, connection: accepted[0]!, plain }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn()
}

describe('what happened before start is told after it', () => {
  test('data', async () => {
    const { connection, plain } = await connected()
    plain.write('early')
    await turns()

    const recorder = new TcpRecorder(connection)
    expect(recorder.chunks).toEqual([])
    await recorder.until(() => recorder.receivedBytes === 5)

    expect(recorder.text).toBe('early')
  })

  test('data and its end', async () => {
    const { connection, plain } = await connected()
    plain.end('early')
    await turns()

    const recorder = new TcpRecorder(connection)
    await recorder.until(() => recorder.ends === 1)

    expect(recorder.text).toBe('early')
  })

  test('the end alone', async () => {
    const { connection, plain } = await connected()
    plain.end()
    await turns()

    const recorder = new TcpRecorder(connection)
    expect(recorder.ends).toBe(0)
    await recorder.until(() => recorder.ends > 0)
    await turns()

    expect(recorder.ends).toBe(1)
    expect(recorder.closes).toEqual([])
  })

  test('that the connection broke, with its reason', async () => {
    const { connection, plain } = await connected()
    plain.resetAndDestroy()
    await turns()

    const recorder = new TcpRecorder(connection)
    expect(recorder.closes).toEqual([])
    await recorder.until(() => recorder.closes.length > 0)
    await turns()

    expect(recorder.closes.map(error => error?.code)).toEqual(['lost'])
  })
})

test('a reset is told as lost, with the address and a hint', async () => {
  const { connection, plain } = await connected()
  const recorder = new TcpRecorder(connection)

  plain.resetAndDestroy()
  await recorder.until(() => recorder.closes.length > 0)

  expect(recorder.closes).toHaveLength(1)
  expect(recorder.closes[0]).toMatchObject({ code: 'lost', cause: expect.objectContaining({ code: 'ECONNRESET' }) })
  expect(recorder.closes[0]!.message).toContain(formatSocketAddress(connection.remote))
})

test('a reset that nobody listens for does not end the process', async () => {
  const { plain } = await connected()

  plain.resetAndDestroy()
  await turns()
})

test('a connection costs no listener of its own per event', async () => {
  const first = await connected()
  const second = await connected()
  const attached: unknown[][] = []
  const on = vi.spyOn(Socket.prototype, 'on').mockImplementation(function (this: Socket, ...args: unknown[]) {
    attached.push(args)
    return this
  } as Socket['on'])

  first.connection.start(new Idle())
  second.connection.start(new Idle())
  on.mockRestore()

  expect(attached.slice(0, 4)).toEqual(attached.slice(4))
})

test('where the system has no IPv6, a listener on :: is one on 0.0.0.0', async () => {
  const listen = Server.prototype.listen
  vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server, ...args: unknown[]) {
    const { host } = args[0] as { host: string }
    if (host !== '::') return listen.apply(this, args as Parameters<typeof listen>)
    const error = Object.assign(new Error('listen EAFNOSUPPORT'), { code: 'EAFNOSUPPORT' })
    process.nextTick(() => this.emit('error', error))
    return this
  } as typeof listen)

  const listener = await listenTcp({ host: '::', port: 0 }, () => {})
  disposers.push(() => listener.close())

  expect(listener.local.address).toBe('0.0.0.0')
})

test('a connect that meets itself is one to where nobody listens', async () => {
  const port = await freePort()
  const original = Socket.prototype.connect
  // The system chooses the local port at random; here it is made to choose the one that is dialled.
  vi.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket, ...args: unknown[]) {
    return original.call(this, { ...(args[0] as object), localPort: port, localAddress: '127.0.0.1' } as never)
  } as typeof original)

  await expect(connectTcp({ address: '127.0.0.1', port }, { timeoutMs: 5_000 })).rejects.toMatchObject({
    code: 'unreachable',
    message: `cannot connect to 127.0.0.1:${port}: nobody listens`,
  })
})

test('host names are not for connect', async () => {
  await expect(connectTcp({ address: 'localhost', port: 9 }, { timeoutMs: 5_000 })).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining('localhost is not an IP address'),
  })
})

test.each([
  ['::ffff:192.168.0.2', '192.168.0.2'],
  ['::ffff:c0a8:2', '::ffff:c0a8:2'],
  ['192.168.0.2', '192.168.0.2'],
  ['fe80::1%eth0', 'fe80::1%eth0'],
])('%s is %s to everybody else', (seen, told) => {
  expect(unmapped(seen)).toBe(told)
})

test('addresses are written so that they can be read again', () => {
  expect(formatSocketAddress({ address: '192.168.0.2', port: 4112 })).toBe('192.168.0.2:4112')
  expect(formatSocketAddress({ address: 'fe80::1%eth0', port: 4112 })).toBe('[fe80::1%eth0]:4112')
})

class Idle {
  onData(): void {}
  onDrain(): void {}
  onEnd(): void {}
  onClose(): void {}
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

test('pieces whose memory is given back once they are written arrive as they were', async () => {
  const { connection, plain } = await connected()
  new TcpRecorder(connection)
  const received: Buffer[] = []
  plain.on('data', bytes => received.push(bytes))
  const pieces = Array.from({ length: 64 }, (_, i) => new Uint8Array(65_536).fill(i + 1))
  const expected = Buffer.concat(pieces)

  // More than the kernel takes at once: what waits must be left alone.
  for (const piece of pieces) connection.writeAll!([piece])
  await vi.waitUntil(() => received.reduce((sum, { length }) => sum + length, 0) === expected.length, { interval: 1 })

  expect(Buffer.concat(received).equals(expected)).toBe(true)
})

test('only memory that belongs to the released bytes alone is given back', async () => {
  const { connection } = await connected()
  const shared = new Uint8Array(65_536).fill(7)

  connection.release!(shared.subarray(1))
  connection.release!(shared.subarray(0, 65_535))

  expect(shared.length).toBe(65_536)
  expect(shared.every(byte => byte === 7)).toBe(true)
})
