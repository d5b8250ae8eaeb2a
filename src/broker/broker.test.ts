/** The broker over loopback: that rendezvous can be had there, and what it does with clients that break its rules. */

import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { mqttPlace } from '../../test/contract/mqtt-place.ts'
import { rendezvousContract, state } from '../../test/contract/rendezvous.ts'
import { type Broker, type BrokerOptions, startBroker } from '../broker.ts'
import type { EarshotError } from '../errors.ts'
import { MAX_BROKER_CLIENTS_PER_HOST, MAX_BROKER_SUBSCRIPTIONS, MAX_MQTT_PACKET_BYTES } from '../limits.ts'
import { nodePlatform } from '../platform/node/node-platform.ts'
import { mqttRendezvous } from '../rendezvous/mqtt/mqtt-rendezvous.ts'
import type { Rendezvous } from '../rendezvous/rendezvous.ts'
import { formatTopic } from '../rendezvous/topic.ts'

const HOST = '127.0.0.1'
const TOPIC = formatTopic(new Uint8Array(20).fill(1))

rendezvousContract('at our own broker', () => place('mqtt'))
rendezvousContract('at our own broker, over websockets', () => place('ws'))

async function place(scheme: 'mqtt' | 'ws') {
  let broker = await startBroker({ host: HOST, port: 0, webSocketPort: 0 })
  const ports = broker.urls.map(url => Number(new URL(url).port))
  return mqttPlace({
    url: broker.urls.find(url => url.startsWith(`${scheme}:`))!,
    stop: () => broker.close(),
    start: async () => {
      broker = await startBroker({ host: HOST, port: ports[0]!, webSocketPort: ports[1]! })
    },
    close: () => broker.close(),
  })
}

let open: (() => unknown)[] = []

afterEach(async () => {
  for (const close of open.reverse()) await close()
  open = []
})

interface Stage {
  readonly broker: Broker
  readonly url: string
  readonly warnings: EarshotError[]
}

async function stage(options: BrokerOptions = {}): Promise<Stage> {
  const warnings: EarshotError[] = []
  const onWarning = (error: EarshotError): void => void warnings.push(error)
  const broker = await startBroker({ host: HOST, port: 0, onWarning, ...options })
  open.push(() => broker.close())
  return { broker, url: broker.urls[0]!, warnings }
}

function rendezvous(url: string): Rendezvous {
  const opened = mqttRendezvous({ url, ...{ clock: nodePlatform().clock, random: nodePlatform().random } })
  open.push(() => opened.close())
  return opened
}

/** A client of MQTT 3.1.1 that says what a test wants it to. */
class RawClient {
  readonly #socket: Socket
  readonly #chunks: Buffer[] = []
  #onData = (): void => {}
  readonly closed: Promise<void>

  constructor(url: string) {
    this.#socket = connect(Number(new URL(url).port), HOST)
    this.#socket.on('error', () => {})
    this.#socket.on('data', bytes => {
      this.#chunks.push(bytes)
      this.#onData()
    })
    this.closed = new Promise(resolve => this.#socket.once('close', () => resolve()))
    open.push(() => this.#socket.destroy())
  }

  send(...packets: readonly Uint8Array[]): void {
    this.#socket.write(Buffer.concat(packets))
  }

  /** The first so many bytes that came, once they have. */
  async received(count: number): Promise<Buffer> {
    while (Buffer.concat(this.#chunks).length < count)
      await new Promise<void>(resolve => {
        this.#onData = resolve
      })
    return Buffer.concat(this.#chunks).subarray(0, count)
  }
}

const utf8 = (text: string) => Buffer.concat([Buffer.from([text.length >> 8, text.length & 255]), Buffer.from(text)])

function packet(type: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7]
  return Buffer.concat([Buffer.from([type, ...length]), body])
}

/** CONNECT, clean or not. */
function hello(id: string, flags = 2): Buffer {
  return packet(0x10, utf8('MQTT'), Buffer.from([4, flags, 0, 60]), utf8(id))
}

const CONNACK_BYTES = 4

function subscribe(...topics: readonly string[]): Buffer {
  return packet(0x82, Buffer.from([0, 1]), ...topics.flatMap(topic => [utf8(topic), Buffer.from([1])]))
}

function publish(topic: string, payload = 'x', type = 0x30): Buffer {
  return packet(type, utf8(topic), Buffer.from(payload))
}

async function connected(url: string, id: string): Promise<RawClient> {
  const client = new RawClient(url)
  client.send(hello(id))
  await client.received(CONNACK_BYTES)
  return client
}

describe('a client', () => {
  test('may subscribe to topics of peers, and to none with wildcards or of others', async () => {
    const { url } = await stage()
    const client = await connected(url, 'a')
    client.send(subscribe(TOPIC, 'earshot/v1/+', '#', '$SYS/#', 'weather'))
    const suback = (await client.received(CONNACK_BYTES + 9)).subarray(CONNACK_BYTES)
    expect([...suback.subarray(4)]).toEqual([1, 128, 128, 128, 128])
  })

  test('that publishes elsewhere is disconnected, and the owner is told', async () => {
    const { url, warnings, broker } = await stage()
    const client = await connected(url, 'a')
    client.send(publish('weather'))
    await client.closed
    expect(warnings).toMatchObject([{ code: 'refused', message: expect.stringContaining('none of earshot') }])
    expect(broker.clientCount).toBe(0)
  })

  test('may do both where any topic is allowed, but not in the name of the broker', async () => {
    const { url } = await stage({ anyTopic: true })
    const client = await connected(url, 'a')
    client.send(subscribe('weather/#', '$SYS/#'), publish('weather/here', 'rain'))
    const suback = (await client.received(CONNACK_BYTES + 6)).subarray(CONNACK_BYTES)
    expect([...suback.subarray(4)]).toEqual([1, 128])
    const all = await client.received(CONNACK_BYTES + 6 + publish('weather/here', 'rain').length)
    expect(all.subarray(-4).toString()).toBe('rain')
    client.send(publish('$SYS/x'))
    await client.closed
  })

  test('has a bounded number of subscriptions', async () => {
    const { url } = await stage()
    const client = await connected(url, 'a')
    const topics = Array.from({ length: MAX_BROKER_SUBSCRIPTIONS + 2 }, (_, at) =>
      formatTopic(new Uint8Array(20).fill(at)),
    )
    client.send(subscribe(...topics))
    const suback = await client.received(CONNACK_BYTES + 4 + topics.length)
    const granted = [...suback.subarray(CONNACK_BYTES + 4)]
    expect(granted.filter(qos => qos === 1)).toHaveLength(MAX_BROKER_SUBSCRIPTIONS)
    expect(granted.slice(-2)).toEqual([128, 128])
  })

  test('that claims a packet longer than any is disconnected before it has sent it', async () => {
    const { url, warnings } = await stage()
    const client = await connected(url, 'a')
    client.send(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]))
    await client.closed
    expect(warnings).toMatchObject([
      { code: 'protocol-violation', message: expect.stringContaining(`${MAX_MQTT_PACKET_BYTES}`) },
    ])
  })

  test('that floods is disconnected', async () => {
    const { url, warnings } = await stage()
    const client = await connected(url, 'a')
    client.send(...Array.from({ length: 400 }, () => Buffer.from([0xc0, 0])))
    await client.closed
    expect(warnings).toMatchObject([{ code: 'limit-reached' }])
  })

  test('that says something else than MQTT is disconnected', async () => {
    const { url } = await stage()
    const client = new RawClient(url)
    client.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    await client.closed
  })

  test('leaves nothing behind: what it wants kept is not kept', async () => {
    const { url } = await stage()
    const client = new RawClient(url)
    client.send(hello('stays', 0), subscribe(TOPIC), publish(TOPIC, 'keep', 0x31))
    await client.received(CONNACK_BYTES + 5)
    client.send(Buffer.from([0xe0, 0]))
    await client.closed
    const late = await connected(url, 'late')
    late.send(subscribe(TOPIC))
    await late.received(CONNACK_BYTES + 5)
    late.send(Buffer.from([0xc0, 0]))
    // SUBACK and PINGRESP, nothing in between.
    const answers = await late.received(CONNACK_BYTES + 5 + 2)
    expect(answers.subarray(-2).toString('hex')).toBe('d000')
    const again = new RawClient(url)
    again.send(hello('stays', 0))
    expect((await again.received(CONNACK_BYTES)).toString('hex')).toBe('20020000')
  })

  test('from one host too many is turned away, and let in when another has gone', async () => {
    const { url, warnings, broker } = await stage()
    const clients = await Promise.all(
      Array.from({ length: MAX_BROKER_CLIENTS_PER_HOST }, (_, at) => connected(url, `c${at}`)),
    )
    expect(broker.clientCount).toBe(MAX_BROKER_CLIENTS_PER_HOST)
    await new RawClient(url).closed
    expect(warnings).toMatchObject([{ code: 'limit-reached', message: expect.stringContaining('turned away') }])
    clients[0]!.send(Buffer.from([0xe0, 0]))
    await clients[0]!.closed
    await connected(url, 'next')
  })
})

describe('user and password', () => {
  test('let in who knows them', async () => {
    const { url } = await stage({ user: { name: 'ada', password: 'tea:5/é' } })
    const password = encodeURIComponent('tea:5/é')
    await state(rendezvous(url.replace('//', `//ada:${password}@`)), 'up')
  })

  test.each(['', 'ada:wrong@', 'bob:tea@', 'ada@'])(
    'keep out %j, whose URL says so without the password',
    async user => {
      const { url } = await stage({ user: { name: 'ada', password: 'tea' } })
      const opened = rendezvous(url.replace('//', `//${user}`))
      await state(opened, 'down')
      expect(opened.health.lastError).toMatchObject({ code: 'refused', hint: expect.stringContaining('password') })
      expect(JSON.stringify([opened.health, opened.health.lastError?.message])).not.toMatch(/wrong|tea/)
    },
  )
})

test('the websocket port says to other clients what it is', async () => {
  const { broker } = await stage({ webSocketPort: 0 })
  const response = await fetch(broker.urls[1]!.replace('ws:', 'http:'))
  expect(response.status).toBe(426)
  expect(await response.text()).toMatch(/MQTT/)
})

test('a port in use is told, and nothing is left open', async () => {
  const { broker } = await stage()
  const port = Number(new URL(broker.urls[0]!).port)
  await expect(startBroker({ host: HOST, port })).rejects.toMatchObject({ code: 'address-in-use' })
  await expect(startBroker({ host: HOST, port: 0, webSocketPort: port })).rejects.toMatchObject({
    code: 'address-in-use',
  })
})

test('at all addresses it names those that others can use', async () => {
  const { broker } = await stage({ host: '::' })
  expect(broker.urls.length).toBeGreaterThan(0)
  for (const url of broker.urls) expect(url).toMatch(/^mqtt:\/\/[\d.]+:\d+$|^mqtt:\/\/\[[\da-f:]+\]:\d+$/)
})

test.each<[string, BrokerOptions, ErrorConstructor]>([
  ['a port that is none', { port: 65_536 }, RangeError],
  ['a port for websockets that is none', { webSocketPort: -1 }, RangeError],
  ['no host', { host: '' }, TypeError],
  ['a user without a password', { user: { name: 'ada', password: '' } }, RangeError],
])('%s is a wrong argument', async (_, options, error) => {
  await expect(startBroker(options)).rejects.toThrow(error)
})
