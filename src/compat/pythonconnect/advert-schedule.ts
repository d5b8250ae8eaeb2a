/** When a node says that it is there: at its start, every 30 s, and whenever somebody comes who cannot know it yet. */

import { MAX_PYTHONCONNECT_ADVERT_ANSWERS_PER_SECOND } from '../../limits.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { AdvertKind } from './advert.ts'

/** The real program says it twice at its start, "safer", and listens only after that. */
const SECOND_ADVERT_MS = 20
export const ADVERT_INTERVAL_MS = 30_000

export interface AdvertScheduleOptions {
  readonly clock: Clock
  send(kind: AdvertKind): void
  /** The second advert was sent: from now on others are listened to. */
  onStarted(): void
  /** Every 30 s, behind the advert. */
  onTick(): void
}

export class AdvertSchedule {
  readonly #options: AdvertScheduleOptions
  #second: Timer | undefined
  #tick: Timer | undefined
  #later: Timer | undefined
  #answersLeft = MAX_PYTHONCONNECT_ADVERT_ANSWERS_PER_SECOND
  #countedFrom = Number.NEGATIVE_INFINITY

  constructor(options: AdvertScheduleOptions) {
    this.#options = options
  }

  /** From the beginning, also where interfaces were added to those that are used. */
  start(): void {
    const { clock, send, onStarted } = this.#options
    this.close()
    send('hello')
    this.#second = clock.setTimer(SECOND_ADVERT_MS, () => {
      this.#second = undefined
      send('alive')
      onStarted()
    })
    this.#repeat()
  }

  get isStarting(): boolean {
    return this.#second !== undefined
  }

  /** To somebody new. Of a flood only some are answered; one advert for all the others follows. */
  answer(): void {
    const { clock, send } = this.#options
    const now = clock.now()
    if (now - this.#countedFrom >= 1_000) {
      this.#countedFrom = now
      this.#answersLeft = MAX_PYTHONCONNECT_ADVERT_ANSWERS_PER_SECOND
    }
    if (this.#answersLeft > 0) {
      this.#answersLeft--
      send('alive')
    } else {
      this.#later ??= clock.setTimer(1_000, () => {
        this.#later = undefined
        send('alive')
      })
    }
  }

  close(): void {
    for (const timer of [this.#second, this.#tick, this.#later]) timer?.cancel()
    this.#second = undefined
    this.#later = undefined
  }

  #repeat(): void {
    const { clock, send, onTick } = this.#options
    this.#tick = clock.setTimer(ADVERT_INTERVAL_MS, () => {
      this.#repeat()
      send('alive')
      onTick()
    })
  }
}
