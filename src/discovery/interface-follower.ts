/**
 * Keeps the sockets of a way of discovery where the interfaces are: whenever these change, after a trouble a little later
 * again, and after sleep, which may have ended somewhere else.
 */

import { asError, EarshotError } from '../errors.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Network, NetworkInterface } from '../platform/network.ts'

/** An interface or port that could not be used is tried again after this time, and whenever the interfaces change. */
const RETRY_MS = 5_000
/** How often to look whether the computer has slept, and what counts as sleep. */
const SLEEP_CHECK_MS = 5_000
const SLEPT_MS = 10_000

export interface InterfaceFollowerOptions {
  readonly clock: Clock
  readonly network: Network
  /** Who uses the interfaces, for warnings: 'the beacon'. */
  readonly user: string
  /** The interfaces to use, of those there are now. */
  chooseInterfaces(all: readonly NetworkInterface[]): readonly NetworkInterface[]
  /** Opens and closes what these interfaces, which are up, need. One call at a time; not after `stop`. */
  onInterfaces(interfaces: readonly NetworkInterface[]): Promise<void>
  /** The computer has slept: it may be somewhere else, and has missed what was said. */
  onSlept(): void
  /** Something does not work, but the rest goes on. Each trouble of each interface is told once. */
  onWarning(error: EarshotError): void
}

export class InterfaceFollower {
  readonly #options: InterfaceFollowerOptions
  readonly #warned = new Set<string>()
  #unwatch: (() => void) | undefined
  #retry: Timer | undefined
  #sleepWatch: Timer | undefined
  #running: Promise<void> | undefined
  #isChangePending = false
  #isStopped = false

  constructor(options: InterfaceFollowerOptions) {
    this.#options = options
  }

  /** Resolves when `onInterfaces` has had the interfaces of now. */
  async start(): Promise<void> {
    this.#unwatch = this.#options.network.watchInterfaces(() => void this.#follow())
    this.#watchForSleep()
    await this.#follow()
  }

  /** Something could not be opened. */
  retryLater(): void {
    if (this.#isStopped) return
    this.#retry?.cancel()
    this.#retry = this.#options.clock.setTimer(RETRY_MS, () => void this.#follow())
  }

  warn(interfaceName: string, thrown: unknown): void {
    const { user, onWarning } = this.#options
    const error =
      thrown instanceof EarshotError
        ? thrown
        : new EarshotError('no-network', `${user} fails on ${interfaceName}: ${asError(thrown).message}`, {
            cause: thrown,
          })
    const key = `${interfaceName} ${error.code}`
    if (this.#isStopped || this.#warned.has(key)) return
    this.#warned.add(key)
    onWarning(error)
  }

  /** Resolves when nothing is being opened any more. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#unwatch?.()
    this.#retry?.cancel()
    this.#sleepWatch?.cancel()
    await this.#running
  }

  /** A change while one is being followed leads to another run. */
  #follow(): Promise<void> {
    this.#isChangePending = true
    this.#running ??= this.#followWhilePending().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #followWhilePending(): Promise<void> {
    const { chooseInterfaces, network, onInterfaces } = this.#options
    while (this.#isChangePending && !this.#isStopped) {
      this.#isChangePending = false
      await onInterfaces(chooseInterfaces(network.interfaces()).filter(({ isUp }) => isUp))
    }
  }

  /** Only the wall clock goes on during sleep on every system. */
  #watchForSleep(): void {
    const { clock, onSlept } = this.#options
    const asleepFrom = clock.wallTime()
    this.#sleepWatch = clock.setTimer(SLEEP_CHECK_MS, () => {
      if (clock.wallTime() - asleepFrom > SLEEP_CHECK_MS + SLEPT_MS) onSlept()
      this.#watchForSleep()
    })
  }
}
