import { expect, test } from 'vitest'
import { type EarshotProcess, earshot, freshRoom } from './earshot-process.ts'

function binary(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8))
}

/** A process that waits for one who calls, as Ada. */
async function waiting(room: string, ...more: readonly string[]): Promise<EarshotProcess> {
  const process = earshot(['pipe', '--room', room, '--name', 'Ada', ...more])
  await process.stderr.line(/^waiting as Ada/)
  return process
}

test('bytes go both ways as they are, and both sides end by themselves', async () => {
  const room = freshRoom()
  const ada = await waiting(room)
  const bob = earshot(['pipe', 'Ada', '--room', room, '--name', 'Bob'])
  bob.endInput(binary(3_000_000))
  ada.endInput(binary(1_000))
  expect(await Promise.all([ada.exitCode, bob.exitCode])).toEqual([0, 0])
  expect(Buffer.compare(await ada.output(), binary(3_000_000))).toBe(0)
  expect(Buffer.compare(await bob.output(), binary(1_000))).toBe(0)
  expect(ada.stderr.text).toMatch(/^Bob \(\w{8}\) is here$/m)
})

test('half-close: one side has ended long before the other', async () => {
  const room = freshRoom()
  const ada = await waiting(room)
  const bob = earshot(['pipe', 'Ada', '--room', room])
  bob.endInput('question\n')
  await ada.stdout.line(/^question$/)
  ada.type('half of it, ')
  ada.endInput('the rest\n')
  expect(await Promise.all([ada.exitCode, bob.exitCode])).toEqual([0, 0])
  expect(bob.stdout.text).toBe('half of it, the rest\n')
})

test('whoever calls second finds nobody waiting', async () => {
  const room = freshRoom()
  const ada = await waiting(room)
  const bob = earshot(['pipe', 'Ada', '--room', room, '--name', 'Bob'])
  await ada.stderr.line(/is here$/)
  const eve = earshot(['pipe', 'Ada', '--room', room, '--name', 'Eve', '--json'])
  eve.endInput('x')
  expect(await eve.exitCode).toBe(1)
  expect(eve.stdout.events.at(-1)).toMatchObject({ event: 'error', code: 'no-answer' })
  expect(eve.stderr.text).toMatch(/Ada does not wait for a pipe[\s\S]*earshot pipe/)
  for (const process of [ada, bob]) process.endInput()
  expect(await Promise.all([ada.exitCode, bob.exitCode])).toEqual([0, 0])
})

test('Ctrl-C on one side ends both, with the reason on the other', async () => {
  const room = freshRoom()
  const ada = await waiting(room)
  const bob = earshot(['pipe', 'Ada', '--room', room])
  await ada.stderr.line(/is here$/)
  bob.signal('SIGINT')
  expect(await Promise.all([bob.exitCode, ada.exitCode])).toEqual([130, 1])
  expect(ada.stderr.text).toMatch(/interrupted|gone/)
})

test('Ctrl-C while nobody has called, and nobody in time', async () => {
  const ada = await waiting(freshRoom())
  ada.signal('SIGINT')
  expect(await ada.exitCode).toBe(130)

  const patient = await waiting(freshRoom(), '--timeout', '200ms')
  expect(await patient.exitCode).toBe(3)
  expect(patient.stderr.text).toMatch(/nobody called within 200 ms/)

  const bob = earshot(['pipe', 'Ada', '--room', freshRoom(), '--timeout', '200ms'])
  expect(await bob.exitCode).toBe(3)
})

test('a reader that has had enough ends it, and is no failure on its side', async () => {
  const room = freshRoom()
  const ada = await waiting(room)
  const bob = earshot(['pipe', 'Ada', '--room', room])
  bob.endInput(binary(50_000_000))
  await ada.stderr.line(/is here$/)
  ada.closeOutput()
  expect(await ada.exitCode).toBe(0)
  expect(await bob.exitCode).toBe(1)
  expect(bob.stderr.text).toMatch(/^earshot: .*(gone|left|closed|broke|reset|does not|nobody)/m)
  expect(bob.stderr.text).not.toMatch(/WritableStream/)
})

test('--json has the bytes in events', async () => {
  const room = freshRoom()
  const ada = await waiting(room, '--json')
  const bob = earshot(['pipe', 'Ada', '--room', room, '--json', '--name', 'Bob'])
  bob.endInput(binary(200_000))
  ada.endInput()
  expect(await Promise.all([ada.exitCode, bob.exitCode])).toEqual([0, 0])
  const events = ada.stdout.events
  expect(events.map(({ event }) => event).filter(event => event !== 'data')).toEqual(['ready', 'open', 'end'])
  const received = events
    .filter(({ event }) => event === 'data')
    .map(({ bytes }) => Buffer.from(String(bytes), 'base64'))
  expect(Buffer.compare(Buffer.concat(received), binary(200_000))).toBe(0)
  expect(events.at(-1)).toMatchObject({ event: 'end', receivedBytes: 200_000 })
  expect(bob.stdout.events).toMatchObject([
    { event: 'open', name: 'Ada' },
    { event: 'end', receivedBytes: 0 },
  ])
})
