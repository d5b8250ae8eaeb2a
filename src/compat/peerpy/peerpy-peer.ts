/**
 * A peer of peerpy's network: it listens, can be discovered, connects, and talks with peers of the Python program and of
 * this library alike. Nothing is encrypted and nobody proves who they are.
 */

import { type Disposer, Emitter, type OnceOptions } from '../../emitter.ts'
import { EarshotError } from '../../errors.ts'
import { MAX_PEERPY_CONNECTIONS, MAX_WARNING_BACKLOG } from '../../limits.ts'
import type { TcpListener } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { Dialer } from './dialer.ts'
import { Discovery } from './discover.ts'
import type { PeerpyClose, PeerpyEvents, PeerpyMessage, PeerpyOffer } from './events.ts'
import type { ConnectionTerms, Hello } from './hello.ts'
import type { Link } from './link.ts'
import {
  checkAddress,
  checkBoolean,
  checkConnectOptions,
  checkMaxConnections,
  checkTimeout,
  type PeerOptions,
  type PeerpyAdmit,
  type PeerpyConnectOptions,
} from './options.ts'
import { OwnNames } from './own-names.ts'
import { PeerpyConnection } from './peerpy-connection.ts'
import { ReceiveBudget } from './receive-budget.ts'
import { Reception } from './reception.ts'
import { Visibility } from './visibility.ts'

const EVENT_TYPES: Readonly<Record<keyof PeerpyEvents, true>> = {
  listen: true,
  offer: true,
  connection: true,
  data: true,
  close: true,
  stop: true,
  warning: true,
}
/** Between the end of a connection and a dial with another data type. */
const REPLACING_MS = 100
/** As the program waits for answers. */
const DISCOVERY_QUIET_MS = 500

export interface PeerpyDiscoverOptions {
  /** It ends when nobody has answered for so long, in milliseconds. @default 500, as the program */
  readonly quietMs?: number
  /** Aborting ends it, without an error. */
  readonly signal?: AbortSignal
}

/** What became of a message on one connection. */
export type PeerpyDelivery =
  | { readonly connection: PeerpyConnection; readonly ok: true }
  | { readonly connection: PeerpyConnection; readonly ok: false; readonly error: EarshotError }

export class PeerpyPeer implements AsyncDisposable {
  /** Decides about offers; undefined: everybody may connect. May be changed at any time. */
  admit: PeerpyAdmit | undefined
  readonly #platform: Platform
  readonly #options: PeerOptions
  readonly #emitter: Emitter<PeerpyEvents>
  readonly #connections = new Map<string, PeerpyConnection>()
  readonly #dialer: Dialer
  readonly #discoveries = new Set<Discovery>()
  readonly #budget = new ReceiveBudget()
  readonly #reception: Reception
  readonly #visibility: Visibility
  readonly #onAbort = (): void => void this.close()
  #warnings: EarshotError[] = []
  #names: OwnNames
  #listener: TcpListener | undefined
  #timeoutMs: number
  #maxConnections: number
  #closing: Promise<void> | undefined

  protected constructor(platform: Platform, options: PeerOptions) {
    this.#platform = platform
    this.#options = options
    this.admit = options.admit
    this.#timeoutMs = options.timeoutMs
    this.#maxConnections = options.maxConnections
    const { clock, network } = platform
    const onWarning = (error: EarshotError) => this.#warn(error)
    this.#emitter = new Emitter<PeerpyEvents>(clock, type => this.#replay(type) as never)
    this.#names = new OwnNames({ network, ...options })
    this.#dialer = new Dialer({
      clock,
      network,
      names: () => this.#names,
      onAccepted: (id, terms, link) => this.#add(id, terms, link),
      standing: id => this.#connections.get(id),
    })
    this.#reception = new Reception({
      clock,
      timeoutMs: () => this.#timeoutMs,
      places: () => Math.min(this.#maxConnections, MAX_PEERPY_CONNECTIONS) - this.#connections.size,
      isWelcome: (hello, link) => this.#isWelcome(hello, link),
      hasDialled: hello => this.#dialer.hasDialled(hello),
      onSettled: ({ peerName }) => this.#dialer.onCallerSettled(peerName),
      decide: (hello, link, signal) => this.#decide(hello, link, signal),
      onAccepted: (hello, link) => void this.#add(hello.peerName, hello, link),
      onWarning,
    })
    this.#visibility = new Visibility({ clock, network, nameFor: address => this.#names.onLinkOf(address), onWarning })
  }

  /** Where it listens, `'ip:port'`; on its other interfaces it has other addresses. */
  get address(): string {
    return this.#names.preferred
  }

  /** A snapshot. */
  get connections(): readonly PeerpyConnection[] {
    return [...this.#connections.values()]
  }

  /** The connection with that peer, by its address; undefined where there is none. */
  connection(id: string): PeerpyConnection | undefined {
    return this.#connections.get(id)
  }

  /** Not answering those who look for peers. Setting it takes effect at once. */
  get invisible(): boolean {
    return !this.#visibility.isVisible
  }

  set invisible(invisible: boolean) {
    checkBoolean('invisible', invisible)
    if (!this.#closing) void this.#visibility.show(!invisible)
  }

  /** In milliseconds, as the option of that name; may be changed at any time. */
  get timeoutMs(): number {
    return this.#timeoutMs
  }

  set timeoutMs(timeoutMs: number) {
    this.#timeoutMs = checkTimeout(timeoutMs)
  }

  /** As the option of that name; may be changed at any time. Connections that stand stay. */
  get maxConnections(): number {
    return this.#maxConnections
  }

  set maxConnections(count: number) {
    this.#maxConnections = checkMaxConnections(count)
    this.#reception.onPlace()
  }

  /** The addresses of visible peers on the chosen interfaces, as they answer. Ends when nobody answers any more. */
  async *discover({ quietMs = DISCOVERY_QUIET_MS, signal }: PeerpyDiscoverOptions = {}): AsyncGenerator<string, void> {
    this.#checkOpen()
    const { clock, network } = this.#platform
    const onWarning = (error: EarshotError) => this.#warn(error)
    const discovery = new Discovery({ clock, network, names: this.#names, quietMs, signal, onWarning })
    this.#discoveries.add(discovery)
    try {
      yield* discovery.found()
    } finally {
      this.#discoveries.delete(discovery)
    }
  }

  /**
   * A connection with the peer at this address. Where one stands with the same data type, that one; with another type it
   * is closed first.
   *
   * @throws rejects with EarshotError: `unreachable`, `timeout` (also where the other side has no place), `refused` where
   *   it denied, `protocol-violation`, `lost`, `limit-reached`, `closed`; `signal.reason`; RangeError or TypeError
   */
  async connect(address: string, options: PeerpyConnectOptions = {}): Promise<PeerpyConnection> {
    const remote = checkAddress(address)
    const terms = checkConnectOptions(options)
    const timeoutMs = checkTimeout(options.timeoutMs ?? this.#timeoutMs)
    this.#checkOpen()
    if (this.#names.includes(address)) throw new RangeError(`${address} is the address of this peer itself`)
    options.signal?.throwIfAborted()
    // What is under way with it ends first, as does what stands and is of another type. Without a pause before the dial:
    // two calls in one turn must not both dial.
    for (;;) {
      const dialling = this.#dialer.pending(address)
      const present = this.#connections.get(address)
      if (dialling) await dialling.catch(() => {})
      else if (present?.dataType === terms.dataType && !present.isClosed) return present
      else if (present) await this.#replace(present)
      else break
    }
    options.signal?.throwIfAborted()
    this.#checkOpen()
    if (this.#connections.size >= MAX_PEERPY_CONNECTIONS) throw tooManyConnections()
    return this.#dialer.dial(remote, terms, { timeoutMs, signal: options.signal })
  }

  /** Sends to all that are connected. Resolves when each has taken it or failed. */
  broadcast(data: unknown): Promise<readonly PeerpyDelivery[]> {
    return Promise.all(
      this.connections.map(connection =>
        connection.send(data).then(
          (): PeerpyDelivery => ({ connection, ok: true }),
          (error: EarshotError): PeerpyDelivery => ({ connection, ok: false, error }),
        ),
      ),
    )
  }

  /** Calls `listener` for each event. Late listeners get what stands: `listen`, `connection`, messages that waited. */
  on<K extends keyof PeerpyEvents>(type: K, listener: (event: PeerpyEvents[K]) => void): Disposer {
    return this.#emitter.on(checkType(type), listener)
  }

  /**
   * The next event of this type: what peerpy calls `wait`. Rejects with `timeout`, the signal's reason, or `closed`.
   * With `data`, messages that waited come first.
   */
  async wait<K extends keyof PeerpyEvents>(type: K, options: OnceOptions = {}): Promise<PeerpyEvents[K]> {
    if (checkType(type) === 'data') {
      for (const connection of this.#connections.values()) {
        const message = connection.takeFirstUnheard()
        if (message !== undefined) return message as PeerpyEvents[K]
      }
    }
    return this.#emitter.once(type, options)
  }

  /** Stops listening, sends what waits for at most a second, and closes every connection. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Comes first. */
  protected async start(): Promise<void> {
    const { network } = this.#platform
    const { host, port, interfaces, invisible, signal } = this.#options
    signal?.throwIfAborted()
    this.#listener = await network.listenTcp({ host, port }, tcp => this.#reception.receive(tcp))
    this.#names = new OwnNames({ network, host, port: this.#listener.local.port, interfaces })
    if (!invisible) await this.#visibility.show(true)
    signal?.addEventListener('abort', this.#onAbort)
    if (!signal?.aborted) return
    await this.close()
    throw signal.reason
  }

  /** The program forgets a connection by its name, a moment after it has broken: not the next one, if that comes later. */
  async #replace(connection: PeerpyConnection): Promise<void> {
    await connection.close()
    await new Promise<void>(resolve => this.#platform.clock.setTimer(REPLACING_MS, resolve))
  }

  #checkOpen(): void {
    if (this.#closing) throw closedError()
  }

  /**
   * Nobody proves a name. A program that was restarted comes from the same address and takes the place of what it was;
   * from another address somebody may only claim the name.
   */
  #isWelcome({ peerName }: Hello, link: Link): boolean {
    if (this.#closing || this.#names.includes(peerName)) return false
    const present = this.#connections.get(peerName)
    if (present === undefined || present.isClosed || present.remoteHost === link.remote.address) return true
    this.#warn(nameTaken(peerName, link))
    return false
  }

  async #decide({ peerName, ...terms }: Hello, link: Link, signal: AbortSignal): Promise<boolean> {
    const offer: PeerpyOffer = { id: peerName, remote: formatSocketAddress(link.remote), ...terms, signal }
    this.#emitter.emit('offer', offer)
    try {
      return (await this.admit?.(offer)) ?? true
    } catch (error) {
      // A programming error surfaces as one, and lets nobody in.
      this.#platform.clock.afterTurn(() => {
        throw error
      })
      return false
    }
  }

  #add(id: string, terms: ConnectionTerms, link: Link): PeerpyConnection {
    if (this.#closing) {
      link.reset()
      throw closedError()
    }
    const { paceMs, maxMessageBytes } = this.#options
    const connection = new PeerpyConnection({
      id,
      terms,
      link,
      clock: this.#platform.clock,
      paceMs,
      maxMessageBytes,
      budget: this.#budget,
      timeoutMs: () => this.#timeoutMs,
      isHeard: () => this.#emitter.has('data'),
      onData: message => this.#emitter.emit('data', message),
      onClose: close => this.#onClose(close),
      onWarning: error => this.#warn(error),
    })
    this.#connections.get(id)?.abort(new EarshotError('lost', `${id} has connected again`))
    this.#connections.set(id, connection)
    this.#emitter.emit('connection', connection)
    connection.start()
    return connection
  }

  #onClose(close: PeerpyClose): void {
    const { connection, error } = close
    if (this.#connections.get(connection.id) === connection) this.#connections.delete(connection.id)
    this.#emitter.emit('close', close)
    if (error !== undefined && error.code !== 'lost' && error.code !== 'closed') this.#warn(error)
    this.#reception.onPlace()
  }

  #warn(error: EarshotError): void {
    if (this.#emitter.emit('warning', error)) return
    this.#warnings.push(error)
    if (this.#warnings.length > MAX_WARNING_BACKLOG) this.#warnings.shift()
  }

  #replay(type: keyof PeerpyEvents): readonly PeerpyEvents[keyof PeerpyEvents][] {
    switch (type) {
      case 'listen':
        return this.#closing ? [] : [{ address: this.address }]
      case 'connection':
        return this.connections
      case 'data':
        return this.connections.flatMap((connection): readonly PeerpyMessage[] => connection.takeUnheard())
      case 'warning':
        return this.#warnings.splice(0)
      default:
        return []
    }
  }

  async #close(): Promise<void> {
    const { address } = this
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    for (const discovery of this.#discoveries) discovery.stop()
    this.#dialer.stop(closedError())
    this.#reception.close()
    await Promise.all([
      this.#listener?.close(),
      this.#visibility.show(false),
      ...this.connections.map(connection => connection.close()),
    ])
    this.#dialer.close()
    this.#emitter.emit('stop', { address })
    this.#emitter.close(closedError())
  }
}

function checkType<K extends keyof PeerpyEvents>(type: K): K {
  if (!Object.hasOwn(EVENT_TYPES, type))
    throw new RangeError(`a peer has the events ${Object.keys(EVENT_TYPES).join(', ')}, not ${String(type)}`)
  return type
}

function closedError(): EarshotError {
  return new EarshotError('closed', 'this peer has closed')
}

function tooManyConnections(): EarshotError {
  return new EarshotError('limit-reached', `a peer has at most ${MAX_PEERPY_CONNECTIONS} connections`)
}

function nameTaken(name: string, { remote }: Link): EarshotError {
  return new EarshotError(
    'protocol-violation',
    `somebody at ${formatSocketAddress(remote)} says it is ${name}, which is connected from elsewhere: denied`,
  )
}
