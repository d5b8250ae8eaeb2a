import { expect, test } from 'vitest'
import { earshot, freshRoom } from './earshot-process.ts'

test('those who are around are shown with their room, in a table', async () => {
  const room = freshRoom()
  const bob = earshot(['chat', room, '--name', 'Bob'])
  const eve = earshot(['chat', room, '--name', 'Eve'])
  await Promise.all([bob.stderr.line(/^Eve is here/), eve.stderr.line(/^Bob is here/)])
  const who = earshot(['--for', '1500ms'])
  expect(await who.exitCode).toBe(0)
  const row = (name: string) => new RegExp(`^${room} +${name} +\\w{8} +\\S+:\\d+`, 'm')
  expect(who.stdout.text).toMatch(/^ROOM +NAME +ID +ADDRESS +PATH +RTT\n/)
  expect(who.stdout.text).toMatch(row('Bob'))
  expect(who.stdout.text).toMatch(row('Eve'))
  // It only looked: they did not notice.
  expect(bob.stderr.lines).toHaveLength(2)
})

test('with --room the path and the round trip are known', async () => {
  const room = freshRoom()
  const bob = earshot(['chat', room, '--name', 'Bob'])
  await bob.stderr.line(/^in the room/)
  const who = earshot(['--room', room, '--for', '1500ms'])
  expect(await who.exitCode).toBe(0)
  expect(who.stdout.text).toMatch(new RegExp(`^${room} +Bob +\\w{8} +\\S+:\\d+ +lan lo\\S* +[\\d.]+ ms$`, 'm'))
})

test('with --json there is an event for whoever comes and goes', async () => {
  const room = freshRoom()
  const who = earshot(['--json'])
  const bob = earshot(['chat', room, '--name', 'Bob'])
  const found = JSON.parse(await who.stdout.line(new RegExp(`"found".*"${room}"`)))
  expect(found).toMatchObject({
    event: 'found',
    room,
    id: expect.stringMatching(/^[a-z2-7]{52}$/),
    name: 'Bob',
    addresses: expect.arrayContaining([expect.stringMatching(/:\d+$/)]),
    via: expect.stringMatching(/^(mdns|beacon)$/),
  })
  bob.endInput()
  expect(await bob.exitCode).toBe(0)
  expect(JSON.parse(await who.stdout.line(new RegExp(`"lost".*"${room}"`)))).toMatchObject({
    id: found.id,
    name: 'Bob',
  })
  who.signal('SIGINT')
  expect(await who.exitCode).toBe(130)
  expect(() => who.stdout.events).not.toThrow()
})

test('where nobody is, it ends with 3', async () => {
  const who = earshot(['--room', freshRoom(), '--for', '300ms'])
  expect(await who.exitCode).toBe(3)
  expect(who.stdout.text).toBe('')
  expect(who.stderr.text).toMatch(/nobody was found within 300 ms/)
})
