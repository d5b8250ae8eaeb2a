/** `earshot compat pythonconnect` by JSON lines. The other node is in this process, and dials the command's port. */

import { afterEach, beforeEach, expect, test } from 'vitest'
import { PythonConnectNode } from '../../src/compat/pythonconnect.ts'
import { type EarshotProcess, earshot, freshRoom } from './earshot-process.ts'

let desk: EarshotProcess
let node: PythonConnectNode

beforeEach(async () => {
  desk = earshot(['compat', 'pythonconnect', '--name', 'desk', '--json'])
  await desk.stdout.line(/"ready"/)
  node = await PythonConnectNode.join({ name: 'node', discovery: false, listen: false })
  await node.connect('127.0.0.1')
  await desk.stdout.line(/"peer"/)
})

afterEach(async () => {
  await node.close()
  await desk.stop()
})

const say = (command: object) => desk.type(`${JSON.stringify(command)}\n`)

test('tells who is here, what is said, and sends to one, several or all', async () => {
  expect(desk.stdout.events).toEqual([
    { event: 'ready', id: 'desk' },
    { event: 'peer', id: 'node' },
  ])
  await node.send('héllo')
  expect(JSON.parse(await desk.stdout.line(/"message"/))).toEqual({ event: 'message', from: 'node', data: 'héllo' })
  const heard: string[] = []
  const done = new Promise<void>(resolve =>
    node.on('message', ({ data, from }) => heard.push(`${from.name}: ${data}`) === 3 && resolve()),
  )
  say({ op: 'send', to: 'node', data: 'one' })
  say({ op: 'send', to: ['node'], data: 'two' })
  say({ op: 'send', to: 'all', data: 'three' })
  await done
  expect(heard).toEqual(['desk: one', 'desk: two', 'desk: three'])
})

test('asks, with null for those who do not answer', async () => {
  node.answer(question => (question === 'silence' ? undefined : question.toUpperCase()))
  say({ op: 'ask', to: ['node', 'nobody'], question: 'what?', timeoutMs: 500 })
  await desk.stdout.line(/"nobody"/)
  say({ op: 'ask', to: 'all', question: 'silence', timeoutMs: 50 })
  await desk.stdout.line(/"node","value":null/)
  expect(desk.stdout.events.slice(2)).toEqual([
    { event: 'answer', from: 'node', value: 'WHAT?' },
    { event: 'answer', from: 'nobody', value: null },
    { event: 'answer', from: 'node', value: null },
  ])
})

test('tells questions, and answers them once it knows what', async () => {
  expect(await node.ask('desk', 'first', { timeoutMs: 50 })).toEqual(new Map([['desk', null]]))
  say({ op: 'answer', value: 'tea' })
  // Commands are obeyed in order: once this has arrived, the reply is known.
  say({ op: 'send', to: 'node', data: 'ready' })
  await node.once('message')
  expect(await node.ask('desk', 'second')).toEqual(new Map([['desk', 'tea']]))
  await desk.stdout.line(/second/)
  expect(desk.stdout.events.slice(2)).toEqual([
    { event: 'question', from: 'node', question: 'first' },
    { event: 'question', from: 'node', question: 'second' },
  ])
})

test.each([
  [{ op: 'send', to: 'nobody', data: 'x' }, 'unknown-peer'],
  [{ op: 'send', to: 'node', data: 'x'.repeat(499) }, 'too-large'],
  [{ op: 'send', to: 'node', data: 'a:,:b' }, 'invalid-data'],
  [{ op: 'send', to: 'node', data: { text: 'x' } }, 'usage'],
  [{ op: 'send', data: 'x' }, 'usage'],
  [{ op: 'ask', to: 'node', question: 'x', timeoutMs: -1 }, 'usage'],
  [{ op: 'ask', to: 'node' }, 'usage'],
  [{ op: 'answer', value: 5 }, 'usage'],
  [{ op: 'dance' }, 'usage'],
])('%j is an error with the code %s, and it goes on', async (command, code) => {
  say(command)
  expect(JSON.parse(await desk.stdout.line(/"error"/))).toMatchObject({ event: 'error', code })
  await node.send('still there?')
  await desk.stdout.line(/still there/)
})

test('tells who is gone, and leaves with close, though nobody ends its input', async () => {
  await node.close()
  await desk.stdout.line(/\{"event":"gone","id":"node"\}/)
  say({ op: 'close' })
  expect(await desk.exitCode).toBe(0)
})

test('leaves with a goodbye at the end of its input, when everything was sent', async () => {
  const gone = node.once('peer-gone')
  const heard = node.once('message')
  desk.endInput('{"op":"send","to":"node","data":"bye"}\n')
  expect((await heard).data).toBe('bye')
  expect(await gone).toMatchObject({ peer: { name: 'desk' }, code: 'closed' })
  expect(await desk.exitCode).toBe(0)
})

test('leaves with a goodbye at Ctrl-C', async () => {
  const gone = node.once('peer-gone')
  desk.signal('SIGINT')
  expect(await gone).toMatchObject({ code: 'closed' })
  expect(await desk.exitCode).toBe(130)
})

test('a second one on this machine fails, and says why', async () => {
  const second = earshot(['compat', 'pythonconnect', '--name', 'second', '--json'])
  expect(await second.exitCode).toBe(1)
  expect(second.stdout.events).toMatchObject([{ event: 'error', code: 'address-in-use' }])
})

test('a name that cannot be used is bad usage', async () => {
  const second = earshot(['compat', 'pythonconnect', '--name', 'a:,:b'])
  expect(await second.exitCode).toBe(2)
  expect(second.stderr.text).toMatch(/without ':,:'/)
})

test('a bridge tells the devices and the peers that it brings together', async () => {
  // Its port is that of the command above.
  desk.endInput()
  expect(await desk.exitCode).toBe(0)
  const room = freshRoom()
  const ada = earshot(['chat', room, '--name', 'Ada', '--json'])
  await ada.stdout.line(/"ready"/)
  const hub = earshot(['compat', 'bridge', 'pythonconnect', '--room', room, '--name', 'hub', '--json'])
  await hub.stdout.line(/"ready"/)
  expect(JSON.parse(await hub.stdout.line(/"peer"/))).toMatchObject({ event: 'peer', name: 'Ada', as: 'Ada' })
  await node.connect('127.0.0.1')
  const { id } = JSON.parse(await hub.stdout.line(/"device"/))
  expect(JSON.parse(await ada.stdout.line(/"name":"node"/))).toMatchObject({
    event: 'peer',
    id,
    info: { bridged: 'pythonconnect', authenticated: false, encrypted: false },
  })
  await node.close()
  expect(JSON.parse(await hub.stdout.line(/"device-gone"/))).toEqual({ event: 'device-gone', id, name: 'node' })
  await ada.stdout.line(new RegExp(`"gone","id":"${id}"`))
  hub.signal('SIGINT')
  expect(await hub.exitCode).toBe(130)
})

test('a bridge to nowhere is bad usage', async () => {
  const hub = earshot(['compat', 'bridge', 'telepathy'])
  expect(await hub.exitCode).toBe(2)
  expect(hub.stderr.text).toMatch(/peerpy, pythonconnect/)
})
