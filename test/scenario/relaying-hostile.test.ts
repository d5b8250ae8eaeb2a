/** Common peers and relays that lie, in virtual time. The others meet by an honest one, or learn why not, and nothing breaks. */

import { afterEach, describe, expect, test, vi } from 'vitest'
import { Carrier } from '../../src/endpoint/relaying/carrier.ts'
import { RelayDesk } from '../../src/endpoint/relaying/relay-desk.ts'
import { GONE, type Letter } from '../../src/endpoint/relaying/words.ts'
import type { EarshotError, Room } from '../../src/index.ts'
import type { ByteStream } from '../../src/messaging/open-stream.ts'
import { encodeValue } from '../../src/messaging/value.ts'
import { InternetStage, type JoinFar } from './internet-stage.ts'
import { failureOf, heardBy, peerOf } from './stage.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const FAR: JoinFar = { internet: { rendezvous: [], stun: [] } }

/** A public volunteer. */
async function joinRelay(stage: InternetStage, name: string): Promise<Room> {
  return stage.join(stage.net.host(name, { lans: ['internet'] }), { ...FAR, relay: {} })
}

function addressOf({ addresses }: Room): string {
  return addresses.find(address => !address.includes('['))!
}

/** Ada and Bob, who reach each other over relays only, and all that warns them. */
async function joinPair(stage: InternetStage, relays: readonly Room[], far: JoinFar = FAR) {
  const peers = relays.map(addressOf)
  const ada = await stage.join(stage.behind('ada', 'symmetric'), { ...far, peers })
  const bob = await stage.join(stage.behind('bob', 'symmetric'), { ...far, peers })
  const warnings: EarshotError[] = []
  for (const room of [ada, bob]) room.on('warning', warning => warnings.push(warning))
  return { ada, bob, warnings }
}

/** What relays do with streams, from now on. */
function relaysDo(
  cheat: (stream: ByteStream, fromId: string, header: unknown) => Parameters<RelayDesk['relay']>,
): void {
  const honest = RelayDesk.prototype.relay
  vi.spyOn(RelayDesk.prototype, 'relay').mockImplementation(function (this: RelayDesk, ...args) {
    return honest.call(this, ...cheat(...args))
  })
}

/** What common peers do with letters, from now on. */
function carriersDo(cheat: (carry: (letter: unknown) => Promise<void>, letter: Letter) => Promise<void>): void {
  const honest = Carrier.prototype.carry
  vi.spyOn(Carrier.prototype, 'carry').mockImplementation(function (this: Carrier, letter, fromId) {
    return cheat(other => honest.call(this, other, fromId), letter as Letter)
  })
}

function changed(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice()
  copy[at % copy.length]! ^= 1
  return copy
}

/** A stream whose chunks, as they come from the one who asked, become others. */
function altered(stream: ByteStream, alter: (chunk: Uint8Array, count: number) => readonly Uint8Array[]): ByteStream {
  let count = 0
  const transform = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      for (const each of alter(chunk, count++)) controller.enqueue(each)
    },
  })
  return { readable: stream.readable.pipeThrough(transform), writable: stream.writable }
}

describe('a relay that', () => {
  test.each<[what: string, alter: (chunk: Uint8Array, count: number) => readonly Uint8Array[]]>([
    ['changes the handshake', (chunk, count) => [count === 0 ? changed(chunk, 40) : chunk]],
    ['sends garbage', chunk => [new Uint8Array(chunk.length).fill(0xa5)]],
    ['swallows all of it', () => []],
    ['says everything twice', chunk => [chunk, chunk]],
    ['never ends', chunk => [chunk, ...Array.from({ length: 50 }, () => new Uint8Array(65_536).fill(7))]],
  ])('%s is of no use, and of no harm', async (_, alter) => {
    await InternetStage.play({}, async stage => {
      const relay = await joinRelay(stage, 'mallory')
      relaysDo((stream, fromId, header) => [altered(stream, alter), fromId, header])
      const { ada, bob } = await joinPair(stage, [relay])
      await stage.met([ada, relay])
      await stage.met([bob, relay])
      const error = await failureOf(ada.connect(bob.self.id, { timeoutMs: 30_000 }))
      expect(['unreachable', 'timeout', 'protocol-violation']).toContain(error['code'])
      expect(peerOf(ada, relay).state).toBe('here')
      expect(peerOf(bob, relay).state).toBe('here')
      vi.restoreAllMocks()
      await stage.met([ada, bob], 120_000)
    })
  })

  test('changes a byte later on loses the pair: what was sent arrives over an honest one', async () => {
    await InternetStage.play({}, async stage => {
      const relays = [await joinRelay(stage, 'mallory'), await joinRelay(stage, 'relay')]
      let mayLie = false
      const lies: string[] = []
      relaysDo((stream, fromId, header) => {
        const isFirst = lies.length === 0
        lies.push(fromId)
        const alter = (chunk: Uint8Array) => [isFirst && mayLie ? changed(chunk, chunk.length - 1) : chunk]
        return [altered(stream, alter), fromId, header]
      })
      const { ada, bob } = await joinPair(stage, relays)
      await stage.met([ada, bob])
      const [atAda, atBob] = [heardBy(ada), heardBy(bob)]
      const [toAda, toBob] = [peerOf(bob, ada), peerOf(ada, bob)]
      mayLie = true
      for (let i = 0; i < 50; i++) {
        void toBob.send(i)
        void toAda.send(i)
        await stage.net.advance(50)
      }
      await stage.until(() => atAda.length === 50 && atBob.length === 50, 60_000)
      const all = Array.from({ length: 50 }, (_, i) => i)
      expect([atAda, atBob]).toEqual([all, all])
      expect(peerOf(ada, bob)).toBe(toBob)
    })
  })

  test('names somebody else as the one who comes is not believed', async () => {
    await InternetStage.play({}, async stage => {
      const relay = await joinRelay(stage, 'mallory')
      const eve = await stage.join(stage.behind('eve', 'symmetric'), { ...FAR, peers: [addressOf(relay)] })
      await stage.met([eve, relay])
      relaysDo((stream, _, header) => [stream, eve.self.id, header])
      const { ada, bob } = await joinPair(stage, [relay])
      await stage.met([ada, relay])
      await stage.met([bob, relay])
      await stage.net.advance(30_000)
      expect(ada.peer(bob.self.id)).toBeUndefined()
      expect(bob.peer(ada.self.id)).toBeUndefined()
    })
  })

  test('leads to somebody else is found out: the handshake says who is there', async () => {
    await InternetStage.play({}, async stage => {
      const relay = await joinRelay(stage, 'mallory')
      const eve = await stage.join(stage.behind('eve', 'symmetric'), { ...FAR, peers: [addressOf(relay)] })
      await stage.met([eve, relay])
      relaysDo((stream, fromId) => [stream, fromId, { to: eve.self.id }])
      const { ada, bob } = await joinPair(stage, [relay])
      await stage.met([ada, relay])
      await stage.met([bob, relay])
      await stage.net.advance(30_000)
      expect(ada.peer(bob.self.id)).toBeUndefined()
      expect(bob.peer(ada.self.id)).toBeUndefined()
    })
  })
})

describe('a common peer that', () => {
  test('hands over everything twice does no harm', async () => {
    await InternetStage.play({}, async stage => {
      const relay = await joinRelay(stage, 'mallory')
      carriersDo((carry, letter) => carry(letter).then(() => carry(letter)))
      const { ada, bob, warnings } = await joinPair(stage, [relay])
      await stage.met([ada, bob])
      expect(warnings).toEqual([])
    })
  })

  test('keeps letters and hands them over in the wrong order does no harm', async () => {
    await InternetStage.play({}, async stage => {
      const relay = await joinRelay(stage, 'mallory')
      const kept: (() => Promise<void>)[] = []
      carriersDo(async (carry, letter) => {
        kept.unshift(() => carry(letter))
        if (kept.length >= 3) for (const hand of kept.splice(0)) await hand().catch(() => {})
      })
      const { ada, bob } = await joinPair(stage, [relay])
      await stage.met([ada, bob], 60_000)
    })
  })

  test('drops them is no help, and another one is', async () => {
    await InternetStage.play({}, async stage => {
      await stage.serveStun()
      const mallory = await joinRelay(stage, 'mallory')
      const relay = await joinRelay(stage, 'relay')
      let count = 0
      carriersDo(async (carry, letter) => {
        if (count++ % 2 === 0) await carry(letter)
      })
      const { ada, bob } = await joinPair(stage, [mallory, relay])
      await stage.met([ada, bob], 60_000)
    })
  })

  test('says that others are gone who are not is not believed', async () => {
    await InternetStage.play({}, async stage => {
      const relay = await joinRelay(stage, 'mallory')
      const { ada, bob } = await joinPair(stage, [relay], { internet: { ...FAR.internet, direct: 'only' } })
      const news: string[] = []
      ada.on('found', ({ id }) => id === bob.self.id && news.push('found'))
      ada.on('lost', () => news.push('lost'))
      await stage.until(() => news.length === 1)
      const { messenger } = peerOf(relay, ada)
      const lie = encodeValue({ id: bob.self.id })
      for (let i = 0; i < 50; i++) {
        await messenger.ask(GONE, lie, { timeoutMs: 1_000, signal: undefined })
        await stage.net.advance(2_000)
      }
      expect(news).toEqual(['found'])
    })
  })

  test('changes them is told of by a warning, and brings nobody together', async () => {
    await InternetStage.play({}, async stage => {
      const relay = await joinRelay(stage, 'mallory')
      carriersDo((carry, { topic, packet }) => carry({ topic, packet: changed(packet, 100) }))
      const { ada, bob, warnings } = await joinPair(stage, [relay])
      await stage.net.advance(30_000)
      expect(ada.peer(bob.self.id)).toBeUndefined()
      expect([...new Set(warnings.map(({ code }) => code))]).toEqual(['protocol-violation'])
      // One a minute, however many there are.
      expect(warnings.length).toBeLessThanOrEqual(4)
    })
  })

  test('keeps them for an hour hands over nothing that is taken', async () => {
    await InternetStage.play({}, async stage => {
      const relay = await joinRelay(stage, 'mallory')
      const kept: (() => Promise<void>)[] = []
      carriersDo(async (carry, letter) => void kept.push(() => carry(letter)))
      const { ada, bob, warnings } = await joinPair(stage, [relay])
      await stage.net.advance(3_600_000)
      expect(kept.length).toBeGreaterThan(0)
      for (const hand of kept.slice(0, 20)) void hand().catch(() => {})
      await stage.net.advance(1_000)
      expect(ada.peer(bob.self.id)).toBeUndefined()
      expect([...new Set(warnings.map(({ code }) => code))]).toEqual(['clock-skew'])
    })
  })
})
