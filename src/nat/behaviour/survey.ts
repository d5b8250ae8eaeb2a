/**
 * Asks several servers at once how they see one local port, until that decides the mapping behaviour (RFC 5780 section 4.3).
 * A server that names another address is asked there too, by its own port and by the other one. A server that is dead is
 * waited for only where nothing else can decide.
 */

import { EarshotError } from '../../errors.ts'
import { MAX_UNANSWERED_PROBES } from '../../limits.ts'
import type { Timer } from '../../platform/clock.ts'
import type { AddressFamily, SocketAddress } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import type { Binding } from '../stun/binding.ts'
import { mayBeAsked } from '../stun/remote-address.ts'
import { resolveServer } from '../stun/resolve-server.ts'
import { retransmissionDelays } from '../stun/retransmission.ts'
import { formatStunUri, type StunUri } from '../stun/stun-uri.ts'
import { classifyMapping, isMappingDecided, type MappingBehaviour, type MappingObservation } from './classification.ts'
import type { BindingOptions } from './stun-socket.ts'

/** What became of one server. */
export interface ServerReport {
  /** Its URI. */
  readonly server: string
  readonly address: SocketAddress | undefined
  /** How it saw us; undefined where it did not answer, or was not waited for. */
  readonly mapped: SocketAddress | undefined
  readonly rttMs: number | undefined
  /** Its other address (RFC 5780), where it has one that can be used. */
  readonly other: SocketAddress | undefined
  readonly software: string | undefined
  /** Why it is of no use; undefined where it answered, or was not waited for because others had. */
  readonly error: EarshotError | undefined
}

/** A server that answered. */
export interface KnownServer {
  readonly uri: StunUri
  readonly address: SocketAddress
  readonly mapped: SocketAddress
  readonly rttMs: number
  readonly other: SocketAddress | undefined
}

export interface SurveyOptions {
  readonly platform: Platform
  readonly servers: readonly StunUri[]
  readonly family: AddressFamily
  /** One binding request from the local port that the survey is about. */
  readonly ask: (to: SocketAddress, uri: StunUri, options: BindingOptions) => Promise<Binding>
  readonly isLocal: (address: SocketAddress) => boolean
  /** Wait for a server with another address even where the mapping is decided. */
  readonly needsOther: boolean
  readonly signal: AbortSignal | undefined
}

export interface SurveyResult {
  readonly mapping: MappingBehaviour
  /** Those that answered, the fastest first. */
  readonly known: readonly KnownServer[]
  readonly reports: readonly ServerReport[]
}

/** How long a server that has not answered yet is waited for where others have, and more would be good to know. */
const GRACE_MS = 300

export async function survey(options: SurveyOptions): Promise<SurveyResult> {
  options.signal?.throwIfAborted()
  return new Survey(options).run()
}

/** How long silence must last to mean something: several requests, at a pace that suits the server. */
export function probeDelays(rttMs: number): readonly number[] {
  const rtoMs = Math.min(500, Math.max(100, 2 * rttMs))
  return retransmissionDelays({ rtoMs, requests: MAX_UNANSWERED_PROBES, lastWait: 4 })
}

class Survey {
  readonly #options: SurveyOptions
  readonly #observations: MappingObservation[] = []
  readonly #known: KnownServer[] = []
  readonly #reports = new Map<StunUri, ServerReport>()
  readonly #enough = new AbortController()
  readonly #signal: AbortSignal
  #grace: Timer | undefined

  constructor(options: SurveyOptions) {
    this.#options = options
    this.#signal = options.signal ? AbortSignal.any([options.signal, this.#enough.signal]) : this.#enough.signal
  }

  async run(): Promise<SurveyResult> {
    const { servers, signal } = this.#options
    await Promise.all(servers.map(uri => this.#askServer(uri)))
    this.#grace?.cancel()
    signal?.throwIfAborted()
    return {
      mapping: this.#mapping,
      known: [...this.#known].sort((a, b) => a.rttMs - b.rttMs),
      reports: servers.map(uri => this.#reports.get(uri)!),
    }
  }

  get #mapping(): MappingBehaviour {
    return classifyMapping(this.#observations, this.#options.isLocal)
  }

  async #askServer(uri: StunUri): Promise<void> {
    const report = { ...SILENT, server: formatStunUri(uri) }
    this.#reports.set(uri, report)
    try {
      const address = await this.#resolve(uri)
      this.#reports.set(uri, { ...report, address })
      const binding = await this.#options.ask(address, uri, { signal: this.#signal })
      const { mapped, rttMs, software } = binding
      const other = usableOther(binding, address)
      this.#reports.set(uri, { ...report, address, mapped, rttMs, software, other })
      this.#known.push({ uri, address, mapped, rttMs, other })
      this.#observe({ server: address, mapped })
      if (other) await this.#askOther(uri, address, other, rttMs)
    } catch (error) {
      if (this.#signal.aborted) return
      if (!(error instanceof EarshotError)) throw error
      this.#reports.set(uri, { ...this.#reports.get(uri)!, error })
      this.#endIfEnough()
    }
  }

  /** Tests II and III of RFC 5780 section 4.3. Its silence says nothing about the mapping. */
  async #askOther(uri: StunUri, server: SocketAddress, other: SocketAddress, rttMs: number): Promise<void> {
    const endpoints = [{ address: other.address, port: server.port }, other]
    const probe = { signal: this.#signal, delaysMs: probeDelays(rttMs) }
    const asked = endpoints.map(async endpoint => {
      const { mapped } = await this.#options.ask(endpoint, uri, probe)
      this.#observe({ server: endpoint, mapped })
    })
    await Promise.allSettled(asked)
  }

  async #resolve(uri: StunUri): Promise<SocketAddress> {
    const { platform, family } = this.#options
    const [address] = await untilAborted(resolveServer(platform.network, uri, family), this.#signal)
    return { address: address!, port: uri.port }
  }

  #observe(observation: MappingObservation): void {
    if (this.#signal.aborted) return
    this.#observations.push(observation)
    this.#endIfEnough()
  }

  #endIfEnough(): void {
    if (!isMappingDecided(this.#mapping)) return
    if (!this.#options.needsOther || this.#known.some(({ other }) => other)) this.#enough.abort()
    else this.#grace ??= this.#options.platform.clock.setTimer(GRACE_MS, () => this.#enough.abort())
  }
}

const SILENT: Omit<ServerReport, 'server'> = {
  address: undefined,
  mapped: undefined,
  rttMs: undefined,
  other: undefined,
  software: undefined,
  error: undefined,
}

/** One that differs in address and port (RFC 5780 section 7.4), and that may be asked. */
function usableOther({ other }: Binding, server: SocketAddress): SocketAddress | undefined {
  if (other === undefined || other.address === server.address || other.port === server.port) return undefined
  return mayBeAsked(other, server) ? other : undefined
}

/** The resolver cannot be stopped, but need not be waited for. */
function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
