import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { discover, join, type Room } from '../../src/index.ts'
import { simulate } from '../../src/testing/index.ts'
import { failureOf } from './stage.ts'

const { network } = simulate().host('ada')
// biome-ignore lint: wrong arguments are the subject
type Anything = any

const tooLong = 'x'.repeat(64)

describe('join', () => {
  test.each<[string, unknown, RegExp, 'TypeError' | 'RangeError']>([
    ['the service', 5, /service.*5/, 'TypeError'],
    ['the service', undefined, /service.*undefined/, 'TypeError'],
    ['the service', '', /1 to 15.*''/, 'RangeError'],
    ['the service', 'sixteen-letters-', /1 to 15.*'sixteen-letters-'/, 'RangeError'],
    ['the service', 'Chat', /a-z.*'Chat'/, 'RangeError'],
    ['the service', 'a--b', /'a--b'/, 'RangeError'],
    ['the service', '-a', /'-a'/, 'RangeError'],
    ['the service', '123', /letter.*'123'/, 'RangeError'],
    ['the service', 'ch\u00e4t', /a-z/, 'RangeError'],
  ])('refuses %s %j', async (_, service, message, name) => {
    await expect(join(service as string, { network })).rejects.toMatchObject({
      name,
      message: expect.stringMatching(message),
    })
  })

  test.each<[string, unknown, RegExp, 'TypeError' | 'RangeError']>([
    ['name', 5, /name.*5/, 'TypeError'],
    ['name', '', /name.*1 to 63/, 'RangeError'],
    ['name', tooLong, /name.*1 to 63.*64/, 'RangeError'],
    ['name', '\u{1f600}'.repeat(16), /name.*63.*64/, 'RangeError'],
    ['identity', {}, /identity.*Identity\.generate/, 'TypeError'],
    ['identity', 'abc', /identity.*'abc'/, 'TypeError'],
    ['info', () => 1, /info.*JSON/, 'TypeError'],
    ['info', 'x'.repeat(399), /info.*400.*401/, 'RangeError'],
    ['info', 1n, /info.*JSON/, 'TypeError'],
    ['hello', 'x'.repeat(20_000), /hello.*16384/, 'RangeError'],
    ['secret', 5, /secret.*number/, 'TypeError'],
    ['secret', '', /secret.*1 to 1024/, 'RangeError'],
    ['secret', 'x'.repeat(1_025), /secret.*1024.*1025/, 'RangeError'],
    ['admit', true, /admit.*function.*true/, 'TypeError'],
    ['maxPeers', -1, /maxPeers.*-1/, 'RangeError'],
    ['maxPeers', 1.5, /maxPeers.*1\.5/, 'RangeError'],
    ['maxPeers', Number.NaN, /maxPeers.*NaN/, 'RangeError'],
    ['maxPeers', '3', /maxPeers.*'3'/, 'RangeError'],
    ['visible', 'no', /visible.*'no'/, 'TypeError'],
    ['discovery', 'mdns', /discovery.*array.*'mdns'/, 'TypeError'],
    ['discovery', ['smoke'], /discovery.*'mdns'.*'smoke'/, 'RangeError'],
    ['peers', '1.2.3.4:5', /peers.*array/, 'TypeError'],
    ['peers', ['1.2.3.4'], /peers.*ip:port.*'1\.2\.3\.4'/, 'RangeError'],
    ['peers', ['1.2.3.4:0'], /peers.*'1\.2\.3\.4:0'/, 'RangeError'],
    ['peers', ['1.2.3.4:65536'], /peers.*65536/, 'RangeError'],
    ['peers', [7], /peers.*7/, 'TypeError'],
    ['interfaces', 'eth0', /interfaces.*object/, 'TypeError'],
    ['interfaces', { include: 'eth0' }, /interfaces\.include.*'eth0'/, 'TypeError'],
    ['interfaces', { exclude: [5] }, /interfaces\.exclude/, 'TypeError'],
    ['listen', { port: 70_000 }, /listen\.port.*0 to 65535.*70000/, 'RangeError'],
    ['listen', { port: '80' }, /listen\.port.*'80'/, 'RangeError'],
    ['listen', { host: 7 }, /listen\.host.*7/, 'TypeError'],
    ['listen', 4112, /listen.*object.*4112/, 'TypeError'],
    ['signal', {}, /signal.*AbortSignal/, 'TypeError'],
  ])('refuses the option %s (%#)', async (option, value, message, name) => {
    await expect(join('chat', { network, [option]: value } as Anything)).rejects.toMatchObject({
      name,
      message: expect.stringMatching(message),
    })
  })

  test('refuses options that are no object', async () => {
    await expect(join('chat', 5 as Anything)).rejects.toThrow(TypeError)
    await expect(join('chat', null as Anything)).rejects.toThrow(TypeError)
  })

  test('says nothing of a secret', async () => {
    const error = await failureOf(join('chat', { network, secret: `hush${'x'.repeat(2_000)}` }))
    expect(error.message).not.toContain('hush')
  })
})

describe('discover', () => {
  test.each<[unknown, object]>([
    ['No', {}],
    [5, {}],
    ['chat', { signal: 5 }],
    ['chat', { interfaces: 5 }],
  ])('refuses %j with %j', async (service, options) => {
    const sightings = discover(service as string, { network, ...options } as Anything)
    expect((await failureOf(sightings.next())).name).toMatch(/TypeError|RangeError/)
  })
})

describe('a room', () => {
  const net = simulate()
  let room: Room

  beforeAll(async () => {
    room = await net.until(join('chat', { network: net.host('ada').network }))
  })
  afterAll(() => net.until(room.close()))

  const calls: [string, RegExp, (room: Anything) => unknown][] = [
    ['send to a number', /peer/, room => room.send('x', { to: 5 })],
    ['send to nothing', /peer/, room => room.send('x', { to: [null] })],
    ['send by pigeon', /delivery.*'reliable'.*'pigeon'/, room => room.send('x', { delivery: 'pigeon' })],
    ['send with a wrong signal', /signal/, room => room.send('x', { signal: 5 })],
    ['send a function', /function/, room => room.send(() => 0)],
    ['a channel without a name', /channel.*1 to 128/, room => room.channel('')],
    ['a channel of a long name', /channel.*128.*129/, room => room.channel('x'.repeat(129))],
    ['a channel of a number', /channel.*5/, room => room.channel(5)],
    ['an answer without a function', /function/, room => room.answer('x', 5)],
    ['an answer without a name', /question/, room => room.answer('', () => 0)],
    ['ask nobody', /peer/, room => room.ask(undefined, 'x')],
    ['askAll with a wrong time', /timeoutMs.*-1/, room => room.askAll('x', 0, { timeoutMs: -1 }).next()],
    ['connect to a number', /connect.*5/, room => room.connect(5)],
    ['connect with a wrong time', /timeoutMs.*NaN/, room => room.connect('a', { timeoutMs: Number.NaN })],
    ['connect with a wrong signal', /signal/, room => room.connect('a', { signal: {} })],
    ['listen to what there is not', /peer-gone.*'error'/, room => room.on('error', () => 0)],
    ['listen with nothing', /function/, room => room.on('peer')],
    ['wait for what there is not', /'msg'/, room => room.once('msg')],
    ['wait a wrong time', /timeoutMs.*'1 s'/, room => room.once('peer', { timeoutMs: '1 s' })],
    ['wait with a wrong signal', /signal/, room => room.once('peer', { signal: 5 })],
    ['be half visible', /visible.*'half'/, room => (room.visible = 'half')],
    ['tell too much', /info.*400/, room => room.setInfo('x'.repeat(500))],
  ]

  test.each(calls)('refuses to %s', async (_, message, call) => {
    const error = await failureOf((async () => call(room))())
    expect(error.name).toMatch(/TypeError|RangeError/)
    expect(error.message).toMatch(message)
  })
})
