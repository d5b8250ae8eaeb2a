/**
 * Brokers that speak MQTT 5, or 3.1.1 where they know no better, by the library `mqtt`. It is loaded with the first
 * connector: programs that stay on their LAN never do. The library opens its sockets itself; time and trying again are
 * ours.
 */

import type { IClientOptions, MqttClient } from 'mqtt'
import { EarshotError, protocolViolation } from '../../errors.ts'
import { MAX_MQTT_PACKET_BYTES, RENDEZVOUS_CLOCK_TOLERANCE_MS, RENDEZVOUS_KEEPALIVE_MS } from '../../limits.ts'
import { nodeError } from '../../platform/node/node-error.ts'
import type { Random } from '../../platform/random.ts'
import type { BrokerConnection, BrokerConnector, BrokerHandlers } from '../broker-connector.ts'
import { type MqttUrl, parseMqttUrl } from './mqtt-url.ts'
import { PacketMeter } from './packet-meter.ts'

export interface MqttConnectorOptions {
  /** `mqtts://user:password@broker.example.org`, see `parseMqttUrl`. */
  readonly url: string
  readonly random: Random
  /** Certificates in PEM to be trusted instead of the system's, for a broker with one of its own. */
  readonly ca?: string | undefined
}

type MqttVersion = 4 | 5

/** Both sides acknowledge (MQTT 5 section 4.3.2): a message gets lost with its connection only. */
const QOS = 1
/** Section 3.3.2.3.3: nobody takes older ones. */
const EXPIRY_S = RENDEZVOUS_CLOCK_TOLERANCE_MS / 1_000
/** CONNACK of MQTT 3.1.1 section 3.2.2.3, and reason code of MQTT 5 section 3.2.2.2: not this version. */
const WRONG_VERSION: readonly unknown[] = [1, 0x84]
/** Not allowed: bad user name or password, not authorized, banned. */
const NOT_ALLOWED: readonly unknown[] = [4, 5, 0x86, 0x87, 0x8a]

/** Throws a TypeError for what is no URL of a broker. */
export function mqttConnector({ url, random, ca }: MqttConnectorOptions): BrokerConnector {
  const parsed = parseMqttUrl(url)
  let version: MqttVersion = 5
  // It takes a while, in which a room derives its keys. Where it fails, `connect` says so.
  loadMqtt().catch(() => {})
  return {
    url: parsed.label,
    async connect(handlers, signal) {
      const { default: mqtt } = await loadMqtt()
      const dial = (): Promise<BrokerConnection> => {
        signal.throwIfAborted()
        const client = mqtt.connect(clientOptions(parsed, version, random, ca))
        return new MqttConnection({ client, label: parsed.label, version, handlers }).opened(signal)
      }
      try {
        return await dial()
      } catch (error) {
        if (version === 4 || !isWrongVersion(error)) throw error
        version = 4
        return dial()
      }
    },
  }
}

/** Rejects with `not-installed` where the package is missing, or does not load. */
export async function loadMqtt(): Promise<typeof import('mqtt')> {
  try {
    return await import('mqtt')
  } catch (cause) {
    throw new EarshotError('not-installed', 'the package mqtt, which speaks to brokers, cannot be loaded', {
      hint: 'Install it: npm install mqtt',
      cause,
    })
  }
}

function clientOptions(url: MqttUrl, version: MqttVersion, random: Random, ca: string | undefined): IClientOptions {
  return {
    protocol: url.protocol,
    hostname: url.host,
    host: url.host,
    port: url.port,
    ...(url.path !== '' && { path: url.path }),
    ...(url.username !== undefined && { username: url.username }),
    ...(url.password !== undefined && { password: url.password }),
    ...(ca !== undefined && { ca }),
    rejectUnauthorized: true,
    protocolVersion: version,
    // A new one each time: nothing at the broker outlives the connection, and nothing tells that it is the same peer.
    clientId: Buffer.from(random.bytes(11)).toString('hex'),
    clean: true,
    keepalive: RENDEZVOUS_KEEPALIVE_MS / 1_000,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    connectTimeout: 2 ** 31 - 1,
    ...(version === 5 && { properties: { sessionExpiryInterval: 0, maximumPacketSize: MAX_MQTT_PACKET_BYTES } }),
  }
}

function isWrongVersion(error: unknown): boolean {
  return error instanceof EarshotError && WRONG_VERSION.includes(reasonCodeOf(error.cause))
}

/** What the broker answered, where it did. */
function reasonCodeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}

interface MqttConnectionOptions {
  readonly client: MqttClient
  readonly label: string
  readonly version: MqttVersion
  readonly handlers: BrokerHandlers
}

class MqttConnection implements BrokerConnection {
  readonly #client: MqttClient
  readonly #label: string
  readonly #version: MqttVersion
  readonly #handlers: BrokerHandlers
  readonly #meter = new PacketMeter()
  #error: unknown
  #isOpen = false
  #isOver = false

  constructor({ client, label, version, handlers }: MqttConnectionOptions) {
    this.#client = client
    this.#label = label
    this.#version = version
    this.#handlers = handlers
  }

  /** Resolves when the broker has let us in. Called once, in the turn in which the client was made. */
  opened(signal: AbortSignal): Promise<BrokerConnection> {
    const client = this.#client
    client.stream.on('data', (bytes: Uint8Array) => this.#measure(bytes))
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#drop()
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      // The error says why, and `close` that it is over; of several errors the first is the cause.
      client.on('error', error => {
        this.#error ??= error
        if (!this.#isOpen) this.#drop()
      })
      client.on('disconnect', ({ reasonCode }) => {
        this.#error ??= new Error(`the broker ended it with reason code ${reasonCode ?? 0}`)
      })
      client.on('connect', () => {
        this.#isOpen = true
        resolve(this)
      })
      client.on('message', (topic, payload) => {
        // Out of the library's buffer, which is as long as what came with it.
        if (!this.#isOver) this.#handlers.onMessage(topic, new Uint8Array(payload))
      })
      client.on('close', () => {
        signal.removeEventListener('abort', onAbort)
        const error = this.#explained()
        reject(error)
        if (this.#isOpen && !this.#isOver) this.#handlers.onLost(error)
        this.#drop()
      })
    })
  }

  async publish(topic: string, bytes: Uint8Array): Promise<void> {
    const expiry = this.#version === 5 ? { properties: { messageExpiryInterval: EXPIRY_S } } : {}
    const payload = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    try {
      await this.#client.publishAsync(topic, payload, { qos: QOS, ...expiry })
    } catch (error) {
      throw this.#refusal(error, `publish on ${this.#label}`)
    }
  }

  async subscribe(topic: string): Promise<void> {
    try {
      const granted = await this.#client.subscribeAsync(topic, { qos: QOS })
      // 128 and more: no (MQTT 3.1.1 section 3.9.3). Some brokers say so without making it an error.
      if (granted.some(({ qos }) => qos >= 128)) throw new Error('the broker does not allow the topic')
    } catch (error) {
      throw this.#refusal(error, `subscribe at ${this.#label}`)
    }
  }

  unsubscribe(topic: string): void {
    if (this.#isOver) return
    // Where it fails the connection is breaking, which ends the subscription as well.
    this.#client.unsubscribeAsync(topic).catch(() => {})
  }

  /** Waits for what the broker has not acknowledged, then says DISCONNECT; aborting the signal ends it at once. */
  async close(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    if (!this.#client.connected) {
      this.#drop()
      return
    }
    const closed = new Promise<void>(resolve => this.#client.once('close', () => resolve()))
    this.#client.end(false, { reasonCode: 0 })
    await closed
  }

  #measure(bytes: Uint8Array): void {
    try {
      this.#meter.read(bytes)
    } catch (error) {
      this.#error ??= error
      this.#drop()
    }
  }

  /** Nothing more is wanted of it. */
  #drop(): void {
    if (!this.#isOpen) this.#isOver = true
    this.#client.end(true)
    // `end` does nothing more where it was called before.
    this.#client.stream.destroy()
  }

  #refusal(error: unknown, attempt: string): EarshotError {
    if (this.#isOver || !this.#client.connected) return this.#explained()
    const text = error instanceof Error ? error.message : String(error)
    return new EarshotError('refused', `cannot ${attempt}: ${text}`, {
      hint: 'The broker must allow its users to publish and subscribe to earshot/v1/+.',
      cause: error,
    })
  }

  #explained(): EarshotError {
    const error = this.#error
    if (error instanceof EarshotError) return protocolViolation(`the broker ${this.#label} breaks the rules`, error)
    if (this.#isOpen)
      return nodeError(error ?? new Error('the connection ended'), `the broker ${this.#label} is gone`, 'lost')
    const attempt = `cannot connect to the broker ${this.#label}`
    if (NOT_ALLOWED.includes(reasonCodeOf(error))) {
      const text = `${attempt}: ${(error as Error).message}`
      return new EarshotError('refused', text, { hint: 'Check user and password in its URL.', cause: error })
    }
    return nodeError(error ?? new Error('it closed the connection'), attempt, 'unreachable')
  }
}
