/**
 * UDP paths (RFC 8445): checks between our sockets and the candidates of the other side, and where both NATs want it, ports that
 * are predicted or searched for. A path that works is offered; nominated, it becomes a reliable stream on its socket.
 */

import { EarshotError } from '../../errors.ts'
import {
  ICE_BIRTHDAY_PORTS,
  ICE_BIRTHDAY_SOCKETS,
  ICE_PREDICTED_PORTS,
  MAX_ICE_PAIRS,
  MAX_ICE_STREAMS,
  MAX_ICE_UNANSWERED_CHECKS,
} from '../../limits.ts'
import type { Timer } from '../../platform/clock.ts'
import type { AddressFamily, SocketAddress, TcpConnection } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { AbortGroup } from './abort-group.ts'
import { BIRTHDAY_BATCH, BIRTHDAY_BATCH_MS, handled, randomPorts } from './birthday.ts'
import { type Candidate, familyOfCandidate, sameAddress } from './candidate.ts'
import { ownSubnets, type PathKind, pathKindTo, promiseOf } from './candidate-pair.ts'
import { CheckList, type ListedPair } from './check-list.ts'
import { type AvailableReliableUdp, CheckSocket } from './check-socket.ts'
import type { CheckRequest, Nomination } from './connectivity-check.ts'
import type { CredentialPair } from './credentials.ts'
import type { Prediction } from './description.ts'
import type { Journal, JournalEntry, PathMethod } from './journal.ts'
import { predictedPorts } from './nat-summary.ts'
import { OwnedConnection } from './owned-connection.ts'
import type { Offer } from './selection.ts'

export interface UdpPathsOptions {
  readonly platform: Platform
  readonly support: AvailableReliableUdp
  readonly journal: Journal
  readonly credentials: () => CredentialPair
  readonly isControlling: boolean
  /** From one packet that keeps the mapping of a stream alive to the next. */
  readonly keepAliveMs: number
  /** When a pair that has failed is checked again, with one packet: that also keeps our NAT open for the other side. */
  readonly againMs: number | undefined
  /** Of the controlling side: a path works. */
  readonly onOffer: (offer: Offer) => void
  /** It became a stream, on both sides. It must be started in this turn. */
  readonly onStream: (stream: UdpStream) => void
}

export interface UdpStream {
  readonly connection: TcpConnection
  readonly kind: PathKind
  readonly method: PathMethod
  readonly remote: Candidate
}

/** How a check is repeated until it is answered: MAX_ICE_UNANSWERED_CHECKS packets in 4 s. */
const CHECK_DELAYS_MS: readonly number[] = [100, 200, 400, 800, 2_500].slice(0, MAX_ICE_UNANSWERED_CHECKS)
/** Of a nomination: the path is known to work. */
const NOMINATION_DELAYS_MS: readonly number[] = [150, 300, 600, 1_200]
const AGAIN_DELAYS_MS: readonly number[] = [1_000]
const PREDICTION_DELAYS_MS: readonly number[] = [100, 200, 700]
/** The sockets of a birthday search send at once, and again when the search has begun. */
const BIRTHDAY_SOCKET_DELAYS_MS: readonly number[] = [1_000, 1_000, 4_000]
/** In a LAN the system's TCP is the better transport: it begins first. */
const LAN_DELAY_MS = 200
const BIRTHDAY_SEARCH_DELAYS_MS: readonly number[] = [4_000]

export class UdpPaths {
  readonly #options: UdpPathsOptions
  readonly #list = new CheckList<CheckSocket>()
  readonly #sockets: CheckSocket[] = []
  /** Of predictions and searches: closed when nothing came of them. */
  readonly #spares = new Map<CheckSocket, PathMethod>()
  readonly #remotes: Candidate[] = []
  /** Addresses of the other side at which ports were guessed, and how. */
  readonly #guesses = new Map<string, PathMethod>()
  readonly #entries = new Map<string, JournalEntry>()
  readonly #running = new Map<string, AbortController>()
  /** Pairs that are checked again, though nothing was heard from there. */
  readonly #again = new Set<string>()
  /** Streams by the id of the nomination. */
  readonly #streams = new Map<number, TcpConnection>()
  /** Sockets that a stream runs on. */
  readonly #used = new Set<CheckSocket>()
  readonly #search = new AbortGroup()
  readonly #timers = new Set<Timer>()
  #tick: Timer | undefined
  #isSettled = false
  #isClosed = false

  constructor(options: UdpPathsOptions) {
    this.#options = options
  }

  get sockets(): readonly CheckSocket[] {
    return this.#sockets
  }

  /** A socket that candidates are told of. */
  async openSocket(family: AddressFamily): Promise<CheckSocket> {
    const socket = await this.#open(family)
    this.#sockets.push(socket)
    for (const remote of this.#remotes) this.#pair(socket, remote)
    this.#run()
    return socket
  }

  addRemote(candidate: Candidate): void {
    const isFull = this.#remotes.length >= MAX_ICE_PAIRS
    if (this.#isSettled || isFull || this.#remotes.some(known => sameAddress(known, candidate))) return
    this.#remotes.push(candidate)
    for (const socket of this.#sockets) this.#pair(socket, candidate)
    this.#run()
  }

  /** The credentials of the other side are known now, or others than before. */
  resume(): void {
    this.#run()
  }

  /** Opens a socket of which the next mapping can be predicted. */
  openSpare(family: AddressFamily): Promise<CheckSocket> {
    return this.#openSpare(family, 'prediction')
  }

  /** Checks from a socket to where the other side's NAT does not move: the mapping is the predicted one. */
  checkFrom(socket: CheckSocket, remotes: readonly SocketAddress[]): void {
    if (this.#isSettled) return
    for (const remote of remotes) this.#checkAside(socket, remote, PREDICTION_DELAYS_MS, 'prediction')
  }

  /** Checks to the ports that follow from a mapping of the other side, from our socket or one that was opened for that. */
  checkPredicted({ mapped, delta }: Prediction, from?: CheckSocket): void {
    const socket = from ?? this.#sockets.find(({ family }) => family === familyOfCandidate(mapped))
    if (this.#isSettled || socket === undefined) return
    this.#guesses.set(mapped.address, 'prediction')
    for (const port of predictedPorts(mapped, delta, ICE_PREDICTED_PORTS)) {
      this.#checkAside(socket, { address: mapped.address, port }, PREDICTION_DELAYS_MS, 'prediction')
    }
  }

  /** The many sockets of a birthday search, each with a mapping of its own towards `remote`. */
  async openMany(remote: SocketAddress, onOpen: () => void): Promise<void> {
    const detail = `${ICE_BIRTHDAY_SOCKETS} sockets to ${remote.address}:${remote.port}`
    const entry = this.#begin({ ...remote, type: 'server-reflexive', transport: 'udp' }, 'birthday', detail)
    try {
      const checks: Promise<void>[] = []
      for (let i = 0; i < ICE_BIRTHDAY_SOCKETS && !this.#isSettled; i++) {
        const socket = await this.#openSpare(familyOfCandidate(remote), 'birthday')
        const check = this.#checkInSearch(socket, remote, BIRTHDAY_SOCKET_DELAYS_MS)
        checks.push(handled(check.then(() => this.#works(socket, remote, 'birthday'))))
      }
      onOpen()
      await Promise.any(checks)
      entry.end('works')
    } catch (error) {
      entry.end(this.#isSettled ? 'stopped' : 'failed', lastError(error))
    }
  }

  /** The search for one of them: one packet to each of many ports. */
  async searchPorts(address: string): Promise<void> {
    const socket = this.#sockets.find(({ family }) => family === familyOfCandidate({ address, port: 0 }))
    if (socket === undefined || this.#isSettled) return
    this.#guesses.set(address, 'birthday')
    const remote: Candidate = { address, port: 1, type: 'peer-reflexive', transport: 'udp' }
    const entry = this.#begin(remote, 'birthday', `${ICE_BIRTHDAY_PORTS} ports of ${address}`, socket)
    const ports = randomPorts(this.#options.platform.random, ICE_BIRTHDAY_PORTS)
    const checks: Promise<void>[] = []
    try {
      for (let at = 0; at < ports.length && !this.#isSettled; at += BIRTHDAY_BATCH) {
        for (const port of ports.slice(at, at + BIRTHDAY_BATCH)) {
          const to = { address, port }
          const check = this.#checkInSearch(socket, to, BIRTHDAY_SEARCH_DELAYS_MS)
          // The one that is answered is heard as a check of the other side, too; whichever comes first.
          checks.push(handled(check.then(() => this.#works(socket, to, 'birthday'))))
        }
        await this.#pause(BIRTHDAY_BATCH_MS)
      }
      await Promise.any(checks)
      entry.end('works')
    } catch (error) {
      entry.end(this.#isSettled ? 'stopped' : 'failed', lastError(error))
    }
  }

  /** Nothing more is tried; what is there goes on to answer for a while. */
  settle(): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#tick?.cancel()
    this.#search.abort(new EarshotError('closed', 'no longer needed'))
    for (const running of this.#running.values()) running.abort(new EarshotError('closed', 'no longer needed'))
    for (const entry of this.#entries.values()) entry.end('stopped')
    for (const spare of [...this.#spares.keys()]) if (!this.#used.has(spare)) this.#closeSpare(spare)
  }

  /** Ends streams, too. */
  close(): void {
    this.settle()
    this.#isClosed = true
    for (const timer of this.#timers) timer.cancel()
    for (const stream of this.#streams.values()) stream.destroy()
    for (const socket of [...this.#sockets, ...this.#spares.keys()]) socket.close()
  }

  async #open(family: AddressFamily): Promise<CheckSocket> {
    const { platform, support, credentials } = this.#options
    const socket = await CheckSocket.open({
      platform,
      support,
      family,
      credentials,
      onCheck: (check, from, through) => this.#onCheck(check, from, through),
    })
    if (!this.#isClosed) return socket
    socket.close()
    throw new EarshotError('closed', 'the agent was closed')
  }

  async #openSpare(family: AddressFamily, method: PathMethod): Promise<CheckSocket> {
    const socket = await this.#open(family)
    this.#spares.set(socket, method)
    return socket
  }

  #closeSpare(socket: CheckSocket): void {
    this.#spares.delete(socket)
    socket.close()
  }

  #pair(socket: CheckSocket, remote: Candidate): void {
    if (socket.family !== familyOfCandidate(remote)) return
    const add = () => this.#list.add(socket, remote, promiseOf(remote, this.#subnets))
    if (pathKindTo(remote, this.#subnets) !== 'lan') {
      add()
    } else {
      void this.#pause(LAN_DELAY_MS).then(() => {
        add()
        this.#run()
      })
    }
  }

  get #subnets() {
    return ownSubnets(this.#options.platform.network.interfaces())
  }

  /** Starts what may start, and comes again when the pace allows the next. */
  #run(): void {
    if (this.#isSettled || this.#options.credentials().remote === undefined) return
    const { clock } = this.#options.platform
    const pair = this.#list.next(clock.now())
    if (pair !== undefined) this.#start(pair)
    const { nextAt } = this.#list
    this.#tick?.cancel()
    if (nextAt !== undefined) this.#tick = clock.setTimer(Math.max(0, nextAt - clock.now()), () => this.#run())
  }

  #start({ socket, remote }: ListedPair<CheckSocket>): void {
    const key = keyOf(socket, remote)
    const candidate = this.#candidateOf(remote)
    const method = this.#methodOf(socket, candidate)
    const entry = this.#entries.get(key) ?? this.#begin(candidate, method, undefined, socket)
    this.#entries.set(key, entry)
    this.#running.get(key)?.abort(new EarshotError('closed', 'checked again'))
    const running = new AbortController()
    this.#running.set(key, running)
    const delaysMs = this.#again.delete(key) ? AGAIN_DELAYS_MS : CHECK_DELAYS_MS
    this.#check(socket, remote, delaysMs, running.signal).then(
      () => {
        entry.end('works')
        this.#works(socket, remote, method)
      },
      error => {
        if (running.signal.aborted) return
        this.#list.settle(socket, remote, 'failed')
        entry.end('failed', error)
        this.#checkAgain(socket, remote)
      },
    )
  }

  #checkAgain(socket: CheckSocket, remote: SocketAddress): void {
    const { againMs } = this.#options
    if (againMs === undefined || this.#isSettled) return
    void this.#pause(againMs).then(() => {
      if (!this.#list.renew(socket, remote)) return
      this.#again.add(keyOf(socket, remote))
      this.#run()
    })
  }

  /** A check beside the list, of one of many guesses. */
  #checkAside(socket: CheckSocket, remote: SocketAddress, delaysMs: readonly number[], method: PathMethod): void {
    const entry = this.#begin({ ...remote, type: 'peer-reflexive', transport: 'udp' }, method, undefined, socket)
    this.#checkInSearch(socket, remote, delaysMs).then(
      () => {
        entry.end('works')
        this.#works(socket, remote, method)
      },
      error => entry.end(this.#isSettled ? 'stopped' : 'failed', error),
    )
  }

  #checkInSearch(socket: CheckSocket, to: SocketAddress, delaysMs: readonly number[]): Promise<void> {
    return this.#search.run(signal => this.#check(socket, to, delaysMs, signal))
  }

  async #check(
    socket: CheckSocket,
    to: SocketAddress,
    delaysMs: readonly number[],
    signal: AbortSignal,
  ): Promise<void> {
    const { remote } = this.#options.credentials()
    if (remote === undefined) throw new EarshotError('closed', 'the other side has not told its credentials')
    await socket.check(to, { remote, delaysMs, signal })
  }

  #works(socket: CheckSocket, remote: SocketAddress, method: PathMethod): void {
    const known = this.#list.find(socket, remote)
    if (known?.state.kind === 'succeeded') return
    this.#list.add(socket, remote, 0)
    this.#list.settle(socket, remote, 'succeeded')
    if (this.#isSettled || !this.#options.isControlling) return
    const candidate = this.#candidateOf(remote)
    this.#options.onOffer({
      kind: pathKindTo(candidate, this.#subnets),
      nominate: () => this.#nominate(socket, candidate, method),
      discard() {},
    })
  }

  async #nominate(socket: CheckSocket, remote: Candidate, method: PathMethod): Promise<void> {
    const nomination: Nomination = { streamId: this.#newStreamId() }
    const { remote: credentials } = this.#options.credentials()
    if (credentials === undefined) throw new EarshotError('closed', 'the other side has started again')
    // Not ended with the others: the other side may already use it.
    const { signal } = new AbortController()
    await socket.check(remote, { remote: credentials, nomination, delaysMs: NOMINATION_DELAYS_MS, signal })
    this.#openStream(socket, remote, method, nomination)
  }

  #newStreamId(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#options.platform.random.bytes(4)
    return (((a & 0x7f) * 0x100_0000 + ((b << 16) | (c << 8) | d)) & ~1) + 2
  }

  #openStream(socket: CheckSocket, remote: Candidate, method: PathMethod, { streamId }: Nomination): void {
    if (this.#isClosed) throw new EarshotError('closed', 'the agent was closed')
    const { platform, isControlling, keepAliveMs, onStream } = this.#options
    const ids = isControlling
      ? { localId: streamId, remoteId: streamId + 1 }
      : { localId: streamId + 1, remoteId: streamId }
    const stream = socket.openStream({ remote, ...ids })
    let keepAlive = platform.clock.setTimer(keepAliveMs, function again() {
      socket.keepAlive(remote)
      keepAlive = platform.clock.setTimer(keepAliveMs, again)
    })
    const connection = new OwnedConnection(stream, () => {
      keepAlive.cancel()
      this.#streams.delete(streamId)
      this.#used.delete(socket)
      if (this.#isSettled && this.#spares.has(socket)) this.#closeSpare(socket)
    })
    this.#streams.set(streamId, connection)
    this.#used.add(socket)
    this.#entries.get(keyOf(socket, remote))?.end('used')
    onStream({ connection, kind: pathKindTo(remote, this.#subnets), method, remote })
  }

  #onCheck({ nomination }: CheckRequest, from: SocketAddress, socket: CheckSocket): void {
    if (nomination !== undefined && !this.#options.isControlling) this.#onNomination(nomination, from, socket)
    else if (!this.#isSettled && this.#list.trigger(socket, from)) {
      this.#again.delete(keyOf(socket, from))
      this.#run()
    }
  }

  /** It comes again where our answer was lost. */
  #onNomination(nomination: Nomination, from: SocketAddress, socket: CheckSocket): void {
    if (this.#streams.has(nomination.streamId) || this.#streams.size >= MAX_ICE_STREAMS || this.#isClosed) return
    const known = this.#list.find(socket, from)
    const remote = this.#candidateOf(known?.remote ?? from)
    this.#openStream(socket, remote, this.#methodOf(socket, remote), nomination)
  }

  /** The candidate with this address; one that was not told is peer-reflexive (RFC 8445 section 7.3.1.3). */
  #candidateOf(remote: SocketAddress): Candidate {
    const told = this.#remotes.find(candidate => sameAddress(candidate, remote))
    return told ?? { ...remote, type: 'peer-reflexive', transport: 'udp' }
  }

  /** A packet from a port that was only guessed at means that the guess was right. */
  #methodOf(socket: CheckSocket, { type, address }: Candidate): PathMethod {
    return this.#spares.get(socket) ?? (type === 'peer-reflexive' ? this.#guesses.get(address) : undefined) ?? 'check'
  }

  #begin(remote: Candidate, method: PathMethod, detail?: string, socket?: CheckSocket): JournalEntry {
    const kind = pathKindTo(remote, this.#subnets)
    const local = socket?.local ?? { address: familyOfCandidate(remote) === 'ipv4' ? '0.0.0.0' : '::', port: 0 }
    const { type: remoteType } = remote
    const subject = { kind, transport: 'udp', method, remoteType, local, remote } as const
    return this.#options.journal.begin(detail === undefined ? subject : { ...subject, detail })
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = this.#options.platform.clock.setTimer(ms, () => {
        this.#timers.delete(timer)
        resolve()
      })
      this.#timers.add(timer)
    })
  }
}

function keyOf({ local }: CheckSocket, { address, port }: SocketAddress): string {
  return `${local.port} ${address} ${port}`
}

function lastError(error: unknown): unknown {
  return error instanceof AggregateError ? error.errors.at(-1) : error
}
