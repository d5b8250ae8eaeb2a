/**
 * Our addresses at TURN servers that relay TCP (RFC 6062): the other side connects to one with plain TCP, from an address that
 * we have permitted. What it sends is encrypted by the session over it; the relay sees sizes and times.
 */

import type { EarshotError } from '../../errors.ts'
import type { SocketAddress, TcpConnection } from '../../platform/network.ts'
import type { Platform } from '../../platform/platform.ts'
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

export class Relays {
  readonly #options: RelaysOptions
  readonly #allocations = new Set<TcpAllocation>()
  readonly #permitted = new Set<string>()
  readonly #stop = new AbortController()
  #inUse = 0
  #isReleased = false

  constructor(options: RelaysOptions) {
    this.#options = options
  }

  /** Resolves when every server has said yes or no. */
  async allocate(): Promise<void> {
    await Promise.all(this.#options.requests.map(request => this.#allocate(request)))
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
    if (this.#inUse === 0) void this.close()
  }

  /** Ends relayed connections, too. */
  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([...this.#allocations].map(allocation => allocation.close()))
  }

  async #allocate(request: Omit<AllocationRequest, 'signal'>): Promise<void> {
    const { platform, onCandidate, onError, onWarning } = this.#options
    const onConnection = (connection: TcpConnection) => this.#onConnection(connection)
    const { signal } = this.#stop
    try {
      const allocation = await allocateTcpOn(platform, { ...request, signal }, { onConnection, onWarning })
      if (signal.aborted) return void (await allocation.close())
      this.#allocations.add(allocation)
      void allocation.closed.then(reason => {
        this.#allocations.delete(allocation)
        if (reason) onError(reason)
      })
      for (const address of this.#permitted) this.#permitAt(allocation, address)
      onCandidate({ ...allocation.relayedAddress, type: 'relayed', transport: 'tcp-passive' }, allocation.mappedAddress)
    } catch (error) {
      if (!signal.aborted) onError(error)
    }
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
