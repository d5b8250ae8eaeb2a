/** Peers that find each other and talk over brokers which cannot be trusted, in virtual time. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Advert } from '../../src/discovery/discovery.ts'
import type { EarshotError } from '../../src/errors.ts'
import { generateIdentity, type Identity } from '../../src/identity/identity.ts'
import { formatPeerId } from '../../src/identity/peer-id.ts'
import { PRESENCE_TIMEOUT_MS } from '../../src/limits.ts'
import type { PresentPeer } from '../../src/rendezvous/presence-table.ts'
import { RendezvousPool } from '../../src/rendezvous/rendezvous-pool.ts'
import { Signalling } from '../../src/rendezvous/signalling.ts'
import { simulate } from '../../src/testing/index.ts'
import { MemoryBroker, type MemoryBrokerFaults } from '../../src/testing/memory-broker.ts'
import type { SimulatedNetwork } from '../../src/testing/simulated-network.ts'

const KEY = new Uint8Array(32).fill(5)
const OTHER_KEY = new Uint8Array(32).fill(6)
const SERVICE = 'chat'
const MINUTE = 60_000

const bytes = (text: string) => new TextEncoder().encode(text)

interface PeerOptions {
  /** @default KEY */
  readonly roomKey?: Uint8Array | undefined
  /** @default all of the stage */
  readonly brokers?: readonly MemoryBroker[]
  readonly identity?: Identity
  readonly service?: string
  readonly wallOffsetMs?: number
  /** @default true */
  readonly isVisible?: boolean
}

class Stage {
  readonly net: SimulatedNetwork
  readonly brokers: MemoryBroker[]

  constructor(faults: MemoryBrokerFaults = {}, { brokers = 1, seed = 1 } = {}) {
    this.net = simulate({ seed })
    this.brokers = Array.from({ length: brokers }, (_, at) => {
      const host = this.net.host(`broker${at}`).network
      return new MemoryBroker({ clock: host.clock, random: host.random, url: `memory:${at}`, ...faults })
    })
  }

  get broker(): MemoryBroker {
    return this.brokers[0]!
  }

  peer(name: string, options: PeerOptions = {}): TestPeer {
    return new TestPeer(this, name, options)
  }
}

class TestPeer {
  readonly name: string
  readonly id: string
  readonly identity: Identity
  readonly signalling: Signalling
  readonly pool: RendezvousPool
  readonly events: string[] = []
  readonly messages: string[] = []
  readonly warnings: EarshotError[] = []
  readonly advert: Advert

  constructor(stage: Stage, name: string, options: PeerOptions) {
    const { clock, random } = stage.net.host(name, { wallOffsetMs: options.wallOffsetMs ?? 0 }).network
    const roomKey = 'roomKey' in options ? options.roomKey : KEY
    const { service = SERVICE, isVisible = true, brokers = stage.brokers } = options
    this.name = name
    this.identity = options.identity ?? generateIdentity(random)
    this.id = this.identity.id
    const onWarning = (error: EarshotError): void => void this.warnings.push(error)
    const rendezvous = brokers.map(broker => broker.rendezvous({ clock, random }))
    this.pool = new RendezvousPool({ rendezvous, clock, onWarning })
    this.signalling = new Signalling({
      clock,
      random,
      identity: this.identity,
      service,
      roomKey,
      rendezvous: this.pool,
      handlers: {
        onSighting: peer => void this.events.push(`${peer.name}${peer.info}`),
        onLost: id => void this.events.push(`lost ${id.slice(0, 4)}`),
        onWarning,
        onMessage: (fromId, message) => {
          this.messages.push(`${fromId.slice(0, 4)} ${new TextDecoder().decode(message)}`)
        },
      },
    })
    this.advert = { service, id: this.id, name, info: '', port: 1 }
    if (isVisible) this.signalling.advertise(this.advert)
    void this.signalling.start()
  }

  /** Its id as events have it. */
  get short(): string {
    return this.id.slice(0, 4)
  }

  send(to: TestPeer, text: string): Promise<void> {
    return this.signalling.send(to.id, bytes(text))
  }

  get codes(): readonly string[] {
    return this.warnings.map(({ code }) => code)
  }

  async leave(): Promise<void> {
    await this.signalling.close()
    await this.pool.close()
  }
}

describe('in a room with a secret', () => {
  test('peers find each other within a moment, whoever comes first, and learn who goes', async () => {
    const stage = new Stage()
    const { net } = stage
    const ada = stage.peer('ada')
    await net.advance(1_000)
    const bob = stage.peer('bob')
    await net.advance(200)
    expect([ada.events, bob.events]).toEqual([['bob'], ['ada']])
    const [seen] = ada.signalling.peers
    expect(seen).toMatchObject({
      service: SERVICE,
      id: bob.id,
      name: 'bob',
      via: 'rendezvous',
      addresses: [],
    } satisfies Partial<PresentPeer>)
    await net.until(bob.leave())
    await net.advance(100)
    expect(ada.events).toEqual(['bob', `lost ${bob.short}`])
    await net.until(ada.leave())
    expect(net.open()).toEqual([])
  })

  test('a change of name or info is told, and nothing else is', async () => {
    const stage = new Stage()
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    await stage.net.advance(1_000)
    ada.signalling.advertise({ ...ada.advert, info: '{"x":1}' })
    await stage.net.advance(1_000)
    ada.signalling.advertise({ ...ada.advert, info: '{"x":1}' })
    await stage.net.advance(60 * MINUTE)
    expect(bob.events).toEqual(['ada', 'ada{"x":1}'])
  })

  test('a flood of changes becomes a few, of which the last arrives', async () => {
    const stage = new Stage()
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    await stage.net.advance(1_000)
    const before = stage.broker.publications.length
    for (let i = 1; i <= 200; i++) {
      ada.signalling.advertise({ ...ada.advert, info: `${i}` })
      await stage.net.advance(10)
    }
    await stage.net.advance(2_000)
    expect(bob.events.at(-1)).toBe('ada200')
    expect(stage.broker.publications.length - before).toBeLessThan(10)
    expect(bob.warnings).toEqual([])
  })

  test('who becomes invisible is lost, sees the others, and is seen again', async () => {
    const stage = new Stage()
    const ada = stage.peer('ada')
    const bob = stage.peer('bob', { isVisible: false })
    await stage.net.advance(1_000)
    expect([ada.events, bob.events]).toEqual([[], ['ada']])
    bob.signalling.advertise(bob.advert)
    await stage.net.advance(100)
    bob.signalling.advertise(undefined)
    await stage.net.advance(100)
    expect(ada.events).toEqual(['bob', `lost ${bob.short}`])
  })

  test('who was started again is told as new', async () => {
    const stage = new Stage()
    const ada = stage.peer('ada')
    const bob = stage.peer('bob')
    await stage.net.advance(1_000)
    const [before] = ada.signalling.peers
    const again = stage.peer('bob2', { identity: bob.identity })
    await stage.net.advance(1_000)
    expect(ada.signalling.peers).toHaveLength(1)
    expect(ada.signalling.peers[0]!.instance).not.toBe(before!.instance)
    expect(again.events).toEqual(['ada'])
  })

  test('who falls silent is lost after a while, and not while no broker is up', async () => {
    const stage = new Stage()
    const ada = stage.peer('ada')
    const bob = stage.peer('bob')
    await stage.net.advance(1_000)
    stage.broker.stop()
    await stage.net.advance(2 * PRESENCE_TIMEOUT_MS)
    expect(ada.events).toEqual(['bob'])
    stage.broker.start()
    await stage.net.advance(5 * MINUTE)
    expect(ada.events).toEqual(['bob'])
    await stage.net.until(bob.pool.close())
    await stage.net.advance(PRESENCE_TIMEOUT_MS + MINUTE)
    expect(ada.events).toEqual(['bob', `lost ${bob.short}`])
  })

  test('messages reach whom they are for, up to 3,926 bytes, and nobody else', async () => {
    const stage = new Stage()
    const [ada, bob, eve] = [stage.peer('ada'), stage.peer('bob'), stage.peer('eve')]
    await stage.net.advance(1_000)
    await stage.net.until(ada.send(bob, 'hello'))
    await stage.net.until(ada.send(bob, 'x'.repeat(3_926)))
    await stage.net.advance(100)
    expect(bob.messages).toEqual([`${ada.short} hello`, `${ada.short} ${'x'.repeat(3_926)}`])
    expect([ada.messages, eve.messages]).toEqual([[], []])
    await expect(ada.send(bob, 'x'.repeat(3_927))).rejects.toMatchObject({ code: 'too-large' })
    await expect(ada.signalling.send('nobody', bytes('x'))).rejects.toThrow(TypeError)
  })

  test('those with another secret, or in a room of another service, are elsewhere', async () => {
    const stage = new Stage()
    const ada = stage.peer('ada')
    const others = [stage.peer('bob', { roomKey: OTHER_KEY }), stage.peer('cid', { service: 'chess' })]
    const open = stage.peer('dan', { roomKey: undefined })
    await stage.net.advance(1_000)
    for (const other of [...others, open]) {
      await stage.net.until(other.send(ada, 'let me in'))
      expect(other.events).toEqual([])
    }
    await stage.net.advance(1_000)
    expect([ada.events, ada.messages, ada.warnings]).toEqual([[], [], []])
  })

  test('a group of 30 that comes at once, and again after the broker was away, knows everybody', async () => {
    const stage = new Stage()
    const peers = Array.from({ length: 30 }, (_, at) => stage.peer(`p${at}`))
    await stage.net.advance(20_000)
    for (const peer of peers) expect(peer.signalling.peers).toHaveLength(29)
    stage.broker.stop()
    await stage.net.advance(5_000)
    const before = stage.broker.publications.length
    stage.broker.start()
    await stage.net.advance(2 * MINUTE)
    for (const peer of peers) expect([peer.events.length, peer.warnings]).toEqual([29, []])
    // Each asks once, and answers the others one by one or all together.
    expect(stage.broker.publications.length - before).toBeLessThan(30 * 16)
  })

  test('once everybody is known, each says a word every ten minutes', async () => {
    const stage = new Stage({}, { brokers: 2 })
    for (const name of ['ada', 'bob', 'cid']) stage.peer(name)
    await stage.net.advance(MINUTE)
    const before = stage.broker.publications.length
    await stage.net.advance(60 * MINUTE)
    const said = stage.broker.publications.length - before
    expect(said).toBeGreaterThanOrEqual(3 * 5)
    expect(said).toBeLessThanOrEqual(3 * 7)
  })
})

describe('in a room without a secret', () => {
  test('peers that watch each other find each other, and nobody else does', async () => {
    const stage = new Stage()
    const open = { roomKey: undefined }
    const [ada, bob, eve] = [stage.peer('ada', open), stage.peer('bob', open), stage.peer('eve', open)]
    await stage.net.advance(1_000)
    ada.signalling.watch(bob.id)
    eve.signalling.watch(ada.id)
    await stage.net.advance(1_000)
    expect([ada.events, bob.events, eve.events]).toEqual([[], [], []])
    const unwatch = bob.signalling.watch(ada.id)
    await stage.net.advance(1_000)
    expect([ada.events, bob.events, eve.events]).toEqual([['bob'], ['ada'], []])
    unwatch()
    expect(bob.events).toEqual(['ada', `lost ${ada.short}`])
    await stage.net.until(bob.leave())
    expect(ada.events).toEqual(['bob'])
    await stage.net.advance(1_000)
  })

  test('whoever knows an id can send to it', async () => {
    const stage = new Stage()
    const [ada, bob] = [stage.peer('ada', { roomKey: undefined }), stage.peer('bob', { roomKey: undefined })]
    await stage.net.advance(1_000)
    await stage.net.until(ada.send(bob, 'hello'))
    await stage.net.advance(100)
    expect(bob.messages).toEqual([`${ada.short} hello`])
  })

  test('what is watched is an id, and there are bounds', async () => {
    const ada = new Stage().peer('ada', { roomKey: undefined })
    expect(() => ada.signalling.watch('bob')).toThrow(TypeError)
    for (let i = 0; i < 256; i++) ada.signalling.watch(formatPeerId(new Uint8Array(32).fill(i)))
    expect(() => ada.signalling.watch(formatPeerId(bytes(`y${'z'.repeat(31)}`)))).toThrow(
      expect.objectContaining({ code: 'limit-reached' }),
    )
  })
})

describe('a broker', () => {
  test('sees no name, no id, no service, three sizes, and other topics the next day', async () => {
    const stage = new Stage()
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    await stage.net.advance(1_000)
    for (const length of [1, 50, 86, 87, 500, 854, 855, 3_926]) await stage.net.until(ada.send(bob, 'x'.repeat(length)))
    await stage.net.advance(1_000)
    const { publications } = stage.broker
    expect([...new Set(publications.map(each => each.bytes.length))].sort((a, b) => a - b)).toEqual([256, 1_024, 4_096])
    const seen = publications.map(each => each.topic + Buffer.from(each.bytes).toString('latin1')).join()
    for (const word of ['ada', 'bob', SERVICE, ada.id, bob.id, Buffer.from(ada.identity.publicKey).toString('latin1')])
      expect(seen).not.toContain(word)
    // The simulation begins at midnight.
    await stage.net.advance(20 * MINUTE)
    const today = stage.broker.topics
    await stage.net.advance(24 * 60 * MINUTE)
    const tomorrow = stage.broker.topics
    expect(today).toHaveLength(3)
    expect(tomorrow).toHaveLength(3)
    expect(tomorrow.filter(topic => today.includes(topic))).toEqual([])
    expect([ada.events, bob.events]).toEqual([['bob'], ['ada']])
  })

  test('that drops half, doubles half, delays and reorders: what arrives arrives once, and peers find each other', async () => {
    const faults = { loss: 0.5, duplicates: 0.5, delayMs: 50, jitterMs: 3_000 }
    const stage = new Stage(faults, { seed: 3 })
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    await stage.net.advance(30 * MINUTE)
    for (let i = 0; i < 40; i++) {
      await stage.net.until(ada.send(bob, `${i}`))
      await stage.net.advance(1_000)
    }
    await stage.net.advance(5_000)
    expect(new Set(bob.messages).size).toBe(bob.messages.length)
    expect(bob.messages.length).toBeGreaterThan(10)
    expect(bob.messages.length).toBeLessThan(40)
    expect([ada.signalling.peers.length, bob.signalling.peers.length]).toEqual([1, 1])
    expect([ada.warnings, bob.warnings]).toEqual([[], []])
  })

  test('that brings everything again, at once, later and much later, is heard once', async () => {
    const stage = new Stage()
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    await stage.net.advance(1_000)
    await stage.net.until(ada.send(bob, 'once'))
    await stage.net.advance(100)
    const recorded = [...stage.broker.publications]
    for (const pause of [0, 30_000, 60_000, 25_000]) {
      await stage.net.advance(pause)
      for (const { topic, bytes } of recorded) stage.broker.inject(topic, bytes)
    }
    await stage.net.advance(10 * MINUTE)
    expect(bob.codes).toEqual([])
    for (const { topic, bytes } of recorded) stage.broker.inject(topic, bytes)
    await stage.net.advance(1_000)
    expect(bob.messages).toEqual([`${ada.short} once`])
    expect(bob.events).toEqual(['ada'])
  })

  test('that is asked a day later brings what is too old, with a warning that says what may be wrong', async () => {
    const stage = new Stage()
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    await stage.net.advance(1_000)
    await stage.net.until(ada.send(bob, 'old'))
    const { topic, bytes } = stage.broker.publications.at(-1)!
    const late = stage.peer('late', { identity: bob.identity })
    await stage.net.advance(5 * MINUTE)
    stage.broker.inject(topic, bytes)
    await stage.net.advance(1_000)
    expect(late.messages).toEqual([])
    expect(late.warnings).toMatchObject([
      { code: 'clock-skew', message: expect.stringMatching(/behind ours.*held it back/) },
    ])
  })

  test('that hands a message to somebody else, or on another topic, is not believed', async () => {
    const stage = new Stage()
    const [ada, bob, eve] = [stage.peer('ada'), stage.peer('bob'), stage.peer('eve')]
    await stage.net.advance(1_000)
    await stage.net.until(ada.send(bob, 'for bob'))
    const { bytes } = stage.broker.publications.at(-1)!
    for (const topic of stage.broker.topics) stage.broker.inject(topic, bytes)
    await stage.net.advance(1_000)
    expect([eve.messages, bob.messages]).toEqual([[], [`${ada.short} for bob`]])
    expect(eve.codes).toEqual(['protocol-violation'])
  })

  test('that makes things up is survived, whatever it is', async () => {
    const stage = new Stage()
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    await stage.net.advance(1_000)
    const sizes = fc.constantFrom(0, 1, 255, 256, 257, 1_024, 4_096, 5_000)
    const packets = fc.sample(
      sizes.chain(size => fc.uint8Array({ minLength: size, maxLength: size })),
      { numRuns: 100, seed: 1 },
    )
    for (const topic of stage.broker.topics) {
      for (const bytes of packets) stage.broker.inject(topic, bytes)
      await stage.net.advance(1_000)
    }
    expect(new Set(bob.codes)).toEqual(new Set(['protocol-violation']))
    expect(bob.codes.length).toBeLessThanOrEqual(2)
    await stage.net.until(ada.send(bob, 'still here'))
    await stage.net.advance(100)
    expect(bob.messages).toEqual([`${ada.short} still here`])
  })

  test('that floods uses up its own share: what another one brings is heard', async () => {
    const stage = new Stage({}, { brokers: 2 })
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    await stage.net.advance(1_000)
    for (let second = 0; second < 5; second++) {
      for (const topic of stage.brokers[1]!.topics)
        for (let i = 0; i < 1_000; i++) stage.brokers[1]!.inject(topic, new Uint8Array(300).fill(i))
      await stage.net.until(ada.send(bob, `${second}`))
      await stage.net.advance(1_000)
    }
    expect(bob.messages).toHaveLength(5)
    expect(bob.codes).toEqual(expect.arrayContaining(['limit-reached', 'protocol-violation']))
    expect(bob.codes.length).toBeLessThan(6)
  })

  test('that takes everything and acknowledges nothing is noticed, and left', async () => {
    const stage = new Stage({}, { brokers: 2 })
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    await stage.net.advance(1_000)
    const [dead] = stage.brokers
    dead!.faults = { ...dead!.faults, isSilent: true }
    await stage.net.until(ada.send(bob, 'by the other'))
    await stage.net.advance(11_000)
    expect(ada.pool.health.map(({ state }) => state)).not.toEqual(['up', 'up'])
    expect(ada.pool.health[0]!.lastError).toMatchObject({ code: 'timeout' })
    expect(bob.messages).toEqual([`${ada.short} by the other`])
  })

  test('that refuses a topic counts as down, and says so', async () => {
    const stage = new Stage({ refuses: () => true })
    const ada = stage.peer('ada')
    await stage.net.advance(1_000)
    expect(ada.pool.health).toMatchObject([{ state: 'down', lastError: { code: 'refused' } }])
    await expect(ada.send(ada, 'x')).rejects.toMatchObject({ code: 'unreachable' })
  })
})

describe('several brokers', () => {
  test('are one: everything arrives once, and as long as one is left', async () => {
    const stage = new Stage({ jitterMs: 200 }, { brokers: 3 })
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    await stage.net.advance(1_000)
    for (const broker of stage.brokers) {
      await stage.net.until(ada.send(bob, broker.url))
      await stage.net.advance(1_000)
      broker.stop()
      await stage.net.advance(1_000)
    }
    expect(bob.messages).toEqual(stage.brokers.map(({ url }) => `${ada.short} ${url}`))
    expect(bob.events).toEqual(['ada'])
    expect(ada.pool.isUp).toBe(false)
    await expect(ada.send(bob, 'lost')).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(/memory:0.*memory:1.*memory:2/),
    })
  })

  test('have peers in common where they have one in common', async () => {
    const stage = new Stage({}, { brokers: 3 })
    const [first, second, third] = stage.brokers as [MemoryBroker, MemoryBroker, MemoryBroker]
    const ada = stage.peer('ada', { brokers: [first, second] })
    const bob = stage.peer('bob', { brokers: [second, third] })
    const cid = stage.peer('cid', { brokers: [third] })
    await stage.net.advance(1_000)
    expect([ada.events, bob.events.sort(), cid.events]).toEqual([['bob'], ['ada', 'cid'], ['bob']])
  })

  test('that come and go are tried more and more seldom, and not in step', async () => {
    const stage = new Stage()
    stage.broker.stop()
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    const tries = new Map([ada, bob].map(peer => [peer.name, [] as number[]]))
    for (const peer of [ada, bob])
      peer.pool.watchHealth(({ state }) => state === 'connecting' && tries.get(peer.name)!.push(stage.net.now))
    await stage.net.advance(10 * MINUTE)
    for (const times of tries.values()) {
      expect(times.length).toBeGreaterThan(10)
      expect(times.length).toBeLessThan(25)
    }
    expect(tries.get('ada')).not.toEqual(tries.get('bob'))
    stage.broker.start()
    await stage.net.advance(2 * MINUTE)
    expect([ada.events, bob.events]).toEqual([['bob'], ['ada']])
  })
})

describe('a member', () => {
  test('that floods one peer is bounded at both ends', async () => {
    const stage = new Stage()
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob')]
    await stage.net.advance(1_000)
    const sent = await stage.net.until(Promise.allSettled(Array.from({ length: 100 }, (_, i) => ada.send(bob, `${i}`))))
    await stage.net.advance(100)
    expect(sent.filter(({ status }) => status === 'fulfilled')).toHaveLength(64)
    expect(sent.at(-1)).toMatchObject({ reason: { code: 'limit-reached', retryAfterMs: expect.any(Number) } })
    expect(bob.messages).toHaveLength(64)
    // One that does not keep to it: the same identity from many places.
    const others = ['x', 'y', 'z'].map(name => stage.peer(name, { identity: ada.identity, isVisible: false }))
    await stage.net.advance(1_000)
    for (const other of others) for (let i = 0; i < 60; i++) void other.send(bob, `${other.name}${i}`)
    await stage.net.advance(1_000)
    expect(bob.messages.length).toBeLessThan(64 + 64 + 40)
    expect(bob.codes).toEqual(['limit-reached'])
  })

  test('whose clock is off by more than two minutes is not heard, and told of at both ends', async () => {
    const stage = new Stage()
    const ada = stage.peer('ada')
    const bob = stage.peer('bob', { wallOffsetMs: 5 * MINUTE })
    await stage.net.advance(1_000)
    await stage.net.until(bob.send(ada, 'from the future'))
    await stage.net.advance(1_000)
    expect([ada.events, bob.events, ada.messages]).toEqual([[], [], []])
    expect(ada.warnings).toMatchObject([
      { code: 'clock-skew', message: expect.stringContaining('300 s ahead of ours') },
    ])
    expect(ada.warnings[0]!.hint).toMatch(/two minutes/)
  })

  test.each([-115_000, 115_000])('whose clock is off by %d ms is heard', async wallOffsetMs => {
    const stage = new Stage()
    const [ada, bob] = [stage.peer('ada'), stage.peer('bob', { wallOffsetMs })]
    await stage.net.advance(1_000)
    expect([ada.events, bob.events, ada.warnings]).toEqual([['bob'], ['ada'], []])
  })
})

test('midnight is no border: what is sent around it arrives, also with clocks that differ', async () => {
  const stage = new Stage()
  const [ada, bob] = [stage.peer('ada'), stage.peer('bob', { wallOffsetMs: 100_000 })]
  await stage.net.advance(24 * 60 * MINUTE - 3 * MINUTE)
  for (let i = 0; i < 36; i++) {
    await stage.net.until(Promise.all([ada.send(bob, `${i}`), bob.send(ada, `${i}`)]))
    await stage.net.advance(10_000)
  }
  expect([ada.messages.length, bob.messages.length]).toEqual([36, 36])
  expect(stage.broker.topics.length).toBeLessThanOrEqual(6)
})

test('who leaves while no broker answers is gone within a second', async () => {
  const stage = new Stage()
  const ada = stage.peer('ada')
  await stage.net.advance(1_000)
  stage.broker.faults = { ...stage.broker.faults, isSilent: true }
  const before = stage.net.now
  await stage.net.until(ada.leave())
  expect(stage.net.now - before).toBeLessThan(1_100)
  await expect(ada.send(ada, 'x')).rejects.toMatchObject({ code: 'closed' })
  await stage.net.advance(MINUTE)
  expect(stage.net.open().filter(({ host }) => host === 'ada')).toEqual([])
})
