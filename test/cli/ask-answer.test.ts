import { expect, test } from 'vitest'
import { EarshotProcess, earshot, freshFolder, freshRoom, LOOPBACK, MAIN } from './earshot-process.ts'

/** A process that answers `question` by running a program in JavaScript. */
async function answering(
  room: string,
  name: string,
  question: string,
  source: string,
  ...more: readonly string[]
): Promise<EarshotProcess> {
  const options = ['--room', room, '--name', name, ...more]
  const process = earshot(['answer', question, ...options, '--', globalThis.process.execPath, '-e', source])
  await process.stderr.line(/^answering/)
  return process
}

const ECHO = 'process.stdin.pipe(process.stdout)'

test('a question reaches the command as JSON, and its output comes back as the answer', async () => {
  const room = freshRoom()
  const bob = await answering(room, 'Bob', 'echo', ECHO)
  const ask = earshot(['ask', 'Bob', 'echo', '{"a":[1,"two"]}', '--room', room])
  expect(await ask.exitCode).toBe(0)
  expect(ask.stdout.text).toBe('{"a":[1,"two"]}\n')
  await bob.stdout.line(/ got an answer in /)
})

test('an output that is no JSON is a text, without quotes for people, with them in --json', async () => {
  const room = freshRoom()
  await answering(room, 'Bob', 'weather', 'console.log("sunny, 21 °C")')
  const asks = [
    earshot(['ask', 'Bob', 'weather', '--room', room]),
    earshot(['ask', 'Bob', 'weather', '--room', room, '--json']),
  ]
  expect(await Promise.all(asks.map(({ exitCode }) => exitCode))).toEqual([0, 0])
  expect(asks[0]!.stdout.text).toBe('sunny, 21 °C\n')
  expect(asks[1]!.stdout.events).toMatchObject([{ event: 'answer', name: 'Bob', value: 'sunny, 21 °C' }])
})

test('a command that fails tells the asker why', async () => {
  const room = freshRoom()
  const bob = await answering(room, 'Bob', 'weather', 'console.error("no sensor"); process.exitCode = 1')
  const ask = earshot(['ask', 'Bob', 'weather', '--room', room, '--json'])
  expect(await ask.exitCode).toBe(1)
  expect(ask.stdout.events).toMatchObject([{ event: 'error', code: 'answer-failed', reason: 'no sensor' }])
  expect(ask.stderr.text).toMatch(/no sensor/)
  await bob.stdout.line(/ got no answer: no sensor$/)
})

test('the command is told who asks', async () => {
  const room = freshRoom()
  await answering(room, 'Bob', 'who-am-i', 'console.log(process.env.EARSHOT_FROM_NAME)')
  const ask = earshot(['ask', 'Bob', 'who-am-i', '--room', room, '--name', 'Ada'])
  expect(await ask.exitCode).toBe(0)
  expect(ask.stdout.text).toBe('Ada\n')
})

test('--all asks everybody, and shows who could not answer', async () => {
  const room = freshRoom()
  await answering(room, 'Bob', 'number', 'console.log(1)')
  await answering(room, 'Eve', 'number', 'console.log(2)')
  await answering(room, 'Mute', 'other', 'console.log(3)')
  const ask = earshot(['ask', '--all', 'number', '--room', room])
  expect(await ask.exitCode).toBe(0)
  expect(ask.stdout.lines.toSorted()).toEqual(['Bob: 1', 'Eve: 2'])
  expect(ask.stderr.text).toMatch(/^Mute: /m)
})

test.each([
  ['one peer', ['Bob', 'number']],
  ['everybody', ['--all', 'number']],
])('where peers cannot find each other, --peer leads to them: asking %s', async (_, words) => {
  const room = freshRoom()
  const bob = earshot(['answer', 'number', '--room', room, '--name', 'Bob', '--json', '--', 'echo', '7'])
  await bob.stdout.line(/"ready"/)
  const addresses = bob.stdout.events[0]!['addresses'] as string[]
  const args = ['ask', ...words, '--room', room, '--interface', 'nope0', ...addresses.flatMap(one => ['--peer', one])]
  const ask = new EarshotProcess([process.execPath, MAIN, ...args], { XDG_CONFIG_HOME: freshFolder() })
  expect(await ask.exitCode).toBe(0)
  expect(ask.stdout.lines).toEqual([words.includes('Bob') ? '7' : 'Bob: 7'])
  expect(ask.stderr.text).toMatch(new RegExp(`^warning: no interface 'nope0' can be used now; there are .*${LOOPBACK}`))
})

test('a question that nobody answers fails', async () => {
  const room = freshRoom()
  await answering(room, 'Bob', 'weather', 'console.log(1)')
  const ask = earshot(['ask', 'Bob', 'wether', '--room', room, '--json'])
  expect(await ask.exitCode).toBe(1)
  expect(ask.stdout.events).toMatchObject([{ event: 'error', code: 'no-answer' }])
})

test.each([
  ['a name', ['Bob', 'weather']],
  ['everybody', ['--all', 'weather']],
])('where nobody is, asking %s ends with 3', async (_, words) => {
  const ask = earshot(['ask', ...words, '--room', freshRoom(), '--timeout', '200ms', '--json'])
  expect(await ask.exitCode).toBe(3)
  expect(ask.stdout.events).toMatchObject([{ event: 'error', code: 'nobody-found' }])
})

test('who is not there is told with those who are', async () => {
  const room = freshRoom()
  await answering(room, 'Bob', 'weather', 'console.log(1)')
  const ask = earshot(['ask', 'Rob', 'weather', '--room', room, '--timeout', '2s'])
  expect(await ask.exitCode).toBe(3)
  expect(ask.stderr.text).toMatch(/hint: here are: Bob/)
})

test('another secret is a refusal, with each address that was tried', async () => {
  const room = freshRoom()
  const bob = earshot(['answer', 'weather', '--room', room, '--name', 'Bob', '--secret', 'one', '--', 'date'])
  await bob.stderr.line(/^answering/)
  const ask = earshot(['ask', 'Bob', 'weather', '--room', room, '--secret', 'two'])
  expect(await ask.exitCode).toBe(4)
  expect(ask.stderr.text).toMatch(
    /tried:\n +ADDRESS +FOUND BY +TOOK +WHY NOT\n +\S+:\d+ +(mdns|beacon) +\S+ m?s +wrong-secret: /,
  )
})

test('of two peers with one name each can be asked by its id, or by the first 8 characters of it', async () => {
  const room = freshRoom()
  await answering(room, 'Bob', 'number', 'console.log(1)')
  await answering(room, 'Bob', 'number', 'console.log(2)')
  const all = earshot(['ask', '--all', 'number', '--room', room, '--json'])
  expect(await all.exitCode).toBe(0)
  const [first, second] = all.stdout.events
  const byId = earshot(['ask', String(first?.['id']), 'number', '--room', room])
  const byShortId = earshot(['ask', String(second?.['id']).slice(0, 8), 'number', '--room', room])
  expect(await Promise.all([byId.exitCode, byShortId.exitCode])).toEqual([0, 0])
  expect([byId.stdout.text, byShortId.stdout.text]).toEqual([`${first?.['value']}\n`, `${second?.['value']}\n`])
})

test('Ctrl-C ends the answering with 130, and running commands with it', async () => {
  const room = freshRoom()
  const bob = await answering(room, 'Bob', 'slow', 'setInterval(() => {}, 1000)', '--json')
  const ask = earshot(['ask', 'Bob', 'slow', '--room', room, '--timeout', '9s', '--json'])
  await bob.stdout.line(/"question"/)
  bob.signal('SIGINT')
  expect(await bob.exitCode).toBe(130)
  expect(await ask.exitCode).toBe(1)
})

test('ping shows round trips and their path', async () => {
  const room = freshRoom()
  await answering(room, 'Bob', 'x', 'console.log(1)')
  const options = ['--room', room, '--count', '3', '--interval', '1ms']
  const ping = earshot(['ping', 'Bob', ...options])
  expect(await ping.exitCode).toBe(0)
  expect(ping.stdout.lines).toHaveLength(4)
  expect(ping.stdout.lines[0]).toMatch(/^Bob: [\d.]+ ms, lan tcp \S+:\d+ via lo/)
  expect(ping.stdout.lines[3]).toMatch(/^3 round trips: at least [\d.]+ ms, median [\d.]+ ms, at most [\d.]+ ms$/)
  const json = earshot(['ping', 'Bob', ...options, '--json'])
  expect(await json.exitCode).toBe(0)
  expect(json.stdout.events.map(({ event }) => event)).toEqual(['pong', 'pong', 'pong', 'summary'])
  expect(json.stdout.events[0]).toMatchObject({ name: 'Bob', seq: 1, rttMs: expect.any(Number), path: { kind: 'lan' } })
  const two = earshot(['ping', 'Bob', ...options, '--json', '--count', '2'])
  expect(await two.exitCode).toBe(0)
  const { minMs, medianMs, maxMs } = two.stdout.events[2] as Readonly<Record<string, number>>
  expect(medianMs).toBeCloseTo((minMs! + maxMs!) / 2)
})
