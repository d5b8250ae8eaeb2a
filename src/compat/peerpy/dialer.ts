/** The dials of one peer: which are under way, what becomes of those that cross with the other side's, and of those given up. */

import { EarshotError } from '../../errors.ts'
import { MAX_PEERPY_UNANSWERED } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Network, SocketAddress } from '../../platform/network.ts'
import { formatSocketAddress } from '../../platform/socket-address.ts'
import { dial } from './dial.ts'
import type { ConnectionTerms, DataType, Hello } from './hello.ts'
import type { Link } from './link.ts'
import type { OwnNames } from './own-names.ts'
import type { PeerpyConnection } from './peerpy-connection.ts'

/**
 * DENY waits so long behind the acceptance of our own dial: the program enters a connection after it has answered, and looks
 * for it there when it is denied.
 */
const ENTERING_MS = 20
/** How long the side with the smaller name waits for that: a peer of this library waits for DENY before it accepts. */
const CROSSING_MS = 100

/** So long after our dial was accepted, one of the other side that began before may still come. */
const LATE_MS = 1_000

export interface DialerOptions {
  readonly clock: Clock
  readonly network: Network
  readonly names: () => OwnNames
  readonly onAccepted: (id: string, terms: ConnectionTerms, link: Link) => PeerpyConnection
  /** The connection that stands with this peer. */
  readonly standing: (id: string) => PeerpyConnection | undefined
}

export interface DialLimits {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** A dial under way. */
interface Dial {
  readonly controller: AbortController
  /** Under which name HELLO was said; undefined where it came to nothing before. */
  readonly saidHello: Promise<string | undefined>
  /** Whether it was accepted. */
  readonly accepted: Promise<boolean>
  readonly done: Promise<PeerpyConnection>
}

export class Dialer {
  readonly #options: DialerOptions
  readonly #dials = new Map<string, Dial>()
  /** Callers, by name, that wait for what becomes of our own dial to them. */
  readonly #crossing = new Map<string, Waiter>()
  /** When a dial was accepted, by the clock; what is long ago is forgotten with the next. */
  readonly #acceptedAt = new Map<string, number>()
  /** Dials that were given up before they were answered, the first first. */
  readonly #unanswered = new Set<Link>()

  constructor(options: DialerOptions) {
    this.#options = options
  }

  /** What becomes of the dial that is under way to this peer, if one is. */
  pending(id: string): Promise<PeerpyConnection> | undefined {
    return this.#dials.get(id)?.done
  }

  /** It is under way when this returns. Rejects as {@link dial} does. */
  async dial(
    remote: SocketAddress,
    terms: ConnectionTerms,
    { timeoutMs, signal }: DialLimits,
  ): Promise<PeerpyConnection> {
    const id = formatSocketAddress(remote)
    const { clock, network, names, onAccepted } = this.#options
    const controller = new AbortController()
    const onAbort = () => controller.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort)
    let tellName: (name: string | undefined) => void = () => {}
    const saidHello = new Promise<string | undefined>(resolve => {
      tellName = resolve
    })
    const dialling = dial(remote, {
      clock,
      network,
      timeoutMs,
      signal: controller.signal,
      hello: local => {
        const peerName = names().towards(local)
        tellName(peerName)
        return { ...terms, peerName }
      },
      onUnanswered: link => this.#abandon(link),
    })
    const accepted = dialling.then(
      () => true,
      () => false,
    )
    void accepted.then(() => tellName(undefined))
    const done = dialling.then(
      link => {
        for (const [known] of this.#acceptedAt) if (!this.#isRecent(known)) this.#acceptedAt.delete(known)
        this.#acceptedAt.set(id, clock.now())
        return onAccepted(id, terms, link)
      },
      error => this.#crossedWith(id, error),
    )
    this.#dials.set(id, { controller, saidHello, accepted, done })
    try {
      return await done
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#dials.delete(id)
    }
  }

  /** Where both sides dial, and this side's was denied for the sake of the other's, that one becomes the connection. */
  async #crossedWith(id: string, error: unknown): Promise<PeerpyConnection> {
    const crossing = this.#crossing.get(id)
    if (!(error instanceof EarshotError && error.code === 'refused')) throw error
    await crossing?.released
    const connection = this.#options.standing(id)
    if (connection === undefined || connection.isClosed) throw error
    return connection
  }

  #isRecent(id: string): boolean {
    return this.#options.clock.now() - (this.#acceptedAt.get(id) ?? Number.NEGATIVE_INFINITY) < LATE_MS
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => void this.#options.clock.setTimer(ms, resolve))
  }

  /** See {@link Link.abandon}. They are few, and the first gives way. */
  #abandon(link: Link): void {
    this.#unanswered.add(link)
    link.abandon(() => this.#unanswered.delete(link))
    const [first] = this.#unanswered
    if (this.#unanswered.size <= MAX_PEERPY_UNANSWERED) return
    this.#unanswered.delete(first!)
    first!.destroy()
  }

  /**
   * A peer that is being dialled calls: whether our dial stands, and it is to be denied. The dial of the smaller name does;
   * its side denies the other, which waits for the answer to its own. The program accepts whatever comes: then the dial
   * that it has accepted stands, also where it had begun to dial before it did.
   */
  async hasDialled({ peerName, dataType }: Hello): Promise<boolean> {
    const own = this.#dials.get(peerName)
    if (this.#crossing.has(peerName)) return false
    if (own === undefined) return this.#hasJustDialled(peerName, dataType)
    const crossing = waiter()
    this.#crossing.set(peerName, crossing)
    crossing.released.then(() => this.#crossing.delete(peerName))
    const ownName = await own.saidHello
    if (ownName === undefined) return false
    const isFirst = ownName < peerName
    const isAccepted = await (isFirst ? Promise.race([own.accepted, this.#pause(CROSSING_MS)]) : own.accepted)
    if (isAccepted === false) return false
    await this.#pause(ENTERING_MS)
    return true
  }

  async #hasJustDialled(id: string, dataType: DataType): Promise<boolean> {
    const standing = this.#options.standing(id)
    if (standing?.dataType !== dataType || standing.isClosed || !this.#isRecent(id)) return false
    await this.#pause(ENTERING_MS)
    return true
  }

  /** A caller has been told what it was told, or is gone. */
  onCallerSettled(peerName: string): void {
    this.#crossing.get(peerName)?.release()
  }

  /** Gives up what is under way. */
  stop(reason: EarshotError): void {
    for (const { controller } of this.#dials.values()) controller.abort(reason)
  }

  /** Nobody waits for answers any more. */
  close(): void {
    for (const link of this.#unanswered) link.destroy()
    this.#unanswered.clear()
  }
}

interface Waiter {
  readonly released: Promise<void>
  release(): void
}

function waiter(): Waiter {
  let release = () => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  return { released, release }
}
