/**
 * What is done where plain punching cannot do (RFC 4787 section 4.1): the side whose NAT counts tells where it counts, and both
 * aim at what follows; or the side with random ports opens many, and the other tries many.
 */

import { MAX_ICE_PREDICTIONS } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { SocketAddress } from '../../platform/network.ts'
import type { Candidate } from './candidate.ts'
import type { Description, Prediction } from './description.ts'
import { isHard, type NatSummary, type Strategy, strategyFor } from './nat-summary.ts'

/** One transport's means. `Local` is where a mapping was made: a socket, or a port. */
export interface StrategyMeans<Local> {
  /** Makes a mapping of which the next can be told. */
  predict(): Promise<{ readonly local: Local; readonly mapped: SocketAddress } | undefined>
  /** Aims from a predicted mapping at addresses that do not move. */
  aimFrom(local: Local, remotes: readonly SocketAddress[]): void
  /** Aims at the ports that follow a mapping of the other side. */
  aimAt(prediction: Prediction, from: Local | undefined): void
  /** Opens many mappings towards one address; calls `onOpen` when they are. */
  openMany(remote: SocketAddress, onOpen: () => void): void
  /** Tries many ports of an address. */
  search(address: string): void
}

/** What the other side must know for its part. */
export type StrategyNews = { readonly prediction: Prediction } | { readonly birthday: true }

export interface NatStrategyOptions<Local> {
  readonly transport: 'udp' | 'tcp'
  readonly clock: Clock
  readonly isControlling: boolean
  readonly means: StrategyMeans<Local>
  /** Where plain attempts may still succeed meanwhile, in milliseconds. */
  readonly predictionDelayMs: () => number
  readonly birthdayDelayMs: () => number
  readonly tell: (news: StrategyNews) => void
}

/** From one prediction to the next. */
const ROUND_MS = 900

export class NatStrategy<Local> {
  readonly #options: NatStrategyOptions<Local>
  #local: NatSummary | undefined
  #remote: Description | undefined
  #strategy: Strategy | undefined
  #timer: Timer | undefined
  #round = 0
  #present: { readonly round: number; readonly local: Local } | undefined
  #answeredRound = 0
  #hasSearched = false
  #isClosed = false

  constructor(options: NatStrategyOptions<Local>) {
    this.#options = options
  }

  get strategy(): Strategy | undefined {
    return this.#strategy
  }

  /** How our own NAT behaves; known once. */
  setLocal(nat: NatSummary): void {
    this.#local = nat
    this.#decide()
  }

  setRemote(remote: Description): void {
    this.#remote = remote
    this.#decide()
    this.#onRemote(remote)
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #decide(): void {
    const nat = this.#remote?.nat[this.#options.transport]
    const isKnown = nat !== undefined && (nat.mapping !== 'unknown' || nat.isBlocked || this.#remote!.isComplete)
    if (this.#strategy !== undefined || this.#local === undefined || !isKnown || this.#isClosed) return
    this.#strategy = strategyFor(this.#local, nat)
    const { predictionDelayMs, birthdayDelayMs, isControlling } = this.#options
    const isOurs = isHard(this.#local)
    // Where both count, one leads.
    const leads = isOurs && (isControlling || !isHard(nat))
    if (this.#strategy === 'prediction' && leads) this.#later(predictionDelayMs(), () => this.#nextRound())
    if (this.#strategy === 'birthday' && isOurs) this.#later(birthdayDelayMs(), () => this.#openMany())
    if (this.#remote) this.#onRemote(this.#remote)
  }

  #onRemote(remote: Description): void {
    if (this.#isClosed || this.#local === undefined) return
    const { transport, means } = this.#options
    const prediction = remote.predictions.find(each => each.transport === transport)
    if (this.#strategy === 'prediction' && prediction) this.#onPrediction(prediction)
    const hasOpened = this.#strategy === 'birthday' && !isHard(this.#local) && remote.birthday.includes(transport)
    const target = this.#targets[0]
    if (!hasOpened || this.#hasSearched || target === undefined) return
    this.#hasSearched = true
    means.search(target.address)
  }

  #onPrediction(prediction: Prediction): void {
    const { round } = prediction
    if (round <= this.#answeredRound || round > MAX_ICE_PREDICTIONS) return
    if (!isHard(this.#local!)) {
      this.#answeredRound = round
      this.#options.means.aimAt(prediction, undefined)
    } else if (this.#present?.round === round) {
      this.#answeredRound = round
      this.#options.means.aimAt(prediction, this.#present.local)
    } else if (round > this.#round) {
      void this.#predict(round)
    }
  }

  #nextRound(): void {
    if (this.#round >= MAX_ICE_PREDICTIONS) return
    void this.#predict(this.#round + 1)
    this.#later(ROUND_MS, () => this.#nextRound())
  }

  async #predict(round: number): Promise<void> {
    this.#round = round
    const { means, transport, tell } = this.#options
    const made = await means.predict()
    const ports = this.#local!.ports
    if (made === undefined || ports.kind !== 'sequential' || this.#isClosed || this.#round !== round) return
    const { local, mapped } = made
    this.#present = { round, local }
    tell({ prediction: { transport, round, mapped, delta: ports.delta } })
    if (isHard(this.#remote!.nat[transport])) this.#onRemote(this.#remote!)
    else means.aimFrom(local, this.#targets)
  }

  #openMany(): void {
    const target = this.#targets[0]
    if (target) this.#options.means.openMany(target, () => this.#options.tell({ birthday: true }))
  }

  /** Where the other side's NAT has its mapping; IPv4, since IPv6 is not translated. */
  get #targets(): readonly Candidate[] {
    const transport = this.#options.transport === 'udp' ? 'udp' : 'tcp-so'
    const isTarget = ({ type, transport: own, address }: Candidate) =>
      own === transport && !address.includes(':') && (type === 'server-reflexive' || type === 'mapped')
    return this.#remote?.candidates.filter(isTarget) ?? []
  }

  #later(ms: number, act: () => void): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(ms, () => {
      if (!this.#isClosed) act()
    })
  }
}
