/**
 * One attempt to reach the other side: gathers our candidates, tries theirs over UDP, TCP and relays at the same time, and gives
 * out what becomes a connection. The agent makes a new one when either side starts again.
 */

import { EarshotError } from '../../errors.ts'
import { ICE_AGAIN_MS, MAX_ICE_CANDIDATES } from '../../limits.ts'
import type { Timer } from '../../platform/clock.ts'
import type { SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import type { ReliableUdpSupport } from '../../platform/reliable-udp.ts'
import { withLocalPort } from '../behaviour/local-port.ts'
import type { PortMapping } from '../port-mapping/port-mapping.ts'
import type { MapOptions } from '../port-mapping/port-mapping-options.ts'
import type { Binding } from '../stun/binding.ts'
import type { ServerLink } from '../stun/server-link.ts'
import type { StunUri } from '../stun/stun-uri.ts'
import type { AllocationRequest } from '../turn/allocate.ts'
import type { Exchange } from './agent.ts'
import { type Candidate, candidateRefusal, sameCandidate } from './candidate.ts'
import { isOwnBroadcast, ownSubnets, type PathKind } from './candidate-pair.ts'
import type { CheckSocket } from './check-socket.ts'
import type { CredentialPair } from './credentials.ts'
import type { Description, DirectPolicy } from './description.ts'
import { Gatherer, STUN_DELAYS_MS } from './gatherer.ts'
import { Journal } from './journal.ts'
import { NatStrategy, type StrategyNews } from './nat-strategies.ts'
import { isHard, type NatSummary } from './nat-summary.ts'
import { Relays } from './relays.ts'
import { Selection } from './selection.ts'
import type { OwnDescription } from './signalling.ts'
import { TcpPaths, type TcpStream } from './tcp-paths.ts'
import { askOver } from './tcp-survey.ts'
import { UdpPaths, type UdpStream } from './udp-paths.ts'

export interface AttemptOptions {
  readonly platform: Platform
  readonly support: ReliableUdpSupport
  readonly stun: readonly StunUri[]
  readonly turn: readonly Omit<AllocationRequest, 'signal'>[]
  readonly direct: DirectPolicy
  readonly isControlling: boolean
  readonly keepAliveMs: number
  readonly giveUpMs: number
  readonly exchange: Exchange
  readonly trustedCertificates: readonly string[] | undefined
  readonly mapPort: ((options: MapOptions) => Promise<PortMapping>) | undefined
  readonly credentials: () => CredentialPair
  readonly tell: (change: Partial<OwnDescription>) => void
  readonly own: () => OwnDescription
  readonly onStream: (stream: (UdpStream | TcpStream) & { readonly transport: 'udp' | 'tcp' }) => void
  readonly onWarning: (error: EarshotError) => void
  /** A birthday search sends much to one address; whether it is time for one. */
  readonly maySearch: () => boolean
  /** Nothing is tried any more. */
  readonly onDone: () => void
}

/** A direct path stands; one in the LAN may follow. */
const SETTLE_MS = 400
/** Predictions over TCP disturb those over UDP, which come first. */
const TCP_STRATEGY_DELAY_MS = 5_000
/** Where a person has brought the descriptions and one path stands: both sides are there, and what else they have shows soon. */
const REST_MS = 20_000
const SOON_MS = 150
const BIRTHDAY_DELAY_MS = 600

export class Attempt {
  readonly journal: Journal
  readonly #options: AttemptOptions
  readonly #udp: UdpPaths | undefined
  readonly #tcp: TcpPaths
  readonly #relays: Relays
  readonly #selection: Selection
  readonly #udpStrategy: NatStrategy<CheckSocket> | undefined
  readonly #tcpStrategy: NatStrategy<number> | undefined
  readonly #gatherer: Gatherer
  readonly #stop = new AbortController()
  readonly #timers: Timer[] = []
  readonly #refused = new Set<string>()
  /** Connections to STUN servers that hold mappings from which others are predicted. */
  readonly #links = new Set<ServerLink>()
  #remote: Description | undefined
  #isGathered = false
  #isSettled = false
  #held: Candidate[] = []
  #isPlanned = false
  #best: PathKind | undefined

  constructor(options: AttemptOptions) {
    this.#options = options
    const { platform, support, credentials, isControlling, keepAliveMs } = options
    this.journal = new Journal(platform.clock)
    const { journal } = this
    this.#selection = new Selection(() => {})
    const onOffer = this.#selection.offer.bind(this.#selection)
    const isLive = options.exchange === 'live'
    const againMs = isLive ? undefined : ICE_AGAIN_MS
    const common = { platform, journal, credentials, isControlling, againMs, onOffer }
    this.#tcp = new TcpPaths({ ...common, onStream: stream => this.#onStream(stream, 'tcp') })
    if (support.kind === 'available' && options.direct !== 'never') {
      const onStream = (stream: UdpStream) => this.#onStream(stream, 'udp')
      this.#udp = new UdpPaths({ ...common, support, keepAliveMs, onStream })
      if (isLive) this.#udpStrategy = this.#makeUdpStrategy(this.#udp)
    }
    if (isLive) this.#tcpStrategy = this.#makeTcpStrategy()
    this.#gatherer = new Gatherer({
      ...options,
      udp: this.#udp,
      tcp: this.#tcp,
      isRelayOnly: options.direct === 'never',
      onCandidates: (...candidates) => this.#add(...candidates),
      onNat: (about, nat) => this.#tellNat(about, nat),
    })
    this.#relays = new Relays({
      platform,
      requests: options.direct === 'only' ? [] : options.turn,
      onCandidate: (relayed, mapped) => this.#onRelayed(relayed, mapped),
      onConnection: connection => this.#tcp.acceptRelayed(connection),
      onError: error => this.#warn(error),
      onWarning: options.onWarning,
    })
  }

  get isDone(): boolean {
    return this.#isSettled
  }

  get selected(): PathKind | undefined {
    return this.#best
  }

  /** Gathers until everything that can be told has been. */
  async gather(): Promise<void> {
    try {
      await Promise.all([this.#relays.allocate(), this.#gatherer.gather()])
    } catch (error) {
      this.#warn(error)
    }
    this.#isGathered = true
    if (this.#stop.signal.aborted) return
    this.#options.tell({ isComplete: true })
    this.#startGivingUp()
  }

  /** What the other side has told. */
  setRemote(remote: Description): void {
    const isFirst = this.#remote === undefined
    this.#remote = remote
    const usable = remote.candidates.filter(candidate => this.#isUsable(candidate))
    if (this.#options.direct !== 'only') this.#relays.permit(remote.candidates.flatMap(permittedBy))
    this.#plan()
    this.#udpStrategy?.setRemote(remote)
    this.#tcpStrategy?.setRemote(remote)
    for (const candidate of usable) this.#try(candidate)
    if (!isFirst) return
    // Connections that came before are judged by the candidates.
    this.#udp?.resume()
    this.#tcp.resume()
    this.#startGivingUp()
  }

  /** Nothing more is tried. Connections stay. */
  settle(): void {
    if (this.#isSettled) return
    this.#isSettled = true
    for (const timer of this.#timers) timer.cancel()
    this.#udpStrategy?.close()
    this.#tcpStrategy?.close()
    this.#udp?.settle()
    this.#tcp.settle()
    this.#selection.close()
    this.#gatherer.settle()
    this.#closeLinks()
    this.#relays.release()
    this.#options.onDone()
  }

  /** Ends connections, mappings and relays as well. */
  async close(): Promise<void> {
    this.#stop.abort(new EarshotError('closed', 'the agent was closed'))
    this.settle()
    this.#udp?.close()
    await Promise.all([this.#tcp.close(), this.#relays.close(), this.#gatherer.close()])
  }

  #closeLinks(): void {
    for (const link of this.#links) link.close()
    this.#links.clear()
  }

  #tellNat(transport: 'udp' | 'tcp', nat: NatSummary): void {
    const { own, tell } = this.#options
    tell({ nat: { ...own().nat, [transport]: nat } })
    const strategy = transport === 'udp' ? this.#udpStrategy : this.#tcpStrategy
    strategy?.setLocal(nat)
    this.#plan()
  }

  #onRelayed(relayed: Candidate, mapped: SocketAddress): void {
    // From there we connect to relays, too: where no STUN server has said it, the other side learns it so.
    this.#add(relayed, { ...mapped, type: 'server-reflexive', transport: 'tcp-passive' })
  }

  #add(...candidates: readonly Candidate[]): void {
    const { own, tell } = this.#options
    const known = own().candidates
    const added = candidates.filter(candidate => !known.some(each => sameCandidate(each, candidate)))
    if (added.length > 0 && !this.#isSettled) tell({ candidates: [...known, ...added].slice(0, MAX_ICE_CANDIDATES) })
  }

  #isUsable(candidate: Candidate): boolean {
    const { platform, direct } = this.#options
    const isRelayed = candidate.type === 'relayed'
    if (isRelayed ? direct === 'only' : direct === 'never' || this.#remote!.direct === 'never') return false
    const isBroadcast = isOwnBroadcast(candidate, ownSubnets(platform.network.interfaces()))
    const why = candidateRefusal(candidate) ?? (isBroadcast ? 'is a broadcast address of this network' : undefined)
    // Where it connects from, told for the sake of permissions; nobody listens there.
    if (why === undefined) return !(candidate.type === 'server-reflexive' && candidate.transport === 'tcp-passive')
    const key = `${candidate.address} ${candidate.port}`
    if (!this.#refused.has(key)) {
      this.#refused.add(key)
      const local = { address: '0.0.0.0', port: 0 }
      const transport = candidate.transport === 'udp' ? 'udp' : 'tcp'
      const subject = { kind: 'direct', transport, method: 'check', remoteType: candidate.type } as const
      this.journal.refuse({ ...subject, local, remote: candidate }, `${candidate.address} ${why}`)
    }
    return false
  }

  #try(candidate: Candidate): void {
    if (this.#isSettled) return
    if (candidate.transport === 'udp') this.#udp?.addRemote(candidate)
    else if (candidate.transport === 'tcp-passive' || this.#isPlanned) this.#tcp.addRemote(candidate)
    else this.#held.push(candidate)
  }

  /** Simultaneous open needs to know both NATs. */
  #plan(): void {
    const local = this.#options.own().nat.tcp
    const remote = this.#remote?.nat.tcp
    const isKnown = (nat: NatSummary) => nat.mapping !== 'unknown' || this.#isGathered
    if (this.#isPlanned || remote === undefined || !isKnown(local) || !isKnown(remote)) return
    this.#isPlanned = true
    const [isHardHere, isHardThere] = [isHard(local), isHard(remote)]
    const [isUdpBlocked, isSequence] = [
      this.#options.own().nat.udp.isBlocked || this.#remote!.nat.udp.isBlocked,
      remote.ports.kind === 'sequential',
    ]
    // The side whose port does not move listens; of two such, the controlled one. Whoever aims at ports that are predicted or
    // searched for must go on connecting.
    // Where a person carries the descriptions the controlling side is the later one, and the other has to go on connecting.
    const { isControlling, exchange } = this.#options
    const listensOfTwo = exchange === 'live' ? !isControlling : isControlling
    const listens = !isHardHere && (isHardThere ? !isSequence && !isUdpBlocked : listensOfTwo)
    this.#tcp.plan({ simultaneousOpen: !(isHardHere && isHardThere), listens })
    for (const candidate of this.#held) this.#tcp.addRemote(candidate)
    this.#held = []
  }

  #makeUdpStrategy(paths: UdpPaths): NatStrategy<CheckSocket> {
    const { platform, isControlling } = this.#options
    return new NatStrategy<CheckSocket>({
      transport: 'udp',
      clock: platform.clock,
      isControlling,
      predictionDelayMs: () => SOON_MS,
      birthdayDelayMs: () => BIRTHDAY_DELAY_MS,
      tell: change => this.#tellStrategy(change, 'udp'),
      means: {
        predict: async () => {
          const server = this.#gatherer.servers.udp
          if (server === undefined) return undefined
          const local = await paths.openSpare('ipv4')
          const binding = await orUndefined(local.bind(server.address, STUN_DELAYS_MS, this.#stop.signal))
          return binding && { local, mapped: binding.mapped }
        },
        aimFrom: (socket, remotes) => paths.checkFrom(socket, remotes),
        aimAt: (prediction, from) => this.#isAimable(prediction.mapped) && paths.checkPredicted(prediction, from),
        openMany: (remote, onOpen) => void paths.openMany(remote, onOpen),
        search: address => this.#options.maySearch() && void paths.searchPorts(address),
      },
    })
  }

  #makeTcpStrategy(): NatStrategy<number> {
    const { platform, isControlling } = this.#options
    const { trustedCertificates } = this.#options
    return new NatStrategy<number>({
      transport: 'tcp',
      clock: platform.clock,
      isControlling,
      predictionDelayMs: () => (this.#hopesForUdp ? TCP_STRATEGY_DELAY_MS : SOON_MS),
      birthdayDelayMs: () => (this.#hopesForUdp ? TCP_STRATEGY_DELAY_MS : BIRTHDAY_DELAY_MS),
      tell: change => this.#tellStrategy(change, 'tcp'),
      means: {
        predict: async () => {
          const server = this.#gatherer.servers.tcp
          if (server === undefined) return undefined
          const { signal } = this.#stop
          const ask = async (localPort: number): Promise<{ local: number } & Pick<Binding, 'mapped'>> => {
            const question = { to: server.address, uri: server.uri, localPort, links: this.#links, signal }
            try {
              const { mapped } = await askOver({ platform, trustedCertificates }, question)
              return { local: localPort, mapped }
            } finally {
              if (this.#isSettled) this.#closeLinks()
            }
          }
          return orUndefined(withLocalPort(platform.random, ask))
        },
        aimFrom: (port, remotes) => this.#tcp.connectFrom(port, remotes),
        aimAt: (prediction, from) => this.#isAimable(prediction.mapped) && this.#tcp.connectPredicted(prediction, from),
        openMany: (remote, onOpen) => void this.#tcp.openMany(remote, onOpen),
        search: address => this.#options.maySearch() && void this.#tcp.searchPorts(address),
      },
    })
  }

  get #hopesForUdp(): boolean {
    const isTried = this.#udp !== undefined && this.#remote?.hasReliableUdp === true
    return isTried && this.#udpStrategy?.strategy !== 'none'
  }

  #tellStrategy(change: StrategyNews, transport: 'udp' | 'tcp'): void {
    const { own, tell } = this.#options
    if ('birthday' in change) tell({ birthday: [...own().birthday, transport] })
    else tell({ predictions: [...own().predictions.filter(each => each.transport !== transport), change.prediction] })
  }

  #isAimable(mapped: SocketAddress): boolean {
    const { direct } = this.#options
    return direct !== 'never' && this.#remote?.direct !== 'never' && candidateRefusal(mapped) === undefined
  }

  #onStream(stream: UdpStream | TcpStream, transport: 'udp' | 'tcp'): void {
    if (this.#best === undefined || this.#best === 'relay') this.#best = stream.kind
    if (stream.kind !== 'relay') this.#later(stream.kind === 'lan' ? 0 : SETTLE_MS, () => this.settle())
    if (this.#options.exchange === 'once') this.#later(REST_MS, () => this.settle())
    this.#options.onStream({ ...stream, transport })
  }

  /** The clock runs when both sides have told what they have. */
  #startGivingUp(): void {
    if (this.#isGathered && this.#remote !== undefined && !this.#isSettled)
      this.#later(this.#options.giveUpMs, () => this.settle())
  }

  #later(ms: number, act: () => void): void {
    this.#timers.push(this.#options.platform.clock.setTimer(ms, act))
  }

  #warn(error: unknown): void {
    if (this.#stop.signal.aborted) return
    if (!(error instanceof EarshotError)) throw error
    this.#options.onWarning(error)
  }
}

/** Where the other side may come from. */
function permittedBy(candidate: Candidate): readonly string[] {
  return candidateRefusal(candidate) === undefined ? [candidate.address] : []
}

async function orUndefined<Value>(promise: Promise<Value>): Promise<Value | undefined> {
  try {
    return await promise
  } catch (error) {
    if (error instanceof EarshotError) return undefined
    throw error
  }
}
