/** Whoever keeps no rules: that connection ends with a code, and the node goes on. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PythonConnectNode } from '../../../src/compat/pythonconnect.ts'
import type { TcpConnection, UdpSocket } from '../../../src/platform/network.ts'
import { logOf, onStage, type Stage } from './stage.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)

/** A stranger's connection to a node, and whether it was hung up. */
async function intrude(stage: Stage, node: PythonConnectNode, name = 'mallory') {
  const { network } = stage.host(name).network
  const address = stage.host(node.name).addresses[0]!
  const tcp: TcpConnection = await network.connectTcp({ address, port: 4_112 }, { timeoutMs: 5_000 })
  const state = { hasEnded: false, heard: '' }
  const end = () => {
    state.hasEnded = true
  }
  tcp.start({
    onData: bytes => (state.heard += new TextDecoder().decode(bytes)),
    onDrain() {},
    onEnd: end,
    onClose: end,
  })
  return {
    tcp,
    state,
    say: (...parts: (string | Uint8Array)[]) =>
      parts.map(part => tcp.write(typeof part === 'string' ? utf8(part) : part)),
  }
}

/** Sends datagrams to everybody, or to one host. */
async function caller(stage: Stage, name = 'mallory'): Promise<UdpSocket> {
  const { network } = stage.host(name).network
  const options = { address: '0.0.0.0', port: 3_235, sharePort: true, multicastInterface: 'eth0', multicastTtl: 3 }
  return network.openUdp(options, { onDatagram() {}, onError() {} })
}

const GROUP = { address: '239.255.4.3', port: 3_235 }

test.each<[string, readonly (string | Uint8Array)[]]>([
  ['an unknown tag', ['mallory/EOL', 'HeLlO:,:x/EOL']],
  ['an empty frame', ['mallory/EOL', '/EOL']],
  ['a tag alone', ['mallory/EOL', 'MeSsAgE/EOL']],
  ['a question without a text', ['mallory/EOL', 'QuEsTiOn:,:1/EOL']],
  ['an id that is no number', ['mallory/EOL', 'AnSwEr:,:one:,:x/EOL']],
  ['a frame of 513 bytes', ['mallory/EOL', `MeSsAgE:,:${'x'.repeat(499)}/EOL`]],
  ['a frame without an end', ['mallory/EOL', 'x'.repeat(100_000)]],
  ['what is not UTF-8', ['mallory/EOL', Uint8Array.of(0xff, 0x2f, 0x45, 0x4f, 0x4c)]],
  ['an empty name', ['/EOL']],
  ['a name with a separator', ['a:,:b/EOL']],
  ['a name that is too long', [`${'x'.repeat(249)}/EOL`]],
  ['a name without an end', ['x'.repeat(600)]],
])('%s ends the connection with protocol-violation', (_, parts) =>
  onStage(async stage => {
    const [alpha, beta] = [await stage.node('alpha'), await stage.node('beta')]
    await stage.met([alpha, beta])
    const log = logOf(alpha)
    const { state, say } = await intrude(stage, alpha)
    say(...parts)
    await stage.advance(100)
    expect(state.hasEnded).toBe(true)
    expect(log.filter(line => line.startsWith('warning'))).toEqual(['warning protocol-violation'])
    beta.answer(() => 'still here')
    expect(await alpha.ask('beta', 'x')).toEqual(new Map([['beta', 'still here']]))
  }),
)

test('frames that are split at every byte, and joined, all arrive', () =>
  onStage(async stage => {
    const alpha = await stage.node('alpha')
    const log = logOf(alpha)
    alpha.answer(question => question.toUpperCase())
    const { say, state } = await intrude(stage, alpha)
    say('mallory/EOLMeSsAgE:,:joined to the name/EOLMeSsAgE:,:and to this/EOL')
    for (const byte of utf8('MeSsAgE:,:héllo 😀/EOL')) {
      say(Uint8Array.of(byte))
      await stage.advance(1)
    }
    say('QuEsTiOn:,:7:,:a/EOLQuEsTiOn:,:8:,:b/EOLquitQUITquit/EOL')
    await stage.advance(100)
    expect(log).toEqual([
      'peer mallory',
      'mallory: joined to the name',
      'mallory: and to this',
      'mallory: héllo 😀',
      'gone mallory closed',
    ])
    expect(state.hasEnded).toBe(true)
  }))

test('with segments of any size the same arrives', () =>
  onStage(
    async stage => {
      const nodes = [await stage.node('alpha'), await stage.node('beta')]
      await stage.met(nodes)
      const got: string[] = []
      nodes[1]!.on('message', ({ data }) => got.push(data))
      for (let i = 0; i < 50; i++) await nodes[0]!.send(`${'é'.repeat(i)} ${i}`)
      await stage.advance(500)
      expect(got).toEqual(Array.from({ length: 50 }, (_, i) => `${'é'.repeat(i)} ${i}`))
    },
    { segmentation: 'random' },
  ))

test('who says no name is hung up on after 5 s, and only so many may wait', () =>
  onStage(async stage => {
    const alpha = await stage.node('alpha')
    const silent = await Promise.all(Array.from({ length: 140 }, () => intrude(stage, alpha)))
    await stage.advance(100)
    expect(silent.filter(({ state }) => !state.hasEnded)).toHaveLength(128)
    await stage.advance(5_000)
    expect(silent.filter(({ state }) => !state.hasEnded)).toHaveLength(0)
    const { say } = await intrude(stage, alpha)
    say('mallory/EOL')
    await stage.advance(10)
    expect(alpha.peer('mallory')).toBeDefined()
  }))

test('a flood of adverts costs little: few are answered, few are dialled, and honest devices are found', () =>
  onStage(async stage => {
    const alpha = await stage.node('alpha')
    const said: string[] = []
    let dials = 0
    stage.net.trace(({ host, protocol, flags, bytes }) => {
      if (host !== 'alpha') return
      if (protocol === 'udp') said.push(new TextDecoder().decode(bytes))
      if (flags === 'syn') dials++
    })
    const socket = await caller(stage)
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 500; i++) socket.send(utf8(`hello:,:z${round}-${i}`), GROUP)
      await stage.advance(50)
    }
    expect(said.length).toBeLessThanOrEqual(20)
    expect(dials).toBeLessThan(100)
    const beta = await stage.node('beta')
    await stage.met([alpha, beta], 2_000)
  }))

test('datagrams of any bytes hurt nobody', () =>
  onStage(async stage => {
    const alpha = await stage.node('alpha')
    const log = logOf(alpha)
    const socket = await caller(stage)
    const datagrams = fc.sample(fc.uint8Array({ maxLength: 600 }), { numRuns: 200, seed: 1 })
    for (const bytes of datagrams) {
      socket.send(bytes, GROUP)
      socket.send(Uint8Array.from([...utf8('alive:,:'), ...bytes]), GROUP)
      await stage.advance(5)
    }
    const beta = await stage.node('beta')
    await stage.met([alpha, beta], 2_000)
    expect(log.filter(line => !line.startsWith('peer'))).toEqual([])
  }))

test('nobody takes the name of somebody who is connected', () =>
  onStage(async stage => {
    const [alpha, beta] = [await stage.node('alpha'), await stage.node('beta')]
    await stage.met([alpha, beta])
    const log = logOf(alpha)
    const socket = await caller(stage)
    for (let i = 0; i < 5; i++) {
      socket.send(utf8('alive:,:beta'), GROUP)
      await stage.advance(100)
    }
    const { state, say } = await intrude(stage, alpha)
    say('beta/EOL', 'MeSsAgE:,:I am beta/EOL')
    await stage.advance(100)
    expect(state.hasEnded).toBe(true)
    expect(log).toEqual(['peer beta', 'warning name-taken'])
    expect(alpha.peer('beta')?.address).toBe(stage.host('beta').addresses[0])
  }))

test('a device that started again takes its own place', () =>
  onStage(async stage => {
    const alpha = await stage.node('alpha')
    const log = logOf(alpha)
    const old = await intrude(stage, alpha, 'mallory')
    old.say('mallory/EOL')
    await stage.advance(10_000)
    const fresh = await intrude(stage, alpha, 'mallory')
    fresh.say('mallory/EOL')
    await stage.advance(100)
    expect(log).toEqual(['peer mallory', 'gone mallory closed', 'peer mallory'])
    expect([old.state.hasEnded, fresh.state.hasEnded]).toEqual([true, false])
  }))

test('more questions than can be answered are dropped with a warning', () =>
  onStage(async stage => {
    const alpha = await stage.node('alpha')
    const log = logOf(alpha)
    let asked = 0
    alpha.answer(() => {
      asked++
      return new Promise<string>(() => {})
    })
    const { say } = await intrude(stage, alpha)
    say('mallory/EOL')
    for (let i = 0; i < 100; i++) say(`QuEsTiOn:,:${i}:,:x/EOL`)
    await stage.advance(100)
    expect(asked).toBe(64)
    expect(log.filter(line => line === 'warning limit-reached')).toHaveLength(36)
  }))

test('answers to no question, late, twice or from somebody else, are nothing', () =>
  onStage(async stage => {
    const [alpha, beta] = [await stage.node('alpha'), await stage.node('beta')]
    await stage.met([alpha, beta])
    let tell = (_: string) => {}
    beta.answer(() => new Promise<string>(resolve => (tell = resolve)))
    const { say } = await intrude(stage, alpha)
    say('mallory/EOL')
    await stage.advance(100)
    const asked = alpha.ask('beta', 'x', { timeoutMs: 1_000 })
    await stage.advance(10)
    say(...Array.from({ length: 400 }, (_, i) => `AnSwEr:,:${i * 25}:,:lie/EOL`))
    await stage.advance(100)
    tell('truth')
    expect(await asked).toEqual(new Map([['beta', 'truth']]))
  }))

test('a ping asks for an advert, and no more often than newcomers do', () =>
  onStage(async stage => {
    const alpha = await stage.node('alpha')
    const { say } = await intrude(stage, alpha)
    say('mallory/EOL')
    await stage.advance(1_000)
    let adverts = 0
    stage.net.trace(({ host, protocol }) => {
      if (host === 'alpha' && protocol === 'udp') adverts++
    })
    say('PiNg/EOL')
    await stage.advance(100)
    expect(adverts).toBe(1)
    for (let i = 0; i < 1_000; i++) say('PiNg/EOL')
    await stage.advance(100)
    expect(adverts).toBe(16)
  }))
