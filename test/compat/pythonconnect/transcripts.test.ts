/**
 * The recorded transcripts, replayed segment by segment at the recorded times: one side is what the real program sent, the
 * other is ours, in both roles. What we send must be what the real program sent in our place, byte for byte; only the ids
 * of questions, which it draws by chance, are ours.
 */

import { describe, expect, test } from 'vitest'
import { PythonConnectNode } from '../../../src/compat/pythonconnect.ts'
import type { TcpConnection } from '../../../src/platform/network.ts'
import { type SimulatedHost, type SimulatedNetwork, simulate } from '../../../src/testing/index.ts'
import { readTranscript, type TranscriptLine } from '../transcript.ts'

const GROUP = { address: '239.255.4.3', port: 3_235 }
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

type Side = 'A' | 'B'

interface Sent {
  readonly udp: readonly string[]
  readonly tcp: readonly string[]
  readonly dials: boolean
}

/** What a side of the recording sent. */
function recorded(transcript: readonly TranscriptLine[], side: Side): Sent {
  const own = transcript.filter(({ from }) => from.host === side)
  return {
    udp: own.filter(({ protocol }) => protocol === 'udp').map(({ bytes }) => text(bytes)),
    tcp: own.filter(({ kind }) => kind === 'DATA').map(({ bytes }) => text(bytes)),
    dials: own.some(({ kind }) => kind === 'SYN'),
  }
}

/** Sends what the recorded side sent, when it did; the ids of its answers are those that it was asked with. */
class Replay {
  readonly #host: SimulatedHost
  readonly #net: SimulatedNetwork
  readonly #ids: string[] = []
  #tcp: Promise<TcpConnection>
  #onTcp!: (tcp: TcpConnection) => void

  constructor(net: SimulatedNetwork, host: SimulatedHost) {
    this.#net = net
    this.#host = host
    this.#tcp = new Promise(resolve => {
      this.#onTcp = resolve
    })
  }

  async play(packets: readonly TranscriptLine[], other: SimulatedHost): Promise<void> {
    const { network } = this.#host.network
    const options = {
      address: '0.0.0.0',
      port: GROUP.port,
      sharePort: true,
      multicastInterface: 'eth0',
      multicastTtl: 3,
    }
    const udp = await network.openUdp(options, { onDatagram() {}, onError() {} })
    const listener = await network.listenTcp({ host: '0.0.0.0', port: 4_112 }, tcp => this.#start(tcp))
    for (const { ms, protocol, kind, bytes } of packets) {
      await this.#net.advance(Math.max(0, ms - this.#net.now))
      if (protocol === 'udp') udp.send(bytes, GROUP)
      if (kind === 'SYN') {
        const remote = { address: other.addresses[0]!, port: 4_112 }
        void network.connectTcp(remote, { timeoutMs: 5_000 }).then(tcp => this.#start(tcp))
      }
      if (kind === 'DATA') (await this.#tcp).write(this.#withOurId(bytes))
    }
    await this.#net.advance(200)
    udp.close()
    await listener.close()
    ;(await this.#tcp).destroy()
  }

  #start(tcp: TcpConnection): void {
    tcp.start({
      onData: bytes => this.#ids.push(...[...text(bytes).matchAll(/^QuEsTiOn:,:(\d+):,:/g)].map(([, id]) => id!)),
      onDrain() {},
      onEnd() {},
      onClose() {},
    })
    this.#onTcp(tcp)
  }

  #withOurId(bytes: Uint8Array): Uint8Array {
    const answer = /^AnSwEr:,:\d+:,:(.*)$/s.exec(text(bytes))
    return answer ? new TextEncoder().encode(`AnSwEr:,:${this.#ids.shift()}:,:${answer[1]}`) : bytes
  }
}

const withoutIds = (frames: readonly string[]) =>
  frames.map(frame => frame.replace(/^(QuEsTiOn:,:)\d{1,4}:,:/, '$1ID:,:'))

/** Our node in the place of one side. `act` is what its application did, by the recording's own clock. */
async function perform(
  name: string,
  own: { readonly side: Side; readonly name: string; readonly startsAt: number },
  act: (node: PythonConnectNode, net: SimulatedNetwork) => Promise<void> = async () => {},
): Promise<void> {
  const transcript = readTranscript(`pythonconnect-${name}`)
  const net = simulate()
  net.lan('home')
  const [host, other] = [net.host('ours'), net.host('theirs')]
  const sent = { udp: [] as string[], tcp: [] as string[], dials: false }
  net.trace(packet => {
    if (packet.host !== 'ours') return
    if (packet.protocol === 'udp') sent.udp.push(text(packet.bytes))
    else if (packet.bytes.length > 0) sent.tcp.push(text(packet.bytes))
    if (packet.flags === 'syn') sent.dials = true
    if (packet.protocol === 'udp')
      expect([packet.from, packet.to]).toEqual([`${host.addresses[0]}:3235`, '239.255.4.3:3235'])
  })
  await net.run(async () => {
    const replay = new Replay(net, other).play(
      transcript.filter(({ from }) => from.host !== own.side),
      host,
    )
    await net.advance(own.startsAt)
    await using node = await PythonConnectNode.join({ name: own.name, network: host.network })
    node.answer(question => `re:${question}`)
    await act(node, net)
    await replay
    const expected = recorded(transcript, own.side)
    expect(sent.dials).toBe(expected.dials)
    expect(withoutIds(sent.tcp)).toEqual(withoutIds(expected.tcp))
    expect(sent.udp).toEqual(expected.udp)
  })
}

const at = async (net: SimulatedNetwork, ms: number): Promise<void> => net.advance(Math.max(0, ms - net.now))

describe('joining, the smaller name first', () => {
  test('in the place of the one that was there, and dials', () =>
    perform('01-join-low-first', { side: 'A', name: 'alpha', startsAt: 0 }))
  test('in the place of the one that comes, and is dialled', () =>
    perform('01-join-low-first', { side: 'B', name: 'beta', startsAt: 1_040.7 }))
})

describe('joining, the larger name first', () => {
  test('in the place of the one that was there, and is dialled', () =>
    perform('02-join-high-first', { side: 'A', name: 'zeta', startsAt: 0 }))
  test('in the place of the one that comes, and dials', () =>
    perform('02-join-high-first', { side: 'B', name: 'beta', startsAt: 1_047.8 }))
})

describe('messages and questions', () => {
  test('in the place of the one that asks', () =>
    perform('03-messages', { side: 'A', name: 'alpha', startsAt: 0 }, async (node, net) => {
      await at(net, 2_041)
      await node.send('hello beta', { to: 'beta' })
      expect(await node.once('message')).toEqual({ data: 'héllo all', from: node.peer('beta') })
      await at(net, 2_443)
      expect(await node.ask('beta', 'what time?')).toEqual(new Map([['beta', 're:what time?']]))
      await at(net, 2_648)
      const answers = await node.ask(['beta', 'nobody'], 'second', { timeoutMs: 500 })
      expect(answers).toEqual(
        new Map([
          ['beta', 're:second'],
          ['nobody', null],
        ]),
      )
    }))

  test('in the place of the one that answers', () =>
    perform('03-messages', { side: 'B', name: 'beta', startsAt: 1_041 }, async (node, net) => {
      expect(await node.once('message')).toEqual({ data: 'hello beta', from: node.peer('alpha') })
      await at(net, 2_242)
      await node.send('héllo all')
    }))
})
