import { describe, expect, test } from 'vitest'
import type { Advert } from '../../src/discovery/discovery.ts'
import {
  encodeAdvert,
  ROOM_SERVICE_TYPE,
  roomHostLabel,
  roomInstanceLabel,
  roomSubtype,
} from '../../src/discovery/dns-sd/room-advert.ts'
import { ServicePublication } from '../../src/discovery/dns-sd/service-publication.ts'
import { MdnsEngine } from '../../src/discovery/mdns/mdns-engine.ts'
import { decodeMessage, encodeMessage, message } from '../../src/discovery/mdns/message.ts'
import { type Caller, Identity, type Room } from '../../src/index.ts'
import { MAX_AWAY_PER_ADDRESS, MAX_MESSAGE_BYTES } from '../../src/limits.ts'
import { defaultInterfaces } from '../../src/platform/interface-choice.ts'
import type { NetworkInterface, SocketAddress, TcpListener } from '../../src/platform/network.ts'
import type { Platform } from '../../src/platform/platform.ts'
import { encodeLabel, Frame, Payload, payloadLength, putPayload } from '../../src/session/frame.ts'
import { InitiatorHandshake } from '../../src/session/handshake.ts'
import { HandshakeParty } from '../../src/session/handshake-party.ts'
import { ByteWriter } from '../../src/wire/byte-writer.ts'
import { Intruder } from './intruder.ts'
import { RawConnection } from './raw-connection.ts'
import { failureOf, heardBy, logOf, namesOf, onStage, peerOf, type Stage } from './stage.ts'

const PORT = 4112
const ADA: SocketAddress = { address: '192.168.1.2', port: PORT }

/** Ada, who is attacked, and bob, who must not notice. */
async function adaAndBob(stage: Stage): Promise<{ ada: Room; bob: Room; calm: () => Promise<void> }> {
  const ada = await stage.join('ada', { listen: { port: PORT } })
  const bob = await stage.join('bob')
  await stage.met([ada, bob])
  const logs = [logOf(ada), logOf(bob)]
  const before = await peerOf(bob, ada).ping()
  const calm = async () => {
    expect(await peerOf(bob, ada).ping()).toBeLessThanOrEqual(before * 2)
    const heard = heardBy(bob)
    await peerOf(ada, bob).send('all is well', { receipt: true })
    expect(heard).toContain('all is well')
    const ofOthers = logs.flat().filter(line => !/mallory|eve|^warning/.test(line))
    expect(ofOthers).toEqual(['peer bob', 'peer ada'])
  }
  return { ada, bob, calm }
}

function connectionsOf(stage: Stage, host: string): number {
  return stage
    .host(host)
    .open()
    .filter(({ kind }) => kind === 'tcp connection').length
}

describe('connections that never become peers', () => {
  test('from one address hold at most their share of places, and 5 s each', () =>
    onStage(async stage => {
      const { ada, calm } = await adaAndBob(stage)
      const mallory = stage.host('mallory').network
      const flood: RawConnection[] = []
      for (let i = 0; i < 200; i++) flood.push(await RawConnection.open(mallory, ADA))
      await stage.advance(100)
      // The newest have the places, the others were told why they have none.
      expect(flood.map(({ hasEnded }) => hasEnded)).toEqual(flood.map((_, i) => i < 200 - 64))
      expect(connectionsOf(stage, 'ada')).toBe(64 + 1)
      expect(flood[0]!.received).toEqual(Uint8Array.of(0, 0, 5))
      await calm()
      const eve = await stage.join('eve')
      expect(await stage.met([ada, eve])).toBeLessThan(1_000)
      await stage.advance(5_000)
      expect(flood.filter(({ hasEnded }) => !hasEnded)).toEqual([])
      expect(connectionsOf(stage, 'ada')).toBe(2)
    }))

  test('from many addresses, renewed all the time, do not keep a newcomer out', () =>
    onStage(async stage => {
      const { ada, calm } = await adaAndBob(stage)
      const hosts = Array.from({ length: 12 }, (_, i) => stage.host(`mallory-${i}`).network)
      const open: RawConnection[] = []
      let isOver = false
      const flooding = Promise.all(
        hosts.map(async host => {
          while (!isOver) {
            open.push(await RawConnection.open(host, ADA))
            await stage.advance(50)
          }
        }),
      )
      await stage.advance(4_000)
      expect(connectionsOf(stage, 'ada')).toBeGreaterThan(100)
      expect(connectionsOf(stage, 'ada')).toBeLessThanOrEqual(128 + 1)
      await calm()
      const eve = await stage.join('eve')
      expect(await stage.met([ada, eve])).toBeLessThan(1_000)
      isOver = true
      await flooding
      for (const each of open) each.destroy()
    }))

  test('take no place from somebody honest of another host, however slow', () =>
    onStage(async stage => {
      const { calm } = await adaAndBob(stage)
      const slow = await RawConnection.open(stage.host('mallory-slow').network, ADA)
      const hosts = Array.from({ length: 4 }, (_, i) => stage.host(`mallory-${i}`).network)
      for (let i = 0; i < 400; i++) {
        await RawConnection.open(hosts[i % 4]!, ADA)
        await stage.advance(2)
      }
      expect(slow.hasEnded).toBe(false)
      expect(connectionsOf(stage, 'ada')).toBe(128 + 1)
      await calm()
      await stage.advance(5_000)
    }))

  test('that come after the handshake, when others need their places, are told so', () =>
    onStage(async stage => {
      const { calm } = await adaAndBob(stage)
      const mallory = stage.host('mallory').network
      const silent = await Intruder.handshake(mallory, ADA)
      for (let i = 0; i < 64; i++) await RawConnection.open(mallory, ADA)
      await stage.advance(10)
      expect(silent.isCutOff).toBe(true)
      await calm()
      await stage.advance(5_000)
    }))

  test('are turned away where one host begins more than its share in a second, and others are not', () =>
    onStage(async stage => {
      const { ada, calm } = await adaAndBob(stage)
      const mallory = stage.host('mallory').network
      await stage.advance(1_000 - (stage.net.now % 1_000))
      const flood: RawConnection[] = []
      for (let i = 0; i < 300; i++) flood.push(await RawConnection.open(mallory, ADA))
      expect(Math.floor(stage.net.now / 1_000)).toBe(Math.floor((stage.net.now - 1) / 1_000))
      await stage.advance(10)
      const open = flood.flatMap(({ hasEnded }, i) => (hasEnded ? [] : [i]))
      expect(open).toEqual(Array.from({ length: 64 }, (_, i) => 256 - 64 + i))
      expect(flood.at(-1)!.received).toEqual(Uint8Array.of(0, 0, 5))
      await calm()
      const eve = await stage.join('eve')
      expect(await stage.met([ada, eve])).toBeLessThan(1_000)
      await stage.advance(5_000)
    }))

  test.each([
    ['a web browser', new TextEncoder().encode('GET / HTTP/1.1\r\nHost: ada\r\n\r\n')],
    ['a TLS client', Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...Array(512).fill(7))],
    ['noise', Uint8Array.from({ length: 5_000 }, (_, i) => (i * 197 + 31) % 256)],
    ['zeros', new Uint8Array(100_000)],
    ['one byte', Uint8Array.of(255)],
  ])('like %s get no answer, and are cut off', (_, bytes) =>
    onStage(async stage => {
      const { calm } = await adaAndBob(stage)
      const caller = await RawConnection.open(stage.host('mallory').network, ADA)
      caller.write(bytes)
      await stage.until(() => caller.hasEnded, 5_100)
      expect(caller.received).toEqual(new Uint8Array(0))
      await calm()
      expect(connectionsOf(stage, 'ada')).toBe(1)
    }),
  )

  test('that begin well and drip on are cut off after 5 s', () =>
    onStage(async stage => {
      const { calm } = await adaAndBob(stage)
      const mallory = stage.host('mallory').network
      const first = openingOf(mallory)
      const caller = await RawConnection.open(mallory, ADA)
      const startedAt = stage.net.now
      for (const byte of first) {
        if (caller.hasEnded) break
        caller.write(Uint8Array.of(byte))
        await stage.advance(200)
      }
      await stage.until(() => caller.hasEnded, 6_000)
      expect(stage.net.now - startedAt).toBeLessThanOrEqual(5_400)
      await calm()
    }))

  test('that stop after the handshake, or do not answer it, are cut off after 5 s', () =>
    onStage(async stage => {
      const { calm } = await adaAndBob(stage)
      const mallory = stage.host('mallory').network
      const silent = await Intruder.handshake(mallory, ADA)
      const halfWay = await RawConnection.open(mallory, ADA)
      halfWay.write(openingOf(mallory))
      await stage.advance(4_000)
      expect([silent.isCutOff, halfWay.hasEnded]).toEqual([false, false])
      await stage.advance(1_500)
      expect([silent.isCutOff, halfWay.hasEnded]).toEqual([true, true])
      await calm()
    }))

  test('that are cut in the middle of anything leave nothing', () =>
    onStage(async stage => {
      const { calm } = await adaAndBob(stage)
      const mallory = stage.host('mallory').network
      const opening = openingOf(mallory)
      for (let length = 1; length <= opening.length; length += 3) {
        const caller = await RawConnection.open(mallory, ADA)
        caller.write(opening.slice(0, length))
        await stage.advance(2)
        caller.destroy()
      }
      await stage.advance(100)
      expect(connectionsOf(stage, 'ada')).toBe(1)
      await calm()
    }))
})

function openingOf({ random }: Platform): Uint8Array {
  return new InitiatorHandshake(new HandshakeParty({ identity: Identity.generate(), service: 'chat', random })).start()
}

describe('callers who wait for an `admit` that never answers', () => {
  test('take no more than their places, and those whom the program wants come in', () =>
    onStage(async stage => {
      const asked = new Set<string>()
      const ada = await stage.join('ada', {
        listen: { port: PORT },
        admit: caller => {
          asked.add(caller.id)
          return new Promise(() => {})
        },
      })
      const mallory = stage.host('mallory').network
      const intruders: Intruder[] = []
      for (let i = 0; i < 100; i++) intruders.push(await Intruder.enter(mallory, ADA))
      await stage.advance(1_000)
      expect(intruders.filter(({ isCutOff }) => !isCutOff)).toHaveLength(64)
      expect(asked.size).toBe(64)
      const bob = await stage.join('bob')
      expect((await ada.connect('bob')).name).toBe('bob')
      await stage.advance(60_000)
      expect(intruders.filter(({ isCutOff }) => !isCutOff)).toEqual([])
      expect(namesOf(bob)).toEqual(['ada'])
    }))
})

describe('a connection kept in reserve', () => {
  /** Ada's id is the smaller one: she admits on every connection, and takes the one that becomes a session. */
  async function adaAndMallory(stage: Stage): Promise<{ ada: Room; identity: Identity; network: Platform }> {
    const [small, large] = [Identity.generate(), Identity.generate()].sort((a, b) => (a.id < b.id ? -1 : 1))
    const ada = await stage.join('ada', { listen: { port: PORT }, identity: small! })
    return { ada, identity: large!, network: stage.host('mallory').network }
  }

  test.each([
    ['a ban', { banMs: 600_000 }],
    ['a kick', {}],
  ])('does not bring back a peer after %s', (_, options) =>
    onStage(async stage => {
      const { ada, identity, network } = await adaAndMallory(stage)
      await Intruder.enter(network, ADA, { identity })
      await stage.until(() => ada.peers.length === 1)
      const reserve = await Intruder.knock(network, ADA, { identity })
      await stage.advance(1_000)
      expect(reserve.isCutOff).toBe(false)
      await ada.peers[0]!.kick('out', options)
      reserve.admit()
      await stage.advance(1_000)
      expect(reserve.isCutOff).toBe(true)
      expect(ada.peers).toEqual([])
      expect(connectionsOf(stage, 'ada')).toBe(0)
    }),
  )

  test('does not open a locked room', () =>
    onStage(async stage => {
      const { ada, identity, network } = await adaAndMallory(stage)
      const reserve = await Intruder.knock(network, ADA, { identity })
      await stage.advance(1_000)
      expect(reserve.isCutOff).toBe(false)
      ada.lock()
      reserve.admit()
      await stage.advance(1_000)
      expect(reserve.isCutOff).toBe(true)
      expect(ada.peers).toEqual([])
    }))

  test('takes no place that was promised to another in the same moment', () =>
    onStage(async stage => {
      let decide = (): void => {}
      const decided = new Promise<void>(resolve => {
        decide = resolve
      })
      let asked = 0
      const ada = await stage.join('ada', {
        listen: { port: PORT },
        maxPeers: 1,
        admit: async caller => {
          asked++
          await decided
          return caller.accept()
        },
      })
      const { network } = stage.host('mallory')
      const reserves = await Promise.all(Array.from({ length: 3 }, () => Intruder.knock(network, ADA)))
      await stage.until(() => asked === 3)
      decide()
      await stage.advance(1_000)
      expect(reserves.filter(({ isCutOff }) => !isCutOff)).toHaveLength(1)
      for (const reserve of reserves) reserve.admit()
      await stage.advance(1_000)
      expect(ada.peers).toHaveLength(1)
    }))
})

describe('a peer', () => {
  const message = (label: number, receipt: number, body: Uint8Array) => {
    const bytes = new Uint8Array(payloadLength(label, receipt, body.length))
    putPayload(bytes, 0, Payload.message, label, receipt, body)
    return bytes
  }
  const question = (id: number) => {
    const bytes = new Uint8Array(payloadLength(id, 1, 0))
    putPayload(bytes, 0, Payload.question, id, 1, new Uint8Array(0))
    return bytes
  }
  const attacks: readonly [string, (intruder: Intruder) => void][] = [
    ['sends a frame of an unknown type', intruder => intruder.send(Uint8Array.of(0x77))],
    ['greets twice', intruder => intruder.send(Uint8Array.of(Frame.hello, 0))],
    ['sends an empty record and half a frame', intruder => intruder.send(Uint8Array.of(Frame.ping))],
    ['speaks on a channel without a name', intruder => intruder.send(message(7, 0, Uint8Array.of(1)))],
    [
      'sends more than it was given credit for',
      intruder => {
        intruder.send(encodeLabel(1, 'unread'))
        for (let i = 0; i < 200; i++) intruder.send(message(1, 0, new Uint8Array(16_000)))
      },
    ],
    [
      'names thousands of channels',
      intruder => {
        for (let i = 1; i < 2_000; i++) intruder.send(encodeLabel(i, `channel ${i}`))
      },
    ],
    ['begins a message larger than any', intruder => intruder.send(firstFragment(1_000_000_000))],
    ['goes on with a message it never began', intruder => intruder.send(Uint8Array.of(Frame.fragment, 0, 1, 9))],
    ['sends a value that is none', intruder => intruder.send(jsonMessage('{"a":'))],
    ['sends a value nested too deep', intruder => intruder.send(jsonMessage('['.repeat(50_000)))],
  ]

  test.each(attacks)('that %s is cut off with a code, and not dialled again at once', (_, attack) =>
    onStage(async stage => {
      const { ada, calm } = await adaAndBob(stage)
      const gone: string[] = []
      ada.on('peer-gone', ({ peer, code, reason }) => gone.push(`${peer.name} ${code} ${reason}`))
      void ada.channel('unread')[Symbol.asyncIterator]().next()
      const intruder = await Intruder.enter(stage.host('mallory').network, ADA)
      await stage.until(() => ada.peers.length === 2)
      attack(intruder)
      await stage.until(() => intruder.isCutOff, 2_000)
      await stage.until(() => gone.length === 1, 2_000)
      expect(gone[0]).toMatch(/^mallory lost ./)
      await calm()
    }),
  )

  test('that floods with messages nobody hears costs a bounded backlog, and a warning', () =>
    onStage(async stage => {
      const { ada, calm } = await adaAndBob(stage)
      const warnings: string[] = []
      ada.on('warning', ({ code }) => warnings.push(code))
      const mallory = await stage.join('mallory')
      await stage.met([ada, mallory])
      for (let i = 0; i < 20_000; i++) await mallory.send(`spam ${i}`, { to: 'ada' })
      await stage.advance(1_000)
      expect(warnings).toEqual(['limit-reached'])
      await calm()
      expect(heardBy(ada).length).toBeLessThanOrEqual(1_000)
    }))

  test('that asks without end is answered up to a limit', () =>
    onStage(async stage => {
      const { ada, calm } = await adaAndBob(stage)
      let open = 0
      ada.answer('never', () => {
        open++
        return new Promise(() => {})
      })
      const intruder = await Intruder.enter(stage.host('mallory').network, ADA)
      await stage.until(() => ada.peers.length === 2)
      intruder.send(encodeLabel(1, 'never'))
      for (let i = 1; i <= 10_000; i++) intruder.send(question(i))
      await stage.advance(500)
      expect(open).toBe(4_096)
      await calm()
      intruder.leave()
      await stage.until(() => ada.peers.length === 1, 90_000)
    }))

  test('that begins large messages and finishes none, with others, ends no peer that sends one', () =>
    onStage(async stage => {
      const { ada, bob, calm } = await adaAndBob(stage)
      const gone: string[] = []
      ada.on('peer-gone', ({ peer, code }) => gone.push(`${peer.name} ${code}`))
      // Memory grows by doubling: with half of the longest message and one byte each holds all of it.
      const hoarders = await Promise.all(
        Array.from({ length: 16 }, async (_, i) => {
          const intruder = await Intruder.enter(stage.host(`mallory-${i}`).network, ADA)
          intruder.send(firstFragment(MAX_MESSAGE_BYTES))
          for (let sent = 0; sent < MAX_MESSAGE_BYTES / 2; sent += 8 * 65_000) {
            for (let j = 0; j < 8; j++) intruder.send(fragment(65_000))
            await stage.advance(10)
          }
          return intruder
        }),
      )
      await stage.until(() => ada.peers.length === 17)
      expect(hoarders.filter(({ isCutOff }) => isCutOff)).toEqual([])

      const heard = heardBy(ada)
      const large = new Uint8Array(10_000_000).fill(7)
      await bob.send(large, { to: 'ada', receipt: true })
      expect(heard.map(data => Buffer.compare(data as Uint8Array, large))).toEqual([0])
      await stage.advance(100)
      expect(gone).toEqual(['mallory lost'])
      expect(hoarders.filter(({ isCutOff }) => isCutOff)).toHaveLength(1)
      await calm()
      for (const each of hoarders) each.leave()
    }))

  test('that pings as fast as it can, and reads nothing, slows nobody down', () =>
    onStage(async stage => {
      const { ada, calm } = await adaAndBob(stage)
      const intruder = await Intruder.enter(stage.host('mallory').network, ADA)
      await stage.until(() => ada.peers.length === 2)
      for (let i = 1; i < 20_000; i++) intruder.send(new ByteWriter(9).uint8(Frame.ping).varint(i).finish())
      await stage.advance(200)
      await calm()
      intruder.leave()
    }))

  test('that opens session after session is one peer, with one connection', () =>
    onStage(async stage => {
      const { ada, calm } = await adaAndBob(stage)
      const mallory = stage.host('mallory').network
      const identity = Identity.generate()
      for (let i = 0; i < 50; i++) {
        await Intruder.enter(mallory, ADA, { identity })
        await stage.advance(10)
      }
      await stage.advance(1_000)
      expect(ada.peers.filter(({ name }) => name === 'mallory')).toHaveLength(1)
      expect(connectionsOf(stage, 'ada')).toBe(2)
      await calm()
    }))

  test('that takes many identities, and hangs up with each, takes no more than its share of places', () =>
    onStage(async stage => {
      const { ada, calm } = await adaAndBob(stage)
      const mallory = stage.host('mallory').network
      // Somebody listens there, or they would not be waited for.
      await mallory.network.listenTcp({ host: '::', port: 9 }, tcp => tcp.destroy())
      for (let i = 0; i < 200; i++) {
        const intruder = await Intruder.enter(mallory, ADA, { hello: { port: 9 } })
        await stage.advance(5)
        intruder.leave()
      }
      await stage.advance(100)
      expect(ada.peers.filter(({ state }) => state === 'away')).toHaveLength(MAX_AWAY_PER_ADDRESS)
      await calm()
      stage.net.lan('home').isolate('mallory')
      const eve = await stage.join('eve')
      expect(await stage.met([ada, eve])).toBeLessThan(1_000)
      await stage.advance(62_000)
      expect(namesOf(ada)).toEqual(['bob', 'eve'])
    }))

  test('that takes many identities takes no more than maxPeers', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { listen: { port: PORT }, maxPeers: 8 })
      const mallory = stage.host('mallory').network
      await Promise.all(Array.from({ length: 40 }, () => Intruder.enter(mallory, ADA)))
      await stage.advance(1_000)
      expect(ada.peers).toHaveLength(8)
      expect(connectionsOf(stage, 'ada')).toBe(8)
    }))

  test('that lies about everything in its hello is believed nothing but its key', () =>
    onStage(async stage => {
      const { ada, bob } = await adaAndBob(stage)
      const intruder = await Intruder.enter(stage.host('mallory').network, ADA, {
        hello: { name: 'bob', info: '{"id":"', hello: '\u0000', port: 65_535 },
      })
      await stage.until(() => ada.peers.length === 2)
      expect(ada.peer(intruder.id)).toMatchObject({ id: intruder.id, name: 'bob', info: undefined, hello: undefined })
      expect(ada.peer('bob')).toBeUndefined()
      expect(ada.peer(bob.self.id)?.id).toBe(bob.self.id)
      expect(await failureOf(ada.send('for bob', { to: 'bob' }))).toMatchObject({ code: 'unknown-peer' })
      intruder.leave()
      await stage.until(() => ada.peers.length === 1)
      expect(namesOf(bob)).toEqual(['ada'])
    }))
})

function firstFragment(total: number): Uint8Array {
  return new ByteWriter(20).uint8(Frame.firstFragment).uint8(0).varint(total).varint(1).uint8(Payload.message).finish()
}

function fragment(length: number): Uint8Array {
  return new ByteWriter().uint8(Frame.fragment).uint8(0).varint(length).append(new Uint8Array(length)).finish()
}

function jsonMessage(text: string): Uint8Array {
  const body = new TextEncoder().encode(text)
  const bytes = new Uint8Array(payloadLength(0, 0, body.length))
  putPayload(bytes, 0, Payload.message | 2, 0, 0, body)
  return bytes
}

describe('adverts', () => {
  /** Advertises what it likes, as multicast DNS lets everybody do. */
  async function forge(stage: Stage, adverts: readonly Omit<Advert, 'service' | 'info'>[]): Promise<MdnsEngine> {
    const { clock, random, network } = stage.host('mallory').network
    const chooseInterfaces = (all: readonly NetworkInterface[]) => defaultInterfaces(all)
    const engine = new MdnsEngine({ clock, random, network, chooseInterfaces, onWarning() {} })
    await engine.start()
    for (const { port, ...text } of adverts) {
      const advert = { service: 'chat', info: '', ...text }
      const description = {
        label: roomInstanceLabel(advert),
        type: ROOM_SERVICE_TYPE,
        subtypes: [roomSubtype('chat')],
        port,
        txt: encodeAdvert(advert),
        host: roomHostLabel(advert),
        isUnique: true,
      }
      engine.publish(new ServicePublication(description, { onRenamed() {}, onAnnounced() {} }))
    }
    return engine
  }

  /** Takes calls and says nothing. */
  function answerNothing(stage: Stage, port: number): Promise<TcpListener> {
    const { network } = stage.host('mallory').network
    const handlers = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} }
    return network.listenTcp({ host: '::', port }, tcp => tcp.start(handlers))
  }

  test('with an id of somebody else lead to nobody', () =>
    onStage(async stage => {
      const { ada, calm } = await adaAndBob(stage)
      const real = await stage.join('mallory', { visible: false, listen: { port: 6666 } })
      const victim = Identity.generate().id
      const forged = await forge(stage, [{ id: victim, name: 'victim', port: 6666 }])
      const error = await failureOf(ada.connect(victim))
      expect(error).toMatchObject({ code: 'untrusted-peer' })
      expect(error.message).toContain(real.self.id)
      await stage.advance(30_000)
      expect(ada.peer(victim)).toBeUndefined()
      await forged.close()
      await calm()
    }))

  test('with the id of a peer and a false address do not keep a newcomer from that peer', () =>
    onStage(async stage => {
      const { ada, bob, calm } = await adaAndBob(stage)
      const silent = await answerNothing(stage, 6666)
      const forged = await forge(stage, [{ id: ada.self.id, name: 'aaa', port: 6666 }])
      await stage.advance(2_000)
      const eve = await stage.join('eve')
      expect(await stage.met([ada, eve])).toBeLessThan(1_000)
      await stage.met([bob, eve])
      await forged.close()
      await silent.close()
      await calm()
    }))

  test('with our own id are ignored', () =>
    onStage(async stage => {
      const { ada, calm } = await adaAndBob(stage)
      const found: string[] = []
      ada.on('found', ({ name }) => found.push(name))
      const forged = await forge(stage, [{ id: ada.self.id, name: 'mirror', port: PORT }])
      await stage.advance(10_000)
      expect(found).toEqual([])
      await forged.close()
      await calm()
    }))

  test('by the hundred, of peers that are not there, do not hold up one that is', () =>
    onStage(async stage => {
      const ada = await stage.join('ada', { listen: { port: PORT } })
      const silent = await answerNothing(stage, 6666)
      const ghosts = Array.from({ length: 80 }, (_, i) => ({
        id: Identity.generate().id,
        name: `ghost ${i}`,
        port: 6666,
      }))
      const forged = await forge(stage, ghosts)
      await stage.advance(3_000)
      expect(connectionsOf(stage, 'ada')).toBeGreaterThan(20)
      const bob = await stage.join('bob')
      expect(await stage.met([ada, bob], 60_000)).toBeLessThan(2_000)
      await stage.advance(10_000)
      expect(namesOf(ada)).toEqual(['bob'])
      await Promise.all([forged.close(), silent.close()])
    }))

  test('taken back by somebody else part no peers, and hide nobody for long', () =>
    onStage(async stage => {
      const announced: Uint8Array[] = []
      stage.net.trace(({ host, to, bytes }) => {
        if (host === 'bob' && to === '224.0.0.251:5353') announced.push(bytes)
      })
      const { ada, calm } = await adaAndBob(stage)
      await stage.advance(5_000)
      const socket = await stage
        .host('mallory')
        .network.network.openUdp(
          { address: '0.0.0.0', port: 5353, sharePort: true, multicastInterface: 'eth0', multicastTtl: 255 },
          { onDatagram() {}, onError() {} },
        )
      for (const bytes of announced) {
        const { answers, isResponse } = decodeMessage(bytes)
        if (!isResponse) continue
        const goodbye = message({ isResponse: true, answers: answers.map(record => ({ ...record, ttl: 0 })) })
        socket.send(encodeMessage(goodbye), { address: '224.0.0.251', port: 5353 })
      }
      await stage.advance(5_000)
      await calm()
      const eve = await stage.join('eve')
      await stage.met([ada, eve])
      expect(namesOf(ada)).toEqual(['bob', 'eve'])
      expect(eve.peers.map(({ name }) => name).sort()).toEqual(['ada', 'bob'])
      socket.close()
    }))
})

test('a relay in between that leads a peer to itself is seen through', () =>
  onStage(async stage => {
    const ada = await stage.join('ada', { listen: { port: PORT }, discovery: [] })
    const { network } = stage.host('mallory').network
    const relay = await network.listenTcp({ host: '::', port: 6666 }, async near => {
      const far = await network.connectTcp(ADA, { timeoutMs: 5_000 })
      near.start({
        onData: bytes => far.write(bytes),
        onDrain() {},
        onEnd: () => far.end(),
        onClose: () => far.destroy(),
      })
      far.start({
        onData: bytes => near.write(bytes),
        onDrain() {},
        onEnd: () => near.end(),
        onClose: () => near.destroy(),
      })
    })
    expect(await failureOf(ada.connect('192.168.1.3:6666'))).toMatchObject({ code: 'refused', reason: 'self' })
    expect(ada.peers).toEqual([])
    await relay.close()
  }))

test('an `admit` is not deceived by a second story', () =>
  onStage(async stage => {
    const admit = (caller: Caller) => (caller.hello === 'good' ? caller.accept() : caller.deny('bad'))
    const ada = await stage.join('ada', { listen: { port: PORT }, admit })
    const mallory = stage.host('mallory').network
    const identity = Identity.generate()
    await Intruder.enter(mallory, ADA, { identity, hello: { hello: '"good"' } })
    await stage.until(() => ada.peers.length === 1)
    const second = await Intruder.enter(mallory, ADA, { identity, hello: { hello: '"evil"' } })
    await stage.until(() => second.isCutOff)
    expect(ada.peers.every(({ hello }) => hello === 'good')).toBe(true)
  }))
