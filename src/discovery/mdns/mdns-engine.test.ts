/** The engine as others on the link see it: a stranger on a simulated host speaks to it in packets. */

import { describe, expect, test } from 'vitest'
import type { EarshotError } from '../../errors.ts'
import { MAX_MDNS_PACKETS_PER_SECOND } from '../../limits.ts'
import { defaultInterfaces } from '../../platform/interface-choice.ts'
import type { SocketAddress, UdpSocket } from '../../platform/network.ts'
import { type SimulatedHost, type SimulatedNetwork, simulate } from '../../testing/index.ts'
import { ServiceBrowser, type ServiceInstance } from '../dns-sd/service-browser.ts'
import { ServicePublication } from '../dns-sd/service-publication.ts'
import { MdnsEngine } from './mdns-engine.ts'
import { decodeMessage, encodeMessage, type MdnsMessage, message } from './message.ts'
import type { Question, QuestionType, ResourceRecord } from './record.ts'

const GROUP = { address: '224.0.0.251', port: 5353 }
const NAME = 'Laser._ipp._tcp.local'
const question = (name: string, type: QuestionType, unicastResponse = false): Question => ({
  name,
  type,
  unicastResponse,
})
const pointer = (data: string, changes: Partial<ResourceRecord> = {}): ResourceRecord =>
  ({ name: '_ipp._tcp.local', type: 'PTR', ttl: 4_500, flush: false, data, ...changes }) as ResourceRecord

interface Heard {
  readonly at: number
  readonly message: MdnsMessage
  readonly from: SocketAddress
}

/** Hears all that is multicast, and says what it likes. */
class Stranger {
  readonly heard: Heard[] = []
  readonly #net: SimulatedNetwork
  #socket: UdpSocket | undefined

  constructor(net: SimulatedNetwork) {
    this.#net = net
  }

  async open(host: SimulatedHost, port = 5353): Promise<this> {
    const { network } = host.network
    const opening = network.openUdp(
      { address: '0.0.0.0', port, sharePort: port === 5353, multicastInterface: 'eth0', multicastTtl: 255 },
      {
        onDatagram: (bytes, from) => {
          // Others' junk, and its own words, are not for it.
          if (bytes.length < 12 || bytes.length > 9_000 || host.addresses.includes(from.address)) return
          this.heard.push({ at: this.#net.now, message: decodeMessage(bytes), from })
        },
        onError: () => {},
      },
    )
    this.#socket = await this.#net.until(opening)
    if (port === 5353) this.#socket.joinGroup(GROUP.address)
    return this
  }

  send(content: Partial<MdnsMessage> | Uint8Array, to: SocketAddress = GROUP): void {
    this.#socket?.send(content instanceof Uint8Array ? content : encodeMessage(message(content)), to)
  }

  /** Asks, and returns what comes of it within `ms`, and how long each answer took. */
  async ask(content: Partial<MdnsMessage>, ms = 700): Promise<Heard[]> {
    const from = this.#net.now
    this.heard.length = 0
    this.send(content)
    await this.#net.advance(ms)
    return this.heard.filter(({ message: { isResponse } }) => isResponse).map(each => ({ ...each, at: each.at - from }))
  }
}

function engineOn(host: SimulatedHost, warnings: EarshotError[] = []): MdnsEngine {
  const { clock, random, network } = host.network
  const chooseInterfaces = defaultInterfaces
  return new MdnsEngine({ clock, random, network, chooseInterfaces, onWarning: warning => warnings.push(warning) })
}

function laser(): ServicePublication {
  const service = { label: 'Laser', type: '_ipp._tcp', subtypes: ['_color'], port: 631, txt: [], host: 'ada' }
  return new ServicePublication(service, { onRenamed: () => {}, onAnnounced: () => {} })
}

const LAN_V4 = { ipv6: 'none' } as const

/** A host that publishes the service `Laser`, established long ago, and a stranger. */
async function published(seed: number): Promise<{
  net: SimulatedNetwork
  ada: SimulatedHost
  engine: MdnsEngine
  service: ServicePublication
  eve: Stranger
}> {
  const net = simulate({ seed })
  net.lan('home', LAN_V4)
  const ada = net.host('ada')
  const engine = engineOn(ada)
  const service = laser()
  await net.until(engine.start())
  engine.publish(service)
  const eve = await new Stranger(net).open(net.host('eve'))
  await net.advance(10_000)
  return { net, ada, engine, service, eve }
}

/** A host that browses for `_ipp._tcp`, what it knows, and a stranger. */
async function browsing(seed: number): Promise<{
  net: SimulatedNetwork
  engine: MdnsEngine
  known: Map<string, ServiceInstance>
  eve: Stranger
  warnings: EarshotError[]
}> {
  const net = simulate({ seed })
  net.lan('home', LAN_V4)
  const warnings: EarshotError[] = []
  const engine = engineOn(net.host('ada'), warnings)
  const known = new Map<string, ServiceInstance>()
  new ServiceBrowser(engine, '_ipp._tcp', undefined, {
    onFound: instance => known.set(instance.label, instance),
    onLost: ({ label }) => known.delete(label),
  })
  const eve = await new Stranger(net).open(net.host('eve'))
  await net.until(engine.start())
  return { net, engine, known, eve, warnings }
}

/** Everything about a service, as its owner announces it. */
function announcement(label: string, ttl = 120): Partial<MdnsMessage> {
  const name = `${label}._ipp._tcp.local`
  return {
    isResponse: true,
    answers: [
      pointer(name, { ttl }),
      { name, type: 'SRV', ttl, flush: true, data: { priority: 0, weight: 0, port: 9, target: 'eve.local' } },
      { name, type: 'TXT', ttl, flush: true, data: [] },
      { name: 'eve.local', type: 'A', ttl, flush: true, data: '192.168.1.3' },
    ],
  }
}

const types = (records: readonly ResourceRecord[]): string[] => records.map(({ type }) => type).sort()

describe('the responder', () => {
  test('probes three times, announces twice, and says goodbye', async () => {
    const net = simulate({ seed: 1 })
    net.lan('home', LAN_V4)
    const engine = engineOn(net.host('ada'))
    const eve = await new Stranger(net).open(net.host('eve'))
    await net.until(engine.start())
    engine.publish(laser())
    await net.advance(5_000)
    await net.until(engine.close())
    await net.advance(100)
    const kinds = eve.heard.map(({ message: { isResponse, answers } }) =>
      isResponse ? (answers.every(({ ttl }) => ttl === 0) ? 'goodbye' : 'announcement') : 'probe',
    )
    expect(kinds).toEqual(['probe', 'probe', 'probe', 'announcement', 'announcement', 'goodbye'])
    const gaps = eve.heard.slice(1, 5).map(({ at }, i) => Math.round(at - eve.heard[i]!.at))
    expect(gaps).toEqual([250, 250, 250, 1_000])
    const [probe] = eve.heard
    expect(probe!.message.questions.map(({ name, type, unicastResponse }) => [name, type, unicastResponse])).toEqual([
      [NAME, 'ANY', false],
      ['ada.local', 'ANY', false],
    ])
    expect(types(probe!.message.authorities)).toEqual(['A', 'SRV', 'TXT'])
    const { answers } = eve.heard[3]!.message
    expect(answers.map(({ type, flush, ttl }) => `${type} ${flush} ${ttl}`)).toEqual([
      'PTR false 4500',
      'PTR false 4500',
      'SRV true 120',
      'TXT true 4500',
      'A true 120',
    ])
  })

  test('answers a shared question by multicast after 20 to 120 ms, with all that it takes to connect', async () => {
    const { eve } = await published(2)
    const [answer, ...others] = await eve.ask({ questions: [question('_IPP._tcp.local', 'PTR')] })
    expect(others).toEqual([])
    expect(answer!.at).toBeGreaterThanOrEqual(20)
    expect(answer!.at).toBeLessThan(122)
    expect(answer!.message).toMatchObject({ id: 0, questions: [] })
    expect(types(answer!.message.answers)).toEqual(['PTR'])
    expect(types(answer!.message.additionals)).toEqual(['A', 'NSEC', 'SRV', 'TXT'])
  })

  test('answers for a name that is its own at once, also that there is no record of that type', async () => {
    const { eve } = await published(3)
    const [srv] = await eve.ask({ questions: [question(NAME, 'SRV')] }, 1_100)
    expect([srv!.at < 2, types(srv!.message.answers)]).toEqual([true, ['SRV']])
    const [none] = await eve.ask({ questions: [question('ada.local', 'AAAA')] }, 1_100)
    expect(none!.message.answers).toMatchObject([{ type: 'NSEC', data: { nextDomain: 'ada.local', rrtypes: ['A'] } }])
    expect(await eve.ask({ questions: [question('bob.local', 'A')] })).toEqual([])
  })

  test('answers the question for all service types, and the one for the subtype', async () => {
    const { eve } = await published(4)
    const [all] = await eve.ask({ questions: [question('_services._dns-sd._udp.local', 'PTR')] })
    expect(all!.message.answers).toMatchObject([{ type: 'PTR', data: '_ipp._tcp.local' }])
    const [some] = await eve.ask({ questions: [question('_color._sub._ipp._tcp.local', 'PTR')] })
    expect(some!.message.answers).toMatchObject([{ type: 'PTR', data: NAME }])
  })

  test('keeps silent about what the asker knows, unless that is about to end', async () => {
    const { eve } = await published(5)
    const questions = [question('_ipp._tcp.local', 'PTR')]
    expect(await eve.ask({ questions, answers: [pointer(NAME, { ttl: 2_250 })] })).toEqual([])
    expect(await eve.ask({ questions, answers: [pointer(NAME, { ttl: 2_249 })] })).toHaveLength(1)
  })

  test('waits for the known answers that come in further packets', async () => {
    const { net, eve } = await published(6)
    const questions = [question('_ipp._tcp.local', 'PTR')]
    eve.send({ questions, isTruncated: true })
    await net.advance(100)
    expect(await eve.ask({ answers: [pointer(NAME)] })).toEqual([])
    eve.send({ questions, isTruncated: true })
    const [answer] = await eve.ask({ answers: [pointer('Other._ipp._tcp.local')] })
    expect(answer!.at).toBeGreaterThanOrEqual(400)
    expect(answer!.at).toBeLessThan(505)
  })

  test('multicasts no record twice in a second', async () => {
    const { net, eve } = await published(7)
    eve.heard.length = 0
    for (let i = 0; i < 30; i++) {
      eve.send({ questions: [question('_ipp._tcp.local', 'PTR')] })
      await net.advance(100)
    }
    await net.advance(2_000)
    const answers = eve.heard.filter(({ message: { isResponse } }) => isResponse)
    expect(answers.length).toBeGreaterThanOrEqual(3)
    for (const type of ['PTR', 'SRV', 'TXT', 'A']) {
      const times = answers
        .filter(({ message: m }) => [...m.answers, ...m.additionals].some(r => r.type === type))
        .map(({ at }) => at)
      for (let i = 1; i < times.length; i++) expect(times[i]! - times[i - 1]!).toBeGreaterThan(999)
    }
  })

  test('lets another host answer what both have in common', async () => {
    const { net, eve } = await published(8)
    eve.heard.length = 0
    eve.send({ questions: [question('_services._dns-sd._udp.local', 'PTR')] })
    await net.advance(10)
    eve.send({ isResponse: true, answers: [pointer('_ipp._tcp.local', { name: '_services._dns-sd._udp.local' })] })
    await net.advance(500)
    expect(eve.heard).toEqual([])
  })

  test('answers a question that wants unicast by unicast, once the others have heard the record', async () => {
    const { net, eve } = await published(9)
    const other = await new Stranger(net).open(net.host('mallory'))
    const [answer] = await eve.ask({ questions: [question('_ipp._tcp.local', 'PTR', true)] })
    expect(answer!.at).toBeLessThan(11)
    expect(types(answer!.message.additionals)).toEqual(['A', 'NSEC', 'SRV', 'TXT'])
    expect(other.heard.filter(({ message: { isResponse } }) => isResponse)).toEqual([])
    await net.advance(1_200_000)
    await eve.ask({ questions: [question('_ipp._tcp.local', 'PTR', true)] })
    expect(other.heard.filter(({ message: { isResponse } }) => isResponse)).toHaveLength(1)
  })

  test('answers plain DNS by unicast within 10 ms: id and question echoed, short TTLs, no cache-flush bit', async () => {
    const { net, eve } = await published(10)
    const resolver = await new Stranger(net).open(net.host('resolver'), 4_000)
    eve.heard.length = 0
    const questions = [question('_ipp._tcp.local', 'PTR', true)]
    const [answer] = await resolver.ask({ id: 77, questions })
    expect(answer!.at).toBeLessThan(11)
    expect(answer!.message).toMatchObject({ id: 77, questions: [{ name: '_ipp._tcp.local', unicastResponse: false }] })
    const records = [...answer!.message.answers, ...answer!.message.additionals]
    expect(types(records)).toEqual(['A', 'PTR', 'SRV', 'TXT'])
    for (const { ttl, flush } of records) expect([ttl, flush]).toEqual([10, false])
    expect(eve.heard.filter(({ message: { isResponse } }) => isResponse)).toEqual([])
  })

  test('defends its name against a prober within 250 ms, by multicast', async () => {
    const { net, eve } = await published(11)
    const [answer] = await eve.ask({
      questions: [question(NAME, 'ANY', true)],
      authorities: [{ name: NAME, type: 'TXT', ttl: 120, flush: false, data: [] }],
    })
    expect(answer!.at).toBeLessThan(2)
    expect(types(answer!.message.answers)).toEqual(['SRV', 'TXT'])
    await net.advance(1)
  })

  test('publishes 300 services at a time, and all are found', async () => {
    const { net, engine, known } = await browsing(20)
    const ada = engineOn(net.host('many'))
    await net.until(ada.start())
    for (let i = 0; i < 300; i++) {
      const service = { label: `Laser ${i}`, type: '_ipp._tcp', subtypes: [], port: 631, txt: [], host: 'many' }
      ada.publish(new ServicePublication(service, { onRenamed: () => {}, onAnnounced: () => {} }))
    }
    await net.advance(5_000)
    expect(known.size).toBe(300)
    await net.until(Promise.all([ada.close(), engine.close()]))
  })

  test('gives no answer after its goodbye, not even one that was about to leave', async () => {
    const { net, engine, service, eve } = await published(19)
    const client = await new Stranger(net).open(net.host('client'), 5_999)
    for (const [asker, unicastResponse] of [
      [client, false],
      [eve, true],
    ] as const) {
      asker.heard.length = 0
      for (let i = 0; i < 20; i++) asker.send({ questions: [question('_ipp._tcp.local', 'PTR', unicastResponse)] })
    }
    await net.advance(1)
    engine.withdraw(service)
    // What has left already arrives.
    await net.advance(1)
    eve.heard.length = 0
    client.heard.length = 0
    await net.advance(3_000)
    expect([...eve.heard, ...client.heard].flatMap(({ message: { answers } }) => answers)).toEqual([])
  })

  test('says again what a forged goodbye denies', async () => {
    const { eve } = await published(12)
    const [answer] = await eve.ask({
      isResponse: true,
      answers: [{ name: 'ada.local', type: 'A', ttl: 0, flush: true, data: '192.168.1.2' }],
    })
    expect(answer!.message.answers).toMatchObject([{ type: 'A', ttl: 120, data: '192.168.1.2' }])
  })

  test('a change of the TXT record is announced twice, without probing, and nothing else with it', async () => {
    const { net, engine, service, eve } = await published(13)
    eve.heard.length = 0
    engine.update(service, () => service.change({ txt: [new TextEncoder().encode('a=b')] }))
    await net.advance(3_000)
    expect(eve.heard.map(({ message: { isResponse, answers } }) => [isResponse, ...types(answers)])).toEqual([
      [true, 'TXT'],
      [true, 'TXT'],
    ])
  })

  test('a new address is announced, and the old one flushed by it', async () => {
    const { net, ada, eve } = await published(14)
    eve.heard.length = 0
    ada.interface('eth0').setAddresses(['192.168.1.99/24'])
    await net.advance(5_000)
    const addresses = eve.heard.flatMap(({ message: { answers } }) =>
      answers.filter(({ type, ttl }) => type === 'A' && ttl > 0),
    )
    expect(addresses).toMatchObject([
      { data: '192.168.1.99', flush: true },
      { data: '192.168.1.99', flush: true },
    ])
  })
})

describe('the browser', () => {
  test('asks at once from a port of its own, then again and again, telling what it knows', async () => {
    const { net, eve } = await browsing(20)
    await net.advance(1)
    expect(eve.heard).toMatchObject([{ message: { questions: [question('_ipp._tcp.local', 'PTR', true)] } }])
    expect(eve.heard[0]!.from.port).not.toBe(5353)
    eve.send(announcement('Ink', 4_500))
    await net.advance(8_000)
    const later = eve.heard
      .slice(1)
      .filter(({ message: { questions } }) => questions.some(({ type }) => type === 'PTR'))
    expect(later.map(({ at }) => Math.round(at / 100) / 10)).toEqual([
      expect.closeTo(0.1, 0),
      expect.closeTo(1.1, 0),
      expect.closeTo(3.2, 0),
      expect.closeTo(7.5, 0),
    ])
    for (const { message: query, from } of later) {
      expect(from.port).toBe(5353)
      expect(query.questions).toContainEqual(question('_ipp._tcp.local', 'PTR'))
      expect(query.answers).toMatchObject([{ type: 'PTR', data: 'Ink._ipp._tcp.local' }])
    }
  })

  test('resolves an instance from one packet, and asks for what is missing', async () => {
    const { net, eve, known } = await browsing(21)
    eve.send(announcement('Ink'))
    await net.advance(1)
    expect(known.get('Ink')).toMatchObject({ host: 'eve.local', port: 9, addresses: [{ address: '192.168.1.3' }] })
    eve.heard.length = 0
    eve.send({ isResponse: true, answers: [pointer('Bare._ipp._tcp.local')] })
    await net.advance(200)
    const asked = eve.heard
      .flatMap(({ message: { questions } }) => questions)
      .filter(({ name }) => name.startsWith('Bare'))
    expect(asked.map(({ type }) => type).sort()).toEqual(['SRV', 'TXT'])
  })

  test('asks for records before they end, and believes that they have ended when nobody answers', async () => {
    const { net, eve, known } = await browsing(22)
    eve.send(announcement('Ink', 120))
    await net.advance(90_000)
    eve.heard.length = 0
    await net.advance(28_000)
    const asked = eve.heard.flatMap(({ message: { questions } }) => questions.map(({ type }) => type))
    for (const type of ['SRV', 'TXT', 'A']) expect(asked.filter(each => each === type).length).toBeGreaterThanOrEqual(3)
    expect(known.size).toBe(1)
    await net.advance(10_000)
    expect(known.size).toBe(0)
  })

  test('a goodbye is believed after a second, one from a stranger only if nobody objects', async () => {
    const { net, eve, known } = await browsing(23)
    const mallory = await new Stranger(net).open(net.host('mallory'))
    eve.send(announcement('Ink', 4_500))
    eve.send(announcement('Gone', 4_500))
    await net.advance(10)
    mallory.send({ isResponse: true, answers: [pointer('Ink._ipp._tcp.local', { ttl: 0 })] })
    eve.send({ isResponse: true, answers: [pointer('Gone._ipp._tcp.local', { ttl: 0 })] })
    eve.heard.length = 0
    await net.advance(500)
    expect(eve.heard.flatMap(({ message: { questions } }) => questions)).toContainEqual(
      question('_ipp._tcp.local', 'PTR'),
    )
    eve.send(announcement('Ink', 4_500))
    await net.advance(5_000)
    expect([...known.keys()]).toEqual(['Ink'])
  })

  test('packets from elsewhere, from other ports and of no sense are ignored', async () => {
    const { net, engine, eve, known } = await browsing(24)
    const far = net.host('far', { lans: [{ lan: 'home', addresses: ['10.9.9.9/24'] }] })
    const [elsewhere, otherPort] = [new Stranger(net), new Stranger(net)]
    await elsewhere.open(far)
    await otherPort.open(net.host('port'), 6_000)
    elsewhere.send(announcement('Elsewhere'))
    otherPort.send(announcement('OtherPort'))
    eve.send(Uint8Array.of(1, 2, 3))
    eve.send(new Uint8Array(9_001))
    await net.advance(100)
    expect([...known.keys()]).toEqual([])
    expect(engine.lookup(question('_ipp._tcp.local', 'PTR'))).toEqual([])
  })

  test('what nobody asked for is not remembered, and what a flood brings is bounded', async () => {
    const { net, engine, eve, known, warnings } = await browsing(25)
    eve.send({ isResponse: true, answers: [pointer('x._http._tcp.local', { name: '_http._tcp.local' })] })
    for (let i = 0; i < 3_000; i++) eve.send(announcement(`Liar ${i}`))
    await net.advance(50)
    eve.send(announcement('Late'))
    await net.advance(50)
    expect(engine.lookup(question('_http._tcp.local', 'PTR'))).toEqual([])
    expect(known.size).toBeLessThanOrEqual(1_024)
    expect(warnings.map(({ code }) => code)).toEqual(['limit-reached'])
    expect(MAX_MDNS_PACKETS_PER_SECOND).toBeLessThan(3_000)
  })

  test('closed, it has nothing open and nothing to do', async () => {
    const { net, engine } = await browsing(26)
    await net.until(engine.close())
    await net.until(engine.close())
    expect(net.open().filter(({ host }) => host === 'ada')).toEqual([])
  })
})
