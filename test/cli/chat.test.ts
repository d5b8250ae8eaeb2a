import { expect, test } from 'vitest'
import { type EarshotProcess, earshot, freshRoom } from './earshot-process.ts'

/** A chat whose process has joined. */
async function chat(room: string, name: string, ...options: readonly string[]): Promise<EarshotProcess> {
  const process = earshot(['chat', room, '--name', name, ...options])
  await (options.includes('--json') ? process.stdout.line(/"ready"/) : process.stderr.line(/^in the room/))
  return process
}

test('what one of three says arrives at the others, and at nobody twice', async () => {
  const room = freshRoom()
  const [ada, bob, eve] = [await chat(room, 'Ada'), await chat(room, 'Bob'), await chat(room, 'Eve')]
  await Promise.all([ada.stderr.line(/^Eve is here/), ada.stderr.line(/^Bob is here/), bob.stderr.line(/^Eve is here/)])
  ada.type('hello from Ada\n')
  await Promise.all([bob.stdout.line(/^Ada: hello from Ada$/), eve.stdout.line(/^Ada: hello from Ada$/)])
  bob.type('hello from Bob\n')
  await Promise.all([ada.stdout.line(/^Bob: hello from Bob$/), eve.stdout.line(/^Bob: hello from Bob$/)])
  for (const process of [ada, bob, eve]) process.endInput()
  expect(await Promise.all([ada, bob, eve].map(({ exitCode }) => exitCode))).toEqual([0, 0, 0])
  expect(ada.stdout.text).toBe('Bob: hello from Bob\n')
  expect(bob.stdout.text).toBe('Ada: hello from Ada\n')
  expect(eve.stdout.text).toBe('Ada: hello from Ada\nBob: hello from Bob\n')
})

test('the first line of a newcomer reaches everybody who is there already', async () => {
  const room = freshRoom()
  const [ada, bob] = [await chat(room, 'Ada'), await chat(room, 'Bob')]
  await ada.stderr.line(/^Bob is here/)
  const eve = earshot(['chat', room, '--name', 'Eve'])
  eve.endInput('hello, and goodbye\n')
  await Promise.all([ada.stdout.line(/^Eve: hello, and goodbye$/), bob.stdout.line(/^Eve: hello, and goodbye$/)])
  expect(await eve.exitCode).toBe(0)
})

test('lines of an input that has ended wait for the first peer, and arrive all, in order', async () => {
  const room = freshRoom()
  const ada = await chat(room, 'Ada')
  const lines = Array.from({ length: 2_000 }, (_, index) => `line ${index}`)
  ada.endInput(`${lines.join('\n')}\n`)
  const bob = await chat(room, 'Bob')
  await bob.stdout.line(/^Ada: line 1999$/)
  expect(await ada.exitCode).toBe(0)
  expect(bob.stdout.lines).toEqual(lines.map(line => `Ada: ${line}`))
})

test('an input that ends without a line is left at once', async () => {
  const ada = earshot(['chat', freshRoom()])
  ada.endInput()
  expect(await ada.exitCode).toBe(0)
})

test('lines that nobody comes to hear end with 3', async () => {
  const ada = earshot(['chat', freshRoom(), '--timeout', '100ms'])
  ada.endInput('is anybody here?\n')
  expect(await ada.exitCode).toBe(3)
  expect(ada.stderr.text).toMatch(/nobody came to hear the lines within 100 ms/)
})

test('an escape sequence, in a text or in a name, does not reach the output', async () => {
  const room = freshRoom()
  const bob = await chat(room, 'Bob')
  const eve = earshot(['chat', room, '--name', 'Eve\u202e'])
  eve.endInput('\u001b[2Jgone\u0007\n')
  expect(await bob.stdout.line(/gone/)).toBe('Eve\ufffd: ␛[2Jgone␇')
})

test('two peers of the same name are told apart by their ids', async () => {
  const room = freshRoom()
  const watcher = await chat(room, 'Watcher', '--json')
  const twins = [await chat(room, 'Twin'), await chat(room, 'Twin')]
  const bob = await chat(room, 'Bob')
  await bob.stderr.line(/^Twin \(\w{8}\) is here/)
  for (const [index, twin] of twins.entries()) {
    await twin.stderr.line(/^Bob is here/)
    twin.type(`I am number ${index}\n`)
    expect(await bob.stdout.line(new RegExp(`number ${index}`))).toMatch(/^Twin \(\w{8}\): I am/)
  }
  await watcher.stdout.line(/number 1/)
  const ids = watcher.stdout.events.filter(({ event }) => event === 'message').map(({ from }) => from)
  expect(new Set(ids).size).toBe(2)
})

test('with --json there is one object a line, and nothing else', async () => {
  const room = freshRoom()
  const ada = await chat(room, 'Ada', '--json')
  const bob = earshot(['chat', room, '--name', 'Bob'])
  bob.endInput('say "hi"\n')
  await ada.stdout.line(/"gone"/)
  ada.endInput()
  expect(await ada.exitCode).toBe(0)
  const id = expect.stringMatching(/^[a-z2-7]{52}$/)
  expect(ada.stdout.events).toMatchObject([
    { event: 'ready', id, name: 'Ada', room, addresses: expect.arrayContaining([expect.stringMatching(/:\d+$/)]) },
    { event: 'peer', id, name: 'Bob' },
    { event: 'message', from: id, name: 'Bob', data: 'say "hi"' },
    { event: 'gone', id, name: 'Bob', code: 'closed' },
  ])
})

test('Ctrl-C says goodbye and ends with 130', async () => {
  const room = freshRoom()
  const [ada, bob] = [await chat(room, 'Ada'), await chat(room, 'Bob')]
  await ada.stderr.line(/^Bob is here/)
  bob.signal('SIGINT')
  expect(await ada.stderr.line(/^Bob left/)).toBe('Bob left')
  expect(await bob.exitCode).toBe(130)
  expect(bob.stderr.text).not.toMatch(/Ada left/)
})

test('Ctrl-C ends a chat that has lines nobody has heard', async () => {
  const ada = await chat(freshRoom(), 'Ada')
  ada.type('is anybody here?\n')
  ada.signal('SIGINT')
  expect(await ada.exitCode).toBe(130)
})

test('when nobody reads the output any more, the chat ends quietly', async () => {
  const room = freshRoom()
  const [ada, bob] = [await chat(room, 'Ada'), await chat(room, 'Bob')]
  await bob.stderr.line(/^Ada is here/)
  ada.closeOutput()
  bob.type('one\ntwo\n')
  expect(await ada.exitCode).toBe(0)
  expect(ada.stderr.text).not.toMatch(/EPIPE|Error/)
})

test('who has another secret is not met, and it is said why', async () => {
  const room = freshRoom()
  const [ada, bob] = [await chat(room, 'Ada', '--secret', 'one'), await chat(room, 'Bob', '--secret', 'one')]
  const eve = earshot(['chat', room, '--name', 'Eve', '--secret', 'two', '--timeout', '1s'])
  eve.endInput('hello\n')
  await ada.stderr.line(/^Bob is here/)
  expect(await eve.exitCode).toBe(3)
  expect(eve.stderr.text).toMatch(/^warning: no connection to '(Ada|Bob)' at .*secret/m)
  bob.endInput('hello\n')
  await ada.stdout.line(/^Bob: hello/)
  expect(`${ada.stdout.text}${ada.stderr.text}`).not.toMatch(/^Eve/m)
})
