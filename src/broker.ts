/** `earshot/broker`: a small MQTT broker, where peers of different networks meet. */

import { MqttBroker } from './broker/broker.ts'
import type { BrokerUser } from './broker/broker-user.ts'
import type { EarshotError } from './errors.ts'
import { nodePlatform } from './platform/node/node-platform.ts'
import type { Platform } from './platform/platform.ts'

export type { BrokerUser } from './broker/broker-user.ts'

export interface BrokerOptions {
  /**
   * The address to listen at; `127.0.0.1` for programs on this machine only.
   * @default '::' (all addresses, IPv4 too)
   */
  readonly host?: string
  /** The TCP port, 0 for any free one. @default 1883 */
  readonly port?: number
  /** A port for websockets, 0 for any free one. @default none */
  readonly webSocketPort?: number
  /** Lets in only clients with this user and password. Without TLS both can be read on the way. @default everybody */
  readonly user?: BrokerUser
  /** Topics of other programs, too, with wildcards. @default false: topics of earshot */
  readonly anyTopic?: boolean
  /** A client was turned away or disconnected: `limit-reached`, `protocol-violation`, `refused`. @default nobody is told */
  readonly onWarning?: (error: EarshotError) => void
  /**
   * A simulated host of `earshot/testing`.
   * @default the machine that this runs on
   */
  readonly network?: Platform
}

export interface Broker extends AsyncDisposable {
  /** Where clients find it: `mqtt://192.168.0.2:1883`, a URL for each address that others can use. */
  readonly urls: readonly string[]
  /** How many are connected. */
  readonly clientCount: number
  /** Disconnects everybody and frees the ports. Idempotent. */
  close(): Promise<void>
}

const DEFAULT_PORT = 1883

/**
 * Starts a broker, which keeps the process alive. It limits each client (docs/limits.md, "A broker of one's own") and stores
 * nothing. Rejects with `address-in-use`, `permission-denied`, `no-network`, or `not-installed` where the optional packages
 * aedes and ws are missing; a TypeError or RangeError for wrong arguments.
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { host = '::', port = DEFAULT_PORT, webSocketPort, user, anyTopic = false, onWarning = () => {} } = options
  checkPort('port', port)
  if (webSocketPort !== undefined) checkPort('webSocketPort', webSocketPort)
  if (typeof host !== 'string' || host === '') throw new TypeError(`host must be an IP address, not '${host}'`)
  if (user !== undefined && (user.name === '' || user.password === ''))
    throw new RangeError('user must have a name and a password')
  const platform = options.network ?? nodePlatform()
  const broker = await MqttBroker.start({ platform, host, port, webSocketPort, user, anyTopic, onWarning })
  return {
    get urls() {
      return broker.urls
    },
    get clientCount() {
      return broker.clientCount
    },
    close: () => broker.close(),
    [Symbol.asyncDispose]: () => broker.close(),
  }
}

function checkPort(name: string, port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new RangeError(`${name} must be a whole number from 0 to 65535, not ${port}`)
}
