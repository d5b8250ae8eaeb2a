/** Asking an idle connection whether the other side is still there (RFC 9293 section 3.8.4). */

import type { EventOwner, ScheduledEvent, VirtualTime } from './virtual-time.ts'

/** What Node asks of Linux: ten probes, a second apart. */
const PROBE_INTERVAL_MS = 1_000
const MAX_PROBES = 10

export interface KeptConnection {
  /** It stands, and nothing of ours waits to be acknowledged. */
  isIdle(): boolean
  probe(): void
  giveUp(): void
}

export class TcpKeepAlive {
  readonly #time: VirtualTime
  readonly #owner: EventOwner
  readonly #connection: KeptConnection
  #idleMs = 0
  #heardAt = 0
  #probes = 0
  #event: ScheduledEvent | undefined

  constructor(time: VirtualTime, owner: EventOwner, connection: KeptConnection) {
    this.#time = time
    this.#owner = owner
    this.#connection = connection
  }

  start(idleMs: number): void {
    this.stop()
    this.#idleMs = idleMs
    this.#heardAt = this.#time.now
    this.#wait(idleMs)
  }

  stop(): void {
    if (this.#event !== undefined) this.#time.cancel(this.#event)
    this.#event = undefined
  }

  heard(): void {
    this.#probes = 0
    this.#heardAt = this.#time.now
  }

  #wait(delayMs: number): void {
    this.#event = this.#time.schedule(delayMs, this.#owner, () => this.#check())
  }

  #check(): void {
    const leftMs = this.#heardAt + this.#idleMs - this.#time.now
    if (leftMs > 0) this.#wait(leftMs)
    else if (!this.#connection.isIdle()) this.#wait(PROBE_INTERVAL_MS)
    else if (this.#probes === MAX_PROBES) this.#connection.giveUp()
    else {
      this.#probes++
      this.#wait(PROBE_INTERVAL_MS)
      this.#connection.probe()
    }
  }
}
