/**
 * The agent (RFC 8445): two programs that can exchange small messages somehow get the best byte streams between them that
 * physics allows. A relay carries first where there is one, while a direct path is sought; each that stands is given out, and
 * the program moves to the better one.
 */

import type { EarshotError } from '../../errors.ts'
import { ICE_SEARCH_INTERVAL_MS } from '../../limits.ts'
import type { TcpConnection } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import type { ReliableUdpSupport } from '../../platform/reliable-udp.ts'
import type { PortMapping } from '../port-mapping/port-mapping.ts'
import type { MapOptions } from '../port-mapping/port-mapping-options.ts'
import type { StunUri } from '../stun/stun-uri.ts'
import type { AllocationRequest } from '../turn/allocate.ts'
import { Attempt } from './attempt.ts'
import type { Candidate } from './candidate.ts'
import type { PathKind } from './candidate-pair.ts'
import { type Credentials, PASSWORD_BYTES, SESSION_ID_BYTES } from './credentials.ts'
import type { Description, DirectPolicy } from './description.ts'
import type { PathMethod, PathReport } from './journal.ts'
import { adviceFor, type NatSummary, UNKNOWN_NAT } from './nat-summary.ts'
import { OwnedConnection } from './owned-connection.ts'
import { type OwnDescription, Signalling } from './signalling.ts'

export interface AgentSettings {
  readonly platform: Platform
  readonly isControlling: boolean
  readonly stun: readonly StunUri[]
  readonly turn: readonly Omit<AllocationRequest, 'signal'>[]
  readonly direct: DirectPolicy
  readonly keepAliveMs: number
  readonly giveUpMs: number
  readonly exchange: Exchange
  readonly trustedCertificates: readonly string[] | undefined
  readonly mapPort: ((options: MapOptions) => Promise<PortMapping>) | undefined
  readonly send: (message: Uint8Array) => void
  readonly onPath: (path: Path) => void
  readonly onWarning: (error: EarshotError) => void
  /** The other side has begun anew: for it, what stood may have broken. */
  readonly onRemoteRestart?: () => void
}

/**
 * How the two sides hear of each other. 'live': messages in both directions, for as long as it takes. 'once': each side gets one
 * complete description of the other, and a person may take minutes to bring it. Then nothing is tried that needs news (ports that
 * are predicted or searched for), and what has failed is tried again until the end: the other side may not have begun.
 */
export type Exchange = 'live' | 'once'

/** A connection to the other side. */
export interface Path {
  /** Like any TCP connection. It must be started in the turn in which it is given out. */
  readonly connection: TcpConnection
  readonly kind: PathKind
  readonly transport: 'udp' | 'tcp'
  readonly method: PathMethod
  readonly remote: Candidate
  /** Settled by the two ids: on exactly one side it is true, for all paths. */
  readonly isControlling: boolean
  /** From the beginning of the session, in milliseconds. */
  readonly afterMs: number
}

/** Why a connection is what it is. */
export interface ConnectivityReport {
  /** The best that stood; undefined: none. */
  readonly outcome: PathKind | undefined
  /** Nothing is tried any more. */
  readonly isDone: boolean
  readonly elapsedMs: number
  readonly direct: DirectPolicy
  readonly nat: {
    readonly local: { readonly udp: NatSummary; readonly tcp: NatSummary }
    /** Undefined: the other side has not told anything. */
    readonly remote: { readonly udp: NatSummary; readonly tcp: NatSummary } | undefined
  }
  /** Why there is no reliable UDP here. */
  readonly reliableUdp: EarshotError | undefined
  readonly candidates: { readonly local: readonly Candidate[]; readonly remote: readonly Candidate[] }
  /** Every pair that was tried, in the order in which they began. */
  readonly paths: readonly PathReport[]
  /** How many more there were. */
  readonly droppedPaths: number
  /** What would make it direct, a sentence each; empty where it is. */
  readonly advice: readonly string[]
}

/** Attempts whose connections may still be in use, beside the present one. */
const MAX_FORMER_ATTEMPTS = 2

export class Agent {
  readonly #settings: AgentSettings
  #local: Credentials
  #signalling: Signalling | undefined
  #remote: Description | undefined
  #support: ReliableUdpSupport | undefined
  #attempt: Attempt | undefined
  #former: Attempt[] = []
  /** How many connections of each attempt are open. */
  readonly #carried = new Map<Attempt, number>()
  readonly #closings = new Set<Promise<void>>()
  #early: Uint8Array[] = []
  #searchedAt = -Infinity
  #closing: Promise<void> | undefined
  #onDone: () => void = () => {}
  #done: Promise<void>

  constructor(settings: AgentSettings) {
    this.#settings = settings
    this.#local = this.#newCredentials()
    this.#done = this.#newDone()
    void this.#start()
  }

  /** Resolves when nothing more is tried in the present session: there is a direct path, or there will be none. Never rejects. */
  get done(): Promise<void> {
    return this.#done
  }

  get report(): ConnectivityReport {
    const own = this.#signalling?.own ?? this.#firstDescription()
    const remote = this.#remote
    const outcome = this.#attempt?.selected
    const hasReliableUdp = own.hasReliableUdp && remote?.hasReliableUdp !== false
    const isDirect = outcome === 'direct' || outcome === 'lan'
    const advice =
      isDirect || remote === undefined ? [] : adviceFor({ local: own.nat, remote: remote.nat, hasReliableUdp })
    return {
      outcome,
      isDone: this.#attempt?.isDone ?? false,
      elapsedMs: Math.round(this.#attempt?.journal.elapsedMs ?? 0),
      direct: this.#settings.direct,
      nat: { local: own.nat, remote: remote?.nat },
      reliableUdp: this.#support?.kind === 'missing' ? this.#support.reason : undefined,
      candidates: { local: own.candidates, remote: remote?.candidates ?? [] },
      paths: this.#attempt?.journal.reports ?? [],
      droppedPaths: this.#attempt?.journal.dropped ?? 0,
      advice,
    }
  }

  /** A message of the other side, which `send` of its agent was given. */
  receive(message: Uint8Array): void {
    if (this.#closing) return
    if (this.#signalling) this.#signalling.receive(message)
    // Until it is known what this platform can do; the other side repeats what is lost.
    else if (this.#early.length < MAX_EARLY_MESSAGES) this.#early.push(message)
  }

  /** Begins anew, with other candidates: networks have changed, or what stood has broken. Connections that stand are kept. */
  restart(): void {
    if (this.#closing || !this.#signalling) return
    this.#local = this.#newCredentials()
    this.#retire()
    this.#signalling.renew(this.#firstDescription())
    this.#begin()
    if (this.#remote) this.#attempt!.setRemote(this.#remote)
  }

  /** Ends everything that came from it, connections too. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#signalling?.close()
    const attempts = this.#attempt ? [...this.#former, this.#attempt] : this.#former
    for (const attempt of attempts) this.#end(attempt)
    await Promise.all(this.#closings)
    this.#onDone()
  }

  async #start(): Promise<void> {
    const { platform, send, onWarning } = this.#settings
    this.#support = await platform.reliableUdp()
    if (this.#closing) return
    this.#signalling = new Signalling(
      {
        clock: platform.clock,
        send,
        onRemote: (remote, isNewSession) => this.#onRemote(remote, isNewSession),
        onViolation: onWarning,
      },
      this.#firstDescription(),
    )
    this.#begin()
    for (const message of this.#early) this.#signalling.receive(message)
    this.#early = []
  }

  #onRemote(remote: Description, isNewSession: boolean): void {
    const hasRestarted = isNewSession && this.#remote !== undefined
    this.#remote = remote
    if (hasRestarted) {
      this.#settings.onRemoteRestart?.()
      this.#retire()
      this.#signalling!.update({ candidates: [], predictions: [], birthday: [], isComplete: false })
      this.#begin()
    }
    this.#attempt!.setRemote(remote)
  }

  #begin(): void {
    const { platform, onPath, isControlling } = this.#settings
    const attempt: Attempt = new Attempt({
      ...this.#settings,
      support: this.#support!,
      credentials: () => ({ local: this.#local, remote: this.#remote }),
      own: () => this.#signalling!.own,
      tell: change => {
        if (attempt === this.#attempt) this.#signalling!.update(change)
      },
      maySearch: () => {
        const now = platform.clock.now()
        if (now - this.#searchedAt < ICE_SEARCH_INTERVAL_MS) return false
        this.#searchedAt = now
        return true
      },
      onStream: ({ connection, kind, transport, method, remote }) => {
        const afterMs = Math.round(attempt.journal.elapsedMs)
        this.#carry(attempt, 1)
        const owned = new OwnedConnection(connection, () => this.#carry(attempt, -1))
        onPath({ connection: owned, kind, transport, method, remote, isControlling, afterMs })
      },
      onDone: () => {
        if (attempt === this.#attempt) this.#onDone()
      },
    })
    this.#attempt = attempt
    platform.clock.afterTurn(() => void attempt.gather())
  }

  #retire(): void {
    if (this.#attempt === undefined) return
    const { isDone } = this.#attempt
    const former = this.#attempt
    this.#attempt = undefined
    former.settle()
    this.#former.push(former)
    this.#closeUnused()
    if (this.#former.length > MAX_FORMER_ATTEMPTS) this.#end(this.#former.shift()!)
    if (isDone) this.#done = this.#newDone()
  }

  #carry(attempt: Attempt, count: 1 | -1): void {
    this.#carried.set(attempt, (this.#carried.get(attempt) ?? 0) + count)
    if (count < 0 && !this.#closing) this.#closeUnused()
  }

  /** What began anew, and has no connection, is of no use. */
  #closeUnused(): void {
    const isUsed = (attempt: Attempt) => (this.#carried.get(attempt) ?? 0) > 0
    const unused = this.#former.filter(attempt => !isUsed(attempt))
    this.#former = this.#former.filter(isUsed)
    for (const attempt of unused) this.#end(attempt)
  }

  #end(attempt: Attempt): void {
    this.#carried.delete(attempt)
    const closing = attempt.close().finally(() => this.#closings.delete(closing))
    this.#closings.add(closing)
  }

  #newDone(): Promise<void> {
    return new Promise(resolve => {
      this.#onDone = resolve
    })
  }

  #newCredentials(): Credentials {
    const { random } = this.#settings.platform
    return { sessionId: random.bytes(SESSION_ID_BYTES), password: random.bytes(PASSWORD_BYTES) }
  }

  #firstDescription(): OwnDescription {
    return {
      ...this.#local,
      direct: this.#settings.direct,
      hasReliableUdp: this.#support?.kind === 'available',
      isComplete: false,
      birthday: [],
      nat: { udp: UNKNOWN_NAT, tcp: UNKNOWN_NAT },
      candidates: [],
      predictions: [],
    }
  }
}

const MAX_EARLY_MESSAGES = 8
