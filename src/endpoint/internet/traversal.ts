/**
 * The way to one peer over the Internet: an agent that finds paths, and what makes a connection of the session of each of
 * them. Of the two sides the one with the larger id opens the sessions, one after the other, so that a direct path joins the
 * session that began over a relay.
 */

import { EarshotError } from '../../errors.ts'
import { Agent, type AgentSettings, type ConnectivityReport, type Path } from '../../nat/ice/agent.ts'
import type { Timer } from '../../platform/clock.ts'
import type { TcpConnection } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import type { Route } from '../../session/route.ts'
import { noPathError } from './no-path-error.ts'
import type { RelayBudget } from './relay-budget.ts'
import { WaitingConnection } from './waiting-connection.ts'

export interface Introduction {
  readonly connection: WaitingConnection
  readonly role: 'initiator' | 'responder'
  readonly route: Route
  /** The application asked for this peer. */
  readonly isWanted: boolean
}

export interface TraversalOptions {
  readonly peerId: string
  readonly agent: Omit<AgentSettings, 'onPath'>
  /** Makes a connection of the peer's session, or its first. Resolves when it is one. Rejects with why not. */
  readonly introduce: (introduction: Introduction) => Promise<unknown>
  readonly budget: Pick<RelayBudget, 'count' | 'isSpent'>
}

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: EarshotError) => void
}

/** So long a connection waits for the one before it to become one of the session. */
const TURN_MS = 1_500
/** A connection that fails like this says nothing of the peer: another one may not. */
const IS_OF_THE_WAY: readonly string[] = ['unreachable', 'timeout', 'closed', 'lost', 'reset']

export class Traversal {
  readonly #options: TraversalOptions
  readonly #agent: Agent
  readonly #waiters = new Set<Waiter>()
  /** Connections of the session. */
  readonly #used = new Set<WaitingConnection>()
  readonly #relayed = new Set<WaitingConnection>()
  /** Introductions of the side that opens: one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #introducing = 0
  /** There has been a connection of the session since it began, the last time. */
  #hasCarried = false
  #refusal: EarshotError | undefined
  #isClosed = false

  /** Begins at once. */
  constructor(options: TraversalOptions) {
    this.#options = options
    this.#agent = new Agent({ ...options.agent, onPath: path => this.#onPath(path) })
    this.#follow()
  }

  get report(): ConnectivityReport {
    return this.#agent.report
  }

  /** Somebody waits for a path, or one is being made a connection of. */
  get isBusy(): boolean {
    return this.#waiters.size > 0 || this.#introducing > 0
  }

  /** A connection that was found here is one of the session. */
  get carriesSession(): boolean {
    for (const connection of this.#used) if (connection.isClosed) this.#used.delete(connection)
    return this.#used.size > 0
  }

  /** What was found has broken, and what is still tried does not look for the same again. */
  get isBroken(): boolean {
    return this.#hasCarried && !this.carriesSession
  }

  /** A path that was better than a relay was found, and came to nothing: it is worth another try soon. */
  hasMissedDirect = false

  /** Whether the application asked for the peer; it does not matter on which connection it comes then. */
  isWanted = false

  /** What the peer's traversal has sent. */
  receive(message: Uint8Array): void {
    this.#agent.receive(message)
  }

  /** Looks for paths anew; those that stand are kept. */
  restart(): void {
    this.#refusal = undefined
    this.#hasCarried = false
    this.hasMissedDirect = false
    this.#agent.restart()
    this.#follow()
  }

  /** Resolves with the next connection that is one of the session; rejects when nothing more is tried, or with `signal`. */
  nextPath(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#waiters.delete(waiter)
        signal.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        resolve: () => {
          settle()
          resolve()
        },
        reject: error => {
          settle()
          reject(error)
        },
      }
      const onAbort = (): void => waiter.reject(signal.reason)
      this.#waiters.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#checkEnd()
    })
  }

  /** A relay carries a connection that was found here. */
  get isRelayed(): boolean {
    for (const connection of this.#relayed) if (connection.isClosed) this.#relayed.delete(connection)
    return this.#relayed.size > 0
  }

  /** Ends everything, connections too. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const connection of [...this.#used, ...this.#relayed]) connection.destroy()
    this.#rejectAll(new EarshotError('closed', 'the way over the Internet was given up'))
    await this.#agent.close()
  }

  /** A connection through a peer that relays. Resolves with whether it has become one of the session. */
  offer(connection: TcpConnection, relay: string, role: Introduction['role']): Promise<boolean> {
    return this.#take(connection, { kind: 'relay', transport: 'tcp', relay }, role)
  }

  /** Ends the connections that relays carry: there is a better one. */
  endRelays(): void {
    for (const connection of this.#relayed) connection.end()
  }

  #onPath({ connection, kind, transport, isControlling, remote }: Path): void {
    const address = remote.type === 'relayed' ? connection.remote : connection.local
    const relay = kind === 'relay' ? formatSocketAddress(address) : undefined
    void this.#take(connection, { kind, transport, relay }, isControlling ? 'initiator' : 'responder')
  }

  async #take(stream: TcpConnection, route: Route, role: Introduction['role']): Promise<boolean> {
    const { budget } = this.#options
    const isRelayed = route.kind === 'relay'
    const connection = new WaitingConnection(stream, isRelayed ? bytes => budget.count(bytes) : ignore)
    if (this.#isClosed || (isRelayed && budget.isSpent)) {
      connection.destroy()
      return false
    }
    if (isRelayed) this.#relayed.add(connection)
    const introduction = { connection, role, route }
    this.#introducing++
    const introduced =
      role === 'initiator' ? this.#inTurn(() => this.#introduce(introduction)) : this.#introduce(introduction)
    this.#turn = introduced.finally(() => {
      this.#introducing--
      this.#checkEnd()
    })
    return introduced
  }

  /** After the one before, or when that takes too long. */
  async #inTurn(introduce: () => Promise<boolean>): Promise<boolean> {
    let timer: Timer | undefined
    const patience = new Promise<void>(resolve => {
      timer = this.#options.agent.platform.clock.setTimer(TURN_MS, resolve)
    })
    await Promise.race([this.#turn, patience])
    timer?.cancel()
    return introduce()
  }

  async #introduce(introduction: Omit<Introduction, 'isWanted'>): Promise<boolean> {
    const { connection, route } = introduction
    const isBetter = route.kind !== 'relay'
    if (this.#isClosed || connection.isClosed) {
      this.hasMissedDirect ||= isBetter
      connection.destroy()
      return false
    }
    try {
      await this.#options.introduce({ ...introduction, isWanted: this.isWanted })
      this.#used.add(connection)
      this.#hasCarried = true
      for (const waiter of [...this.#waiters]) waiter.resolve()
      return true
    } catch (error) {
      connection.destroy()
      if (!(error instanceof EarshotError)) throw error
      this.hasMissedDirect ||= isBetter
      if (!IS_OF_THE_WAY.includes(error.code)) this.#refusal = error
      // The peer itself has spoken: over another path it would say the same.
      if (error.code === 'refused' && error.reason !== 'duplicate') this.#rejectAll(error)
      return false
    }
  }

  #follow(): void {
    void this.#agent.done.then(() => this.#checkEnd())
  }

  /** Nothing more is tried: who waits is told why. */
  #checkEnd(): void {
    if (this.#waiters.size === 0 || this.#introducing > 0 || this.#isClosed) return
    const { report } = this.#agent
    // The peer may have begun anew meanwhile.
    if (!report.isDone) this.#follow()
    else this.#rejectAll(noPathError(this.#options.peerId, report, this.#refusal))
  }

  #rejectAll(error: EarshotError): void {
    for (const waiter of [...this.#waiters]) waiter.reject(error)
  }
}

function ignore(): void {}
