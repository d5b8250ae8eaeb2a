import { createServer } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { selfSignedCertificate } from '../../../bench/certificate.js'
import { TcpRecorder } from '../../../test/contract/recorder.ts'
import type { SocketAddress, TlsOptions } from '../network.ts'
import { connectTcp, listenTcp } from './node-tcp.ts'

const { key, cert } = selfSignedCertificate('relay.example')
const trusted: TlsOptions = { serverName: 'relay.example', trustedCertificates: [cert] }
const disposers: (() => unknown)[] = []

afterEach(() => {
  for (const dispose of disposers.splice(0).reverse()) dispose()
})

/** A TLS server that sends back what it gets, and closes after the other side has. */
async function echoServer(): Promise<SocketAddress> {
  const server = createServer({ key, cert }, socket => socket.on('error', () => {}).pipe(socket))
  disposers.push(() => server.close())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { address: '127.0.0.1', port: (server.address() as { port: number }).port }
}

async function connect(remote: SocketAddress, tls: TlsOptions, localPort?: number): Promise<TcpRecorder> {
  const options = { timeoutMs: 5_000, tls, ...(localPort === undefined ? {} : { localPort }) }
  const connection = await connectTcp(remote, options)
  disposers.push(() => connection.destroy())
  return new TcpRecorder(connection)
}

test('bytes travel in both directions, and the end too', async () => {
  const remote = await echoServer()
  const recorder = await connect(remote, trusted)
  recorder.connection.write(new TextEncoder().encode('hello'))
  await recorder.until(() => recorder.receivedBytes === 5)
  recorder.connection.end()
  await recorder.until(() => recorder.closes.length === 1)
  expect(recorder.text).toBe('hello')
  expect(recorder.closes).toEqual([undefined])
  expect(recorder.connection.remote).toEqual(remote)
})

test('a local port can be chosen', async () => {
  const localPort = 20_000 + (process.pid % 10_000)
  const { connection } = await connect(await echoServer(), trusted, localPort)
  expect(connection.local.port).toBe(localPort)
})

test.each([
  ['that nobody has signed', { serverName: 'relay.example' }],
  ['for another name', { serverName: 'other.example', trustedCertificates: [cert] }],
  ['for a name, where an address is wanted', { serverName: '127.0.0.1', trustedCertificates: [cert] }],
])('a certificate %s is untrusted-peer', async (_, tls) => {
  await expect(connect(await echoServer(), tls)).rejects.toMatchObject({
    code: 'untrusted-peer',
    hint: expect.stringContaining('certificate'),
  })
})

test('a server that does not speak TLS is a protocol-violation', async () => {
  const plain = await listenTcp({ host: '127.0.0.1', port: 0 }, connection => {
    connection.start({ onData: () => connection.write(new Uint8Array(64)), onDrain() {}, onEnd() {}, onClose() {} })
  })
  disposers.push(() => plain.close())
  await expect(connect(plain.local, trusted)).rejects.toMatchObject({ code: 'protocol-violation' })
})

test('a server that says nothing is a timeout', async () => {
  const silent = await listenTcp({ host: '127.0.0.1', port: 0 }, connection =>
    disposers.push(() => connection.destroy()),
  )
  disposers.push(() => silent.close())
  const connecting = connectTcp(silent.local, { timeoutMs: 50, tls: trusted })
  await expect(connecting).rejects.toMatchObject({ code: 'timeout' })
})
