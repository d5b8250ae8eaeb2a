/**
 * TCP paths (RFC 6544): connections to ports where the other side listens, connections that it makes to ours, and simultaneous
 * open from mapped ports.
 *
 * Simultaneous open needs several connections from one port. No more can be made from it once somebody listens there, so
 * only one side does, and only after it has begun to connect; the other one repeats.
 */

import { EarshotError } from '../../errors.ts'
import {
  ICE_BIRTHDAY_PORTS,
  ICE_BIRTHDAY_SOCKETS,
  ICE_PREDICTED_PORTS,
  MAX_ICE_CONNECTS,
  MAX_ICE_PAIRS,
  MAX_ICE_PENDING_CONNECTIONS,
} from '../../limits.ts'
import { addressScope } from '../../platform/address-scope.ts'
import type { AddressFamily, SocketAddress, TcpConnection, TcpListener } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { AbortGroup } from './abort-group.ts'
import { BIRTHDAY_BATCH, BIRTHDAY_BATCH_MS, handled, randomPorts } from './birthday.ts'
import { type Candidate, familyOfCandidate, sameCandidate } from './candidate.ts'
import { ownSubnets, type PathKind, pathKindTo } from './candidate-pair.ts'
import type { CredentialPair } from './credentials.ts'
import type { Prediction } from './description.ts'
import type { Journal, JournalEntry, PathMethod } from './journal.ts'
import { predictedPorts } from './nat-summary.ts'
import { OwnedConnection } from './owned-connection.ts'
import type { Offer } from './selection.ts'
import { TcpNegotiation } from './tcp-negotiation.ts'

export interface TcpPathsOptions {
  readonly platform: Platform
  readonly journal: Journal
  readonly credentials: () => CredentialPair
  readonly isControlling: boolean
  /** When a connect that has failed is tried again, without end; undefined: some times at most, and at once. */
  readonly againMs: number | undefined
  /** Of the controlling side: a path works. */
  readonly onOffer: (offer: Offer) => void
  /** It is used, on both sides. It must be started in this turn. */
  readonly onStream: (stream: TcpStream) => void
}

export interface TcpStream {
  readonly connection: TcpConnection
  readonly kind: PathKind
  readonly method: PathMethod
  readonly remote: Candidate
}

/** How a connection came to be. */
interface Origin {
  readonly kind: PathKind
  readonly method: PathMethod
  readonly remote: Candidate
  readonly entry: JournalEntry
}

const CONNECT_TIMEOUT_MS = 4_000
/** The system sends a SYN again after 1 and 3 seconds. */
const SIMULTANEOUS_TIMEOUT_MS = 6_000
/** After a reset; not the same on both sides, or resets would go on crossing. */
const REPEAT_MS = { least: 60, most: 240 } as const
/** A relay refuses until it has been told who may connect. */
const RELAY_REPEAT_MS = 150
const NEGOTIATION_TIMEOUT_MS = 5_000
/** Node begins a connection in the next turn: whoever listens on its port has to wait for that. */
const LISTEN_DELAY_MS = 30

export class TcpPaths {
  readonly #options: TcpPathsOptions
  readonly #remotes: Candidate[] = []
  readonly #listeners: TcpListener[] = []
  /** The ports that the other side was told of for simultaneous open. */
  readonly #punchPorts = new Map<AddressFamily, number>()
  readonly #listening = new Set<AddressFamily>()
  readonly #connections = new Set<TcpConnection>()
  /** Connections that came before the other side's credentials did. */
  readonly #unnegotiated = new Set<() => void>()
  readonly #search = new AbortGroup()
  #pendingAccepts = 0
  #listensOnPunchPort = false
  #simultaneousOpen = true
  #isClosed = false

  constructor(options: TcpPathsOptions) {
    this.#options = options
  }

  /** Where the other side may connect to; resolves to the port. */
  async listen(): Promise<number> {
    return this.#listenOn(0)
  }

  setPunchPort(family: AddressFamily, port: number): void {
    this.#punchPorts.set(family, port)
    for (const remote of this.#remotes.filter(each => each.transport === 'tcp-so')) this.#punch(remote)
  }

  /** What both NATs allow: whether simultaneous open makes sense, and whether this side is the one that listens. */
  plan({ simultaneousOpen, listens }: { readonly simultaneousOpen: boolean; readonly listens: boolean }): void {
    this.#simultaneousOpen = simultaneousOpen
    this.#listensOnPunchPort = listens
  }

  addRemote(candidate: Candidate): void {
    const isFull = this.#remotes.length >= MAX_ICE_PAIRS
    if (this.#search.isAborted || isFull || this.#remotes.some(known => sameCandidate(known, candidate))) return
    this.#remotes.push(candidate)
    if (candidate.transport === 'tcp-passive') void this.#dial(candidate)
    else this.#punch(candidate)
  }

  /** A connection that a relay has accepted for us. */
  acceptRelayed(connection: TcpConnection): void {
    this.#accept(connection, 'relay')
  }

  /** The credentials of the other side are known now. */
  resume(): void {
    const waiting = [...this.#unnegotiated]
    this.#unnegotiated.clear()
    for (const negotiate of waiting) negotiate()
  }

  /** From a port whose next mapping is predicted. */
  connectFrom(localPort: number, remotes: readonly SocketAddress[]): void {
    for (const remote of remotes) void this.#connectPredicted(remote, localPort)
  }

  /** To the ports that follow from a mapping of the other side. */
  connectPredicted({ mapped, delta }: Prediction, from?: number): void {
    const localPort = from ?? this.#punchPorts.get(familyOfCandidate(mapped))
    if (localPort === undefined) return
    const remotes = predictedPorts(mapped, delta, ICE_PREDICTED_PORTS).map(port => ({ address: mapped.address, port }))
    this.connectFrom(localPort, remotes)
  }

  /** Many connections towards one address, each with a mapping of its own. */
  async openMany(remote: SocketAddress, onOpen: () => void): Promise<void> {
    const candidate: Candidate = { ...remote, type: 'server-reflexive', transport: 'tcp-so' }
    const entry = this.#beginSearch(
      candidate,
      `${ICE_BIRTHDAY_SOCKETS} connections to ${remote.address}:${remote.port}`,
    )
    const connecting = Array.from({ length: ICE_BIRTHDAY_SOCKETS }, () =>
      handled(this.#connectInSearch(candidate, undefined, entry)),
    )
    onOpen()
    await this.#untilAny(connecting, entry)
  }

  /** From our port to many of an address. */
  async searchPorts(address: string): Promise<void> {
    const localPort = this.#punchPorts.get('ipv4')
    if (localPort === undefined || this.#search.isAborted) return
    const { platform } = this.#options
    const remote: Candidate = { address, port: 1, type: 'peer-reflexive', transport: 'tcp-so' }
    const entry = this.#beginSearch(remote, `${ICE_BIRTHDAY_PORTS} ports of ${address}`)
    const connecting: Promise<void>[] = []
    const ports = randomPorts(platform.random, ICE_BIRTHDAY_PORTS)
    for (let at = 0; at < ports.length && !this.#search.isAborted; at += BIRTHDAY_BATCH) {
      for (const port of ports.slice(at, at + BIRTHDAY_BATCH))
        connecting.push(handled(this.#connectInSearch({ ...remote, port }, localPort, entry)))
      await this.#pause(BIRTHDAY_BATCH_MS, platform.clock).catch(() => {})
    }
    await this.#untilAny(connecting, entry)
  }

  /** Nothing more is tried, and nobody is accepted any more. */
  settle(): void {
    this.#search.abort(new EarshotError('closed', 'no longer needed'))
    this.resume()
    for (const listener of this.#listeners) void listener.close()
  }

  /** Ends connections, too. */
  async close(): Promise<void> {
    this.settle()
    this.#isClosed = true
    for (const connection of this.#connections) connection.destroy()
    await Promise.all(this.#listeners.map(listener => listener.close()))
  }

  async #listenOn(port: number): Promise<number> {
    const { network } = this.#options.platform
    const listener = await network.listenTcp({ host: '::', port }, connection => this.#accept(connection))
    this.#listeners.push(listener)
    if (this.#search.isAborted) await listener.close()
    return listener.local.port
  }

  #accept(connection: TcpConnection, relayed?: 'relay'): void {
    const isFull = this.#pendingAccepts >= MAX_ICE_PENDING_CONNECTIONS
    if (this.#search.isAborted || isFull) {
      connection.destroy()
      return
    }
    this.#pendingAccepts += 1
    const origin = (): Origin => {
      const remote = this.#whoIs(connection.remote)
      const kind = relayed ?? pathKindTo(remote, this.#subnets)
      const entry = this.#begin(connection.local, remote, 'accept', kind)
      return { kind, method: 'accept', remote, entry }
    }
    void this.#negotiate(connection, origin).finally(() => {
      this.#pendingAccepts -= 1
    })
  }

  /** A host connects from an address that it has told, or, if it is of our LAN, maybe has not told yet; and from another port. */
  #whoIs({ address, port }: SocketAddress): Candidate {
    const isTold = this.#remotes.some(told => told.type === 'host' && told.address === address)
    const isHost = isTold || addressScope(address) !== 'global'
    return { address, port, type: isHost ? 'host' : 'peer-reflexive', transport: 'tcp-passive' }
  }

  async #dial(remote: Candidate): Promise<void> {
    const { againMs } = this.#options
    const { clock } = this.#options.platform
    const kind = pathKindTo(remote, this.#subnets)
    const entry = this.#begin(wildcard(remote), remote, 'connect', kind)
    const tries = kind === 'relay' ? MAX_ICE_CONNECTS : 1
    for (let attempt = 1; ; attempt++) {
      try {
        const connection = await this.#connect(remote, undefined, CONNECT_TIMEOUT_MS)
        await this.#negotiate(connection, () => ({ kind, method: 'connect', remote, entry }))
        return
      } catch (error) {
        if (this.#search.isAborted) return entry.end('stopped')
        if (attempt >= tries) entry.end('failed', error)
        if (attempt >= tries && againMs === undefined) return
      }
      const pauseMs = attempt < tries ? RELAY_REPEAT_MS * 1.4 ** (attempt - 1) : againMs!
      await this.#pause(pauseMs, clock).catch(() => {})
    }
  }

  #punch(remote: Candidate): void {
    const localPort = this.#punchPorts.get(familyOfCandidate(remote))
    if (localPort === undefined || !this.#simultaneousOpen) return
    void this.#openSimultaneously(remote, localPort)
  }

  async #openSimultaneously(remote: Candidate, localPort: number): Promise<void> {
    const { againMs } = this.#options
    const { clock, random } = this.#options.platform
    const kind = pathKindTo(remote, this.#subnets)
    const entry = this.#begin({ ...wildcard(remote), port: localPort }, remote, 'simultaneous-open', kind)
    for (let attempt = 1; ; attempt++) {
      try {
        const connecting = this.#connect(remote, localPort, SIMULTANEOUS_TIMEOUT_MS)
        if (this.#listensOnPunchPort) this.#listenOnPunchPort(familyOfCandidate(remote), localPort)
        const connection = await connecting
        await this.#negotiate(connection, () => ({ kind, method: 'simultaneous-open', remote, entry }))
        return
      } catch (error) {
        if (this.#search.isAborted) return entry.end('stopped')
        // Somebody listens there now, we ourselves: that is how it goes on.
        const isTaken = error instanceof EarshotError && error.code === 'address-in-use'
        const isLast = attempt >= MAX_ICE_CONNECTS
        if (isTaken || isLast) entry.end('failed', error)
        if (isTaken || (isLast && againMs === undefined)) return
      }
      const { least, most } = REPEAT_MS
      const pauseMs = (least + random.fraction() * (most - least)) * Math.min(attempt, 4)
      await this.#pause(attempt < MAX_ICE_CONNECTS ? pauseMs : againMs!, clock).catch(() => {})
    }
  }

  #listenOnPunchPort(family: AddressFamily, port: number): void {
    if (this.#listening.has(family)) return
    this.#listening.add(family)
    const { clock } = this.#options.platform
    clock.setTimer(LISTEN_DELAY_MS, () => {
      // Without it simultaneous open may still do.
      if (!this.#search.isAborted) this.#listenOn(port).catch(() => {})
    })
  }

  async #connectPredicted(to: SocketAddress, localPort: number): Promise<void> {
    const remote: Candidate = { ...to, type: 'peer-reflexive', transport: 'tcp-so' }
    const kind = pathKindTo(remote, this.#subnets)
    const entry = this.#begin({ ...wildcard(to), port: localPort }, remote, 'prediction', kind)
    try {
      const connection = await this.#connect(remote, localPort, SIMULTANEOUS_TIMEOUT_MS)
      await this.#negotiate(connection, () => ({ kind, method: 'prediction', remote, entry }))
    } catch (error) {
      entry.end(this.#search.isAborted ? 'stopped' : 'failed', error)
    }
  }

  async #connectInSearch(remote: Candidate, localPort: number | undefined, entry: JournalEntry): Promise<void> {
    const connection = await this.#connect(remote, localPort, SIMULTANEOUS_TIMEOUT_MS)
    await this.#negotiate(connection, () => ({ kind: 'direct', method: 'birthday', remote, entry }))
  }

  async #untilAny(connecting: readonly Promise<void>[], entry: JournalEntry): Promise<void> {
    try {
      await Promise.any(connecting)
    } catch (error) {
      entry.end(
        this.#search.isAborted ? 'stopped' : 'failed',
        error instanceof AggregateError ? error.errors.at(-1) : error,
      )
    }
  }

  #beginSearch(remote: Candidate, detail: string): JournalEntry {
    const subject = { kind: 'direct', transport: 'tcp', method: 'birthday', remoteType: remote.type } as const
    return this.#options.journal.begin({ ...subject, local: wildcard(remote), remote, detail })
  }

  async #connect(
    { address, port }: SocketAddress,
    localPort: number | undefined,
    timeoutMs: number,
  ): Promise<TcpConnection> {
    const { network } = this.#options.platform
    const from = localPort === undefined ? {} : { localPort }
    return this.#search.run(signal => network.connectTcp({ address, port }, { timeoutMs, signal, ...from }))
  }

  /** Rejects where it has not met the other side. */
  #negotiate(connection: TcpConnection, origin: () => Origin): Promise<void> {
    return this.#search.run(signal => this.#negotiateUntil(connection, origin, signal))
  }

  /** `origin` is asked when the other side's candidates are known. */
  async #negotiateUntil(connection: TcpConnection, origin: () => Origin, signal: AbortSignal): Promise<void> {
    const { platform, credentials, isControlling, onOffer } = this.#options
    const negotiation = new TcpNegotiation(connection, {
      platform,
      credentials,
      timeoutMs: NEGOTIATION_TIMEOUT_MS,
      signal,
    })
    if (!(await this.#untilCredentials(negotiation))) return
    const from = origin()
    const { entry, kind, method } = from
    try {
      if (isControlling) {
        await negotiation.untilProven()
        entry.end('works')
        const nominate = async () => this.#use(await negotiation.nominate(), from)
        onOffer({ kind, nominate, discard: () => negotiation.destroy() })
      } else {
        this.#use(await negotiation.untilNominated(), from)
      }
    } catch (error) {
      negotiation.destroy()
      if (method !== 'birthday') entry.end(this.#search.isAborted ? 'stopped' : 'failed', error)
      if (method !== 'accept') throw error
    }
  }

  /** False where the connection does not live as long. Whoever waits at its other end does not longer than this. */
  #untilCredentials(negotiation: TcpNegotiation): Promise<boolean> {
    if (this.#options.credentials().remote !== undefined) return Promise.resolve(true)
    return new Promise(resolve => {
      const go = () => {
        timer.cancel()
        resolve(true)
      }
      const giveUp = () => {
        timer.cancel()
        this.#unnegotiated.delete(go)
        negotiation.destroy()
        resolve(false)
      }
      const timer = this.#options.platform.clock.setTimer(NEGOTIATION_TIMEOUT_MS, giveUp)
      this.#unnegotiated.add(go)
      void negotiation.broken.then(giveUp)
    })
  }

  #use(negotiated: TcpConnection, { kind, method, remote, entry }: Origin): void {
    if (this.#isClosed) {
      negotiated.destroy()
      throw new EarshotError('closed', 'the agent was closed')
    }
    entry.end('works')
    entry.end('used')
    const connection = new OwnedConnection(negotiated, () => this.#connections.delete(connection))
    this.#connections.add(connection)
    this.#options.onStream({ connection, kind, method, remote })
  }

  get #subnets() {
    return ownSubnets(this.#options.platform.network.interfaces())
  }

  #begin(local: SocketAddress, remote: Candidate, method: PathMethod, kind: PathKind): JournalEntry {
    return this.#options.journal.begin({ kind, transport: 'tcp', method, remoteType: remote.type, local, remote })
  }

  #pause(ms: number, clock: Platform['clock']): Promise<void> {
    return this.#search.run(
      signal =>
        new Promise((resolve, reject) => {
          const timer = clock.setTimer(ms, resolve)
          signal.addEventListener('abort', () => {
            timer.cancel()
            reject(signal.reason)
          })
        }),
    )
  }
}

function wildcard({ address }: SocketAddress): SocketAddress {
  return { address: address.includes(':') ? '::' : '0.0.0.0', port: 0 }
}
