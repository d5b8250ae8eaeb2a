/**
 * A small MQTT broker for peers to meet at: aedes, which speaks MQTT 3.1.1, behind limits for each client. It holds nothing
 * that outlives a connection. When one machine is not enough, any MQTT broker or cluster takes its place.
 *
 *     TCP listener ──► places ──► guard ──────────────────────► aedes ◄── rules
 *     TCP listener ──► places ──► HTTP ──► websocket ──► guard ──┘
 */

import { createServer, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Aedes } from 'aedes'
import type { WebSocket, WebSocketServer } from 'ws'
import { asError, EarshotError } from '../errors.ts'
import { BROKER_PATIENCE_MS, MAX_MQTT_PACKET_BYTES } from '../limits.ts'
import type { NetworkInterface, TcpConnection, TcpListener } from '../platform/network.ts'
import type { Platform } from '../platform/platform.ts'
import { formatSocketAddress } from '../platform/socket-address.ts'
import { ClientGuard } from './client-guard.ts'
import { ClientPlaces } from './client-places.ts'
import { type ClientRulesOptions, clientRules } from './client-rules.ts'
import { ConnectionStream } from './connection-stream.ts'

export interface BrokerSettings extends ClientRulesOptions {
  readonly platform: Pick<Platform, 'clock' | 'network'>
  readonly host: string
  readonly port: number
  /** Undefined: no websockets. */
  readonly webSocketPort: number | undefined
  /** A client was disconnected or not let in. */
  onWarning(error: EarshotError): void
}

/** What serves the clients, loaded when it is needed. */
interface Libraries {
  readonly aedes: Aedes
  readonly ws: typeof import('ws') | undefined
}

/** What websockets of MQTT are called (MQTT 5 section 6). */
const SUBPROTOCOL = 'mqtt'
/** RFC 6455 section 7.4.1: the client broke a rule. */
const POLICY_VIOLATION = 1008

export class MqttBroker {
  readonly #settings: BrokerSettings
  readonly #aedes: Aedes
  readonly #ws: typeof import('ws') | undefined
  readonly #places = new ClientPlaces()
  readonly #connections = new Set<Duplex>()
  readonly #listeners: { readonly listener: TcpListener; readonly scheme: 'mqtt' | 'ws' }[] = []
  #http: Server | undefined
  #closing: Promise<void> | undefined

  private constructor(settings: BrokerSettings, { aedes, ws }: Libraries) {
    this.#settings = settings
    this.#aedes = aedes
    this.#ws = ws
    const onGone = (_client: unknown, error: Error): void => this.#warn(error)
    aedes.on('clientError', onGone).on('connectionError', onGone)
  }

  /** Rejects with `not-installed`, or as `listenTcp` does. */
  static async start(settings: BrokerSettings): Promise<MqttBroker> {
    const broker = new MqttBroker(settings, await loadLibraries(settings))
    const { host, port, webSocketPort } = settings
    try {
      await broker.#listen(host, port, 'mqtt', (connection, free) => broker.#onMqtt(connection, free))
      if (webSocketPort !== undefined) {
        const http = broker.#serveWebSockets()
        await broker.#listen(host, webSocketPort, 'ws', (connection, free) => broker.#onHttp(http, connection, free))
      }
      return broker
    } catch (error) {
      await broker.close()
      throw error
    }
  }

  /** Where clients find it: a URL for each address of this machine that others can use, those of TCP first. */
  get urls(): readonly string[] {
    const interfaces = this.#settings.platform.network.interfaces()
    return this.#listeners.flatMap(({ listener: { local }, scheme }) =>
      reachableAddresses(local.address, interfaces).map(
        address => `${scheme}://${formatSocketAddress({ address, port: local.port })}`,
      ),
    )
  }

  /** How many are connected. */
  get clientCount(): number {
    return this.#places.taken
  }

  /** Disconnects everybody and frees the ports. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #listen(
    host: string,
    port: number,
    scheme: 'mqtt' | 'ws',
    onClient: (connection: TcpConnection, free: () => void) => void,
  ): Promise<void> {
    const listener = await this.#settings.platform.network.listenTcp({ host, port }, connection => {
      const free = this.#places.take(connection.remote.address)
      if (free) onClient(connection, free)
      else this.#turnAway(connection)
    })
    this.#listeners.push({ listener, scheme })
  }

  #turnAway(connection: TcpConnection): void {
    connection.start({ onData() {}, onDrain() {}, onEnd() {}, onClose() {} })
    connection.destroy()
    const { address } = connection.remote
    this.#warn(new EarshotError('limit-reached', `${address} was turned away: all places are taken`))
  }

  #onMqtt(connection: TcpConnection, free: () => void): void {
    const guard = new ClientGuard(this.#settings.platform.clock)
    const stream = new ConnectionStream({
      connection,
      onBytes: bytes => guarded(guard, bytes, error => stream.destroy(error)),
    })
    this.#hold(stream, free)
    this.#aedes.handle(stream)
  }

  #onHttp(http: Server, connection: TcpConnection, free: () => void): void {
    const stream = new ConnectionStream({ connection, onBytes() {} })
    this.#hold(stream, free)
    // What fails before the websocket stands is the client's affair.
    stream.on('error', () => {})
    http.emit('connection', stream)
  }

  #hold(stream: Duplex, free: () => void): void {
    this.#connections.add(stream)
    stream.once('close', () => {
      this.#connections.delete(stream)
      free()
    })
  }

  /** The server of HTTP never listens: it is handed its connections, so that all of them count alike. */
  #serveWebSockets(): Server {
    const http = createServer((_request, response) => {
      response.writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket' })
      response.end('This is an MQTT broker; it speaks websockets here.\n')
    })
    http.headersTimeout = BROKER_PATIENCE_MS
    http.requestTimeout = BROKER_PATIENCE_MS
    http.keepAliveTimeout = 1
    const webSockets: WebSocketServer = new this.#ws!.WebSocketServer({
      server: http,
      maxPayload: 2 * MAX_MQTT_PACKET_BYTES,
      perMessageDeflate: false,
      handleProtocols: offered => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    })
    webSockets.on('connection', (socket, request) => this.#onWebSocket(socket, request))
    this.#http = http
    return http
  }

  #onWebSocket(socket: WebSocket, request: Parameters<Aedes['handle']>[1]): void {
    const guard = new ClientGuard(this.#settings.platform.clock)
    // Before the stream's own listener, which would gather it.
    socket.on('message', (data: Uint8Array) =>
      guarded(guard, data, error => {
        this.#warn(error)
        socket.close(POLICY_VIOLATION)
        socket.terminate()
      }),
    )
    this.#aedes.handle(this.#ws!.createWebSocketStream(socket), request)
  }

  #warn(error: Error): void {
    if (this.#closing) return
    // A client that is simply gone is no news.
    if (error instanceof EarshotError && error.code !== 'lost') this.#settings.onWarning(error)
  }

  async #close(): Promise<void> {
    const listening = this.#listeners.map(({ listener }) => listener.close())
    this.#http?.closeAllConnections()
    await new Promise<void>(resolve => this.#aedes.close(() => resolve()))
    for (const stream of this.#connections) stream.destroy()
    await Promise.all(listening)
  }
}

function guarded(guard: ClientGuard, bytes: Uint8Array, onRefused: (error: Error) => void): void {
  try {
    guard.check(bytes)
  } catch (error) {
    onRefused(asError(error))
  }
}

/** Rejects with `not-installed` where the package is missing, or does not load. */
export async function loadBrokerPackage(name: 'aedes' | 'ws'): Promise<void> {
  await (name === 'aedes' ? installed(name, import('aedes')) : installed(name, import('ws')))
}

async function loadLibraries(settings: BrokerSettings): Promise<Libraries> {
  const { Aedes } = await installed('aedes', import('aedes'))
  const ws = settings.webSocketPort === undefined ? undefined : await installed('ws', import('ws'))
  return { aedes: await Aedes.createBroker(clientRules(settings)), ws }
}

async function installed<T>(name: string, loading: Promise<T>): Promise<T> {
  try {
    return await loading
  } catch (cause) {
    throw new EarshotError('not-installed', `the package ${name}, which the broker is made of, cannot be loaded`, {
      hint: `Install it: npm install ${name}`,
      cause,
    })
  }
}

/** Of a listener at all addresses those that others can use; link-local ones of IPv6 mean nothing without a zone. */
function reachableAddresses(address: string, interfaces: readonly NetworkInterface[]): readonly string[] {
  if (address !== '::' && address !== '0.0.0.0') return [address]
  const up = interfaces.filter(({ isUp }) => isUp).flatMap(({ addresses }) => addresses)
  const fits = up.filter(({ family }) => address === '::' || family === 'ipv4')
  const reachable = fits.filter(
    ({ scope, family }) => scope !== 'loopback' && !(scope === 'link-local' && family === 'ipv6'),
  )
  const shown = reachable.length > 0 ? reachable : fits.filter(({ scope }) => scope === 'loopback')
  return shown.map(each => each.address)
}
