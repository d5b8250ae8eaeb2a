/**
 * The real pythonConnect and ours as hosts of one LAN, where `PYTHONCONNECT_CHECKOUT` names a checkout of it. Each device is
 * a process in a namespace of its own; ours is the command, `earshot compat pythonconnect`.
 */

import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { freshFolder } from '../cli/earshot-process.ts'
import { JsonProcess } from './json-process.ts'
import { Lab } from './lab.ts'

const CHECKOUT = process.env['PYTHONCONNECT_CHECKOUT']
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const DRIVER = fileURLToPath(new URL('pythonconnect-driver.py', import.meta.url))

/** The machine of a test may be busier than the default allows for. */
const PATIENT = ['--pace', '100ms']

if (!CHECKOUT)
  console.log('left out: the real pythonConnect: needs PYTHONCONNECT_CHECKOUT, the folder with its connect.py')

describe.skipIf(!CHECKOUT)('with the real pythonConnect', () => {
  let lab: Lab
  let running: JsonProcess[] = []

  beforeAll(() => {
    lab = new Lab('site home port-restricted hosts=one,two,three')
  })
  afterAll(() => lab.close())
  afterEach(async () => {
    await Promise.all(running.map(process => process.stop()))
    running = []
  })

  const start = (host: string, ...command: readonly string[]) => {
    const process = new JsonProcess([...lab.prefix(host), ...command])
    running.push(process)
    return process
  }
  const ours = async (host: string, name: string, ...more: readonly string[]) => {
    const process = start(host, 'node', MAIN, 'compat', 'pythonconnect', '--name', name, '--json', ...more)
    await process.line({ event: 'ready' })
    return process
  }
  const real = async (host: string, name: string) => {
    const process = start(host, 'python3', '-W', 'ignore', DRIVER, CHECKOUT!, name)
    await process.line({ event: 'started' })
    return process
  }

  test.each([
    ['ours is there and dials', 'alpha', 'ours'],
    ['ours is there and is dialled', 'zeta', 'ours'],
    ['it is there and is dialled', 'alpha', 'real'],
    ['it is there and dials', 'zeta', 'real'],
  ])('%s: messages and questions go both ways', async (_, name, first) => {
    const theirs = first === 'ours' ? undefined : await real('two', 'real')
    const node = await ours('one', name)
    const other = theirs ?? (await real('two', 'real'))
    await node.line({ event: 'peer', id: 'real' })
    node.say({ op: 'answer', value: 'forty-two' })
    node.say({ op: 'send', to: 'real', data: 'héllo' })
    await other.line({ event: 'message', from: name, text: 'héllo' })
    other.say({ op: 'send', to: name, text: 'wörld' })
    await node.line({ event: 'message', from: 'real', data: 'wörld' })
    node.say({ op: 'ask', to: ['real', 'nobody'], question: 'what?', timeoutMs: 500 })
    await node.line({ event: 'answer', from: 'real', value: 're:what?' })
    await node.line({ event: 'answer', from: 'nobody', value: null })
    other.say({ op: 'ask', id: 1, to: [name], question: 'and?' })
    expect(await other.line({ event: 'answers', id: 1 })).toMatchObject({ values: { [name]: 'forty-two' } })
    await node.line({ event: 'question', from: 'real', question: 'and?' })
  })

  test('three at once, two of them real', async () => {
    const [a, c] = [await real('one', 'alpha'), await real('three', 'gamma')]
    const node = await ours('two', 'beta')
    for (const id of ['alpha', 'gamma']) await node.line({ event: 'peer', id })
    node.say({ op: 'answer', value: 'b' })
    node.say({ op: 'send', to: 'all', data: 'hello all' })
    for (const other of [a, c]) await other.line({ event: 'message', from: 'beta', text: 'hello all' })
    node.say({ op: 'ask', to: 'all', question: 'who?' })
    for (const from of ['alpha', 'gamma']) await node.line({ event: 'answer', from, value: 're:who?' })
    // Of the two real ones the first may have dialled before the second listened: then they never meet.
    for (const other of [a, c]) {
      other.say({ op: 'ask', id: 1, to: ['beta'], question: 'x' })
      expect(await other.line({ event: 'answers', id: 1 })).toMatchObject({ values: { beta: 'b' } })
    }
    c.say({ op: 'send', to: 'toAll', text: 'from gamma' })
    await node.line({ event: 'message', from: 'gamma', data: 'from gamma' })
  })

  test('it reads everything: a burst, the longest text, characters beside the borders of 128 bytes', async () => {
    const [node, other] = [await ours('one', 'alpha', ...PATIENT), await real('two', 'real')]
    await node.line({ event: 'peer', id: 'real' })
    const texts = [
      ...Array.from({ length: 40 }, (_, i) => `number ${i}`),
      'x'.repeat(498),
      'é'.repeat(244),
      `${'x'.repeat(118)}😀`,
      '',
    ]
    for (const data of texts) node.say({ op: 'send', to: 'real', data })
    node.say({ op: 'send', to: 'real', data: 'the end' })
    await other.line({ event: 'message', text: 'the end' })
    expect(other.all('message').map(({ text }) => text)).toEqual([...texts, 'the end'])
  })

  test('questions in a burst, fast and slow ones and messages among them, are all answered', async () => {
    const [node, other] = [await ours('one', 'alpha', ...PATIENT), await real('two', 'real')]
    await node.line({ event: 'peer', id: 'real' })
    node.say({ op: 'answer', value: 'yes' })
    const questions = ['a', 'slow b', 'c', 'slow d', 'e', 'f', 'g']
    for (const question of questions) {
      node.say({ op: 'ask', to: 'real', question, timeoutMs: 10_000 })
      node.say({ op: 'send', to: 'real', data: `behind ${question}` })
    }
    for (let id = 0; id < 8; id++) other.say({ op: 'ask', id, to: ['alpha'], question: `q${id}`, timeoutMs: 10_000 })
    for (const question of questions) await node.line({ event: 'answer', value: `re:${question}` })
    for (let id = 0; id < 8; id++)
      expect(await other.line({ event: 'answers', id })).toMatchObject({ values: { alpha: 'yes' } })
    await other.line({ event: 'message', text: 'behind g' })
    expect(other.all('message').map(({ text }) => text)).toEqual(questions.map(question => `behind ${question}`))
  })

  test('who leaves is gone on the other side, and comes back', async () => {
    const node = await ours('one', 'alpha')
    const other = await real('two', 'real')
    await node.line({ event: 'peer', id: 'real' })
    await other.stop()
    await node.line({ event: 'gone', id: 'real' })
    const goneAt = node.lines.length
    const again = await real('two', 'real')
    await node.line({ event: 'peer', id: 'real' }, goneAt)
    node.say({ op: 'send', to: 'real', data: 'hello again' })
    await again.line({ event: 'message', from: 'alpha', text: 'hello again' })
    node.say({ op: 'close' })
    expect(await node.ended).toBe(0)
    await again.line(
      { event: 'remotes', names: [] },
      again.lines.findIndex(({ event }) => event === 'message'),
    )
  })

  test('what it would not survive is refused, and it goes on', async () => {
    const [node, other] = [await ours('one', 'alpha'), await real('two', 'real')]
    await node.line({ event: 'peer', id: 'real' })
    node.say({ op: 'send', to: 'real', data: 'x'.repeat(499) })
    await node.line({ event: 'error', code: 'too-large' })
    for (const data of ['a:,:b', 'a/EOLb', `${'x'.repeat(117)}é`]) node.say({ op: 'send', to: 'real', data })
    node.say({ op: 'send', to: 'real', data: 'fine' })
    await other.line({ event: 'message', text: 'fine' })
    expect(node.all('error').map(({ code }) => code)).toEqual([
      'too-large',
      'invalid-data',
      'invalid-data',
      'invalid-data',
    ])
  })

  test('a frame of it that is too long ends the connection, and the next advert brings it back', async () => {
    const [node, other] = [await ours('one', 'alpha'), await real('two', 'real')]
    await node.line({ event: 'peer', id: 'real' })
    other.say({ op: 'send', to: 'alpha', text: 'x'.repeat(499) })
    await node.line({ event: 'error', code: 'protocol-violation' })
    await node.line({ event: 'gone', id: 'real' })
    const goneAt = node.lines.length
    await node.line({ event: 'peer', id: 'real' }, goneAt)
    node.say({ op: 'send', to: 'real', data: 'again' })
    await other.line({ event: 'message', text: 'again' })
  }, 90_000)

  test('a bridge: the real program is a peer of an earshot room, and asks and answers there', async () => {
    const other = await real('one', 'sensor')
    const earshot = (host: string, folder: string, ...args: string[]) => {
      const process = new JsonProcess([...lab.prefix(host), 'node', MAIN, '--room', 'home', '--json', ...args], {
        XDG_CONFIG_HOME: `${freshFolder()}/${folder}`,
      })
      running.push(process)
      return process
    }
    const hub = earshot('two', 'hub', 'compat', 'bridge', 'pythonconnect', '--name', 'hub')
    await hub.line({ event: 'ready' })
    const answers = earshot('three', 'ben', 'answer', 'question', '--name', 'Ben', '--', 'cat')
    await hub.line({ event: 'peer', name: 'Ben', as: 'Ben' })
    await hub.line({ event: 'device', name: 'sensor' })

    const asks = earshot('three', 'ada', 'ask', 'sensor', 'question', '"temperature?"', '--name', 'Ada')
    await asks.line({ event: 'answer', name: 'sensor', value: 're:temperature?' })
    await other.line({ event: 'question', from: 'Ada', question: 'temperature?' })
    other.say({ op: 'ask', id: 1, to: ['Ben'], question: 'and you?' })
    expect(await other.line({ event: 'answers', id: 1 })).toMatchObject({ values: { Ben: 'and you?' } })
    await answers.line({ event: 'question', name: 'sensor' })

    const chat = earshot('three', 'eve', 'chat', '--name', 'Eve')
    await chat.line({ event: 'peer', name: 'sensor' })
    chat.say({ text: 'hello from the room' })
    await other.line({ event: 'message', from: 'Eve', text: '{"text":"hello from the room"}' })
    other.say({ op: 'send', to: 'Eve', text: 'hello from the sensor' })
    await chat.line({ event: 'message', name: 'sensor', data: 'hello from the sensor' })
    await other.stop()
    await chat.line({ event: 'gone', name: 'sensor' })
  })
})
