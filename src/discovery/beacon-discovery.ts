/**
 * Finding peers by a beacon of our own (docs/beacon.md): by multicast and broadcast, on a port of its own. It works
 * where multicast DNS does not get through, because port 5353 is taken or filtered, or multicast is.
 */

import { EarshotError } from '../errors.ts'
import type { Timer } from '../platform/clock.ts'
import type { SocketAddress } from '../platform/network.ts'
import { AnswerLimits } from './beacon/answer-limits.ts'
import type { BeaconLink } from './beacon/beacon-link.ts'
import { BeaconLinks } from './beacon/beacon-links.ts'
import { type Ask, type BeaconPacket, type Bye, encodeBeacon, type Here } from './beacon/beacon-packet.ts'
import { type HeardPeer, HeardPeers } from './beacon/heard-peers.ts'
import { Repetition } from './beacon/repetition.ts'
import type { Advert, Discovery, LanDiscoveryOptions } from './discovery.ts'
import { noInterface } from './no-interface.ts'

/** Asked at once, after 1 s and 3 s, and then with pauses twice as long each time up to this one. */
const LONGEST_ASK_PAUSE_MS = 60_000
/** After announcements at once, after 1 s and 3 s. */
const ANNOUNCE_PAUSE_MS = 30_000
const ANNOUNCE_JITTER_MS = 1_000
/** Many answer one question; they must not do so all at once. */
const ANSWER_JITTER_MS = 20
/** An announcement for a crowd waits a little, for the rest of the crowd. */
const CROWD_WAIT_MS = 200
/** Who is asked whether it is still there is asked twice. */
const SECOND_ASK_MS = 1_000
/** Time for the goodbye to leave before its socket closes. */
const GOODBYE_MS = 20

export class BeaconDiscovery implements Discovery {
  readonly #options: LanDiscoveryOptions
  readonly #links: BeaconLinks
  readonly #heard: HeardPeers
  readonly #answers = new AnswerLimits()
  readonly #asking: Repetition
  readonly #announcing: Repetition
  readonly #timers = new Set<Timer>()
  #advert: Advert | undefined
  /** We hear ourselves, too. */
  #ownId: string | undefined
  #isFull = false
  #isClosed = false

  constructor(options: LanDiscoveryOptions) {
    const { platform, chooseInterfaces, handlers } = options
    const { clock, random, network } = platform
    this.#options = options
    this.#links = new BeaconLinks({
      clock,
      network,
      chooseInterfaces,
      onPacket: (packet, from, link) => this.#onPacket(packet, from, link),
      onChanged: closed => this.#onLinksChanged(closed),
      onSlept: () => this.#onSlept(),
      onWarning: error => handlers.onWarning(error),
    })
    this.#heard = new HeardPeers({ clock, handlers, onFull: () => this.#warnOfFullTable() })
    this.#asking = new Repetition(clock, askPauseMs, () => this.#links.sendToAll(this.#question()))
    this.#announcing = new Repetition(
      clock,
      times => announcePauseMs(times, random.fraction()),
      () => this.#announce(),
    )
  }

  async start(): Promise<void> {
    await this.#links.start()
    if (this.#links.count === 0) this.#options.handlers.onWarning(noInterface())
  }

  advertise(advert: Advert | undefined): void {
    if (advert === undefined) {
      this.#withdraw()
      return
    }
    if (this.#advert !== undefined && isSameAdvert(this.#advert, advert)) return
    this.#ownId = advert.id
    this.#advert = advert
    this.#announcing.restart()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#asking.stop()
    for (const timer of this.#timers) timer.cancel()
    this.#heard.close()
    if (this.#advert !== undefined) {
      this.#withdraw()
      await new Promise<void>(resolve => this.#options.platform.clock.setTimer(GOODBYE_MS, resolve))
    }
    await this.#links.close()
  }

  // What is heard -----------------------------------------------------------------------------------------------------

  #onPacket(packet: BeaconPacket, from: SocketAddress, link: BeaconLink): void {
    if (this.#isClosed) return
    if (packet.kind === 'ask') this.#onAsk(packet, from, link)
    else if (packet.id === this.#ownId || !this.#isWanted(packet.service)) return
    else if (packet.kind === 'here') this.#onHere(packet, from, link)
    else this.#onBye(packet, from)
  }

  #isWanted(service: string): boolean {
    return this.#options.service === undefined || this.#options.service === service
  }

  #onAsk({ service }: Ask, from: SocketAddress, link: BeaconLink): void {
    if (this.#advert === undefined || (service !== undefined && service !== this.#advert.service)) return
    const { clock, random } = this.#options.platform
    const verdict = this.#answers.take(from, clock.now())
    if (verdict === 'answer') this.#later(random.fraction() * ANSWER_JITTER_MS, () => this.#answer(from, link))
    if (verdict === 'announce') this.#later((1 + random.fraction()) * CROWD_WAIT_MS, () => this.#announce())
  }

  #onHere(here: Here, from: SocketAddress, link: BeaconLink): void {
    const doubted = this.#heard.onHere(here, from, link)
    if (doubted) this.#later(SECOND_ASK_MS, () => link.send(this.#question(), from))
  }

  /** Anybody can say goodbye in the name of somebody else. */
  #onBye(bye: Bye, from: SocketAddress): void {
    this.#verify(this.#heard.onBye(bye, from))
  }

  // What is said ------------------------------------------------------------------------------------------------------

  #question(): Uint8Array {
    return encodeBeacon({ kind: 'ask', service: this.#options.service })
  }

  #announce(): void {
    if (this.#advert !== undefined) this.#links.sendToAll(encodeBeacon({ kind: 'here', ...this.#advert }))
  }

  #answer(to: SocketAddress, link: BeaconLink): void {
    if (this.#advert !== undefined) link.send(encodeBeacon({ kind: 'here', ...this.#advert }), to)
  }

  #withdraw(): void {
    if (this.#advert === undefined) return
    const { service, id, port } = this.#advert
    this.#advert = undefined
    this.#announcing.stop()
    this.#links.sendToAll(encodeBeacon({ kind: 'bye', service, id, port }))
  }

  /** Asks them alone whether they are still there. */
  #verify(suspects: readonly HeardPeer[]): void {
    const doubted = this.#heard.doubt(suspects)
    const ask = () => {
      for (const { link, from } of doubted) link.send(this.#question(), from)
    }
    if (doubted.length === 0) return
    ask()
    this.#later(SECOND_ASK_MS, ask)
  }

  // What changes around us --------------------------------------------------------------------------------------------

  #onLinksChanged(closed: readonly BeaconLink[]): void {
    this.#heard.doubt([...this.#heard.entries()].filter(({ link }) => closed.includes(link)))
    this.#askAndSayAgain()
  }

  #onSlept(): void {
    this.#heard.doubt(this.#heard.entries())
    this.#askAndSayAgain()
  }

  #askAndSayAgain(): void {
    this.#asking.restart()
    if (this.#advert !== undefined) this.#announcing.restart()
  }

  #warnOfFullTable(): void {
    if (this.#isFull) return
    this.#isFull = true
    this.#options.handlers.onWarning(
      new EarshotError('limit-reached', 'too many peers announce themselves by beacon: new ones are ignored', {
        hint: 'A program on this network announces thousands of peers; docs/limits.md has the limits.',
      }),
    )
  }

  #later(delayMs: number, fn: () => void): void {
    const timer = this.#options.platform.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer)
      fn()
    })
    this.#timers.add(timer)
  }
}

function askPauseMs(timesDone: number): number {
  return Math.min(1_000 * 2 ** (timesDone - 1), LONGEST_ASK_PAUSE_MS)
}

function announcePauseMs(timesDone: number, fraction: number): number {
  if (timesDone <= 2) return timesDone * 1_000
  return ANNOUNCE_PAUSE_MS + (2 * fraction - 1) * ANNOUNCE_JITTER_MS
}

function isSameAdvert(a: Advert, b: Advert): boolean {
  return a.service === b.service && a.id === b.id && a.name === b.name && a.info === b.info && a.port === b.port
}
