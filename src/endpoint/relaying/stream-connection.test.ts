import { expect, test } from 'vitest'
import { EarshotError } from '../../errors.ts'
import type { ByteStream } from '../../messaging/open-stream.ts'
import { StreamConnection } from './stream-connection.ts'

const ENDS = {
  local: { address: '192.0.2.1', port: 1, family: 4, scope: undefined },
  remote: { address: '192.0.2.2', port: 2, family: 4, scope: undefined },
} as const

/** Two ends of a stream, one of them as a connection; what happens to it is logged. */
function stage(): { connection: StreamConnection; far: ByteStream; log: string[]; start: () => void } {
  const [out, back] = [new TransformStream<Uint8Array, Uint8Array>(), new TransformStream<Uint8Array, Uint8Array>()]
  const connection = new StreamConnection({ readable: back.readable, writable: out.writable }, ENDS)
  const log: string[] = []
  const start = (): void =>
    connection.start({
      onData: bytes => log.push(`data ${bytes.join()}`),
      onDrain: () => log.push('drain'),
      onEnd: () => log.push('end'),
      onClose: error => log.push(`close ${error?.code ?? ''}`.trim()),
    })
  return { connection, far: { readable: out.readable, writable: back.writable }, log, start }
}

/** Lets everything happen that is due. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

const bytes = (...numbers: number[]) => Uint8Array.from(numbers)

test('carries bytes in both directions, and its end passes on', async () => {
  const { connection, far, log, start } = stage()
  start()
  const [reader, writer] = [far.readable.getReader(), far.writable.getWriter()]
  expect(connection.write(bytes(1, 2))).toBe(false)
  expect(await reader.read()).toEqual({ done: false, value: bytes(1, 2) })
  await settle()
  expect(log).toEqual(['drain'])
  void writer.write(bytes(3))
  connection.end()
  expect(await reader.read()).toEqual({ done: true, value: undefined })
  void writer.close()
  await settle()
  expect(log).toEqual(['drain', 'data 3', 'end', 'close'])
})

test('hands over nothing while it is paused, also what was on its way then', async () => {
  const { connection, far, log, start } = stage()
  const writer = far.writable.getWriter()
  start()
  connection.pause()
  void writer.write(bytes(1))
  void writer.write(bytes(2))
  void writer.close()
  await settle()
  expect(log).toEqual([])
  connection.resume()
  await settle()
  expect(log).toEqual(['data 1', 'data 2', 'end'])
})

test('waits for a reader that is slow', async () => {
  const { connection, far, start } = stage()
  start()
  connection.write(bytes(1))
  let hasDrained = false
  const writer = far.writable.getWriter()
  connection.pause()
  void writer.write(bytes(1)).then(() => (hasDrained = true))
  void writer.write(bytes(2)).then(() => (hasDrained = true))
  void writer.write(bytes(3)).then(() => (hasDrained = true))
  await settle()
  // One piece was taken when the connection was paused, and no more.
  hasDrained = false
  await settle()
  expect(hasDrained).toBe(false)
  expect(writer.desiredSize).toBeLessThanOrEqual(0)
})

test.each([
  ['reset by the peer', (far: ByteStream) => far.writable.abort(new EarshotError('reset', 'no'))],
  ['not read by the peer any more', (far: ByteStream) => far.readable.cancel(new EarshotError('reset', 'no'))],
])('%s, it closes with the reason', async (_, breakIt) => {
  const { connection, far, log, start } = stage()
  start()
  void breakIt(far)
  await settle()
  connection.write(bytes(1))
  await settle()
  expect(log.filter(line => line.startsWith('close'))).toEqual(['close reset'])
})

test('a failure that has no code is a broken connection', async () => {
  const { far, log, start } = stage()
  start()
  void far.writable.abort(new Error('oops'))
  await settle()
  expect(log).toEqual(['close lost'])
})

test.each(['destroy', 'reset'] as const)('after %s() the peer is told, and nothing comes any more', async manner => {
  const { connection, far, log, start } = stage()
  start()
  const writer = far.writable.getWriter()
  connection[manner]()
  connection[manner]()
  expect(connection.write(bytes(1))).toBe(true)
  connection.end()
  await settle()
  expect(log).toEqual(['close'])
  await expect(writer.write(bytes(1))).rejects.toMatchObject({ code: 'closed' })
  await expect(far.readable.getReader().read()).rejects.toMatchObject({ code: 'closed' })
})

test('destroyed while it is paused, it closes', async () => {
  const { connection, far, log, start } = stage()
  start()
  connection.pause()
  void far.writable
    .getWriter()
    .write(bytes(1))
    .catch(() => {})
  await settle()
  connection.destroy()
  await settle()
  expect(log).toEqual(['close'])
})
