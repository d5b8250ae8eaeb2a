/**
 * Our addresses at TURN servers that relay TCP (RFC 6062): the other side connects to one with plain TCP, from an address that
 * we have permitted. What it sends is encrypted by the session over it; the relay sees sizes and times.
 */

import { EarshotError, type ErrorCode } from '../../errors.ts'
import type { Timer } from '../../platform/clock.ts'
import type { SocketAddress, TcpConnection } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
import { RetrySchedule } from '../../platform/retry-schedule.ts'
import type { AllocationRequest } from '../turn/allocate.ts'
import { allocateTcpOn } from '../turn/allocate.ts'
import type { TcpAllocation } from '../turn/tcp-allocation.ts'
import type { Candidate } from './candidate.ts'
import { OwnedConnection } from './owned-connection.ts'

export interface RelaysOptions {
  readonly platform: Platform
  readonly requests: readonly Omit<AllocationRequest, 'signal'>[]
  readonly onCandidate: (candidate: Candidate, mapped: SocketAddress) => void
  readonly onConnection: (connection: TcpConnection) => void
  /** A server that gives no address, or one that is lost. */
  readonly onError: (error: unknown) => void
  readonly onWarning: (error: EarshotError) => void
}

type Request = Omit<AllocationRequest, 'signal'>

/** It may be back soon; a server that says no means it. */
const PASSING: readonly ErrorCode[] = ['unreachable', 'timeout', 'lost']

export class Relays {
  readonly #options: RelaysOptions
  readonly #allocations = new Set<TcpAllocation>()
  readonly #permitted = new Set<string>()
  readonly #retries = new Set<Timer>()
  readonly #stop = new AbortController()
  #inUse = 0
  #isReleased = false

  constructor(options: RelaysOptions) {
    this.#options = options
  }

  /** Resolves when every server has said yes or no, or nothing. Those that are down are asked again until `release`. */
  async allocate(): Promise<void> {
    const { requests, platform } = this.#options
    await Promise.all(requests.map(request => this.#allocate(request, new RetrySchedule(platform.random))))
  }

  /** Whom the other side may connect from. */
  permit(addresses: readonly string[]): void {
    for (const address of addresses) {
      if (this.#permitted.has(address)) continue
      this.#permitted.add(address)
      for (const allocation of this.#allocations) this.#permitAt(allocation, address)
    }
  }

  /** There is a better path: the addresses are given back when no connection needs them any more. */
  release(): void {
    this.#isReleased = true
    for (const retry of this.#retries) retry.cancel()
    if (this.#inUse === 0) void this.close()
  }

  /** Ends relayed connections, too. */
  async close(): Promise<void> {
    this.#stop.abort()
    for (const retry of this.#retries) retry.cancel()
    await Promise.all([...this.#allocations].map(allocation => allocation.close()))
  }

  async #allocate(request: Request, schedule: RetrySchedule): Promise<void> {
    const { platform, onCandidate, onWarning } = this.#options
    const onConnection = (connection: TcpConnection) => this.#onConnection(connection)
    const { signal } = this.#stop
    try {
      const allocation = await allocateTcpOn(platform, { ...request, signal }, { onConnection, onWarning })
      if (signal.aborted) return void (await allocation.close())
      schedule.reset()
      this.#allocations.add(allocation)
      void allocation.closed.then(reason => {
        this.#allocations.delete(allocation)
        if (reason) this.#onFailed(request, schedule, reason)
      })
      for (const address of this.#permitted) this.#permitAt(allocation, address)
      onCandidate({ ...allocation.relayedAddress, type: 'relayed', transport: 'tcp-passive' }, allocation.mappedAddress)
    } catch (error) {
      this.#onFailed(request, schedule, error)
    }
  }

  #onFailed(request: Request, schedule: RetrySchedule, error: unknown): void {
    const { platform, onError } = this.#options
    if (this.#stop.signal.aborted) return
    onError(error)
    if (this.#isReleased || !(error instanceof EarshotError) || !PASSING.includes(error.code)) return
    const retry = platform.clock.setTimer(schedule.nextMs(), () => {
      this.#retries.delete(retry)
      void this.#allocate(request, schedule)
    })
    this.#retries.add(retry)
  }

  #onConnection(connection: TcpConnection): void {
    this.#inUse += 1
    const owned = new OwnedConnection(connection, () => {
      this.#inUse -= 1
      if (this.#isReleased) this.release()
    })
    this.#options.onConnection(owned)
  }

  #permitAt(allocation: TcpAllocation, address: string): void {
    if (address.includes(':') !== allocation.relayedAddress.address.includes(':')) return
    // A server that refuses one address, such as a private one, may well permit the others.
    allocation.permit(address).catch(() => {})
  }
}
